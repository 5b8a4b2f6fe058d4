"""Closing a TCP connection so that the last frame arrives.

Closing a socket that still has unread bytes makes the kernel send a reset, and a reset may overtake the CLOSE frame
that says why. So the write side is shut first, and what the peer still sends is read and thrown away until it closes
too (RFC 6455 §7.1.1 asks for the same).
"""

import asyncio
from typing import Final

LINGER_S: Final = 2.0
"""How long a peer may take to close its side. A peer that never does costs a socket no longer than this."""

_SCRATCH: Final = memoryview(bytearray(64 * 1024))  # written by every lingering socket, read by none


class LingeringTransport:
    """A transport whose ``close`` lingers. What is called per frame is the wrapped transport's own method.

    ``protocol`` is told ``connection_lost`` as ever; after ``close`` it is told nothing else.
    """

    __slots__ = (
        "_protocol",
        "_timer",
        "_transport",
        "abort",
        "get_extra_info",
        "get_write_buffer_size",
        "write",
        "writelines",
    )

    def __init__(self, transport: asyncio.Transport, protocol: asyncio.BaseProtocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self._timer: asyncio.TimerHandle | None = None
        self.abort = transport.abort
        self.get_extra_info = transport.get_extra_info
        self.get_write_buffer_size = transport.get_write_buffer_size
        self.write = transport.write
        self.writelines = transport.writelines

    def close(self) -> None:
        """Send what is still buffered, then the end of our side; cut the rest off after ``LINGER_S``."""
        if self._timer is not None or self._transport.is_closing():
            return
        self._timer = asyncio.get_running_loop().call_later(LINGER_S, self._transport.abort)
        self._transport.set_protocol(_Discard(self._protocol, self._timer))
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:  # TLS has no half-closed state
            self._transport.close()


class _Discard(asyncio.BufferedProtocol):
    """Reads and forgets until the peer closes."""

    def __init__(self, successor_of: asyncio.BaseProtocol, timer: asyncio.TimerHandle) -> None:
        self._told = successor_of
        self._timer = timer

    def get_buffer(self, sizehint: int) -> memoryview:
        return _SCRATCH

    def buffer_updated(self, nbytes: int) -> None:
        pass

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._told.connection_lost(exc)
