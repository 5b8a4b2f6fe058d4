"""Making a picows socket out of a connection that uvicorn has read the upgrade request from."""

import asyncio
import logging
import socket
from typing import Any, Final

from picows import WSListener, WSUpgradeRequest
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # its stub lists only what most people need

from trunkline import logs
from trunkline.server.linger import LingeringTransport
from trunkline.server.link import MAX_MESSAGE_BYTES, MAX_UNSENT_BYTES

KERNEL_SEND_BYTES: Final = 64 * 1024
"""What the kernel may hold for one phone. Left to itself it grows to megabytes, which is minutes of audio, and hides
a peer that stopped reading."""

READ_BUFFER_BYTES: Final = 2048
"""First size of a socket's read buffer, the least picows takes. A 20 ms message of mu-law is under 400 bytes."""

DEAD_PEER_S: Final = 30
"""A peer that vanished without a word is noticed by the kernel's own probes after about this long."""

_log = logs.get(__name__)


def answer_upgrade(
    listener: WSListener, transport: asyncio.Transport, target: str, key: str
) -> asyncio.BufferedProtocol:
    """Answer 101 on ``transport``; ``listener`` is connected when this returns.

    The caller must install the returned protocol on the transport before control goes back to the event loop, and
    start reading anew.
    """
    transport.set_write_buffer_limits(high=MAX_UNSENT_BYTES)
    _tune(transport.get_extra_info("socket"))

    def accept(request: WSUpgradeRequest) -> WSListener:
        return listener

    protocol: asyncio.BufferedProtocol = WSProtocol(
        None,  # host and port, for clients
        None,  # path, for clients
        False,  # we are the server
        accept,
        _Mute(),
        True,  # disconnect on an exception
        None,  # handshake timeout: the request is here already
        False,  # no pings of our own: the kernel's probes find a dead peer without a task per socket
        0,
        0,
        1,
        True,  # answer pings
        MAX_MESSAGE_BYTES,
        None,  # extra headers
        READ_BUFFER_BYTES,
    )
    protocol.connection_made(LingeringTransport(transport, protocol))  # type: ignore[arg-type]
    # picows reads the request again, and takes only the plainest: real ones say "Connection: keep-alive, Upgrade".
    _feed(
        protocol,
        f"GET {target} HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode("latin-1"),
    )
    return protocol


def _feed(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    """Hand ``data`` to a buffered protocol as a transport would."""
    while data:
        room: Any = protocol.get_buffer(-1)
        taken = min(len(room), len(data))
        room[:taken] = data[:taken]
        protocol.buffer_updated(taken)
        data = data[taken:]


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_SEND_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", DEAD_PEER_S // 2), ("TCP_KEEPINTVL", DEAD_PEER_S // 6), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


class _Mute:
    """picows' logger. It is silent about peers: what it would say is in the reason given to ``Receiver.lost``."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the name logging gave it
        return level >= logging.ERROR

    def log(self, *_: object, **__: object) -> None:
        pass

    debug = info = warning = error = log

    def exception(self, *_: object, **__: object) -> None:
        """Something of ours raised inside a socket callback."""
        _log.exception("media socket failed")
