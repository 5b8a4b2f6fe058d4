"""What a call is told of one reply that Cartesia speaks: each word just before its sound, as early as is safe.

Whole words go out when their times are known. Times may come after their audio, and now and then not at all; so what
is kept back goes out too when the caller would otherwise have to wait for it. A voice is several times faster than
speech: from its second quarter of a second on nobody waits.
"""

import asyncio
from typing import Final

from structlog.typing import FilteringBoundLogger

from trunkline.ai.base import Emit
from trunkline.ai.events import ReplyAudio, ReplyEnded, ReplyText, Stage, StageReached
from trunkline.ai.timed_words import TimedWords
from trunkline.ai.trim import LeadingSilence
from trunkline.audio.format import AudioFormat

SPARE_S: Final = 0.12
"""Of audio that the call should have in hand at least: a few frames, and the lag of a busy loop."""


class Mouth:
    """One reply's. ``words`` is its present making: feed it, and ``pass_on`` what that completes."""

    def __init__(self, generation: int, speaks: AudioFormat, emit: Emit, log: FilteringBoundLogger) -> None:
        self.words = TimedWords(speaks)
        self.trimmed_ms = 0.0
        """Leading silence taken off."""
        self._generation = generation
        self._speaks = speaks
        self._emit = emit
        self._log = log
        self._trim = LeadingSilence(speaks)
        self._loop = asyncio.get_running_loop()
        self._sounded = False
        self._played_at = 0.0  # when all that was passed on will have been heard, at the earliest
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        emit(StageReached(Stage.SYNTHESIS_STARTED, generation))

    def audio(self, data: bytes) -> None:
        """Some more came."""
        if not self._sounded:
            self._sounded = True
            self._emit(StageReached(Stage.SYNTHESIS_FIRST_BYTE, self._generation))
        self.words.audio(data)
        self.pass_on()

    def pass_on(self) -> None:
        """Tell the call what it can be told by now."""
        self._tell(self.words.take())
        if not self.words.holds:
            return
        spare_s = self._played_at - self._loop.time()
        if spare_s <= SPARE_S:
            self._tell(self.words.take(everything=True))
        elif self._timer is None and not self._stopped:
            self._timer = self._loop.call_later(spare_s - SPARE_S, self._due)

    def made(self) -> None:
        """The present making is over: what comes next is another one's."""
        self._tell(self.words.finish())
        self.words = TimedWords(self._speaks)

    def again(self) -> str:
        """The present making broke off. Gives what is left to be said by another, which has no text yet."""
        rest, told = self.words.rest
        self.words = TimedWords(self._speaks, told=told)
        return rest

    def end(self) -> None:
        """The reply was spoken."""
        self._sound(self._trim.flush())
        if not self._stopped:
            self.stop()
            self._emit(ReplyEnded(self._generation))

    def stop(self) -> None:
        """Nothing more is told of it."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        self._timer = None
        self.pass_on()

    def _tell(self, given: list[str | bytes]) -> None:
        for piece in given:
            if self._stopped:  # by what it was told
                return
            if isinstance(piece, str):
                self._emit(ReplyText(piece, self._generation))
            else:
                self._sound(self._trim.push(piece))
        if self._trim.trimmed_ms != self.trimmed_ms:
            self.trimmed_ms = self._trim.trimmed_ms
            self._log.info("leading silence trimmed", ms=round(self.trimmed_ms), generation=self._generation)

    def _sound(self, audio: bytes) -> None:
        if audio and not self._stopped:
            now = self._loop.time()
            self._played_at = max(self._played_at, now) + self._speaks.ms(len(audio)) / 1000
            self._emit(ReplyAudio(audio, self._generation))
