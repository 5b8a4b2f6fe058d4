"""A line between two ends on virtual time, as bad as it is told to be.

Over a socket (TCP) nothing is lost, doubled or reordered as long as the socket lives: trouble shows as delay, and at
worst as the loss of the whole socket. Datagrams (UDP) suffer all of it. Everything random is drawn from a seed.
"""

import random
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final

import msgspec

from trunkline.testing.clock import VirtualClock

KERNEL_BYTES: Final = 65_536
"""What the kernels at both ends hold of one direction before the sender's own buffer starts to grow."""


class Conditions(msgspec.Struct, frozen=True):
    """One direction of a line. Times of day (``stalls``) are seconds since the line opened."""

    latency_ms: float = 0
    jitter_ms: float = 0  # added to the latency, anew for each message: anything from 0 to this
    stalls: tuple[tuple[float, float], ...] = ()  # from, to: nothing arrives, then all of it at once
    bytes_per_s: float | None = None  # how fast the other end reads; None: at once
    datagrams: bool = False
    loss: float = 0  # of datagrams, as are the next two: probability for each
    duplication: float = 0
    reordering: float = 0  # arrives after the datagram behind it
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.loss or self.duplication or self.reordering) and not self.datagrams:
            raise ValueError("a socket loses, doubles and reorders no messages: set datagrams")


CLEAR: Final = Conditions()


def dropping(rate: float, seed: int = 0) -> Callable[[int], bool]:
    """For ``Phone(drops=…)``: loses frames at random, ``rate`` (0 to 1) of them."""
    draw = random.Random(seed).random  # noqa: S311 - a dice, not a key
    return lambda frame: draw() < rate


class Path:
    """One direction. Whoever makes it says with ``deliver`` who gets each message, and when is then."""

    def __init__(self, conditions: Conditions, clock: VirtualClock, deliver: Callable[[bytes, bool], None]) -> None:
        self.delivered = 0  # messages
        self.dropped = 0
        self._conditions = conditions
        self._clock = clock
        self._deliver = deliver
        self._opened = clock.now
        self._random = random.Random(conditions.seed)  # noqa: S311 - a dice, not a key
        self._free_at = clock.now  # when the reader will have read all there is
        self._last_at = clock.now
        self._number = 0
        self._flying: list[tuple[float, int, bytes, bool, Callable[[], None] | None]] = []
        self._bytes = 0
        self._cut = False

    @property
    def deadline(self) -> float | None:
        """When the next message arrives."""
        return self._flying[0][0] if self._flying else None

    def buffered(self) -> int:
        """Bytes the sender still holds, as its transport would report them."""
        return max(0, self._bytes - KERNEL_BYTES)

    def send(self, data: bytes, binary: bool) -> None:
        """Put a message on its way. On a line that was cut it vanishes, as it does in life."""
        if self._cut:
            self.dropped += 1
            return
        conditions, draw = self._conditions, self._random.random
        copies = 1
        if conditions.datagrams:
            if draw() < conditions.loss:
                self.dropped += 1
                return
            copies += draw() < conditions.duplication
        for _ in range(copies):
            self._push(self._arrival(len(data)), data, binary, None)

    def after(self, act: Callable[[], None]) -> None:
        """Do ``act`` behind all that was sent so far: how a close arrives."""
        if not self._cut:
            self._push(self._arrival(0), b"", False, act)

    def cut(self) -> None:
        """Drop what is on its way, and everything from now on."""
        self._cut = True
        self.dropped += len(self._flying)
        self._flying.clear()
        self._bytes = 0

    def tick(self, now: float) -> None:
        """Deliver what has arrived, but not what its delivery brings forth: that is for the next tick."""
        for _ in range(len(self._flying)):
            if not self._flying or self._flying[0][0] > now:
                return
            _, _, data, binary, act = heappop(self._flying)
            self._bytes -= len(data)
            if act is not None:
                act()
            else:
                self.delivered += 1
                self._deliver(data, binary)

    def _arrival(self, size: int) -> float:
        conditions, now = self._conditions, self._clock.now
        at = now + (conditions.latency_ms + conditions.jitter_ms * self._random.random()) / 1000
        if conditions.bytes_per_s is not None:
            self._free_at = at = max(self._free_at, at) + size / conditions.bytes_per_s
        for start, end in conditions.stalls:
            if start <= at - self._opened < end:
                at = self._opened + end
        if conditions.datagrams:
            if self._random.random() < conditions.reordering:
                at += (conditions.latency_ms + conditions.jitter_ms + 40) / 1000  # two frames on
            return at
        self._last_at = max(self._last_at, at)  # a byte stream keeps its order
        return self._last_at

    def _push(self, at: float, data: bytes, binary: bool, act: Callable[[], None] | None) -> None:
        self._number += 1
        self._bytes += len(data)
        heappush(self._flying, (at, self._number, data, binary, act))
