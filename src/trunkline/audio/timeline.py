"""A sender's timestamps as positions in samples: no wrap, no other clock, no jump that isn't real time."""

from typing import Final

_WRAP: Final = 1 << 32


class Timeline:
    """Unwraps the timestamps of one stream, whose clock ticks ``clock_rate`` times a second, at ``rate`` samples."""

    def __init__(self, rate: int, clock_rate: int) -> None:
        self._rate = rate
        self._clock_rate = clock_rate
        self._newest: int | None = None
        self._shift = 0

    def place(self, timestamp: int) -> int:
        """The position of ``timestamp``, which may wrap at 32 bits and may be older than the last."""
        if self._newest is None:
            self._newest = timestamp
        step = (timestamp - self._newest + _WRAP // 2) % _WRAP - _WRAP // 2
        clock = self._newest + step
        if step > 0:
            self._newest = clock
        return clock * self._rate // self._clock_rate + self._shift

    def jump(self, samples: int) -> None:
        """From now on every position is ``samples`` later: the sender changed its clock, time didn't pass."""
        self._shift += samples
