"""When it was: the likeliest place of a change that has become certain, from the evidence since before it.

The evidence is a weight (log-odds) per slice of the audio, above 0 where a voice sounds, below where it does not. The
sum of the weights from a place to the present is largest where the voice most likely began; the sum up to a place,
where it most likely ended. A syllable beyond a short gap may weigh a little less than the gap does, and yet belongs:
no voice says half a word.
"""

from collections import deque
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

REACH: Final = 50
"""Slices that are kept (0.8 s): a word or two the detector missed."""

SLACK: Final = 2.5  # a gap may outweigh what is beyond it by so much
SOUNDS: Final = 1.0  # a slice of at least this weight is something beyond a gap


class Slices:
    """The evidence of late. Add each frame's; ask when an edge is certain. Positions are frames before the present."""

    def __init__(self) -> None:
        self._begins: deque[float] = deque(maxlen=REACH)
        self._ends: deque[float] = deque(maxlen=REACH)
        self._per_frame = 1

    def add(self, begins: Sequence[float], ends: Sequence[float]) -> None:
        """The weights of one frame's slices, for a begin and for an end."""
        self._per_frame = len(begins)
        self._begins.extend(begins)
        self._ends.extend(ends)

    def clear(self) -> None:
        """What comes next does not continue what was."""
        self._begins.clear()
        self._ends.clear()

    def begin(self, within_frames: float) -> float | None:
        """How long ago a voice began that speaks now; None where the evidence does not show it."""
        return farthest(self._last(self._begins, within_frames)[::-1]) / self._per_frame or None

    def end(self, within_frames: float) -> float | None:
        """How long ago a voice ended that was still there ``within_frames`` ago; None likewise."""
        weights = self._last(self._ends, within_frames)
        sounding = farthest(weights)
        return (len(weights) - sounding) / self._per_frame if sounding else None

    def _last(self, weights: deque[float], frames: float) -> list[float]:
        slices = min(len(weights), round(frames * self._per_frame))
        return list(weights)[len(weights) - slices :]


def farthest(weights: Sequence[float]) -> int:
    """How many of these, from the first on, belong to the voice: as many as weigh most together, and what is so little
    beyond them that it counts as theirs."""
    sums = list(accumulate(weights, initial=0.0))
    most = max(range(len(sums)), key=sums.__getitem__)
    beyond = (i for i in range(len(weights), most, -1) if sums[i] >= sums[most] - SLACK and weights[i - 1] > SOUNDS)
    return next(beyond, most)
