"""A sound that comes a second time: the other side's, through a loudspeaker and a microphone, or one's own.

Between two channels the delay is that of one in the other. In one channel an echo makes the sound alike to itself,
so much later; a voice is that only over the few hundredths of a second of its pitch.
"""

from typing import Final

import numpy as np

from trunkline.audio.faults.base import Finding, Floats, Samples, Take
from trunkline.audio.faults.delays import correlate, find_peak, pair, slower

_LOOKED_AT_S: Final = 60  # an echo is there all the time
_LONGEST_MS: Final = 1000
_SHORTEST_MS: Final = 45  # in one channel: sooner, it is the room, or the pitch
_STANDS_OUT: Final = 12.0  # standard deviations, between channels
_SAME_MS: Final = 2.0  # closer together than this: one sound on two tracks, at whatever level, and nothing to hear
_AGAIN: Final = 0.07  # how alike to itself: an echo a little over 20 dB down
_STANDS_OUT_ALONE: Final = 9.0
_ALIKE: Final = 0.85  # more than any echo makes: a sound that is played again
_OTHERS: Final = 0.7  # a tone is alike to itself at many delays nearly as much; an echo only at multiples of its own
_APART_MS: Final = 10  # so far from one delay it is another
_CAUSE: Final = (
    "The loudspeaker is heard by the microphone: cancel echo at the end that hears itself, or mute it while the other"
    " speaks. A constant delay is the way there and back."
)


def find(take: Take) -> list[Finding]:
    take = slower(take)
    enough = take.rate * _LOOKED_AT_S
    take = Take(tuple(channel[:enough] for channel in take.channels), take.rate)
    both = pair(take)
    if both is not None and (between := _between(*both, take)):
        return between
    return [finding for where, samples in take if (finding := _in_itself(where, samples, take.rate))]


def _between(left: Floats, right: Floats, take: Take) -> list[Finding]:
    last = min(take.rate * _LONGEST_MS // 1000, len(left) - 1)
    peak = find_peak(correlate(left, right, take.rate), -last, last)
    if peak.z < _STANDS_OUT:
        return []
    ms = 1000 * peak.samples / take.rate
    first, second = ("left", "right") if ms >= 0 else ("right", "left")
    if abs(ms) < _SAME_MS:
        return []
    return [
        Finding(
            fault="echo",
            where=f"{first} heard again in {second}",
            evidence=f"{abs(ms):.1f} ms later ({peak.z:.0f} standard deviations over any other delay)",
            cause=_CAUSE,
        )
    ]


def _in_itself(where: str, samples: Samples, rate: int) -> Finding | None:
    last = rate * _LONGEST_MS // 1000
    if len(samples) < 3 * rate:
        last = len(samples) // 3
    first = rate * _SHORTEST_MS // 1000
    if last <= 2 * first:
        return None
    correlation = _self_likeness(samples.astype(float), rate)
    peak = find_peak(correlation, first, last)
    if not _AGAIN <= peak.height <= _ALIKE or peak.z < _STANDS_OUT_ALONE:
        return None
    if _next_height(correlation, first, last, peak.samples, rate) > _OTHERS * peak.height:
        return None
    return Finding(
        fault="echo",
        where=f"{where} in itself",
        evidence=f"heard again {1000 * peak.samples / rate:.1f} ms later, {20 * np.log10(peak.height):.0f} dB down",
        cause=_CAUSE,
    )


def _next_height(correlation: Floats, first: int, last: int, samples: float, rate: int) -> float:
    """The highest peak that isn't the one at ``samples``, nor at a multiple or a whole part of that delay."""
    lags = np.arange(first, last + 1)
    times = np.maximum(lags, samples) / np.minimum(lags, samples)
    away = np.abs(times - np.rint(times)) * np.minimum(lags, samples)
    others = np.abs(correlation[lags])[away > rate * _APART_MS // 1000]
    return float(others.max(initial=0))


def _self_likeness(samples: Floats, rate: int) -> Floats:
    """Autocorrelation with the voice's spectrum evened out, so that an echo is one peak; 1 at no delay."""
    size = 1 << (2 * len(samples)).bit_length()
    power = np.abs(np.fft.rfft(samples - samples.mean(), size)) ** 2
    hz = np.fft.rfftfreq(size, 1 / rate)
    width = max(3, int(200 * size / rate) | 1)  # finer than formants, coarser than the comb an echo makes
    smooth = _moving_mean(power, width)
    power = power / (smooth + 1e-4 * smooth.max(initial=0) + 1e-9)
    power[(hz < 200) | (hz > min(3400, 0.45 * rate))] = 0
    likeness = np.fft.irfft(power, size)
    return np.asarray(likeness / max(likeness[0], 1e-9))


def _moving_mean(values: Floats, width: int) -> Floats:
    """Over ``width`` (odd) neighbours, fewer at the ends; by sums, for a convolution of this width takes seconds."""
    sums = np.concatenate(([0.0], np.cumsum(values)))
    begin = np.maximum(np.arange(len(values)) - width // 2, 0)
    end = np.minimum(np.arange(len(values)) + width // 2 + 1, len(values))
    return np.asarray((sums[end] - sums[begin]) / (end - begin))
