"""A simulated telephone: the caller and the platform's media server, for one call over any platform's codec.

It does no I/O and reads no clock. Open it when the media socket is open, hand it every message, wake it at
``deadline``, and carry out what it returns; a scene does that on virtual time (``scene.play``) and a shell on a real
socket (``call.place``). Times are seconds of one monotonic clock.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal

from trunkline.audio.format import MULAW_8K, AudioFormat
from trunkline.errors import RemoteError
from trunkline.testing.caller import Caller
from trunkline.testing.earpiece import Earpiece
from trunkline.testing.facts import (
    AgentStarted,
    AgentStopped,
    CallEnded,
    CallerStarted,
    CallerStopped,
    Cleared,
    Complaint,
    Fact,
    KeySent,
    MarkFlushed,
    MarkPlayed,
    RanDry,
    SocketBack,
    SocketLost,
)
from trunkline.testing.gate import Gate
from trunkline.testing.outcome import Outcome
from trunkline.testing.script import Action
from trunkline.wire import events
from trunkline.wire.base import CloseSocket, Output, PhoneCodec, ResumingPhone

PAUSE_MS: Final = 2000
"""A dry gap as long as this is a pause of the agent's own, not an under-run."""
TURN_MS: Final = 300
"""A caller who finished this long before the buffer ran dry may already be getting the next answer."""


def never(frame: int) -> bool:
    """No frame is lost."""
    return False


class Phone:
    """One call. ``drops`` is asked for each frame's number whether that frame of caller audio is lost on the way to
    the platform, before any socket: a network of sockets loses no single messages.

    ``resumes_after_s``: a media socket that is lost is replaced after so long, if the platform does such a thing. Open
    one at ``reopen_at``, and say what ``reopened`` returns. What the caller says meanwhile is lost.
    """

    def __init__(
        self,
        codec: PhoneCodec,
        script: Iterable[Action],
        *,
        wire: AudioFormat = MULAW_8K,
        frame_ms: int = 20,
        drops: Callable[[int], bool] = never,
        resumes_after_s: float | None = None,
    ) -> None:
        self.codec = codec
        self.wire = wire
        self.log: list[Fact] = []
        self.ended: CallEnded | None = None
        self.reopen_at: float | None = None
        """When to open another media socket; None: not now."""
        self._drops = drops
        self._resumes_after_s = resumes_after_s
        self._frame = wire.rate * frame_ms // 1000
        self._started = 0.0
        self._frames = self._frames_lost = 0
        self._said = bytearray()
        self._keyed_at = -wire.rate * PAUSE_MS  # the sample at which the latest key was pressed
        self._mouth = Gate(wire)
        self._hearing = Gate(wire)
        self._ear = Earpiece(wire)
        self._caller = Caller(script, wire, ear=self._hearing, log=self.log)

    # --- what the shell calls ----------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When to call ``tick`` next: the end of the frame being spoken, or a mark. None once the call has ended."""
        if self.ended:
            return None
        due = (self._frames + 1) * self._frame
        if self._ear.next_mark is not None:
            due = min(due, self._ear.next_mark)
        return self._started + due / self.wire.rate

    def opened(self, now: float) -> list[Output]:
        """The media socket is open: the stream, and all counting of time, starts here."""
        self._started = now
        return [*self.codec.opened()]

    def receive(self, data: bytes, binary: bool, now: float) -> list[Output]:
        """One message of the gateway."""
        if self.ended:
            return []
        outputs = self._hear(now)
        try:
            commands = self.codec.receive(data, binary=binary, now=now)
        except RemoteError as error:
            self.complain(error)
            commands = ()
        outputs += self._replies()
        for command in commands:
            outputs += self._obey(command)
        return outputs

    def tick(self, now: float) -> list[Output]:
        """Time has passed: the frames that are due, and the marks reached. A late call sends all that was missed."""
        if self.ended:
            return []
        outputs = self._hear(now)
        while not self.ended and self._frames * self._frame + self._frame <= self._ear.position:
            outputs += self._speak()
        return outputs

    def hang_up(self, now: float, by: Literal["caller", "time limit"] = "caller") -> list[Output]:
        """End the call from this side, whatever the script says."""
        return [] if self.ended else [*self._hear(now), *self._end(by, "hung up")]

    def closed(self, code: int, reason: str, now: float) -> None:
        """The gateway closed the media socket; a code other than 1000 is a failed call."""
        if not self.ended:
            self._hear(now)
            self._over("gateway" if code == 1000 else "network", f"closed with {code} {reason}".rstrip())

    def lost(self, reason: str, now: float) -> None:
        """The media socket is gone without a goodbye, or another could not be had."""
        if self.ended:
            return
        self._hear(now)
        if self._resumes_after_s is None or self.reopen_at is not None or not isinstance(self.codec, ResumingPhone):
            self.reopen_at = None
            self._over("network", reason)
            return
        self.reopen_at = now + self._resumes_after_s
        dropped, _ = self._ear.clear()  # what a platform does with the rest nobody has told: here it is not played
        self.log.append(SocketLost(self._ms(), dropped))

    def reopened(self, now: float) -> list[Output]:
        """Another media socket is open in the place of the lost one."""
        self._hear(now)
        self.reopen_at = None
        self.log.append(SocketBack(self._ms()))
        return [*self.codec.reopened()] if isinstance(self.codec, ResumingPhone) else []

    def complain(self, error: RemoteError) -> None:
        """Note something the vendor would log as the gateway's fault. The call goes on, as the vendor's would."""
        self.log.append(Complaint(self._ms(), error.what, error.where))

    def outcome(self) -> Outcome:
        """All that is known of the call. Both tracks are as long as the call to the sample."""
        heard = self._ear.heard()
        said = bytes(self._said)
        length = max(len(said), len(heard)) // self.wire.sample_bytes
        pad = self.wire.silence
        return Outcome(
            wire=self.wire,
            said=said + pad(length - self.wire.samples(len(said))),
            heard=heard + pad(length - self.wire.samples(len(heard))),
            frames_sent=self._frames - self._frames_lost,
            frames_lost=self._frames_lost,
            said_samples=self.wire.samples(len(said)),
            frame_samples=self._frame,
            ear=self._ear.ledger,
            marks_pending=self._ear.pending_marks,
            ended=self.ended,
            log=tuple(self.log),
        )

    # --- the caller's mouth ------------------------------------------------------------------------------------

    def _speak(self) -> list[Output]:
        audio = self._caller.speak(self._frame)
        outputs: list[Output] = []
        for digit in self._caller.keys:
            self._keyed_at = self._frames * self._frame
            self.log.append(KeySent(self._ms()))
            outputs += self._tell(events.DigitPressed(digit))
        self._caller.keys.clear()
        audio += self.wire.silence(self._frame - self.wire.samples(len(audio)))
        for edge in self._mouth.push(audio):
            at_ms = 1000 * edge.sample / self.wire.rate
            self.log.append(CallerStarted(at_ms) if edge.began else CallerStopped(at_ms))
        self._said += audio
        lost = self._drops(self._frames) or self.reopen_at is not None
        outputs += self._tell(events.AudioMissing(self._frame, lost=True) if lost else events.AudioHeard(audio))
        self._frames += 1
        self._frames_lost += lost
        if self._caller.hung_up:
            outputs += self._end("caller", "hung up")
        return outputs

    # --- the caller's ear --------------------------------------------------------------------------------------

    def _hear(self, now: float) -> list[Output]:
        """Play up to ``now``. A thousandth of a sample makes up for what floating point takes away."""
        heard, marks = self._ear.play(int((now - self._started) * self.wire.rate + 1e-3))
        for edge in self._hearing.push(heard):
            at_ms = 1000 * edge.sample / self.wire.rate
            self.log.append(AgentStarted(at_ms) if edge.began else AgentStopped(at_ms))
        return self._echo(marks, flushed=False)

    def _obey(self, command: events.WireCommand) -> Sequence[Output]:
        if self.ended:
            return ()
        match command:
            case events.PlayAudio(audio=audio):
                return self._buffer(audio)
            case events.SendMark(name=name):
                return self._echo(self._ear.mark(name), flushed=False)
            case events.ClearAudio():
                dropped, marks = self._ear.clear()
                self.log.append(Cleared(self._ms(), dropped))
                return self._echo(marks, flushed=True)
            case events.EndUtterance():
                self._ear.end_utterance()
            case events.HangUp(reason=reason):
                return self._end("gateway", reason)
            case events.Transfer():
                return self._end("gateway", "transferred")
            case events.SendDigits():
                pass
        return ()

    def _buffer(self, audio: bytes) -> Sequence[Output]:
        if len(audio) % self.wire.sample_bytes:
            self.complain(RemoteError("audio is not whole samples"))
            return ()
        dry_at = self._ear.dry_since
        gap = self._ear.add(audio)
        if gap and dry_at is not None and self._in_utterance(dry_at, gap):
            self.log.append(RanDry(1000 * dry_at / self.wire.rate, 1000 * gap / self.wire.rate))
        return ()

    def _in_utterance(self, dry_at: int, gap: int) -> bool:
        """Whether the agent fell silent for want of audio, and not because it was the caller's turn.

        No platform tells where an utterance ends, so this is judged as a listener would: by whether the caller said
        something to be answered.
        """
        ms = self.wire.rate / 1000
        turn = dry_at - TURN_MS * ms
        asked = self._keyed_at > turn or (not self._mouth.speaking and self._mouth.loud_until > turn)
        return gap < PAUSE_MS * ms and not asked

    def _echo(self, marks: list[str], *, flushed: bool) -> list[Output]:
        outputs: list[Output] = []
        for name in marks:
            self.log.append(MarkFlushed(self._ms(), name) if flushed else MarkPlayed(self._ms(), name))
            outputs += self._tell(events.MarkReached(name))
        return outputs

    # --- the end, and what all share -----------------------------------------------------------------------------

    def _end(self, by: Literal["caller", "gateway", "time limit"], reason: str) -> list[Output]:
        outputs = self._tell(events.StreamStopped(reason))
        self._over(by, reason)
        if not any(isinstance(output, CloseSocket) for output in outputs):
            outputs.append(CloseSocket())
        return outputs

    def _over(self, by: Literal["caller", "gateway", "network", "time limit"], reason: str) -> None:
        self.ended = CallEnded(self._ms(), by, reason)
        self.log.append(self.ended)

    def _tell(self, event: events.WireEvent) -> list[Output]:
        return [*self.codec.send(event), *self._replies()]

    def _replies(self) -> list[Output]:
        replies = list(self.codec.replies)
        self.codec.replies.clear()
        return replies

    def _ms(self) -> float:
        return 1000 * self._ear.position / self.wire.rate
