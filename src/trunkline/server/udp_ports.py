"""UDP ports for calls over RTP: an even one for the audio and the odd one above it for its reports (RFC 3550 §11)."""

import errno
import socket
from typing import Final, NamedTuple

from trunkline.errors import Busy, ConfigError

RECEIVE_BYTES: Final = 256 * 1024
"""What the kernel may hold for one call: a second and more of packets, so that a stall of ours loses none."""


class PortPair(NamedTuple):
    """Two bound sockets, not blocking."""

    rtp: socket.socket
    rtcp: socket.socket

    @property
    def port(self) -> int:
        """The even one."""
        port: int = self.rtp.getsockname()[1]
        return port

    def close(self) -> None:
        """Give both ports back."""
        self.rtp.close()
        self.rtcp.close()


class PortRange:
    """Hands out pairs of ports on ``host`` in turn, so that one that was given back rests before it is used again: the
    last call's peer may still be sending there.

    Raises ``ConfigError`` where ``host`` is no address of this machine.
    """

    def __init__(self, host: str, ports: range) -> None:
        try:
            family, _, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)[0]
            self.family = family
            self.host = str(address[0])
            with socket.socket(self.family, socket.SOCK_DGRAM) as probe:
                probe.bind((self.host, 0))
        except OSError as error:
            raise ConfigError(f"RTP_HOST can't be listened on: {error.strerror}") from None
        self._ports = ports
        self._next = 0

    def open(self) -> PortPair:
        """A pair of ports nobody else has. Raises ``Busy`` when there is none left."""
        for step in range(len(self._ports)):
            at = (self._next + step) % len(self._ports)
            if (pair := self._bind(self._ports[at])) is not None:
                self._next = at + 1
                return pair
        first, last = self._ports[0], self._ports[-1] + 1
        raise Busy(f"no RTP port is free: all {len(self._ports)} pairs of {first}-{last} are in use")

    def _bind(self, port: int) -> PortPair | None:
        pair = PortPair(*(socket.socket(self.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) for _ in range(2)))
        try:
            pair.rtp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
            pair.rtp.bind((self.host, port))
            pair.rtcp.bind((self.host, port + 1))
        except OSError as error:
            pair.close()
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return None
            raise
        return pair


def way_to(ip: str, family: socket.AddressFamily) -> str:
    """The address of ours that packets to ``ip`` come from; nothing is sent. Raises ``OSError`` where no way leads."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((ip, 9))
        ours: str = probe.getsockname()[0]
        return ours
