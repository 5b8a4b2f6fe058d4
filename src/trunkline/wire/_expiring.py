"""Values kept for a while: each can be taken once, the old ones go, and there are never too many."""

from typing import Generic, TypeVar

V = TypeVar("V")


class Expiring(Generic[V]):
    """A dictionary whose entries live ``lifetime_s`` seconds and of which there are at most ``limit``.

    All entries live equally long, so the order they came in is the order they expire in, and sweeping looks only
    at the front: putting costs the same however many there are.
    """

    def __init__(self, lifetime_s: float, limit: int) -> None:
        self._lifetime_s = lifetime_s
        self._limit = limit
        self._entries: dict[str, tuple[float, V]] = {}  # key -> (expires at, value)

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: str, value: V, now: float) -> None:
        """Keep ``value``, in place of what was there. When full, the entry nearest its end makes room."""
        self._entries.pop(key, None)  # so that the new one goes to the back of the queue
        while self._entries:
            oldest = next(iter(self._entries))
            if len(self._entries) < self._limit and self._entries[oldest][0] > now:
                break
            del self._entries[oldest]
        self._entries[key] = (now + self._lifetime_s, value)

    def take(self, key: str, now: float) -> V | None:
        """The value, which is then gone; ``None`` when there is none or its time is over."""
        expires, value = self._entries.pop(key, (now, None))
        return value if now < expires else None
