"""When it was: the likeliest place of a change that has become certain, from the evidence since before it.

The evidence is a weight (log-odds) per slice of the audio, above 0 where a voice sounds, below where it does not. What
belongs to a voice is what weighs most, counted from where it is certain, on a way through sound and gaps:

    present   sound sound sound gap gap sound sound   background …
               +3    +2    +3    ── GAP ──  +2    +1

A sound counts its weight. A gap is background, and background says nothing of whose it is: so a gap costs something to
begin and a little to last, not the sum of its weights. In quiet it costs more, for nothing could hide in it.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

REACH: Final = 75
"""Slices that are kept (1.2 s): the words in loud noise that a detector missed before it was certain."""

LATE: Final = 2
"""Frames by which evidence comes after what it is about: what follows is needed to judge it."""

GAP: Final = 3.0  # what a gap weighs against the sound beyond it
GAP_SLICE: Final = 0.1  # … and each of its slices, under noise
GAP_SLICE_QUIET: Final = 1.1  # … in quiet
COVERED: Final = 1.25  # frames by which a voice goes on unheard at either end, in noise as loud as it is


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """What a second witness makes of the frame ``LATE`` frames ago."""

    weights: Sequence[float]
    """Log-odds of a voice, slice by slice, as many as the witness cuts a frame into."""
    covered: float
    """0 in quiet … 1 where noise is as loud as the voice and covers its soft sounds."""


class Slices:
    """The evidence of late. Add each frame's; ask when an edge is certain. Positions are frames before the present."""

    def __init__(self) -> None:
        self._weights: deque[float] = deque(maxlen=REACH)
        self._per_frame = 1
        self._foreign = LATE  # frames whose evidence is about what was before these
        self._covered = 0.0

    def add(self, evidence: Evidence) -> None:
        """One frame's."""
        self._per_frame = len(evidence.weights)
        self._covered = evidence.covered
        if self._foreign:
            self._foreign -= 1
        else:
            self._weights.extend(evidence.weights)

    def clear(self) -> None:
        """What comes next does not continue what was."""
        self._weights.clear()
        self._foreign = LATE

    @property
    def margin(self) -> float:
        """How much farther out than its last sound that can be seen a voice really begins or ends."""
        return COVERED * self._covered

    def begin(self, within_frames: float) -> float | None:
        """How long ago what can be seen of a voice began that speaks now; None where there is no evidence of it."""
        far = farthest(self._last(within_frames)[::-1], self._covered)
        return LATE + far / self._per_frame if far else None

    def end(self, within_frames: float) -> float | None:
        """How long ago what can be seen of a voice ended that was there ``within_frames`` ago; None likewise."""
        weights = self._last(within_frames)
        sounding = farthest(weights, self._covered)
        return LATE + (len(weights) - sounding) / self._per_frame if sounding else None

    def _last(self, within_frames: float) -> list[float]:
        slices = min(len(self._weights), max(0, round((within_frames - LATE) * self._per_frame)))
        return list(self._weights)[len(self._weights) - slices :]


def farthest(weights: Sequence[float], covered: float) -> int:
    """How many of these, from the first on, belong to the voice (the best path's last sound; Viterbi's algorithm over
    the two states)."""
    gap_slice = GAP_SLICE_QUIET + covered * (GAP_SLICE - GAP_SLICE_QUIET)
    sound, gap, most, last = 0.0, -GAP, 0.0, 0
    for i, weight in enumerate(weights):
        sound, gap = max(sound, gap) + weight, max(sound - GAP, gap) - gap_slice
        if sound > most:
            most, last = sound, i + 1
    return last
