"""How loud a piece of audio is, in one pass: peak, RMS, clipping, DC."""

import math
from typing import Final

import msgspec

from trunkline.audio import _kernels
from trunkline.errors import AudioError

FULL_SCALE: Final = 32768
MULAW_CEILING: Final = 32124
"""The loudest sample mu-law can say: audio that came by mu-law clips here."""
ALAW_CEILING: Final = 32256


def dbfs(fraction: float) -> float:
    """A fraction of full scale in decibels; silence is minus infinity."""
    return 20 * math.log10(fraction) if fraction > 0 else -math.inf


class Level(msgspec.Struct, frozen=True, gc=False):
    """What was measured. Fractions are of full scale, 32768; a full-scale square wave has an RMS of 1."""

    peak: float
    rms: float
    clipped: int  # samples at the ceiling
    dc: float  # mean, signed
    samples: int

    @property
    def peak_dbfs(self) -> float:
        """The peak in decibels below full scale."""
        return dbfs(self.peak)

    @property
    def rms_dbfs(self) -> float:
        """The RMS in decibels below a full-scale square wave; a full-scale sine is -3.01."""
        return dbfs(self.rms)


def measure(pcm16: _kernels.Buffer, ceiling: int = FULL_SCALE - 1) -> Level:
    """The level of whole PCM16 samples; a sample as far from zero as ``ceiling`` counts as clipped.

    Raises ``AudioError`` for half a sample. Nothing measures as silence.
    """
    if not 1 <= ceiling <= FULL_SCALE:
        raise AudioError(f"a ceiling lies between 1 and {FULL_SCALE}, not at {ceiling}")
    low, high, total, squares, clipped, n = _kernels.level(pcm16, ceiling)
    return Level(
        peak=max(high, -low) / FULL_SCALE,
        rms=math.sqrt(squares / n) / FULL_SCALE if n else 0.0,
        clipped=clipped,
        dc=total / n / FULL_SCALE if n else 0.0,
        samples=n,
    )
