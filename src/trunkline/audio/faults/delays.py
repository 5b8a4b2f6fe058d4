"""How late one sound is in another, to a fraction of a sample: what echo and drift are told by."""

from typing import Final

import msgspec
import numpy as np

from trunkline.audio.faults.base import Floats, Take

_LOWEST_HZ: Final = 200
_HIGHEST_HZ: Final = 3400


class Peak(msgspec.Struct, frozen=True):
    """The likeliest delay, and how far it stands out from all others, in standard deviations of them."""

    samples: float
    height: float
    z: float


def correlate(reference: Floats, heard: Floats, rate: int) -> Floats:
    """How alike ``heard`` is to ``reference``, by delay in samples from minus to plus the length: index 0 is the
    middle. Each frequency of the voice counts the same, whatever its level: the peak is as sharp as a click."""
    size = 1 << (len(reference) + len(heard)).bit_length()
    cross = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(reference, size))
    hz = np.fft.rfftfreq(size, 1 / rate)
    cross[(hz < _LOWEST_HZ) | (hz > min(_HIGHEST_HZ, 0.45 * rate))] = 0
    magnitude = np.abs(cross)
    cross /= magnitude + 1e-3 * magnitude.max(initial=0) + 1e-9
    return np.asarray(np.fft.irfft(cross, size))


def find_peak(correlation: Floats, first: int, last: int) -> Peak:
    """The strongest delay from ``first`` to ``last`` samples (negative: earlier)."""
    lags = np.arange(first, last + 1)
    values = np.abs(correlation[lags])
    at = int(values.argmax())
    spread = float(np.sqrt(np.mean(np.square(values)))) + 1e-12
    fine = 0.0
    if 0 < at < len(values) - 1:
        before, top, behind = values[at - 1 : at + 2]
        if (bend := before - 2 * top + behind) < 0:
            fine = float(0.5 * (before - behind) / bend)
    return Peak(float(lags[at]) + fine, float(values[at]), float(values[at]) / spread)


def pair(take: Take) -> tuple[Floats, Floats] | None:
    """The two channels of a stereo recording in which both say something."""
    if len(take.channels) != 2:
        return None
    left, right = (np.asarray(channel, np.float64) - channel.mean() for channel in take.channels)
    if left.std() < 3 or right.std() < 3:
        return None
    return left, right
