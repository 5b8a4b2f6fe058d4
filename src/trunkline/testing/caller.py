"""The human at the telephone: carries out a script, one frame of microphone audio after the other."""

from collections import deque
from collections.abc import Callable, Iterable

from trunkline.audio.format import AudioFormat
from trunkline.testing.facts import Fact, ReplyMissing
from trunkline.testing.gate import Gate
from trunkline.testing.script import (
    Action,
    HangUp,
    InterruptReply,
    PressKey,
    Say,
    Wait,
    WaitForQuiet,
    WaitForReply,
)


class Caller:
    """Speaks by the script and listens to the agent through ``ear``, which the telephone feeds.

    Ask for the microphone's audio with ``speak``; then send the keys in ``keys``, empty it, and look whether the
    caller has hung up.
    """

    def __init__(self, script: Iterable[Action], wire: AudioFormat, *, ear: Gate, log: list[Fact]) -> None:
        self.wire = wire
        self.hung_up = False
        self.keys: list[str] = []
        self._script = deque(script)
        self._ear = ear
        self._log = log
        self._position = 0  # samples spoken, silence included
        self._spoke_at = 0  # where the latest utterance or key began
        self._speech = memoryview(b"")
        self._quiet = 0  # samples of silence still to send
        self._until: Callable[[], bool] | None = None  # what is waited for
        self._give_up_at = 0

    def speak(self, samples: int) -> bytes:
        """The next ``samples`` samples from the microphone; shorter when the caller hangs up in them."""
        audio = bytearray()
        start = self._position
        while (room := samples - (self._position - start)) and not self.hung_up:
            if self._speech:
                piece = self._speech[: room * self.wire.sample_bytes]
                self._speech = self._speech[len(piece) :]
            elif self._quiet:
                piece = memoryview(self.wire.silence(min(room, self._quiet)))
                self._quiet -= self.wire.samples(len(piece))
            elif self._waits():
                piece = memoryview(self.wire.silence(room))
            else:
                self._next()
                continue
            audio += piece
            self._position += self.wire.samples(len(piece))
        if self._script and isinstance(self._script[0], HangUp) and not (self._speech or self._quiet or self._until):
            self.hung_up = True  # with the last word, not a frame later
        return bytes(audio)

    def _next(self) -> None:
        match self._script.popleft():
            case Say(audio=audio):
                self._spoke_at = self._position
                self._speech = memoryview(audio)
            case Wait(ms=ms):
                self._quiet = self._samples(ms)
            case WaitForReply(quiet_ms=quiet_ms, timeout_ms=timeout_ms):
                self._wait(self._when_answered(quiet_ms), timeout_ms)
            case WaitForQuiet(quiet_ms=quiet_ms, timeout_ms=timeout_ms):
                self._wait(self._when_quiet(quiet_ms), timeout_ms)
            case InterruptReply(after_ms=after_ms, audio=audio, timeout_ms=timeout_ms):
                self._script.appendleft(Say(audio))
                self._wait(self._when_speaking(after_ms), timeout_ms)
            case PressKey(digit=digit):
                self._spoke_at = self._position
                self.keys.append(digit)
            case HangUp():
                self.hung_up = True

    def _waits(self) -> bool:
        """True while there is nothing to do but to stay silent."""
        if self._until is None:
            return not self._script
        if self._until():
            self._until = None
        elif self._position >= self._give_up_at:
            self._until = None
            self._log.append(ReplyMissing(1000 * self._position / self.wire.rate))
        return self._until is not None

    def _wait(self, until: Callable[[], bool], timeout_ms: float) -> None:
        self._until = until
        self._give_up_at = self._position + self._samples(timeout_ms)

    def _when_quiet(self, quiet_ms: float) -> Callable[[], bool]:
        start, quiet, ear = self._position, self._samples(quiet_ms), self._ear
        return lambda: ear.position - max(start, ear.loud_until) >= quiet

    def _when_answered(self, quiet_ms: float) -> Callable[[], bool]:
        spoke_at, ear, quiet = self._spoke_at, self._ear, self._when_quiet(quiet_ms)
        return lambda: ear.began_at >= spoke_at and quiet()

    def _when_speaking(self, after_ms: float) -> Callable[[], bool]:
        after, ear = self._samples(after_ms), self._ear
        return lambda: ear.speaking and ear.position - ear.began_at >= after

    def _samples(self, ms: float) -> int:
        return round(ms * self.wire.rate / 1000)
