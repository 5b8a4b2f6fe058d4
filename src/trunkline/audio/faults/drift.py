"""Two channels that part company: one was recorded by another clock, or by the wall clock."""

from typing import Final

import numpy as np

from trunkline.audio.faults.base import Finding, Floats, Take
from trunkline.audio.faults.delays import correlate, find_peak, pair, slower

_WINDOWS_S: Final = (4.0, 1.0)  # the longer tells more; in the shorter a fast drift doesn't blur the delay
_LONGEST_MS: Final = 1000
_STANDS_OUT: Final = 8.0
_FEWEST: Final = 5  # windows that agree
_STRAIGHT_SAMPLES: Final = 3.0  # so close to a line they lie
_LEAST_PPM: Final = 15.0
_LEAST_SAMPLES: Final = 1.5  # of change in all, over the recording


def find(take: Take) -> list[Finding]:
    take = slower(take)
    both = pair(take)
    if both is None:
        return []
    at, delays = max((_delays(*both, take.rate, window) for window in _WINDOWS_S), key=_straightness)
    if len(at) < _FEWEST:
        return []
    slope, offset, agreed = _line(at, delays)
    change = abs(slope) * float(np.ptp(at[agreed]))
    ppm = 1e6 * slope / take.rate
    if agreed.sum() < max(_FEWEST, 0.6 * len(at)) or abs(ppm) < _LEAST_PPM or change < _LEAST_SAMPLES:
        return []
    first, last = (1000 * (offset + slope * when) / take.rate for when in (at[agreed][0], at[agreed][-1]))
    return [
        Finding(
            fault="channel drift",
            where="right against left",
            evidence=f"right is {first:.1f} ms late at {at[agreed][0]:.0f} s and {last:.1f} ms at"
            f" {at[agreed][-1]:.0f} s: {abs(ppm):.0f} ppm {'slow' if ppm > 0 else 'fast'}",
            cause="The channels were sampled by different clocks, or placed by arrival time: place audio by counting"
            " samples, and correct drift where the clocks meet.",
        )
    ]


def _straightness(found: tuple[Floats, Floats]) -> float:
    """The share of windows that lie on a line."""
    return float(_line(*found)[2].mean()) if len(found[0]) >= _FEWEST else 0.0


def _delays(left: Floats, right: Floats, rate: int, window_s: float) -> tuple[Floats, Floats]:
    """Seconds, and by how many samples right is late there; only where it can be told."""
    window, last = int(window_s * rate), rate * _LONGEST_MS // 1000
    at, delays = [], []
    for begin in range(0, len(left) - window + 1, window // 2):
        one, other = left[begin : begin + window], right[begin : begin + window]
        if min(one.std(), other.std()) < 3:
            continue
        peak = find_peak(correlate(one, other, rate), -last, last)
        if peak.z >= _STANDS_OUT:
            at.append((begin + window / 2) / rate)
            delays.append(peak.samples)
    return np.array(at), np.array(delays)


def _line(at: Floats, delays: Floats) -> tuple[float, float, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """The straight line most windows lie on (Theil and Sen), and which do."""
    one, other = np.triu_indices(len(at), 1)
    slope = float(np.median((delays[other] - delays[one]) / (at[other] - at[one])))
    offset = float(np.median(delays - slope * at))
    agreed = np.abs(delays - offset - slope * at) <= _STRAIGHT_SAMPLES
    return slope, offset, agreed
