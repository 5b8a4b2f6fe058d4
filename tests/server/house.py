"""A gateway with made-up doors and calls, on a real port."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from trunkline.errors import Refused
from trunkline.server.app import make_app
from trunkline.server.calls import Accepted, Switchboard
from trunkline.server.compose import Gateway
from trunkline.server.media import MediaDoor
from trunkline.server.routes import Route, Routes
from trunkline.server.run import Running, serving
from trunkline.wire.base import HttpReply, HttpRequest, WireSpec

SPEC = WireSpec(name="acme", title="Acme", media_path="/media/acme", hooks=("voice", "status"))


@dataclass
class FakeDoor:
    """Lets everybody in unless told to refuse, and remembers what it was asked."""

    refusal: Exception | None = None
    asked: list[HttpRequest] = field(default_factory=list)

    def hook(self, name: str, request: HttpRequest, now: float) -> HttpReply:
        self.upgrade(request, now)
        return HttpReply(200, b"<answer/>", "text/xml")

    def upgrade(self, request: HttpRequest, now: float) -> None:
        self.asked.append(request)
        if self.refusal:
            raise self.refusal

    def codec(self) -> Any:
        return None


class EchoCall:
    """A call that sends back each message until its socket is gone."""

    def __init__(self, accepted: Accepted) -> None:
        self.link = accepted.link
        self.heard: list[tuple[bytes, bool]] = []
        self.faults: list[tuple[str, int]] = []
        self.ended: list[str] = []
        self.why = ""
        self.clean = False
        self.gone = asyncio.Event()

    def received(self, data: bytes, binary: bool) -> None:
        self.heard.append((data, binary))
        (self.link.send_binary if binary else self.link.send_text)(data)

    def fault(self, reason: str, close_code: int) -> None:
        self.faults.append((reason, close_code))

    def lost(self, reason: str, *, clean: bool = False) -> None:
        self.why, self.clean = reason, clean
        self.gone.set()

    async def run(self) -> None:
        await self.gone.wait()

    parked = False

    def resume(self, link: Any) -> bool:
        return False

    def end(self, reason: str) -> None:
        self.ended.append(reason)
        self.link.close(1001, reason)


@dataclass
class House:
    """A gateway under test."""

    port: int
    door: FakeDoor
    board: Switchboard
    calls: list[Any]
    service: Running
    gateway: Gateway

    @property
    def media(self) -> str:
        return f"ws://127.0.0.1:{self.port}/media/acme"


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until ``condition`` holds; the test's own timeout bounds it."""
    while not condition():  # noqa: ASYNC110 - the code under test has no event for it, and needs none
        await asyncio.sleep(0)


@asynccontextmanager
async def open_house(
    *, refusal: Refused | None = None, max_calls: int = 10, call: Callable[[Accepted], Any] = EchoCall
) -> AsyncIterator[House]:
    """A gateway that serves: ``async with open_house(max_calls=1) as house``."""
    door = FakeDoor(refusal)
    routes = {"acme": Route(SPEC, door)}
    calls: list[Any] = []
    base_url = "https://gw.example.org"

    def make_runner(accepted: Accepted) -> Any:
        calls.append(call(accepted))
        return calls[-1]

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        async with Switchboard(max_calls=max_calls) as board:
            media = MediaDoor(routes=Routes(routes.values()), base_url=base_url, board=board, make_runner=make_runner)
            gateway = Gateway(make_app(routes=routes, base_url=base_url, board=board), media, board, base_url)
            async with serving(gateway, listener, drain_seconds=0) as service:
                yield House(listener.getsockname()[1], door, board, calls, service, gateway)
