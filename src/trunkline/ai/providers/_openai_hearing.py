"""The caller's side of a realtime session: audio kept until it has become words, and turns, in the call's own time.

The vendor counts each connection's audio from its own beginning, and hears some of it twice when a connection was
lost; the call counts from its first audio, and wants to be told of each edge of speech once.
"""

from typing import Final

import msgspec

from trunkline.ai.backlog import Backlog
from trunkline.ai.events import AgentEvent, SpeechStarted, SpeechStopped
from trunkline.audio import g711
from trunkline.audio.format import AudioFormat, Encoding
from trunkline.audio.level import measure

KEEP_S: Final = 30.0
"""Of audio without words: what a new connection hears again, at most."""

_BEFORE_MS: Final = 1500.0
"""Of audio kept while nobody is known to speak: the vendor takes a moment to notice."""

_AGAIN_MS: Final = 400.0
"""Edges of the same speech, found twice, lie no further apart."""

_QUIET: Final = 10 ** (-30 / 20)
"""What is so much softer than the loudest of a speech is no part of it. On a noisier line nothing is quiet."""

_LINEAR: Final = {Encoding.MULAW: g711.decode_mulaw, Encoding.ALAW: g711.decode_alaw, Encoding.PCM16: bytes}


class Turn(msgspec.Struct):
    """One turn of the caller's, in milliseconds of the call."""

    begin_ms: float
    end_ms: float
    again: bool = False  # it was heard before, on an earlier connection
    answered: bool = False  # and answered
    ended: bool = False
    text: str = ""  # so far


class Hearing:
    """One call's. ``padding_ms`` is how far the vendor's edges lie outside the speech: before it, and after it."""

    def __init__(self, audio: AudioFormat, padding_ms: tuple[float, float]) -> None:
        self.speaking = False
        """The call was told that the caller speaks, and not yet that they stopped."""
        self.turns: dict[str, Turn] = {}
        """By the vendor's item: those without final words."""
        self.quiet_ms = 0.0
        """How long it has been quiet while the caller is said to speak."""
        self._format = audio
        self._linear = _LINEAR[audio.encoding]
        self._padding_ms = padding_ms
        self._backlog = Backlog(audio, KEEP_S)
        self._held = False
        self._base_ms = 0.0  # where in the call this connection's audio begins
        self._told_ms = -_AGAIN_MS  # the latest edge the call knows of
        self._answered_ms = -_AGAIN_MS  # all speech before this has been replied to
        self._loudest = 0.0  # RMS of this speech's loudest frame

    def hear(self, audio: bytes) -> None:
        """Some more of the caller."""
        self._backlog.push(audio)
        if self.speaking:
            rms = measure(self._linear(audio)).rms
            self._loudest = max(self._loudest, rms)
            self.quiet_ms = self.quiet_ms + self._format.ms(len(audio)) if rms < _QUIET * self._loudest else 0.0
        elif not (self.turns or self._held) and self._backlog.end_ms - self._backlog.start_ms > 2 * _BEFORE_MS:
            self._backlog.done(self._backlog.end_ms - _BEFORE_MS)

    @property
    def heard_ms(self) -> float:
        """How much of the call was heard so far."""
        return self._backlog.end_ms

    def hold(self) -> None:
        """All that is heard before the first connection stands is for it to hear."""
        self._held = True

    def restart(self) -> bytes:
        """A new connection: what it is to hear first."""
        if not (self.speaking or self.turns or self._held):
            self._backlog.done(max(self._told_ms, self._backlog.end_ms - _BEFORE_MS))
        self._held = False
        self.turns.clear()
        self._base_ms = self._backlog.start_ms
        return self._backlog.rest()

    def started(self, item: str, at_ms: float) -> AgentEvent | None:
        """The vendor says that the caller speaks: what the call is to know."""
        at_ms = self._base_ms + at_ms + self._padding_ms[0]
        again = not self.speaking and at_ms < self._told_ms - 1
        self.turns[item] = Turn(at_ms, at_ms, again)
        if self.speaking or again:
            return None
        return self._begin(at_ms)

    def stopped(self, item: str, at_ms: float) -> list[AgentEvent]:
        """The vendor says that they fell silent."""
        at_ms = self._base_ms + at_ms - self._padding_ms[1]
        turn = self.turns.setdefault(item, Turn(at_ms, at_ms))
        turn.end_ms, turn.ended = max(at_ms, turn.begin_ms), True
        events: list[AgentEvent] = []
        if turn.again and at_ms > self._told_ms + _AGAIN_MS:  # they went on while nobody listened
            turn.again = False
            events.append(self._begin(self._told_ms))
        turn.answered = turn.end_ms <= self._answered_ms + _AGAIN_MS
        if self.speaking:
            events.append(self._end(turn.end_ms))
        return events

    def give_up(self) -> list[AgentEvent]:
        """The new connection found nothing in what it heard again."""
        return [self._end(self._backlog.end_ms)] if self.speaking else []

    def words(self, item: str) -> Turn | None:
        """The turn has its final words, or will have none."""
        turn = self.turns.pop(item, None)
        if turn is not None:
            others = [other.begin_ms - self._padding_ms[0] for other in self.turns.values()]
            self._backlog.done(min([turn.end_ms, *others]))
        return turn

    def replied(self) -> None:
        """All turns that are over are being replied to."""
        self._answered_ms = max([self._answered_ms, *(turn.end_ms for turn in self.turns.values() if turn.ended)])

    def _begin(self, at_ms: float) -> AgentEvent:
        self.speaking, self.quiet_ms, self._loudest = True, 0.0, 0.0
        self._told_ms = at_ms
        return SpeechStarted(at_ms)

    def _end(self, at_ms: float) -> AgentEvent:
        self.speaking = False
        self._told_ms = max(self._told_ms, at_ms)
        return SpeechStopped(self._told_ms)
