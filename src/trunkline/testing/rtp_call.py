"""A real call over plain RTP from a simulated telephone to a running gateway: HTTP request, UDP, real time."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any, Final, Protocol, runtime_checkable
from urllib.parse import urlsplit

from trunkline.server.udp_ports import PortPair, PortRange, way_to
from trunkline.testing.phone import Phone
from trunkline.wire.base import BinaryFrame, CloseSocket, HttpCall, MediaAddress, Output, PhoneCodec

PORTS: Final = range(30_000, 32_000, 2)
"""Where a simulated telephone listens: below the ports the kernel gives to others."""
MAX_DATAGRAM_BYTES: Final = 2048


def bind(base_url: str) -> PortPair:
    """Two sockets, at the address from which a way leads to the gateway. Raises ``Busy``."""
    parts = urlsplit(base_url)
    address = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_DGRAM)[0]
    ours = way_to(str(address[4][0]), address[0])
    ports = PortRange(ours, PORTS)
    return ports.open()


@runtime_checkable
class ListeningPhone(PhoneCodec, Protocol):
    """A phone codec that listens somewhere, and says where when it dials."""

    def bound(self, ip: str, port: int) -> None:
        """It listens there."""
        ...


class Datagrams:
    """The telephone's hands and watch, over UDP. It listens at once; ``open`` tells it whom to speak to."""

    def __init__(self, phone: Phone, codec: ListeningPhone, base_url: str, report: Callable[[HttpCall], None]) -> None:
        self._phone = phone
        self._pair = bind(base_url)
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()
        self._to: tuple[str, int] = ("", 0)
        codec.bound(self._pair.rtp.getsockname()[0], self._pair.port)

    async def open(self, address: MediaAddress) -> None:
        """Speak to ``address``."""
        parts = urlsplit(address.url)
        self._to = (parts.hostname or "", parts.port or 0)
        for sock in self._pair:
            self._loop.add_reader(sock, self._read, sock)
        self._do(self._phone.opened(self._loop.time()))

    async def done(self) -> None:
        """Wait until the call is over."""
        await self._over.wait()

    def hang_up(self) -> None:
        """The call has lasted too long."""
        self._do(self._phone.hang_up(self._loop.time(), "time limit"))

    def close(self) -> None:
        """Give the ports back."""
        if self._timer is not None:
            self._timer.cancel()
        for sock in self._pair:
            self._loop.remove_reader(sock)
        self._pair.close()

    def _read(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while not self._over.is_set():
                data: Any = sock.recv(MAX_DATAGRAM_BYTES)
                self._do(self._phone.receive(data, True, self._loop.time()))

    def _wake(self) -> None:
        self._timer = None
        self._do(self._phone.tick(self._loop.time()))

    def _do(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case HttpCall():
                    self._report(output)
                case BinaryFrame(data=data):
                    self._send(data)
                case CloseSocket():
                    self._phone.closed(1000, "", self._loop.time())
        if self._phone.ended:
            self._over.set()
        self._arm()

    def _send(self, data: bytes) -> None:
        host, port = self._to
        control = 192 <= data[1] <= 223
        with contextlib.suppress(OSError):
            self._pair[control].sendto(data, (host, port + control))

    def _arm(self) -> None:
        """Keep one timer at the phone's deadline."""
        if self._timer is None and (at := self._phone.deadline) is not None and not self._over.is_set():
            self._timer = self._loop.call_at(at, self._wake)
