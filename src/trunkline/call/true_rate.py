"""Whether the caller's audio comes as fast as its format says: 24 kHz announced and 8 kHz sent is a third of the pace.

It is told from lateness, loss and pauses by its evenness. A network delays audio and then brings it all at once; a
pause has an end. Only a wrong rate makes the same share too much or too little, window after window, and one that
leads from the rate announced to another that telephony knows. (So would the loss of every third frame for seconds on
end, before the platform and untold: such a line is told of too, if in the wrong words.)
"""

from collections import deque
from statistics import fmean
from typing import Final

WINDOW_S: Final = 2.0
WINDOWS: Final = 3
"""So many windows in a row must agree."""
AGREE: Final = 0.08
"""By which part of their mean windows may differ and still agree: some 100 ms at each edge, with jitter."""
NEAR: Final = 0.03
"""By which part a rate may be missed by what was measured."""
RATES: Final = (8000, 16000, 24000, 32000, 48000)
"""What a telephone system may really send."""
PAUSE_MS: Final = 100
"""A hole of this length is a pause of the platform's, and what was measured before it counts no more."""


class TrueRate:
    """Measures the pace of audio announced at ``rate`` Hz. Times are seconds of one clock, counts are samples since
    the stream's start."""

    __slots__ = ("_began_at", "_counted", "_done", "_rate", "_windows")

    def __init__(self, rate: int, now: float) -> None:
        self._rate = rate
        self._windows: deque[float] = deque(maxlen=WINDOWS)
        self._done = False
        self.restart(0, now)

    def restart(self, samples: int, now: float) -> None:
        """There is a reason why less came than should: measure anew."""
        self._windows.clear()
        self._began_at = now
        self._counted = samples

    def look(self, samples: int, now: float) -> int:
        """So many have come by now. The rate they really have, told once; 0: as announced, or it can't be told yet."""
        elapsed = now - self._began_at
        if self._done or elapsed < WINDOW_S:
            return 0
        self._windows.append((samples - self._counted) / elapsed)
        self._began_at = now
        self._counted = samples
        found = self._found()
        self._done = found > 0
        return found

    def _found(self) -> int:
        if len(self._windows) < WINDOWS:
            return 0
        measured = fmean(self._windows)
        if any(abs(window - measured) > AGREE * measured for window in self._windows):
            return 0
        nearest = min(RATES, key=lambda rate: abs(rate - measured))
        if abs(measured - nearest) > NEAR * nearest or abs(measured - self._rate) <= AGREE * self._rate:
            return 0
        return round(measured)
