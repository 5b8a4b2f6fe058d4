"""One WebSocket to a vendor, from its upgrade to its end: frames are joined to messages, and its end is a future."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from trunkline.errors import ProviderError, RemoteError
from trunkline.fragments import Fragments

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""The largest message a vendor may send: OpenAI echoes whole conversation items, audio included."""

MAX_UNSENT_BYTES: Final = 512 * 1024
"""Bytes that may wait for a vendor that does not read: ten seconds of 24 kHz audio in base64."""

_TEXT = WSMsgType.TEXT
_BINARY = WSMsgType.BINARY


class Owner(Protocol):
    """Who hears of it."""

    def take(self, connection: "Connection", data: bytes, binary: bool) -> None:
        """One whole message of ``connection``."""
        ...

    def gone(self, connection: "Connection", code: int, reason: str) -> None:
        """``connection`` was closed by the vendor or by the network."""
        ...


class Connection(WSListener):  # type: ignore[misc, unused-ignore]
    """``over`` fails when it is of no more use. Tells its owner the rest."""

    def __init__(self, owner: Owner) -> None:
        self.transport: WSTransport
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.garbage = 0
        self.early: list[Callable[[], None]] | None = []
        """What came before it was adopted: a vendor's first message may be in the same packet as its upgrade."""
        self._owner = owner
        self._fragments = Fragments(MAX_MESSAGE_BYTES)

    def fail(self, error: ProviderError) -> None:
        """The connection is of no more use."""
        if not self.over.done():
            self.over.set_exception(error)
            self.over.exception()  # it may be that nobody waits for it any more
        self.close()

    def break_off(self, error: Exception) -> None:
        """Our own code failed over a message."""
        if not self.over.done():
            self.over.set_exception(error)
            self.over.exception()
        self.close()

    def close(self) -> None:
        """Say goodbye; the second time does nothing."""
        if not self.transport.is_close_frame_sent:
            self.transport.send_close(WSCloseCode.OK)
        # A vendor that stalled will not answer our goodbye, and its socket must not linger.
        self.transport.disconnect(graceful=False)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        transport.underlying_transport.set_write_buffer_limits(high=MAX_UNSENT_BYTES)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind is WSMsgType.CLOSE:
            code: int = frame.get_close_code()  # type: ignore[assignment]  # a plain number, whatever the stub says
            self._owner.gone(self, int(code), frame.get_close_reason() or "")
            transport.disconnect()
        elif frame.fin and not self._fragments.pending and (kind is _TEXT or kind is _BINARY):
            self._owner.take(self, frame.get_payload_as_bytes(), kind is _BINARY)
        elif kind in (_TEXT, _BINARY, WSMsgType.CONTINUATION):
            self._join(frame, kind)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._owner.gone(self, 1006, "")  # without a word; after a CLOSE this one changes nothing

    def pause_writing(self) -> None:
        self._owner.gone(self, 1006, "")

    def resume_writing(self) -> None:
        """Nothing to do: there is no way back from ``pause_writing``."""

    def _join(self, frame: WSFrame, kind: WSMsgType) -> None:
        binary = None if kind is WSMsgType.CONTINUATION else kind is _BINARY
        try:
            whole = self._fragments.push(frame.get_payload_as_bytes(), binary=binary, fin=frame.fin)
        except RemoteError as error:
            self._owner.gone(self, error.close_code, "")
        else:
            if whole is not None:
                self._owner.take(self, *whole)
