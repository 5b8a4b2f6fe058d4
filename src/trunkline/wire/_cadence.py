"""Is audio sent at the rate it was said to have? Told by how much of it comes in how much time."""

from typing import Final

WINDOW_S: Final = 2.0
"""Long enough for a lump of a few hundred milliseconds to count for little."""
GAP_S: Final = 0.25
"""A packet that comes so long after the one before may have had nothing before it: silence that was not sent."""
SLOW: Final = 0.75
FAST: Final = 1.35
"""Of the announced rate. 16 kHz is 0.67 of 24, and 24 is 1.5 of 16: the nearest two that are taken for each other."""


class Cadence:
    """Watches the packets of one stream. Two windows in a row that are off in the same direction are no accident.

    Stalls, and silence that is not sent, can't be told apart while they last, so each window is measured twice. Too
    little came if it is too little even for the time in which packets kept coming; too much, if it is so even for all
    the time there was.
    """

    __slots__ = ("_announced", "_began", "_flowing", "_last", "_off", "_samples")

    def __init__(self, announced: int) -> None:
        self._announced = announced  # Hz
        self._began: float | None = None
        self._last = 0.0
        self._flowing = 0.0  # seconds of the window in which packets kept coming
        self._samples = 0
        self._off = 0  # of the last window: -1 too little, 1 too much

    def push(self, samples: int, now: float) -> int:
        """A packet came. Returns 0, or the rate in Hz at which audio really comes, once for every window it is wrong
        from the second on."""
        if self._began is None:  # what the first packet holds was spoken before: the window begins behind it
            self._began = self._last = now
            return 0
        gap = now - self._last
        self._last = now
        lasts = samples / self._announced
        self._flowing += gap if gap < max(GAP_S, 4 * lasts) else lasts
        self._samples += samples
        elapsed = now - self._began
        if elapsed < WINDOW_S:
            return 0
        wanted = self._announced
        little = self._flowing >= WINDOW_S / 2 and self._samples < SLOW * wanted * self._flowing
        much = self._samples > FAST * wanted * elapsed
        off = much - little
        again = off and off == self._off
        measured = round(self._samples / (elapsed if much else self._flowing)) if again else 0
        self._off, self._began, self._flowing, self._samples = off, now, 0.0, 0
        return measured
