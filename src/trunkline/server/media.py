"""Media sockets on the HTTP port: uvicorn hands an upgrade over, a media path gets a picows socket, the rest go on.

uvicorn reads the request, finds it asks for a WebSocket, builds the object its ``ws=`` option names, and gives it the
transport and the request bytes. That object is ``_Upgrade``. It decides before anything is answered, so a stranger is
refused with an HTTP status and never owns a socket.
"""

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

from uvicorn import Config as UvicornConfig
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from trunkline import logs
from trunkline.errors import Busy, Refused
from trunkline.server import handshake
from trunkline.server.accept import answer_upgrade
from trunkline.server.address import socket_url
from trunkline.server.calls import Accepted, Switchboard
from trunkline.server.handshake import UpgradeRequest
from trunkline.server.link import MediaSocket
from trunkline.server.routes import Route, Routes
from trunkline.server.seats import SECOND_SOCKET, Runner
from trunkline.wire.base import HttpRequest, NamingDoor, codec_for

RunnerFactory = Callable[[Accepted], Runner]
"""Makes the call for a socket that was let in. It must not use the link before ``run``."""

_log = logs.get(__name__)


class MediaDoor:
    """Lets phone platforms' media sockets in. Give ``protocol`` to uvicorn as its ``ws`` option."""

    def __init__(self, *, routes: Routes, base_url: str, board: Switchboard, make_runner: RunnerFactory) -> None:
        self._routes = routes
        self._base_url = base_url
        self._board = board
        self._make_runner = make_runner
        self._numbers = itertools.count(1)

    def protocol(
        self,
        config: UvicornConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> asyncio.Protocol:
        """What uvicorn calls for each upgrade request."""
        return _Upgrade(self, lambda: WebSocketsSansIOProtocol(config, server_state, app_state, _loop))

    def find(self, request: UpgradeRequest) -> Route | None:
        """The platform an upgrade request is for, if it is for one."""
        return self._routes.find(request.path)

    def admit(self, route: Route, request: UpgradeRequest) -> None:
        """Return if the request may become a media socket. Raises ``Busy`` or ``Refused``."""
        spec, door, public = route.spec, route.door, self._public(request)
        self._board.check(spec)
        door.upgrade(public, time.monotonic())
        # Only now: a stranger is not told which calls there are.
        if isinstance(door, NamingDoor) and not spec.resumes and self._board.is_carried(spec, door.call_id(public)):
            raise Refused(SECOND_SOCKET, status=409)

    def open(self, route: Route, transport: asyncio.Transport, request: UpgradeRequest) -> asyncio.BufferedProtocol:
        """Answer the upgrade and begin the call. Returns the protocol that reads the socket from now on."""
        log = _log.bind(platform=route.spec.name, link=next(self._numbers))
        link = MediaSocket(log)
        codec = codec_for(route.door, self._public(request))
        seat = self._board.seat(route.spec, link, log)
        try:
            link.receiver = runner = self._make_runner(Accepted(route.spec, codec, link, log, seat))
            protocol = answer_upgrade(link, transport, request.target, request.key)
        except BaseException:
            seat.leave()
            raise
        if route.spec.keep_alive_s is not None:
            link.keep_alive(route.spec.keep_alive_s)
        self._board.carry(runner, link, log, seat)
        log.info("media socket open", calls=self._board.active)
        return protocol

    def _public(self, request: UpgradeRequest) -> HttpRequest:
        return HttpRequest(request.method, socket_url(self._base_url, request.target), request.headers)


class _Upgrade(asyncio.Protocol):
    """An upgrade request on its way to whoever serves it."""

    def __init__(self, door: MediaDoor, make_other: Callable[[], asyncio.Protocol]) -> None:
        self._door = door
        self._make_other = make_other
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """The whole request at once."""
        request = handshake.read(data)
        route = self._door.find(request)
        if route is None:
            other = self._make_other()
            self._hand_over(other)
            other.connection_made(self._transport)
            other.data_received(data)
            return
        peer = self._transport.get_extra_info("peername")
        if peer is None:  # reset before we came to read it
            self._transport.abort()
            return
        log = _log.bind(platform=route.spec.name, peer=peer[0])
        try:
            _ = request.key  # is it a handshake at all?
            self._door.admit(route, request)
            self._hand_over(self._door.open(route, self._transport, request))
        except Refused as refusal:
            log.warning("media socket refused", reason=refusal.reason, status=refusal.status)
            self._refuse(refusal.status)
        except Busy as busy:
            log.warning("media socket refused", reason=str(busy), status=503)
            self._refuse(503)
        except Exception:
            log.exception("media socket failed to open")
            self._refuse(500)

    def _hand_over(self, successor: asyncio.BaseProtocol) -> None:
        """Let ``successor`` have the socket, once uvicorn has finished installing this object and before any I/O."""
        asyncio.get_running_loop().call_soon(self._install, successor)

    def _install(self, successor: asyncio.BaseProtocol) -> None:
        # uvloop settles how it reads, into bytes or into our buffer, when reading starts: so start it anew.
        self._transport.pause_reading()
        self._transport.set_protocol(successor)
        self._transport.resume_reading()

    def _refuse(self, status: int) -> None:
        self._transport.write(handshake.refusal(status))
        self._transport.close()
