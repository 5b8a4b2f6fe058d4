"""The sounds a telephone makes by itself: keys, ring-back, the quiet of an open line.

Keys and comfort noise have files of their own (``dtmf``, ``noise``); their names are here too.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from trunkline.audio.dtmf import DtmfDetector, KeyHeard, dtmf
from trunkline.audio.noise import ComfortNoise, noise_level
from trunkline.errors import AudioError

__all__ = [
    "RING_BACK",
    "Cadence",
    "CadencedTone",
    "ComfortNoise",
    "DtmfDetector",
    "KeyHeard",
    "dtmf",
    "noise_level",
]

_EDGE_MS: Final = 5.0  # tones begin and end this softly, or they click
_FULL_SCALE_DBM0: Final = 3.17  # a full-scale sine in mu-law (G.711)


class Cadence(msgspec.Struct, frozen=True):
    """A tone that comes and goes: ``hz`` sound together, for the first, third … of ``on_off_ms``, then all again."""

    hz: tuple[float, ...]
    on_off_ms: tuple[int, ...]
    level_dbm0: float = -19.0  # of each

    def __post_init__(self) -> None:
        if not self.hz or not self.on_off_ms or len(self.on_off_ms) % 2 or min(self.on_off_ms) < 0:
            raise AudioError("a cadence has at least one tone, and pairs of on and off in milliseconds")
        if sum(self.on_off_ms) <= 0:
            raise AudioError("a cadence lasts longer than nothing")


RING_BACK: Final = {
    "us": Cadence((440, 480), (2000, 4000)),
    "uk": Cadence((400, 450), (400, 200, 400, 2000)),
    "fr": Cadence((440,), (1500, 3500), -13.0),
    "de": Cadence((425,), (1000, 4000), -13.0),
}
"""What a caller hears while it rings, by country (ITU-T E.180 supplement 2). "de" is what most of Europe has."""


class CadencedTone:
    """An endless stream of a cadence: ``next`` gives as much of it as is asked for, from where it was."""

    def __init__(self, cadence: Cadence, rate: int = 8000) -> None:
        if max(cadence.hz) * 2 >= rate:
            raise AudioError(f"a tone of {max(cadence.hz)} Hz does not fit a rate of {rate} Hz")
        self._hz = np.array(cadence.hz, dtype=float)
        self._amplitude = 32767 * 10 ** ((cadence.level_dbm0 - _FULL_SCALE_DBM0) / 20)
        self._rate = rate
        edges = np.cumsum((0, *cadence.on_off_ms)) * rate / 1000
        self._sounding = list(zip(edges[:-1:2], edges[1::2], strict=True))
        self._period = float(edges[-1])
        self._at = 0

    def next(self, samples: int) -> bytes:
        """The next ``samples`` samples as PCM16."""
        n = self._at + np.arange(max(0, samples))
        self._at += max(0, samples)
        wave = np.sin(2 * np.pi * np.outer(self._hz, n) / self._rate).sum(axis=0)
        position = n % self._period
        edge = _EDGE_MS * self._rate / 1000
        loudness = np.zeros(len(n))
        for begin, end in self._sounding:
            loudness = np.maximum(loudness, np.minimum(position - begin, end - position) / edge)
        pcm16 = np.rint(self._amplitude * wave * np.clip(loudness, 0, 1))
        return _to_bytes(pcm16)


def _to_bytes(samples: NDArray[np.float64]) -> bytes:
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()
