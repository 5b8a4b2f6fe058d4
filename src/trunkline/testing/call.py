"""A real call from a simulated telephone to a running gateway: webhook, media socket (or UDP), real time."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

import httpx
import msgspec
from picows import WSCloseCode, WSError, WSFrame, WSInvalidStatusError, WSListener, WSMsgType, WSTransport, ws_connect

from trunkline.ai.http import tls
from trunkline.errors import Refused, RemoteError
from trunkline.testing.outcome import Outcome
from trunkline.testing.phone import Phone
from trunkline.testing.rtp_call import Datagrams, ListeningPhone
from trunkline.wire.base import BinaryFrame, CloseSocket, HttpCall, HttpReply, MediaAddress, Output, TextFrame

WEBHOOK_TIMEOUT_S: Final = 15.0
"""What platforms give a webhook (Twilio: 15 s)."""
GOODBYE_S: Final = 2.0
"""How long the gateway may take to close the socket after us; then it is cut, read or not."""
OVERTIME_S: Final = 2 * GOODBYE_S
"""How long after its time limit a call may take to be over: nothing is waited for without an end."""


class PlacedCall(msgspec.Struct, frozen=True):
    """The call as the telephone knows it, and what it took on the wall's clock."""

    outcome: Outcome
    setup_ms: float  # from dialling to the open media socket
    wall_s: float  # from the open media socket to its end


async def place(
    phone: Phone, base_url: str, *, limit_s: float = 600, socket_breaks_at_s: float | None = None
) -> PlacedCall:
    """Call the gateway at ``base_url``, and stay on the line until the script or the gateway ends the call.

    ``socket_breaks_at_s`` after it was opened the media socket is lost without a goodbye.

    Raises ``Refused`` if the gateway did not let the call in, ``RemoteError`` if it can't be talked to.
    """
    loop = asyncio.get_running_loop()
    dialled = loop.time()
    reports: asyncio.Queue[HttpCall | None] = asyncio.Queue()
    line: _Line = _Socket(phone, reports.put_nowait, breaks_at_s=socket_breaks_at_s)
    if isinstance(phone.codec, ListeningPhone):
        line = Datagrams(phone, phone.codec, base_url, reports.put_nowait)
    try:
        async with httpx.AsyncClient(verify=tls(), timeout=WEBHOOK_TIMEOUT_S, trust_env=False) as client:
            call = phone.codec.dial(base_url)
            reply = None if call is None else await _request(client, call)
            await line.open(phone.codec.media(base_url, reply))
            opened = loop.time()
            limit = loop.call_later(limit_s, line.hang_up)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_report(client, reports, phone))
                    try:
                        async with asyncio.timeout(limit_s + OVERTIME_S):
                            await line.done()
                    except TimeoutError:
                        phone.lost("the call did not end when it was to", loop.time())
                    reports.put_nowait(None)
            finally:
                limit.cancel()
    finally:
        line.close()
    return PlacedCall(phone.outcome(), setup_ms=1000 * (opened - dialled), wall_s=loop.time() - opened)


class _Line(Protocol):
    """A telephone's way to the gateway."""

    async def open(self, address: MediaAddress) -> None:
        """Begin the call there. Raises ``Refused`` or ``RemoteError``."""

    async def done(self) -> None:
        """Wait until the call is over."""

    def hang_up(self) -> None:
        """It has lasted too long."""

    def close(self) -> None:
        """Let go of whatever is held."""


async def _open(socket: "_Socket", address: MediaAddress) -> None:
    try:
        await ws_connect(
            lambda: socket,
            address.url,
            extra_headers=address.headers,
            websocket_handshake_timeout=WEBHOOK_TIMEOUT_S,
            max_redirects=0,
        )
    except WSInvalidStatusError as error:
        status = error.response.status if error.response else 0
        raise Refused(f"the media socket was refused with {status:d}", status=status) from None
    except (OSError, WSError) as error:
        raise RemoteError(f"the media socket could not be opened: {type(error).__name__}") from error


async def _request(client: httpx.AsyncClient, call: HttpCall) -> HttpReply:
    auth = httpx.BasicAuth(*call.auth) if call.auth else None
    try:
        headers = call.headers_at(time.time())
        reply = await client.request(call.method, call.url, headers=headers, content=call.body, auth=auth)
    except httpx.HTTPError as error:
        raise RemoteError(f"no answer to the {call.purpose}: {type(error).__name__}") from error
    return HttpReply(reply.status_code, reply.content, reply.headers.get("content-type", ""))


async def _report(client: httpx.AsyncClient, calls: asyncio.Queue[HttpCall | None], phone: Phone) -> None:
    """What the platform tells the gateway beside the media socket: it minds if nobody listens. None is the last."""
    while (call := await calls.get()) is not None:
        try:
            await _request(client, call)
        except RemoteError as error:
            phone.complain(error)


class _Socket(WSListener):
    """The telephone's hands and watch."""

    def __init__(self, phone: Phone, report: Callable[[HttpCall], None], *, breaks_at_s: float | None = None) -> None:
        self._phone = phone
        self._address = MediaAddress("")
        self._breaks_at_s = breaks_at_s
        self._breaker: asyncio.TimerHandle | None = None
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._transport: WSTransport | None = None
        self._gone = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._parts = bytearray()
        self._binary = False

    async def open(self, address: MediaAddress) -> None:
        self._address = address
        await _open(self, address)
        if self._breaks_at_s is not None:
            self._breaker = self._loop.call_later(self._breaks_at_s, self._break)

    async def done(self) -> None:
        await self._gone.wait()
        while await self._reopened():
            await self._gone.wait()

    async def _reopened(self) -> bool:
        """Open another media socket when the telephone wants one. False: it has no use for it, or gets none."""
        phone, address = self._phone, self._address
        while phone.ended is None and phone.reopen_at is not None:
            if (wait_s := phone.reopen_at - self._loop.time()) > 0:
                await asyncio.sleep(wait_s)
                continue
            self._gone.clear()
            try:
                await _open(self, address)
            except (Refused, RemoteError) as error:
                phone.lost(str(error), self._loop.time())
            else:
                return True
        return False

    def _break(self) -> None:
        """The socket is lost without a goodbye."""
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def _cut_later(self, transport: WSTransport) -> None:
        """A graceful end waits for a peer that reads what is left, and there may be none."""
        self._loop.call_later(GOODBYE_S, partial(transport.disconnect, graceful=False))

    def hang_up(self) -> None:
        """The call has lasted too long."""
        self._do(self._phone.hang_up(self._loop.time(), "time limit"))

    def close(self) -> None:
        for timer in (self._timer, self._breaker):
            if timer is not None:
                timer.cancel()
        self._break()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        again = self._phone.reopen_at is not None
        self._do((self._phone.reopened if again else self._phone.opened)(self._loop.time()))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        match frame.msg_type:
            case WSMsgType.CLOSE:
                code, reason = frame.get_close_code(), frame.get_close_reason() or ""
                self._phone.closed(code, reason, self._loop.time())  # type: ignore[arg-type]  # it is an int
                transport.send_close(code)
                transport.disconnect()
                self._cut_later(transport)
            case WSMsgType.TEXT | WSMsgType.BINARY | WSMsgType.CONTINUATION:
                if frame.msg_type != WSMsgType.CONTINUATION:
                    self._binary = frame.msg_type == WSMsgType.BINARY
                self._parts += frame.get_payload_as_memoryview()
                if frame.fin:
                    message = bytes(self._parts)
                    self._parts.clear()
                    self._do(self._phone.receive(message, self._binary, self._loop.time()))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._transport = None
        try:
            self._phone.lost("the connection was lost", self._loop.time())
        finally:
            self._gone.set()
        self._arm()

    def _wake(self) -> None:
        self._timer_at = None
        self._do(self._phone.tick(self._loop.time()))

    def _do(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case HttpCall():
                    self._report(output)
                case _ if self._transport is None:
                    pass
                case TextFrame(data=data):
                    self._transport.send(WSMsgType.TEXT, data)
                case BinaryFrame(data=data):
                    self._transport.send(WSMsgType.BINARY, data)
                case CloseSocket(code=code, reason=reason):
                    self._transport.send_close(WSCloseCode(code), reason.encode())
                    self._cut_later(self._transport)
        self._arm()

    def _arm(self) -> None:
        """Keep one timer at the phone's deadline."""
        there = self._transport is not None or self._phone.reopen_at is not None
        at = self._phone.deadline if there else None
        if at == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = None if at is None else self._loop.call_at(at, self._wake)
