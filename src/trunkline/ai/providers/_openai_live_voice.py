"""The voice of a Live model, as replies with words: what the call is told of its endless stream."""

from collections.abc import Callable
from typing import Final

from trunkline.ai.base import Emit
from trunkline.ai.events import ReplyAudio, ReplyEnded, ReplyStarted, ReplyText, Stage, StageReached
from trunkline.ai.providers._openai_history import History
from trunkline.ai.providers._openai_live_gate import HANG_MS, Gate
from trunkline.audio.convert import Converter
from trunkline.audio.format import AudioFormat

CONTINUOUS_MS: Final = 2000
"""Of silence in the stream, before it is believed to be continuous."""
LATE_WORDS_S: Final = 1.0
"""Words that no voice has come for by then are told all the same."""


class LiveVoice:
    """One call's. ``began`` and ``ended`` are called at a reply's edges."""

    def __init__(
        self,
        stream: AudioFormat,
        speaks: AudioFormat,
        history: History,
        emit: Emit,
        *,
        began: Callable[[], object],
        ended: Callable[[], object],
    ) -> None:
        self.said: dict[int, str] = {}
        """Words of replies neither heard nor interrupted yet."""
        self._format = stream
        self._convert = None if stream == speaks else Converter(stream, speaks)
        self._history = history
        self._emit = emit
        self._began = began
        self._ended = ended
        self._gate = Gate(stream)
        self._generation = 0
        self._pending = ""  # words whose voice has not come
        self._pending_at = 0.0
        self._audio_at = 0.0
        self._silence_ms = 0.0
        self._seam = False  # the next words go on after a break

    @property
    def speaking(self) -> bool:
        """A reply is going on."""
        return self._gate.voice

    @property
    def is_continuous(self) -> bool:
        """The stream has shown that it brings silence too: it never stops."""
        return self._silence_ms >= CONTINUOUS_MS

    def push(self, audio: bytes, now: float) -> None:
        """Some more of the stream."""
        self._audio_at = now
        self._play(self._gate.push(audio))
        if not self._gate.voice:
            self._silence_ms += self._format.ms(len(audio))

    def words(self, text: str, now: float) -> None:
        """Words, some time before or after their voice."""
        if self._gate.voice:
            self._announce(text)
        elif not self._gate.muted:
            if not self._pending:
                self._pending_at = now
            self._pending += text

    def tick(self, now: float) -> None:
        """Time has passed: what has not come."""
        if self._gate.voice and now - self._audio_at > HANG_MS / 1000 and not self.is_continuous:
            self._play(self._gate.end())
        if self._pending and not self._gate.voice and now - self._pending_at > LATE_WORDS_S:
            self._begin()  # so that the record has them
            self._sound(self._format.silence(self._format.rate // 50))
            self._end()

    def broken(self) -> str:
        """The words so far of a reply that the loss of a connection cut, and that is to go on; or none."""
        words = self.said.get(self._generation, "").strip() if self._gate.voice else ""
        self._seam = bool(words)
        return words

    def settled(self, generation: int, heard_text: str, *, cut: bool) -> bool:
        """It was heard so far. False: that was known."""
        if generation not in self.said:
            return False
        del self.said[generation]
        self._history.settled(generation, heard_text)
        if cut and generation == self._generation and self._gate.voice:
            self._gate.mute()
        return True

    # --- inside -------------------------------------------------------------------------------------------------------

    def _play(self, story: list[bytes | bool]) -> None:
        for part in story:
            if part is True:
                self._begin()
            elif part is False:
                self._end()
            else:
                self._sound(part)

    def _begin(self) -> None:
        self._began()
        self._seam = False
        self._generation += 1
        self.said[self._generation] = ""
        self._history.reply(self._generation)
        self._emit(ReplyStarted(self._generation))
        self._emit(StageReached(Stage.SYNTHESIS_FIRST_BYTE, self._generation))
        pending, self._pending = self._pending, ""
        if pending:
            self._announce(pending)

    def _sound(self, audio: bytes) -> None:
        self._emit(ReplyAudio(audio if self._convert is None else self._convert.process(audio), self._generation))

    def _end(self) -> None:
        if self._convert is not None:
            self._convert.reset()
        self._emit(ReplyEnded(self._generation))
        self._ended()

    def _announce(self, text: str) -> None:
        if self._seam and not text[:1].isspace():
            text = f" {text}"
        self._seam = False
        if self._generation in self.said:
            self.said[self._generation] += text
        self._emit(ReplyText(text, self._generation))
