"""The media link of a call over plain RTP: two UDP sockets, read as they become readable, written on deadlines."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from trunkline.call.bridge import Link
from trunkline.rtp.latch import Address, Latch
from trunkline.rtp.packet import Kind, kind_of
from trunkline.server.link import Receiver
from trunkline.server.udp_ports import PortPair
from trunkline.wire.base import BinaryFrame, Output

MAX_DATAGRAM_BYTES: Final = 2048
"""Beyond any Ethernet's packet; what is longer is cut, and then malformed."""

MAX_AT_ONCE: Final = 256
"""Datagrams read in one go after the process was held up: as many as the kernel holds for a call."""

LATE_S: Final = 0.005
"""A tick this late says that datagrams may wait which came before it. A timer by itself is off by a millisecond."""

TICK: Final = b""


class Timed(Protocol):
    """What the link needs of the codec: when it wants to be woken, and its last words."""

    @property
    def deadline(self) -> float:
        """When to hand in a tick."""
        ...

    @property
    def ssrc(self) -> int | None:
        """The source heard."""
        ...

    def goodbye(self, now: float) -> Sequence[Output]:
        """What to send before the sockets close."""
        ...


class DatagramLink(Link):
    """The two sockets of one call. Set ``receiver``, then ``open``; it is told of every datagram of the peer's, and of
    each of the codec's deadlines by an empty one."""

    receiver: Receiver

    def __init__(self, pair: PortPair, latch: Latch, codec: Timed) -> None:
        self.latch = latch
        self.unsent = 0
        """Datagrams the kernel would not take."""
        self._pair = pair
        self._codec = codec
        self._loop = asyncio.get_running_loop()
        self._recv = pair.rtp.recvfrom
        self._sendto = pair.rtp.sendto
        self._timer: asyncio.TimerHandle | None = None
        self._closed = self._loop.create_future()
        self._open = False
        self._source: tuple[Any, ...] | None = None  # the latch's, as the socket names it
        self._control: Address | None = None  # where the peer's reports come from
        self._muxed = False  # they come on the RTP port (RFC 5761)

    def open(self) -> None:
        """Start reading and ticking: the call begins."""
        self._open = True
        self._loop.add_reader(self._pair.rtp, self._read)
        self._loop.add_reader(self._pair.rtcp, self._read_control)
        self._timer = self._loop.call_soon(self._tick)  # type: ignore[assignment]  # both can be cancelled

    # --- towards the peer ------------------------------------------------------------------------------------------

    def send_binary(self, data: bytes) -> None:
        """Send one datagram: RTP, or RTCP to where that goes. What the kernel won't take now is dropped and counted:
        in 20 ms it would be too late."""
        if not self._open:
            return
        try:
            if 192 <= data[1] <= 223:
                self._send_control(data)
            else:
                self._sendto(data, self.latch.destination)
        except OSError:
            self.unsent += 1

    def send_text(self, data: bytes) -> None:
        """There is no text in RTP."""

    def close(self, code: int, reason: str) -> None:
        """Say goodbye, give the ports back, and tell the receiver. Only the first call does anything."""
        self._shut("closed by us", clean=False)

    def hang_up(self) -> None:
        """The peer has ended the call, by other means than RTP."""
        self._shut("hung up", clean=True)

    def buffered(self) -> int:
        """Nothing waits: a datagram is sent or dropped."""
        return 0

    async def closed(self) -> None:
        """Wait until the sockets are gone."""
        await asyncio.shield(self._closed)

    def on_closed(self, act: Callable[[], object]) -> None:
        """Do ``act`` when the sockets are gone."""
        self._closed.add_done_callback(lambda _: act())

    def _send_control(self, data: bytes) -> None:
        if self._muxed:
            self._sendto(data, self.latch.destination)
            return
        ip, port = self.latch.destination
        self._pair.rtcp.sendto(data, self._control or (ip, port + 1))

    def _shut(self, reason: str, *, clean: bool) -> None:
        if not self._open:
            return
        for output in self._codec.goodbye(self._loop.time()):
            if isinstance(output, BinaryFrame):
                self.send_binary(output.data)
        self._open = False
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._pair.rtp)
        self._loop.remove_reader(self._pair.rtcp)
        self._pair.close()
        self._loop.call_soon(self._gone, reason, clean)

    def _gone(self, reason: str, clean: bool) -> None:
        self.receiver.lost(reason, clean=clean)
        if not self._closed.done():
            self._closed.set_result(None)

    # --- from the peer ---------------------------------------------------------------------------------------------

    def _read(self) -> bool:
        """One datagram; False: there is none. If there are more the loop calls again: a flood on one port leaves the
        others their turn, and the usual packet costs no second look at an empty socket."""
        try:
            data, source = self._recv(MAX_DATAGRAM_BYTES)
        except OSError:  # there is none after all; or one of ours could not be delivered, told here
            return False
        if source == self._source and len(data) > 1:
            self.latch.heard_at = self._loop.time()
            if 192 <= data[1] <= 223:
                self._muxed = True
            self.receiver.received(data, True)
        else:
            self._read_other(data, source)
        return True

    def _catch_up(self) -> None:
        """The process was held up. What came meanwhile is read before the codec looks at what is missing: audio that
        waits in the kernel is not lost, and making up for it would take the time there is not."""
        for _ in range(MAX_AT_ONCE):
            if not (self._open and self._read()):
                return

    def _read_other(self, data: bytes, source: tuple[Any, ...]) -> None:
        """What is too short for anything, or from an address that is not, or not yet, the peer's."""
        latch = self.latch
        if len(data) < 2:
            latch.strangers += 1
            return
        address = source[:2]  # IPv6 has more to it
        latch.follow(self._codec.ssrc)
        for datagram in latch.admit(data, address, self._loop.time()):
            self.receiver.received(datagram, True)
        if latch.source == address:
            self._source = source

    def _read_control(self) -> None:
        try:
            data, source = self._pair.rtcp.recvfrom(MAX_DATAGRAM_BYTES)
        except OSError:
            return
        address = source[:2]
        if kind_of(data) is Kind.RTCP and self.latch.allows_control(address):
            if self.latch.symmetric:
                self._control = address
            self.receiver.received(data, True)
        else:
            self.latch.strangers += 1

    def _tick(self) -> None:
        if self._loop.time() > self._codec.deadline + LATE_S:
            self._catch_up()
        self.receiver.received(TICK, True)
        if self._open:
            self._timer = self._loop.call_at(self._codec.deadline, self._tick)
