"""Two ends of a media socket that exists only in virtual time."""

from typing import Final, Protocol

import msgspec

from trunkline.testing.clock import VirtualClock
from trunkline.testing.network import CLEAR, Conditions, Path

LOST: Final = "the connection was lost"


class Line(msgspec.Struct, frozen=True):
    """Both directions of a call's media socket, seen from the telephone, and when the socket is lost, if it is."""

    up: Conditions = CLEAR  # telephone to gateway
    down: Conditions = CLEAR
    lost_at_s: float | None = None  # seconds since it was opened


class Receiver(Protocol):
    """Who sits at an end."""

    def received(self, data: bytes, binary: bool, now: float) -> None:
        """A message arrived."""
        ...

    def closed(self, code: int, reason: str, now: float) -> None:
        """The other end closed the socket."""
        ...

    def lost(self, reason: str, now: float) -> None:
        """The socket is gone: by our own closing, or without a goodbye."""
        ...


class VirtualLink:
    """One end. Made in pairs by ``pair``; ``attach`` a receiver before the first message can arrive."""

    def __init__(self, conditions: Conditions, clock: VirtualClock) -> None:
        self.open = True
        self.path = Path(conditions, clock, self._arrived)
        self._clock = clock
        self._peer: VirtualLink | None = None
        self._receiver: Receiver | None = None

    def attach(self, receiver: Receiver) -> None:
        """Say who receives here."""
        self._receiver = receiver

    def send_text(self, data: bytes) -> None:
        """Send a text message; on a closed socket nothing happens."""
        if self.open:
            self.path.send(data, False)

    def send_binary(self, data: bytes) -> None:
        """Send a binary message; on a closed socket nothing happens."""
        if self.open:
            self.path.send(data, True)

    def close(self, code: int, reason: str) -> None:
        """Close behind what was sent. This end hears nothing more but that the socket is gone."""
        if self.open:
            self.open = False
            self.path.after(lambda: self._goodbye(code, reason))
            self._gone("closed by this end")

    def buffered(self) -> int:
        """Bytes sent that the socket still holds."""
        return self.path.buffered()

    def break_off(self) -> None:
        """Lose the socket: what is on its way is dropped, and this end is told."""
        self.path.cut()
        if self.open:
            self.open = False
            self._gone(LOST)

    def _gone(self, reason: str) -> None:
        if self._receiver is not None:
            self._receiver.lost(reason, self._clock.now)

    def _arrived(self, data: bytes, binary: bool) -> None:
        far = self._peer
        if far is not None and far.open and far._receiver is not None:
            far._receiver.received(data, binary, self._clock.now)

    def _goodbye(self, code: int, reason: str) -> None:
        far = self._peer
        if far is not None and far.open and far._receiver is not None:
            far.open = False
            far._receiver.closed(code, reason, self._clock.now)

    def connect(self, peer: "VirtualLink") -> None:
        """Say where messages go. ``pair`` does it."""
        self._peer = peer


class Scissors:
    """Cuts both ends off at a given time."""

    def __init__(self, at: float | None, ends: tuple[VirtualLink, VirtualLink]) -> None:
        self.deadline = at
        self._ends = ends

    def tick(self, now: float) -> None:
        """Cut."""
        self.deadline = None
        for end in self._ends:
            end.break_off()


def pair(line: Line, clock: VirtualClock) -> tuple[VirtualLink, VirtualLink, Scissors]:
    """The telephone's end, the gateway's end, and what may cut the line: run the paths and the scissors on the
    clock."""
    near, far = VirtualLink(line.up, clock), VirtualLink(line.down, clock)
    near.connect(far)
    far.connect(near)
    at = None if line.lost_at_s is None else clock.now + line.lost_at_s
    return near, far, Scissors(at, (near, far))
