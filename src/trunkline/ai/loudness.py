"""Where in the caller's audio it was loud: a place for a turn whose recogniser tells that it is, but not where.

By level alone, so as good as the line is quiet: where noise is louder than the threshold, a turn seems to begin when
the recogniser says so, and to end when it says that.
"""

from collections import deque
from typing import Final

from trunkline.audio.format import AudioFormat
from trunkline.audio.level import measure
from trunkline.audio.linear import LINEAR

LOUD: Final = 10 ** (-42 / 20)
"""RMS from which audio may be speech, of full scale: under the softest voice on a telephone."""

GAP_MS: Final = 400
"""Quiet for longer, a voice has begun anew. Between the words of a sentence it is shorter."""

_BLOCK_MS: Final = 20
_REMEMBERED: Final = 16
"""Voices: those of the last seconds, even of somebody who says one word at a time."""


class Loudness:
    """Push all of the audio. Positions are milliseconds from the first of it."""

    __slots__ = ("_began", "_block", "_linear", "_position", "_step_ms", "until_ms")

    def __init__(self, audio: AudioFormat) -> None:
        self.until_ms = 0.0
        """Where the latest voice was heard last; 0 before the first."""
        self._began: deque[float] = deque(maxlen=_REMEMBERED)
        self._linear = LINEAR[audio.encoding]
        self._block = 2 * audio.rate * _BLOCK_MS // 1000
        self._position = 0.0
        self._step_ms = 1000 / (2 * audio.rate)

    @property
    def began_ms(self) -> float:
        """Where the latest voice began; 0 before the first."""
        return self._began[-1] if self._began else 0.0

    def began_since(self, at_ms: float) -> float:
        """Where the first voice of those that began there or later did; the latest one, if none did."""
        return next((began for began in self._began if began >= at_ms), self.began_ms)

    def push(self, audio: bytes) -> None:
        """Whole samples; best in pieces of whole blocks, for each piece is measured by itself."""
        pcm = self._linear(audio)
        for at in range(0, len(pcm), self._block):
            block = pcm[at : at + self._block]
            if measure(block).rms >= LOUD:
                if self._position - self.until_ms > GAP_MS or not self.until_ms:
                    self._began.append(self._position)
                self.until_ms = self._position + len(block) * self._step_ms
            self._position += len(block) * self._step_ms
