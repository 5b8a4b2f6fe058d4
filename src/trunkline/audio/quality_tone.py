"""Distortion, where it can be told: in a piece of audio that is one steady tone."""

from functools import cache
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LOBE: Final = 4  # bins to either side that the window (Blackman-Harris, four terms) spreads a tone over
_DOMINATES: Final = 0.9  # of all the power …
_EXPLAINS: Final = 0.95  # … and this much together with its harmonics
_STEADY: Final = 1.26  # between the loudest and the softest quarter, in power: 1 dB. A vowel changes more.
_LOWEST_HZ: Final = 300  # a voice's own fundamental lies below
_HARMONICS: Final = 9
_BINS_ALIKE: Final = 2  # that the window makes rise and fall together: noise is one figure in so many bins
_DEVIATIONS: Final = 4.0  # of noise, which is looked at every two seconds for hours


class Tone(msgspec.Struct, frozen=True, gc=False):
    """One steady tone: total harmonic distortion, and the tone against all that is neither it nor a harmonic."""

    hz: float
    thd_percent: float
    snr_db: float


@cache
def _window(samples: int) -> Floats:
    turn = 2 * np.pi * np.arange(samples) / samples
    terms = (0.35875, -0.48829, 0.14128, -0.01168)  # Harris 1978: side lobes 92 dB down
    return sum((a * np.cos(k * turn) for k, a in enumerate(terms)), start=np.zeros(samples))


def find_tone(samples: Floats, rate: int) -> Tone | None:
    """The tone that ``samples`` (1000 or more, a multiple of 4, any scale) are; None where they are something else."""
    quarters = np.square(samples).reshape(4, -1).sum(axis=1)
    if quarters.max() > _STEADY * quarters.min():
        return None
    spectrum = np.fft.rfft(samples * _window(len(samples)))
    power = spectrum.real**2 + spectrum.imag**2
    power[: _LOBE + 1] = 0  # DC
    total = float(power.sum())
    at = int(power.argmax())
    tone = float(power[max(0, at - _LOBE) : at + _LOBE + 1].sum())
    if total == 0 or tone < _DOMINATES * total or at * rate < _LOWEST_HZ * len(samples):
        return None
    around = power[at - _LOBE : at + _LOBE + 1]
    centre = at + float((around * np.arange(-_LOBE, _LOBE + 1)).sum()) / tone
    harmonics = [round(k * centre) for k in range(2, _HARMONICS + 1) if k * centre < len(power) - 1 - _LOBE]
    lobes = [slice(bin_ - _LOBE, bin_ + _LOBE + 1) for bin_ in harmonics]
    raw = sum(float(power[lobe].sum()) for lobe in lobes)
    if tone + raw < _EXPLAINS * total:
        return None
    bins = len(power) - (len(lobes) + 1) * (2 * _LOBE + 1)
    rest = max(total - tone - raw, 0.0)
    # The noise that lies in the harmonics' bins is not distortion, nor is what may be noise by chance.
    hidden_in = len(lobes) * (2 * _LOBE + 1)
    hidden = rest * hidden_in / max(bins, 1)
    by_chance = hidden * _DEVIATIONS * (max(hidden_in, 1) / _BINS_ALIKE) ** -0.5
    distortion = raw - hidden if raw - hidden > by_chance else 0.0
    noise = max(total - tone - distortion, 1e-12 * tone)
    return Tone(
        hz=centre * rate / len(samples),
        thd_percent=100 * float(np.sqrt(distortion / tone)),
        snr_db=10 * float(np.log10(tone / noise)),
    )
