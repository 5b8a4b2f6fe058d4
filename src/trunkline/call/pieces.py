"""Bytes that wait in line, pushed in any pieces and taken in any others."""

from collections import deque


class Pieces:
    """A queue of bytes. ``size`` is what is in it."""

    __slots__ = ("_head", "_line", "size")

    def __init__(self) -> None:
        self._line: deque[bytes] = deque()
        self._head = 0  # bytes already taken off the first piece
        self.size = 0

    def push(self, piece: bytes) -> None:
        """At the end of the line."""
        self._line.append(piece)
        self.size += len(piece)

    def push_front(self, piece: bytes) -> None:
        """Back to the front."""
        if self._head:
            self._line[0] = self._line[0][self._head :]
            self._head = 0
        self._line.appendleft(piece)
        self.size += len(piece)

    def take(self, size: int) -> bytes:
        """The first ``size`` bytes; there must be as many."""
        self.size -= size
        line = self._line
        if not self._head and len(line[0]) == size:
            return line.popleft()
        taken: list[bytes] = []
        while size:
            piece = line[0][self._head : self._head + size]
            taken.append(piece)
            size -= len(piece)
            self._head += len(piece)
            if self._head == len(line[0]):
                line.popleft()
                self._head = 0
        return b"".join(taken)

    def clear(self) -> None:
        """Drop everything."""
        self._line.clear()
        self._head = self.size = 0

    def __len__(self) -> int:
        """Counted anew from the pieces themselves."""
        return sum(map(len, self._line)) - self._head
