"""Time that passes only when nobody has anything left to do."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

START: Final = 86_413.37
"""Where virtual time begins: at no round number, as a monotonic clock does, so that nothing relies on a start at 0."""
RESOLUTION_S: Final = 1e-6
"""What passes between two wake-ups of the same part: no real clock reads the same twice."""
RESTLESS: Final = 10_000
"""Wake-ups without a jump in time after which somebody asks to be woken without getting on: a real loop would spin."""


class Timed(Protocol):
    """Something that wants to be woken."""

    @property
    def deadline(self) -> float | None:
        """When, in seconds of the clock; None for never. May lie in the past."""
        ...

    def tick(self, now: float) -> None:
        """It is ``now``: do what is due."""
        ...


class VirtualClock:
    """Seconds that jump from deadline to deadline. ``now`` is what everything on this clock goes by."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def run(self, parts: Sequence[Timed], *, done: Callable[[], bool], until: float = float("inf")) -> bool:
        """Wake ``parts``, each at its deadline and in the order given when they coincide, until ``done()``.

        True if it came to that; False if nobody wanted to be woken any more, or the clock reached ``until``.
        """
        last: Timed | None = None
        wakes = 0
        while not done():
            due = [(at, part) for part in parts if (at := part.deadline) is not None]
            if not due:
                return False
            at, part = min(due, key=lambda pair: max(pair[0], self.now))
            if at > until:
                self.now = max(self.now, until)
                return False
            if at > self.now:
                self.now, wakes = at, 0
            elif part is last:
                self.now += RESOLUTION_S
            wakes += 1
            if wakes > RESTLESS:
                raise RuntimeError(f"{type(part).__name__} asks to be woken again and again and does not get on")
            last = part
            part.tick(self.now)
        return True
