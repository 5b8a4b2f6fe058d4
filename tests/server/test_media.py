"""Who gets a media socket, and on what port."""

import asyncio
import base64
import socket
import struct
from typing import Any

import httpx
import pytest
import uvloop
from fastapi import WebSocket
from house import open_house, until
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from trunkline.errors import Refused

KEY = base64.b64encode(b"sixteen bytes ok").decode()
HANDSHAKE = {
    "Host": "evil.example.net",
    "Connection": "keep-alive, Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


async def answer(port: int, target: Any = "/media/acme", method: str = "GET", **changed: Any) -> Any:
    """Status line, headers and body of the answer to an upgrade request."""
    headers = HANDSHAKE | {name.replace("_", "-"): value for name, value in changed.items()}
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    body = b"" if " 101 " in head else await reader.read()
    writer.close()
    return head, body


def test_one_port_serves_http_and_media() -> None:
    async def scenario() -> None:
        async with open_house() as house, connect(house.media) as phone, httpx.AsyncClient() as http:
            await phone.send("hello")
            assert await phone.recv() == "hello"
            reply = await http.get(f"http://127.0.0.1:{house.port}/live")
            assert reply.status_code == 200

    uvloop.run(scenario())


def test_a_websocket_on_another_path_goes_to_the_application() -> None:
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("from the application")

    async def scenario() -> None:
        async with open_house() as house:
            house.gateway.app.add_api_websocket_route("/elsewhere", talk)
            async with connect(f"ws://127.0.0.1:{house.port}/elsewhere") as other:
                assert await other.recv() == "from the application"
            assert house.calls == []

    uvloop.run(scenario())


@pytest.mark.parametrize("status", [401, 403])
def test_a_stranger_is_refused_before_the_upgrade_and_not_told_why(status: int) -> None:
    async def scenario() -> Any:
        async with open_house(refusal=Refused("ACME_TOKEN is not set", status=status)) as house:
            return await answer(house.port), house.calls

    with capture_logs() as lines:
        (head, body), calls = uvloop.run(scenario())
    assert head.startswith(f"HTTP/1.1 {status} ")
    assert b"ACME_TOKEN" not in body
    assert calls == []
    (line,) = [line for line in lines if line["event"] == "media socket refused"]
    assert line["reason"] == "ACME_TOKEN is not set"


def test_a_full_house_answers_503_before_the_upgrade() -> None:
    async def scenario() -> Any:
        async with open_house(max_calls=1) as house, connect(house.media):
            with pytest.raises(InvalidStatus) as refused:
                await connect(house.media)
            return refused.value.response.status_code, house.board.active

    assert uvloop.run(scenario()) == (503, 1)


def test_the_place_of_a_call_that_ended_is_free_again() -> None:
    async def scenario() -> None:
        async with open_house(max_calls=1) as house:
            for _ in range(3):
                async with connect(house.media) as phone:
                    await phone.send("hello")
                    assert await phone.recv() == "hello"
                await house.calls[-1].gone.wait()
                await until(lambda: house.board.active == 0)

    uvloop.run(scenario())


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Sec_WebSocket_Key": "short"}, 400),
        ({"Sec_WebSocket_Key": "not base64 at all!"}, 400),
        ({"method": "POST"}, 400),
    ],
    ids=["old version", "short key", "no base64", "not a GET"],
)
def test_a_handshake_we_cannot_answer_is_refused(changed: Any, status: int) -> None:
    async def scenario() -> Any:
        async with open_house() as house:
            return (await answer(house.port, **changed))[0], house.calls

    head, calls = uvloop.run(scenario())
    assert head.startswith(f"HTTP/1.1 {status} ")
    assert calls == []


def test_the_door_sees_the_configured_address_whatever_the_host_header_says() -> None:
    async def scenario() -> Any:
        async with open_house() as house:
            head, _ = await answer(house.port, "/media/acme?a=%2F&b", X_Forwarded_Host="evil.example.net")
            return head, house.door.asked[0]

    head, request = uvloop.run(scenario())
    assert head.startswith("HTTP/1.1 101 ")
    assert request.url == "wss://gw.example.org/media/acme?a=%2F&b"
    assert request.headers["sec-websocket-key"] == KEY


def test_a_call_that_cannot_be_made_is_our_fault_and_harms_nobody_else() -> None:
    def broken(accepted: Any) -> None:
        raise RuntimeError("no")

    async def scenario() -> Any:
        async with open_house(call=broken) as house, httpx.AsyncClient() as http:
            head, _ = await answer(house.port)
            live = await http.get(f"http://127.0.0.1:{house.port}/live")
            return head, live.status_code, house.board.active

    with capture_logs() as lines:
        head, live, active = uvloop.run(scenario())
    assert head.startswith("HTTP/1.1 500 ")
    assert (live, active) == (200, 0)
    assert any(line["event"] == "media socket failed to open" for line in lines)


def test_a_peer_that_is_gone_before_its_upgrade_is_read_is_dropped_without_a_word() -> None:
    async def scenario() -> None:
        raised: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
        async with open_house() as house:
            gone = socket.create_connection(("127.0.0.1", house.port))
            gone.sendall(b"GET /media/acme HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, no goodbye
            gone.close()
            async with connect(house.media) as phone:
                await phone.send("hello")
                assert await phone.recv() == "hello"
            assert len(house.calls) == 1
        assert raised == []

    uvloop.run(scenario())
