"""How late one sound is in another, to a fraction of a sample: what echo and drift are told by."""

from typing import Final

import msgspec
import numpy as np

from trunkline.audio._kernels import Stream
from trunkline.audio.faults.base import Floats, Samples, Take
from trunkline.audio.filters import taps_from
from trunkline.errors import AudioError

_LOWEST_HZ: Final = 200
_HIGHEST_HZ: Final = 3400
_ENOUGH_HZ: Final = 8000  # samples a second, for what lies below that


def slower(take: Take) -> Take:
    """The same at 8 kHz, which is enough to tell a delay by and saves most of the work; as it is, where that is no
    simple ratio."""
    if take.rate <= _ENOUGH_HZ:
        return take
    try:
        filters = taps_from(take.rate, _ENOUGH_HZ)
    except AudioError:
        return take

    def through(samples: Samples) -> Samples:
        pcm16 = samples.astype("<i2").tobytes()
        for taps in filters:
            pcm16 = Stream(taps, "pcm16", "pcm16").process(pcm16)
        return np.frombuffer(pcm16, "<i2")

    return Take(tuple(through(channel) for channel in take.channels), _ENOUGH_HZ)


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
