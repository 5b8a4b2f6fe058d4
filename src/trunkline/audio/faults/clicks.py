"""Clicks that come with every frame: sound that was worked on in pieces, each piece by itself."""

from typing import Final

import numpy as np

from trunkline.audio.faults.base import Finding, Floats, Samples, Take

_PERIODS_MS: Final = (5, 10, 20, 30, 40, 50, 60, 80, 100, 200)
_ROWS: Final = 25  # fewer periods than this prove nothing
_CLIP: Final = 12.0  # so large a jump counts no more than this: one pop is no pattern
_Z: Final = 9.0  # standard deviations the worst phase stands over the others
_RATIO: Final = 1.35
_TWICE: Final = 1.6


def find(take: Take) -> list[Finding]:
    found = []
    for where, samples in take:
        jumps = roughness(samples, take.rate)
        scores = [(*_worst_phase(jumps, take.rate * ms // 1000), ms) for ms in _PERIODS_MS]
        z, ratio, phase, ms = max(scores)
        for slower in scores:
            # Folded at half its period, a click is in every other row only, and stands out half as much.
            if slower[3] == 2 * ms and slower[1] - 1 >= _TWICE * (ratio - 1):
                z, ratio, phase, ms = slower
        if z >= _Z and ratio >= _RATIO:
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


def _worst_phase(jumps: Floats, period: int) -> tuple[float, float, int]:
    """How far the worst phase of the period stands out: in standard deviations, as a ratio, and where it is."""
    rows = len(jumps) // period
    if rows < _ROWS:
        return 0.0, 0.0, 0
    folded = jumps[: rows * period].reshape(rows, period)
    folded = folded[folded.any(axis=1)]
    if len(folded) < _ROWS:
        return 0.0, 0.0, 0
    profile = folded.mean(axis=0)
    usual = float(np.median(profile))
    spread = 1.4826 * float(np.median(np.abs(profile - usual))) + 1e-3
    phase = int(profile.argmax())
    return (float(profile[phase]) - usual) / spread, float(profile[phase]) / max(usual, 1e-3), phase
