"""Making a few milliseconds of speech shorter or longer without a click: overlap-add of what resembles itself.

Both functions take and give mono samples as float arrays, and change the length by one lag: a pitch period where there
is a voice. They give None where that would be heard, unless ``urgent``; try again on the next frame.
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]

_MIN_LAG_S: Final = 0.0025  # a pitch of 400 Hz
_MAX_LAG_S: Final = 0.02  # of 50 Hz
_QUIET_RMS: Final = 200.0  # −44 dBFS: in a pause any lag does
_ALIKE: Final = 0.9  # normalised correlation from which a seam isn't heard
_NO_POWER: Final = 1e-9  # instead of 0: nothing is like nothing


def shorten(frame: Samples, rate: int, *, urgent: bool = False) -> Samples | None:
    """``frame`` without one lag: its first two lags blended into one."""
    lag = _lag(frame, rate, urgent=urgent)
    if lag is None:
        return None
    return np.concatenate((_cross_fade(frame[:lag], frame[lag : 2 * lag]), frame[2 * lag :]))


def lengthen(frame: Samples, rate: int, *, urgent: bool = False) -> Samples | None:
    """``frame`` with one lag more: after the first lag it is played once again, led in by a blend."""
    lag = _lag(frame, rate, urgent=urgent)
    if lag is None:
        return None
    return np.concatenate((frame[:lag], _cross_fade(frame[lag : 2 * lag], frame[:lag]), frame[lag:]))


def _lag(frame: Samples, rate: int, *, urgent: bool) -> int | None:
    """The lag by which ``frame`` best resembles itself, or None if it doesn't enough."""
    shortest, longest = int(_MIN_LAG_S * rate), len(frame) // 2
    if longest < shortest:
        return None
    if float(np.dot(frame, frame)) < _QUIET_RMS**2 * len(frame):
        return longest
    longest = min(longest, int(_MAX_LAG_S * rate))
    # The window is the lag itself: what is compared is exactly what will be blended.
    lags, follows, counts = _windows(shortest, longest)
    running = np.concatenate(([0.0], np.cumsum(frame * frame)))
    power = running[lags] * (running[2 * lags] - running[lags])
    alike = (frame[follows] * counts) @ frame[:longest] / np.sqrt(np.maximum(power, _NO_POWER))
    best = int(np.argmax(alike))
    return shortest + best if urgent or alike[best] >= _ALIKE else None


@cache
def _windows(shortest: int, longest: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Samples]:
    """All lags; a row for each: the places of what follows it, and which of them count, as many as the lag is long."""
    lags = np.arange(shortest, longest + 1)
    places = np.arange(longest)
    return lags, lags[:, None] + places, (places < lags[:, None]).astype(np.float64)


def _cross_fade(out: Samples, into: Samples) -> Samples:
    weight = np.arange(1, len(out) + 1) / (len(out) + 1)
    return out * (1 - weight) + into * weight
