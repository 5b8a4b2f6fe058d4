"""The same piece twice: a lost packet that was replaced by the one before it."""

from typing import Final

import numpy as np

from trunkline.audio.faults.base import Finding, Samples, Take, at_time

_PACKETS_MS: Final = (10, 20, 30, 40, 60)
_AUDIBLE: Final = 150  # LSB
_FEWEST: Final = 3
_OFTEN: Final = 3.0  # a run so many packets long is a tone, not a repetition


def find(take: Take) -> list[Finding]:
    found = []
    for where, samples in take:
        counted = [(repeats, ms) for ms in _PACKETS_MS if len(repeats := find_repeats(samples, take.rate, ms))]
        repeats, ms = max(counted, key=lambda one: len(one[0]), default=([], 0))
        if len(repeats) >= _FEWEST:
            share = 100 * len(repeats) * ms * take.rate / 1000 / len(samples)
            found.append(
                Finding(
                    fault="packet loss",
                    where=at_time(where, take, repeats[0]),
                    evidence=f"{len(repeats)} times {ms} ms are the same, sample for sample, as the {ms} ms before"
                    f" ({share:.1f} % of the time)",
                    cause="Packets were lost and the last one played again, or packets were sent twice: look at the"
                    " network's loss, or for a sender that repeats its buffer.",
                )
            )
    return found


def find_repeats(samples: Samples, rate: int, ms: int) -> list[int]:
    """Where a piece of ``ms`` begins that is a copy of the ``ms`` before it."""
    lag = rate * ms // 1000
    if len(samples) <= 2 * lag:
        return []
    same = samples[lag:] == samples[:-lag]
    edges = np.diff(np.concatenate(([0], same, [0])).astype(np.int8))
    found = []
    for begin, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
        copy = samples[begin + lag : end + lag]
        if lag - 2 <= end - begin <= _OFTEN * lag and np.ptp(copy.astype(np.int32)) >= _AUDIBLE:
            found.append(int(begin + lag))
    return found
