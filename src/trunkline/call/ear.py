"""What the caller has surely heard: marks that came back, and between them the clock."""

from collections import deque
from typing import Final

import msgspec

# A mark this late is not coming: go on by the clock.
MARK_GRACE_S: Final = 2.0
# Marks kept: of those on their way the newest, of those a clear flushed the newest. A platform that never echoes must
# not grow this. At one mark in half a second it is over eight minutes.
MAX_MARKS: Final = 1024
# Bytes by which a moment computed from a number of bytes may miss that number when it is turned back.
ROUNDING: Final = 0.01


class _Mark(msgspec.Struct, gc=False):
    position: int
    name: str
    due: float


class Ear:
    """Reads how far the caller has heard, in positions of the agent's audio (bytes; ``second`` of them are a second).

    It is the last mark the platform echoed, and from there on the time elapsed, but never past a mark that has not come
    back. Marks that a clear flushed are echoed too: those say nothing.
    """

    __slots__ = ("_at", "_cleared", "_count", "_marks", "_position", "_second", "marked")

    def __init__(self, second: int) -> None:
        self._second = second
        self._position = 0  # this position was heard …
        self._at = 0.0  # … at this time
        self._marks: deque[_Mark] = deque(maxlen=MAX_MARKS)
        self._cleared: dict[str, None] = {}
        self._count = 0
        self.marked = 0  # position of the last mark

    def start(self, position: int, now: float) -> None:
        """An empty buffer begins to sound at ``position``."""
        self._position, self._at = position, now

    def mark(self, position: int, due: float) -> str:
        """A mark is sent behind all audio before ``position``, which should sound by ``due``: the mark's name."""
        self._count += 1
        name = f"t{self._count}"
        self._marks.append(_Mark(position, name, due))
        self.marked = position
        return name

    def echoed(self, name: str, now: float) -> int | None:
        """The platform echoed a mark: the position it tells of. None: it is not one of ours, or was flushed."""
        if name in self._cleared:
            del self._cleared[name]
            return None
        if all(mark.name != name for mark in self._marks):
            return None
        while (mark := self._marks.popleft()).name != name:
            pass
        self._position, self._at = mark.position, now
        return mark.position

    def reads(self, now: float) -> int:
        """The position up to which everything was heard, if so much was sent."""
        position = int(self._position + (now - self._at) * self._second + ROUNDING)
        if self._marks and position >= self._marks[0].position and now < self._marks[0].due + MARK_GRACE_S:
            return self._marks[0].position - 1  # only the mark itself tells that all before it was heard
        return position

    def by(self, position: int) -> float:
        """When ``position`` is heard at the latest, as far as the clock knows."""
        heard = self._at + (position - self._position) / self._second
        if self._marks and self._marks[0].position <= position:
            return max(heard, self._marks[0].due + MARK_GRACE_S)
        return heard

    def flush(self, position: int) -> None:
        """A clear: the marks on their way come back unplayed, and nothing after ``position`` is heard of it."""
        for mark in self._marks:
            self._cleared[mark.name] = None
        self._marks.clear()
        while len(self._cleared) > MAX_MARKS:
            del self._cleared[next(iter(self._cleared))]
        self.marked = min(self.marked, position)
