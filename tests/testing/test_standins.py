"""The vendors' stand-ins on their port: what they leave behind, and what they say of it."""

import asyncio
import logging

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect

from trunkline.ai.standin import stall
from trunkline.testing.standins import serving


async def stalls(request: Request) -> Response:
    await stall()
    return Response()


async def stalls_first(socket: WebSocket) -> None:
    await stall()


async def stalls_then(socket: WebSocket) -> None:
    await socket.accept()
    await stall()


async def breaks(request: Request) -> Response:
    raise ZeroDivisionError


ROUTES = [
    Route("/http", stalls),
    Route("/broken", breaks),
    WebSocketRoute("/first", stalls_first),
    WebSocketRoute("/then", stalls_then),
]


def test_stalls_end_with_the_server_and_nothing_is_said_of_them(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        before = asyncio.all_tasks()
        async with serving(ROUTES) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
            at = url.replace("http", "ws")
            held = [
                asyncio.create_task(client.get("/http")),
                asyncio.create_task(connect(f"{at}/first", proxy=None).__aenter__()),
            ]
            async with connect(f"{at}/then", proxy=None):
                await asyncio.sleep(0.1)  # all of them stall
            for one in held:
                one.cancel()
            await asyncio.gather(*held, return_exceptions=True)
        assert asyncio.all_tasks() <= before
        assert not [record for record in caplog.records if record.levelno >= logging.WARNING]

    asyncio.run(scene())


def test_a_fault_of_a_stand_ins_own_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        async with serving(ROUTES) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
            assert (await client.get("/broken")).status_code == 500
        assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]

    asyncio.run(scene())
