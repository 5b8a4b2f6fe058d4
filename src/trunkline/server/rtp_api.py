"""Calls over plain RTP, opened and closed by HTTP: ``/api/rtp/sessions``.

Whoever steers the calls says in a POST where the peer listens and is told where we do. Closed by default: every request
has to show the token. The call itself is like any other; the switchboard carries it.
"""

import asyncio
import ipaddress
import random
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from trunkline import logs
from trunkline.errors import Busy, Refused, RemoteError, TrunklineError
from trunkline.rtp.latch import Latch
from trunkline.server.calls import Accepted, Switchboard
from trunkline.server.media import RunnerFactory
from trunkline.server.udp import DatagramLink
from trunkline.server.udp_ports import PortPair, PortRange, way_to
from trunkline.wire._json import UNREADABLE, peers_fault
from trunkline.wire._rtp_gateway import RtpGateway
from trunkline.wire._rtp_messages import PATH, SessionOpened, SessionWanted, decode_wanted, unicast
from trunkline.wire.rtp import RtpDoor, spec_for

MAX_BODY_BYTES: Final = 16 * 1024
"""The fields of a session are some hundred bytes, its parameters may be a few thousand."""

_log = logs.get(__name__)


class _Call(msgspec.Struct, frozen=True):
    codec: RtpGateway
    link: DatagramLink


class RtpSessions:
    """The calls over RTP of this process, by their ids."""

    def __init__(self, *, door: RtpDoor, host: str, board: Switchboard, make_runner: RunnerFactory) -> None:
        """``host`` is where HTTP listens. Raises ``ConfigError`` where no media can be received there."""
        self._door = door
        self._ports = PortRange(door.settings.host or host, door.settings.port_range)
        self._board = board
        self._make_runner = make_runner
        self._calls: dict[str, _Call] = {}
        self._dice = random.Random(secrets.randbits(128))  # noqa: S311 - for moments to send reports at

    def open(self, wanted: SessionWanted) -> SessionOpened:
        """Begin a call. Raises ``RemoteError``, ``Refused`` or ``Busy``."""
        remote_ip = unicast(wanted.remote_ip)
        if (self._ports.family is socket.AF_INET6) != (ipaddress.ip_address(remote_ip).version == 6):
            raise RemoteError("an address of another kind than ours (IPv4, IPv6)", where="$.remote_ip")
        if wanted.call_id in self._calls:
            raise Refused("there is a session of this call already", status=409)
        self._board.check()
        try:
            local_ip = self._local_ip(remote_ip)
        except OSError:
            raise RemoteError("an address no way leads to", where="$.remote_ip") from None
        pair = self._ports.open()
        try:
            return self._begin(wanted, pair, remote_ip, local_ip)
        except BaseException:
            pair.close()
            raise

    def close(self, call_id: str) -> None:
        """End a call: the peer has hung up. Raises ``Refused`` where there is none."""
        self._find(call_id).link.hang_up()

    def show(self, call_id: str) -> Any:
        """How a call fares. Raises ``Refused`` where there is none."""
        call = self._find(call_id)
        latch = call.link.latch
        return {
            "call_id": call_id,
            **msgspec.to_builtins(call.codec.figures()),
            "strangers": latch.strangers,
            "moves": latch.moves,
            "unsent": call.link.unsent,
        }

    def show_all(self) -> list[str]:
        """The ids of the calls there are."""
        return list(self._calls)

    def _find(self, call_id: str) -> _Call:
        call = self._calls.get(call_id)
        if call is None:
            raise Refused("there is no session of this call", status=404)
        return call

    def _local_ip(self, remote_ip: str) -> str:
        if self._door.settings.public_ip:
            return self._door.settings.public_ip
        ours = ipaddress.ip_address(self._ports.host)
        return way_to(remote_ip, self._ports.family) if ours.is_unspecified else self._ports.host

    def _begin(self, wanted: SessionWanted, pair: PortPair, remote_ip: str, local_ip: str) -> SessionOpened:
        now = asyncio.get_running_loop().time()
        codec = self._door.open(wanted, now=now, epoch=time.time() - now, bits=secrets.randbits, draw=self._dice.random)
        signalled = (remote_ip, wanted.remote_port)
        latch = Latch(signalled, symmetric=wanted.symmetric, payload_types=codec.payload_types, now=now)
        link = DatagramLink(pair, latch, codec)
        log = _log.bind(platform="rtp", link=pair.port)
        link.receiver = runner = self._make_runner(Accepted(spec_for(wanted), codec, link, log))
        call_id = wanted.call_id
        self._calls[call_id] = _Call(codec, link)
        link.on_closed(lambda: self._calls.pop(call_id, None))
        self._board.carry(runner, link, log)
        link.open()
        log.info("RTP session open", calls=self._board.active)
        return SessionOpened(
            call_id=call_id,
            local_ip=local_ip,
            local_port=pair.port,
            local_rtcp_port=pair.port + 1,
            ssrc=codec.figures().sent.ssrc,
            codec=wanted.codec,
            ptime=wanted.ptime,
            event_payload_type=wanted.event_payload_type,
            symmetric=wanted.symmetric,
        )


def router(sessions: RtpSessions, door: RtpDoor) -> APIRouter:
    """The requests: POST opens, GET tells, DELETE ends. Whatever is refused is told why, but for who may ask."""
    routes = APIRouter()

    async def opened(request: Request) -> Response:
        wanted = decode_wanted(await _body(request))
        return _answer(sessions.open(wanted), 201)

    async def shown_all(request: Request) -> Response:
        return _answer({"sessions": sessions.show_all()})

    async def shown(request: Request) -> Response:
        return _answer(sessions.show(request.path_params["call_id"]))

    async def closed(request: Request) -> Response:
        sessions.close(request.path_params["call_id"])
        return Response(status_code=204)

    one = PATH + "/{call_id}"
    for path, method, act in (
        (PATH, "POST", opened),
        (PATH, "GET", shown_all),
        (one, "GET", shown),
        (one, "DELETE", closed),
    ):
        routes.add_api_route(path, _guarded(act, door), methods=[method])
    return routes


_Act = Callable[[Request], Awaitable[Response]]


def _guarded(act: _Act, door: RtpDoor) -> _Act:
    """``act``, for those who show the token; what it raises, as an answer."""

    async def answer(request: Request) -> Response:
        try:
            door.check(request.headers.get("authorization", ""))
        except Refused as refusal:
            _log.warning("RTP session refused", reason=refusal.reason, status=refusal.status)
            return Response(status_code=refusal.status, headers={"www-authenticate": "Bearer"})
        try:
            return await act(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except UNREADABLE as error:
            return _refuse(peers_fault(error), 400)
        except RemoteError as error:
            return _refuse(error, 400)
        except Refused as refusal:
            return _refuse(refusal, refusal.status)
        except Busy as busy:
            return _refuse(busy, 503)

    return answer


def _refuse(error: TrunklineError, status: int) -> Response:
    _log.warning("RTP session refused", reason=str(error), status=status)
    return _answer({"error": str(error)}, status)


def _answer(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise Refused(f"the body is over {MAX_BODY_BYTES} bytes", status=413)
    return bytes(body)
