"""Silence that a voice puts before its first word, taken away: the caller would wait for nothing.

Measured from a voice's first audio. What sounds, be it ever so soft, is left alone, and so is a beginning so long and
so quiet that it may well be meant.
"""

from typing import Final

from trunkline.audio.format import AudioFormat
from trunkline.audio.level import measure
from trunkline.audio.linear import LINEAR

KEEP_MS: Final = 80
"""Silence that stays: less than a breath, and enough for the softest onset."""

LONGEST_MS: Final = 1000
"""More than this is not trimmed, but passed on whole: it is no voice's habit, and may be speech too quiet to find."""

SOFTEST: Final = 10 ** (-58 / 20)
"""RMS of the softest sound, of full scale: six steps of 16 bits over the hiss of a synthetic voice at -70 dB, and under
a whispered consonant at -45."""

_BLOCK_MS: Final = 10


class LeadingSilence:
    """One reply's audio on its way out. ``push`` what comes, pass on what it returns; ``flush`` at the end."""

    __slots__ = ("_block", "_format", "_held", "_judged", "_open", "trimmed_ms")

    def __init__(self, audio: AudioFormat) -> None:
        self.trimmed_ms = 0.0
        """So much was taken away."""
        self._format = audio
        self._block = audio.bytes_for(_BLOCK_MS)
        self._held = b""
        self._judged = 0  # bytes of it that are surely silent
        self._open = False

    def push(self, audio: bytes) -> bytes:
        """What may be passed on now; nothing as long as nothing sounds."""
        if self._open:
            return audio
        self._held += audio
        block, held = self._block, self._held
        while self._judged + block <= len(held):
            if self._sounds(held[self._judged : self._judged + block]):
                return self._let_go(max(0, self._judged - self._format.bytes_for(KEEP_MS)))
            self._judged += block
        return self._let_go(0) if self._judged >= self._format.bytes_for(LONGEST_MS) else b""

    def flush(self) -> bytes:
        """The audio is over: what was held back, all of it."""
        return b"" if self._open else self._let_go(0)

    def _sounds(self, block: bytes) -> bool:
        return measure(LINEAR[self._format.encoding](block)).rms >= SOFTEST

    def _let_go(self, trimmed: int) -> bytes:
        self._open = True
        self.trimmed_ms = self._format.ms(trimmed)
        rest, self._held = self._held[trimmed:], b""
        return rest
