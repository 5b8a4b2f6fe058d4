"""Clicks that come with every frame: sound that was worked on in pieces, each piece by itself."""

from typing import Final

import numpy as np

from trunkline.audio.faults.base import Finding, Floats, Samples, Take

_PERIODS_MS: Final = (5, 10, 20, 30, 40, 50, 60, 80, 100, 200)
_LOOKED_AT_S: Final = 120  # a beat goes on
_ROWS: Final = 25  # fewer periods than this prove nothing
_CLIP: Final = 12.0  # so large a jump counts no more than this: one pop is no pattern
_Z: Final = 9.0  # standard deviations the worst phase stands over the others
_RATIO: Final = 1.25
_OFTEN: Final = 0.75  # of the periods, those that jump least: the beginnings of tones are sharp too, but far between
_PLACE_MS: Final = 1  # a click is no longer than this, with what a filter makes of it


def find(take: Take) -> list[Finding]:
    found = []
    for where, samples in take:
        jumps = roughness(samples[: take.rate * _LOOKED_AT_S], take.rate)
        beats = [beat for ms in _PERIODS_MS if (beat := _beat(jumps, take.rate, ms)) is not None]
        if beats:
            # Folded at half its period, a click is in every other row only; folded at twice, it is in two places.
            ms, z, ratio, phase = beats[-1]
            found.append(
                Finding(
                    fault=f"clicks every {ms} ms",
                    where=f"{where}, first at {take.seconds(phase):.3f} s",
                    evidence=f"at that beat the jumps from sample to sample are {ratio:.1f} times the others"
                    f" ({z:.0f} standard deviations)",
                    cause="Each frame was resampled, filtered or scaled by itself: keep the state between frames (one"
                    " converter for each stream), and reset nothing at a frame's edge.",
                )
            )
    return found


def roughness(samples: Samples, rate: int) -> Floats:
    """The second difference of each sample against the usual one of its 10 ms; 0 in silence."""
    size = rate // 100
    jumps = np.abs(np.diff(samples.astype(np.float64), 2, prepend=[0, 0]))
    whole = jumps[: len(jumps) - len(jumps) % size].reshape(-1, size)
    usual = np.median(whole, axis=1, keepdims=True)
    relative = np.where(usual >= 2, whole / np.maximum(usual, 2), 0)
    return np.asarray(np.minimum(relative, _CLIP).ravel())


def _beat(jumps: Floats, rate: int, ms: int) -> tuple[int, float, float, int] | None:
    """The period, and how far the worst phase of it stands out: in standard deviations, as a ratio, and where it is.
    None where none does, or more than one: a tone has one in each period of its own."""
    period = rate * ms // 1000
    rows = len(jumps) // period
    if rows < _ROWS:
        return None
    folded = jumps[: rows * period].reshape(rows, period)
    folded = folded[folded.any(axis=1)]
    if len(folded) < _ROWS:
        return None
    least = int(_OFTEN * len(folded))
    by_phase = np.ascontiguousarray(folded.T)
    by_phase.partition(least, axis=1)
    profile = by_phase[:, :least].mean(axis=1)
    usual = float(np.median(profile))
    spread = 1.4826 * float(np.median(np.abs(profile - usual))) + 1e-3
    phase = int(profile.argmax())
    z, ratio = (float(profile[phase]) - usual) / spread, float(profile[phase]) / max(usual, 1e-3)
    if z < _Z or ratio < _RATIO:
        return None
    high = np.flatnonzero(profile - usual >= (profile[phase] - usual) / 2)
    away = np.abs(high - phase)
    one_place = np.minimum(away, period - away).max() <= rate * _PLACE_MS // 1000
    return (ms, z, ratio, phase) if one_place else None
