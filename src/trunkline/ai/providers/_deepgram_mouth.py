"""What every way of making Deepgram speak has in common: pieces of a reply, one after the other, told to the call.

A piece whose making broke off is made again from its beginning, and what the call got of it already is left out: so
nothing is said twice, and the seam lies where it broke.
"""

from typing import Final

from structlog.typing import FilteringBoundLogger

from trunkline.ai.base import Emit
from trunkline.ai.events import ReplyAudio, ReplyEnded, ReplyText, Stage, StageReached
from trunkline.ai.trim import LeadingSilence
from trunkline.audio.format import AudioFormat

LONGEST_CHARS: Final = 1500
"""Of one piece: the vendor takes 2000 at a time."""


class Mouth:
    """One call's voice. ``begin`` a piece, pass on its ``audio``; ``end`` a generation after its last piece."""

    def __init__(self, speaks: AudioFormat, emit: Emit, log: FilteringBoundLogger) -> None:
        self.trimmed_ms = 0.0
        """Leading silence taken off the latest reply."""
        self._speaks = speaks
        self._emit = emit
        self._log = log
        self._generation = 0
        self._trim = LeadingSilence(speaks)
        self._sounded = False  # the generation has
        self._text = ""
        self._announced = False  # the piece was
        self._given = 0  # bytes of the piece that were passed on
        self._at = 0  # bytes of its present making that have come
        self._half = b""  # of a sample

    def begin(self, text: str, generation: int) -> None:
        """The next piece is asked for."""
        if generation != self._generation:
            self._generation = generation
            self._trim = LeadingSilence(self._speaks)
            self.trimmed_ms = 0.0
            self._sounded = False
            self._emit(StageReached(Stage.SYNTHESIS_STARTED, generation))
        self._text, self._announced = text, False
        self._given = 0
        self.again()

    def again(self) -> None:
        """It is asked for once more, from its beginning."""
        self._at = 0
        self._half = b""

    def audio(self, data: bytes) -> None:
        """Some of the piece's audio, cut anywhere."""
        data = self._half + data
        whole = len(data) - len(data) % self._speaks.sample_bytes
        self._half = data[whole:]
        known = max(0, self._given - self._at)
        self._at += whole
        if news := data[known:whole]:
            self._given = self._at
            self._pass_on(news)

    def end(self, generation: int) -> None:
        """There are no more pieces."""
        if generation == self._generation and self._sounded:
            self._sound(self._trim.flush())
        self._emit(ReplyEnded(generation))

    def _pass_on(self, audio: bytes) -> None:
        if not self._sounded:
            self._sounded = True
            self._emit(StageReached(Stage.SYNTHESIS_FIRST_BYTE, self._generation))
        if not self._announced:
            self._announced = True
            self._emit(ReplyText(self._text, self._generation))
        self._sound(self._trim.push(audio))
        if self._trim.trimmed_ms != self.trimmed_ms:
            self.trimmed_ms = self._trim.trimmed_ms
            self._log.info("leading silence trimmed", ms=round(self.trimmed_ms), generation=self._generation)

    def _sound(self, audio: bytes) -> None:
        if audio:
            self._emit(ReplyAudio(audio, self._generation))
