"""One media socket, as its call sees it."""

import asyncio
from typing import Any, Final, Protocol

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport
from structlog.typing import FilteringBoundLogger

from trunkline.errors import RemoteError
from trunkline.fragments import Fragments

MAX_MESSAGE_BYTES: Final = 64 * 1024
"""The largest message a phone platform may send, in one frame or in fragments. 20 ms of audio is 2 KB at most."""

MAX_UNSENT_BYTES: Final = 256 * 1024
"""Bytes that may wait for a peer that does not read, beyond what the kernel holds. The playout keeps a fraction of a
second ahead (some 25 KB in the widest format), so a socket this far behind will not recover."""

_MAX_REASON_BYTES = 123  # RFC 6455 §5.5: a control frame holds 125 bytes, two of them are the code

# The same constants as plain names: looked up once per frame.
_TEXT = WSMsgType.TEXT
_BINARY = WSMsgType.BINARY


class Receiver(Protocol):
    """Who the messages are for."""

    def received(self, data: bytes, binary: bool) -> None:
        """One whole message. Never raises."""
        ...

    def fault(self, reason: str, close_code: int) -> None:
        """What came could not even be a message. The socket closes with this code."""
        ...

    def lost(self, reason: str, *, clean: bool = False) -> None:
        """The socket is gone. Nothing follows. ``clean``: the peer closed it in good order."""
        ...


class MediaSocket(WSListener):  # type: ignore[misc, unused-ignore]
    """A WebSocket of an admitted call: whole messages in, frames out, bounded both ways.

    Set ``receiver`` before the first frame arrives, that is before control returns to the event loop.
    """

    __slots__ = ("_fragments", "_log", "_pinger", "_transport", "_unsent", "receiver")

    receiver: Receiver

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._transport: WSTransport
        self._fragments = Fragments(MAX_MESSAGE_BYTES)
        self._pinger: asyncio.TimerHandle | None = None

    # --- towards the peer ------------------------------------------------------------------------------------------

    def send_text(self, data: bytes) -> None:
        """Send one text message. Silently nothing once the socket is closed or gone."""
        self._transport.send(_TEXT, data)

    def send_binary(self, data: bytes) -> None:
        """Send one binary message. Silently nothing once the socket is closed or gone."""
        self._transport.send(_BINARY, data)

    def close(self, code: int, reason: str) -> None:
        """Say goodbye and close. Only the first call does anything."""
        if not self._transport.is_close_frame_sent:
            fitting = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
            self._transport.send_close(code, fitting)  # type: ignore[arg-type]  # any code goes on the wire
            self._transport.disconnect()

    def buffered(self) -> int:
        """Bytes the kernel has not taken yet."""
        size: int = self._unsent()
        return size

    def keep_alive(self, every_s: float) -> None:
        """Ping the peer this often from now on: a proxy between us may cut a connection that is silent one way."""
        self._pinger = asyncio.get_running_loop().call_later(every_s, self._ping, every_s)

    def _ping(self, every_s: float) -> None:
        if not self._transport.is_close_frame_sent:
            self._transport.send_ping()
            self.keep_alive(every_s)

    async def closed(self) -> None:
        """Wait until the socket is gone. After ``close`` that is soon: a peer that lingers is cut off."""
        await self._transport.wait_disconnected()

    # --- from the peer ---------------------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The upgrade was answered."""
        self._transport = transport
        self._unsent = transport.underlying_transport.get_write_buffer_size

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One frame. Nearly all are whole messages: those take the short way."""
        kind = frame.msg_type
        if transport.is_close_frame_sent and kind is not WSMsgType.CLOSE:
            return
        if frame.fin and not self._fragments.pending and (kind is _TEXT or kind is _BINARY):
            self.receiver.received(frame.get_payload_as_bytes(), kind is _BINARY)
        elif kind is WSMsgType.CLOSE:
            self._answer_close(frame)
        elif kind in (_TEXT, _BINARY, WSMsgType.CONTINUATION):
            self._join(frame, kind)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The connection is gone, whoever ended it."""
        if self._pinger is not None:
            self._pinger.cancel()
        handshake = transport.close_handshake
        self.receiver.lost(_why(handshake), clean=_is_goodbye(handshake))

    def pause_writing(self) -> None:
        """More than ``MAX_UNSENT_BYTES`` wait: the peer does not read. Its buffers go with it."""
        self._log.warning("socket cut: the peer does not read", unsent_bytes=self.buffered(), limit=MAX_UNSENT_BYTES)
        self._transport.send_close(WSCloseCode.POLICY_VIOLATION, "peer does not read")
        self._transport.disconnect(graceful=False)

    def resume_writing(self) -> None:
        """Nothing to do: there is no way back from ``pause_writing``."""

    def _answer_close(self, frame: WSFrame) -> None:
        code = frame.get_close_code()
        # A CLOSE without a code may not be answered with the number that stands for "no code".
        self.close(WSCloseCode.OK if code == WSCloseCode.NO_INFO else code, "")  # type: ignore[arg-type]
        self._transport.disconnect()

    def _join(self, frame: WSFrame, kind: WSMsgType) -> None:
        binary = None if kind is WSMsgType.CONTINUATION else kind is _BINARY
        try:
            whole = self._fragments.push(frame.get_payload_as_memoryview(), binary=binary, fin=frame.fin)
        except RemoteError as error:
            self.receiver.fault(error.what, error.close_code)
            self.close(error.close_code, error.what)  # if the receiver has not
        else:
            if whole is not None:
                self.receiver.received(*whole)


def _is_goodbye(handshake: Any) -> bool:
    """Whether the peer closed first, and as one does when there is nothing more to say (RFC 6455 §7.4.1)."""
    return handshake is not None and bool(handshake.recv_then_sent) and int(handshake.recv.code) in (1000, 1001)


def _why(handshake: Any) -> str:
    """Who ended the connection, for the log. The peer's own words stay out of it."""
    if handshake is None:
        return "connection lost"
    if handshake.recv_then_sent or handshake.sent is None:
        return f"closed by the peer ({int(handshake.recv.code)})"
    return f"closed by us ({int(handshake.sent.code)}: {handshake.sent.reason})"
