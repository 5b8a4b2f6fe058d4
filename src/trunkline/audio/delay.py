"""How late packets come, and how long to wait for them: the measured half of a jitter buffer.

After the ideas of WebRTC's NetEQ: a packet's delay is taken relative to the fastest of the last two seconds, so
neither the clocks' offset nor their drift matters; the worst of each half second goes into a histogram that slowly
forgets; the target is a high quantile of it.
"""

from collections import deque
from itertools import accumulate
from typing import Final

_FASTEST_WINDOW_S: Final = 2.0
_WORST_WINDOW_S: Final = 0.5
_BUCKET_S: Final = 0.005
_BUCKETS: Final = 100  # half a second; what comes later is beyond any target
_QUANTILE: Final = 0.95  # of the worst of half a second: far fewer single packets are later
_HEAVY: Final = 1e100
_FORGET: Final = 0.983  # per half second: half is forgotten in 20 s


class DelayEstimate:
    """Follows one stream's transit times; ``target_s`` is how long after the fastest a packet should be played."""

    def __init__(self, *, min_s: float, max_s: float, start_s: float) -> None:
        self._min_s = min_s
        self._max_s = max_s
        self._fastest: deque[tuple[float, float]] = deque()  # (arrival, transit), both growing
        self._worst = 0.0
        self._window_ends: float | None = None
        self._histogram = [0.0] * _BUCKETS
        self._weight = 0.0  # of the whole histogram
        self._windows = 0
        self.target_s = start_s

    @property
    def fastest_s(self) -> float:
        """The smallest transit time of the last two seconds; its zero is arbitrary."""
        return self._fastest[0][1] if self._fastest else 0.0

    def fastest_at(self, arrival: float) -> float | None:
        """``fastest_s``, or None if nothing came in the two seconds before ``arrival``."""
        if self._fastest and self._fastest[-1][0] >= arrival - _FASTEST_WINDOW_S:
            return self.fastest_s
        return None

    def observe(self, transit_s: float, arrival: float) -> None:
        """A packet came at ``arrival``, ``transit_s`` after the time its timestamp stands for."""
        fastest = self._fastest
        while fastest and fastest[-1][1] >= transit_s:
            fastest.pop()
        fastest.append((arrival, transit_s))
        while fastest[0][0] < arrival - _FASTEST_WINDOW_S:
            fastest.popleft()
        delay = transit_s - fastest[0][1]
        if self._window_ends is None:
            self._window_ends = arrival + _WORST_WINDOW_S
        elif arrival >= self._window_ends:
            self._learn(self._worst)
            self._worst = 0.0
            self._window_ends = arrival + _WORST_WINDOW_S
        if delay > self._worst:
            self._worst = delay

    def _learn(self, worst_s: float) -> None:
        # A plain mean at first, so that the beginning isn't remembered for a minute. The old isn't made lighter but the
        # new heavier: one bucket is touched, not all.
        keep = min(_FORGET, self._windows / (self._windows + 1))
        self._windows += 1
        weight = self._weight * (1 - keep) / keep if keep else 1.0
        self._weight += weight
        self._histogram[min(_BUCKETS - 1, int(worst_s / _BUCKET_S))] += weight
        if self._weight > _HEAVY:
            self._histogram = [each / self._weight for each in self._histogram]
            self._weight = 1.0
        enough = _QUANTILE * self._weight
        buckets = next(n for n, covered in enumerate(accumulate(self._histogram), 1) if covered >= enough)
        self.target_s = max(self._min_s, min(self._max_s, buckets * _BUCKET_S))
