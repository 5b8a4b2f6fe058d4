"""The audio of a caller's turn, for a recogniser that is told when turns begin and end."""

from typing import Final

from trunkline.ai.backlog import Backlog
from trunkline.audio.format import AudioFormat

LONGEST_S: Final = 60.0
"""Of one turn: what is longer loses its beginning."""

MARGIN_MS: Final = 300.0
"""Before the turn: a detector finds soft beginnings late, and recognisers need to hear speech begin."""

TAIL_MS: Final = 200.0
"""After it: room for a soft ending."""

_LOOK_BACK_MS: Final = 2000.0
"""Kept while nobody speaks: a detector may say where a turn began only when it is sure that it has."""


class TurnAudio:
    """One call's. Push all of the audio; ``at_ms`` counts from the first of it."""

    __slots__ = ("_backlog", "_format", "_from_ms")

    def __init__(self, audio: AudioFormat) -> None:
        self._format = audio
        self._backlog = Backlog(audio, LONGEST_S)
        self._from_ms: float | None = None

    @property
    def speaking(self) -> bool:
        """A turn has begun and not ended."""
        return self._from_ms is not None

    @property
    def heard_ms(self) -> float:
        """How much was pushed."""
        return self._backlog.end_ms

    def push(self, audio: bytes) -> None:
        """Some more of the stream. What was missed may come in one piece, and be told of after it: a piece is kept
        whole until the next."""
        if self._from_ms is None:
            self._backlog.done(self._backlog.end_ms - _LOOK_BACK_MS)
        self._backlog.push(audio)

    def started(self, at_ms: float) -> bytes:
        """A turn began there: its audio so far, from a little before it."""
        self._from_ms = max(0.0, at_ms - MARGIN_MS)
        return self._between(self._from_ms, self._backlog.end_ms)

    def ended(self, at_ms: float) -> bytes:
        """It ended there: its audio, with a little before and after. Empty where none began."""
        if self._from_ms is None:
            return b""
        turn = self._between(self._from_ms, at_ms + TAIL_MS)
        self._from_ms = None
        self._backlog.done(at_ms)
        return turn

    def _between(self, from_ms: float, until_ms: float) -> bytes:
        kept, start_ms = self._backlog.rest(), self._backlog.start_ms
        begin, end = (self._format.bytes_for(max(0.0, ms - start_ms)) for ms in (from_ms, until_ms))
        return kept[begin:end]
