"""HTTP requests with an end: uvicorn bounds neither how long one may take to come nor how large its head may grow."""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from trunkline import logs
from trunkline.server import handshake

REQUEST_S: Final = 10.0
"""How long a request may take to come, head and body. Platforms send theirs in one packet or two."""

MAX_HEAD_BYTES: Final = 32 * 1024
"""The largest request line and headers together. Platforms' have some two thousand bytes."""

_log = logs.get(__name__)


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol, which gives up on a request that is too slow or whose head is too large."""

    _timer: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._done()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._timer is None and (self.cycle is None or self.cycle.response_complete):
            self._expect()  # even the empty lines that may stand before a request
        self._head_bytes += len(data)
        super().data_received(data)
        if self._timer is not None and self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            _log.warning("request refused", reason=f"its head is over {MAX_HEAD_BYTES} bytes", status=431)
            self._done()
            self.transport.write(handshake.refusal(431))
            self.transport.close()

    def on_message_begin(self) -> None:
        self._in_head = True
        self._expect()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._done()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._done()
        super().handle_websocket_upgrade()

    def _expect(self) -> None:
        """A request begins, or has to."""
        if self._timer is None:
            self._head_bytes = 0
            self._timer = self.loop.call_later(REQUEST_S, self._give_up)

    def _done(self) -> None:
        """It has come, or nobody waits for it any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        _log.info("connection cut: no whole request came", seconds=REQUEST_S)
        self.transport.abort()
