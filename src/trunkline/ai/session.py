"""The pump that runs any provider's socket: deadlines, heartbeats, reconnects, planned hand-overs.

A provider's file says what its messages mean (``Peer``); this file keeps a connection under it. Messages are handed
over in the socket's own callback and sent at once: no queue and no task stand between the call and the vendor.

    peer.opened ── the session is opened, the conversation replayed ──▶ peer calls ready()
    peer.received ── one message
    peer.lost ── the connection is gone, another one is being made; then peer.opened again

``run`` ends when it is cancelled, or with a ``ProviderError`` once the vendor has been given up.
"""

import asyncio
import functools
import logging
import ssl
from typing import Final, Protocol

import msgspec
from picows import WSError, WSInvalidStatusError, WSMsgType, ws_connect
from structlog.typing import FilteringBoundLogger

from trunkline.ai.connection import MAX_MESSAGE_BYTES, Connection
from trunkline.ai.http import tls
from trunkline.ai.patience import Patience, Silent
from trunkline.errors import ProviderError, RemoteError

MAX_GARBAGE: Final = 5
"""Messages of one connection that can't be read before it is given up. One is an accident; unknown ones don't count."""

RENEW_AGAIN_S: Final = 5.0
"""After a planned hand-over that could not connect. The old connection still serves."""

_TEXT = WSMsgType.TEXT
_BINARY = WSMsgType.BINARY


class Address(msgspec.Struct, frozen=True):
    """Where a vendor's socket is. ``headers`` hold the key; ``repr`` shows neither."""

    url: str
    headers: dict[str, str] = {}

    def __repr__(self) -> str:
        return "Address(…)"


class Peer(Protocol):
    """A vendor's protocol in one call. Nothing here blocks."""

    def address(self) -> Address:
        """Where to connect; asked for each connection."""
        ...

    def opened(self) -> None:
        """A connection is up: send what opens the session. Call ``ready`` on the socket when the vendor agrees."""
        ...

    def received(self, data: bytes, binary: bool) -> None:
        """One message. Raises ``ProviderError`` where the vendor says that something failed (the connection is closed,
        and made anew if the fault allows), ``RemoteError`` for what can't be read (counted)."""
        ...

    def lost(self) -> None:
        """The connection is gone. Another one is being made."""
        ...

    def closed(self, code: int, reason: str) -> ProviderError:
        """The vendor closed the socket (1006: without a word): what that means. ``patience.closed`` knows the general
        case. ``reason`` may be private: don't pass it on as it is."""
        ...

    def refused(self, status: int, headers: dict[str, str], body: bytes) -> ProviderError:
        """The upgrade was answered with this status: what that means. ``patience.refused`` knows the general case.
        Header names are in lower case."""
        ...


class ProviderSocket:
    """One provider session's connection, kept up. ``heartbeat_s``: ``heartbeat`` is sent when nothing else was for so
    long."""

    def __init__(
        self,
        provider: str,
        peer: Peer,
        *,
        patience: Patience,
        log: FilteringBoundLogger,
        heartbeat_s: float = 0.0,
        heartbeat: bytes = b"",
    ) -> None:
        self.connections = 0
        """How many were made so far."""
        self.is_ready = False
        """The vendor has said that the present session stands."""
        self._provider = provider
        self._peer = peer
        self._patience = patience
        self._log = log.bind(provider=provider)
        self._heartbeat_s = heartbeat_s
        self._heartbeat = heartbeat
        self._connection: Connection | None = None
        self._failures = 0
        self._renewal = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._expected_s: float | None = None
        self._heard_at = 0.0
        self._sent_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # --- for the peer -----------------------------------------------------------------------------------------------

    def send(self, text: bytes) -> bool:
        """Send one text message. False, and nothing sent, while there is no connection."""
        return self._send(_TEXT, text)

    def send_binary(self, data: bytes) -> bool:
        """Send one binary message. False, and nothing sent, while there is no connection."""
        return self._send(_BINARY, data)

    def ready(self) -> None:
        """The vendor has said that the session stands: failures up to now are forgiven."""
        self.is_ready = True
        self._failures = 0
        self.expect(None)

    def expect(self, seconds: float | None) -> None:
        """From now on a message is due at least every so often; a connection that stays silent for longer is dead.
        None: silence is fine."""
        self._expected_s = seconds
        self._heard_at = self._loop.time()
        if seconds is not None:
            self._wake_in(seconds)

    def renew(self) -> None:
        """Move to a new connection before this one's end: it is made beside the old one, which serves meanwhile. Then
        comes ``opened``, without ``lost``. Ask between turns."""
        self._renewal.set()

    # --- the life of it ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, and keep connected, until cancelled. Raises ``ProviderError`` when the vendor is given up."""
        try:
            while True:
                try:
                    await self._serve(await self._connect())
                except ProviderError as error:
                    await self._after(error)
        finally:
            self._drop()

    async def _after(self, error: ProviderError) -> None:
        """The connection failed, or could not be made: wait for the next try. Raises ``error`` when there is none."""
        was_up = self._connection is not None
        self._drop()
        self._failures += 1
        pause_s = self._patience.pause_s(error, self._failures)
        if pause_s is None:
            tell = self._log.warning if self._patience.hurried else self._log.error  # another one may do as well
            tell("provider given up", fault=error.fault, reason=str(error), failures=self._failures)
            raise error
        self._log.warning(
            "provider connection lost", fault=error.fault, reason=str(error), again_in_s=round(pause_s, 2)
        )
        if was_up:
            self._peer.lost()
        await asyncio.sleep(pause_s)

    async def _serve(self, connection: Connection) -> None:
        """Until ``connection``, or the one that took over from it, ends. Raises ``ProviderError``."""
        self._adopt(connection)
        renewal: asyncio.Task[Connection] | None = None
        asked = asyncio.create_task(self._renewal.wait())
        try:
            while True:
                waited = {connection.over, renewal or asked}
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
                if connection.over.done():
                    await connection.over
                elif renewal is None:
                    renewal = asyncio.create_task(self._connect())
                else:
                    connection = self._take_over(connection, renewal)
                    self._renewal.clear()
                    renewal, asked = None, asyncio.create_task(self._renewal.wait())
        finally:
            asked.cancel()
            if renewal is not None:
                renewal.cancel()
                renewal.add_done_callback(_close_unused)

    def _take_over(self, old: Connection, renewal: asyncio.Task[Connection]) -> Connection:
        if error := renewal.exception():
            self._log.warning("provider hand-over failed", reason=str(error), again_in_s=RENEW_AGAIN_S)
            self._loop.call_later(RENEW_AGAIN_S, self._renewal.set)
            return old
        self._connection = None  # so that the goodbye is not taken for a loss
        old.close()
        self._adopt(renewal.result())
        self._log.info("provider connection renewed")
        return renewal.result()

    def _adopt(self, connection: Connection) -> None:
        self._connection = connection
        self.connections += 1
        self.is_ready = False
        self.expect(self._patience.ready_s)
        if self._heartbeat_s:
            self._wake_in(self._heartbeat_s)
        try:
            self._peer.opened()
        except ProviderError as error:
            connection.fail(error)
        early, connection.early = connection.early or [], None
        for happened in early:
            happened()

    async def _connect(self) -> Connection:
        """A new connection. Raises ``ProviderError``."""
        address, patience = self._peer.address(), self._patience
        try:
            async with asyncio.timeout(patience.connect_s):
                _, connection = await ws_connect(
                    lambda: Connection(self),
                    address.url,
                    ssl_context=tls() if address.url.startswith("wss:") else None,
                    websocket_handshake_timeout=patience.connect_s,
                    logger_name=_MUTE,
                    enable_auto_ping=True,
                    auto_ping_idle_timeout=patience.ping_s,
                    auto_ping_reply_timeout=patience.ping_s,
                    max_frame_size=MAX_MESSAGE_BYTES,
                    extra_headers=address.headers,
                    max_redirects=0,
                )
        except WSInvalidStatusError as answer:
            response = answer.response
            if response is None:
                raise ProviderError(self._provider, "transient", "the upgrade was answered with nonsense") from None
            headers = {name.lower(): value for name, value in response.headers.items()}
            raise self._peer.refused(int(response.status), headers, answer.raw_body or b"") from None
        except TimeoutError:
            raise ProviderError(self._provider, "transient", f"no connection within {patience.connect_s:g} s") from None
        except ssl.SSLCertVerificationError:
            raise ProviderError(self._provider, "our fault", "its certificate is not to be trusted") from None
        except (OSError, WSError) as error:
            raise ProviderError(self._provider, "transient", f"no connection: {type(error).__name__}") from None
        if not isinstance(connection, Connection):  # picows: it was closed before the upgrade was answered
            raise ProviderError(self._provider, "transient", "no connection: it hung up")
        return connection

    # --- from the connection ----------------------------------------------------------------------------------------

    def take(self, connection: Connection, data: bytes, binary: bool) -> None:
        """One whole message of ``connection``."""
        if connection.early is not None:
            connection.early.append(functools.partial(self.take, connection, data, binary))
            return
        if connection is not self._connection or connection.over.done():
            return
        self._heard_at = self._loop.time()
        try:
            self._peer.received(data, binary)
        except ProviderError as error:
            connection.fail(error)
        except RemoteError as error:
            connection.garbage += 1
            self._log.warning("provider message unreadable", reason=str(error), of_them=connection.garbage)
            if connection.garbage >= MAX_GARBAGE:
                connection.fail(ProviderError(self._provider, "transient", "sends what can't be read"))
        except Exception as error:  # the edge of the provider's code: it ends its own session and no other
            connection.break_off(error)

    def gone(self, connection: Connection, code: int, reason: str) -> None:
        """``connection`` was closed by the vendor or by the network."""
        if connection.early is not None:
            connection.early.append(functools.partial(self.gone, connection, code, reason))
        elif connection is self._connection:
            connection.fail(self._peer.closed(code, reason))

    # --- inside -----------------------------------------------------------------------------------------------------

    def _send(self, kind: WSMsgType, data: bytes) -> bool:
        connection = self._connection
        if connection is None or connection.over.done():
            return False
        self._sent_at = self._loop.time()
        connection.transport.send(kind, data)
        return True

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self.is_ready = False
        self._expected_s = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if connection is not None:
            connection.close()

    def _wake_in(self, seconds: float) -> None:
        """The timer is moved to an earlier moment only; one that fires too soon looks again."""
        at = self._loop.time() + seconds
        if self._timer is None or self._timer.cancelled() or self._timer.when() > at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(at, self._look)

    def _look(self) -> None:
        self._timer = None
        connection, now = self._connection, self._loop.time()
        if connection is None or connection.over.done():
            return
        if self._expected_s is not None:
            left_s = self._heard_at + self._expected_s - now
            if left_s <= 0:
                waited = f"said nothing for {self._expected_s:g} s" if self.is_ready else "did not open the session"
                connection.fail(Silent(self._provider, "transient", waited))
                return
            self._wake_in(left_s)
        if self._heartbeat_s:
            left_s = self._sent_at + self._heartbeat_s - now
            if left_s <= 0:
                self._send(_TEXT, self._heartbeat)
                left_s = self._heartbeat_s
            self._wake_in(left_s)


def _close_unused(task: asyncio.Task[Connection]) -> None:
    """A connection that was made too late to serve."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


_MUTE: Final = logging.Logger("mute", logging.CRITICAL + 1)  # of picows: what it would say is in the error
