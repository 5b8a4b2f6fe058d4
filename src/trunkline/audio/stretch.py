"""Making a few milliseconds of speech shorter or longer without a click: overlap-add of what resembles itself.

Both functions take and give mono samples as float arrays, and change the length by one lag: a pitch period where there
is a voice. They give None where that would be heard, unless ``urgent``; try again on the next frame.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]

_MIN_LAG_S: Final = 0.0025  # a pitch of 400 Hz
_QUIET_RMS: Final = 200.0  # −44 dBFS: in a pause any lag does
_ALIKE: Final = 0.9  # normalised correlation from which a seam isn't heard


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
    best, likeness = longest, -1.0
    # The window is the lag itself: what is compared is exactly what will be blended.
    running = np.concatenate(([0.0], np.cumsum(frame * frame)))
    for lag in range(shortest, longest + 1):
        power = running[lag] * (running[2 * lag] - running[lag])
        if power <= 0:
            continue
        alike = float(np.dot(frame[:lag], frame[lag : 2 * lag])) / power**0.5
        if alike > likeness:
            best, likeness = lag, alike
    return best if urgent or likeness >= _ALIKE else None


def _cross_fade(out: Samples, into: Samples) -> Samples:
    weight = np.arange(1, len(out) + 1) / (len(out) + 1)
    return out * (1 - weight) + into * weight
