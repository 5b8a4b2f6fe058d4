"""HTTP requests that never end, or never stop growing."""

import asyncio

import pytest
import uvloop
from house import open_house, until
from structlog.testing import capture_logs

from trunkline.server import bounded

GOOD = b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n"


async def ask(port: int, *pieces: bytes) -> bytes:
    """All that is answered until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([], id="nothing at all"),
        pytest.param([b"\r\n\r\n"], id="empty lines"),
        pytest.param([b"GET /live HTTP/1.1\r\nHost"], id="half a head"),
        pytest.param([b"POST /hooks/acme/voice HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"], id="half a body"),
        pytest.param([GOOD, b"GET /li"], id="a second one, by half"),
    ],
)
def test_a_request_that_never_ends_is_cut_off(pieces: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "REQUEST_S", 0.05)

    async def scenario() -> None:
        raised: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
        with capture_logs() as lines:
            async with open_house() as house:
                await ask(house.port, *pieces)
        assert [line["log_level"] for line in lines if line["event"].startswith("connection cut")] == ["info"]
        assert raised == []

    uvloop.run(scenario())


def test_a_head_that_grows_is_answered_431() -> None:
    line = b"x-filler: " + b"x" * 1000 + b"\r\n"

    async def scenario() -> None:
        async with open_house() as house:
            answer = await ask(house.port, b"GET /live HTTP/1.1\r\n" + line * (bounded.MAX_HEAD_BYTES // 1000 + 1))
        assert answer.startswith(b"HTTP/1.1 431 ")

    uvloop.run(scenario())


def test_a_large_body_is_no_large_head() -> None:
    body = b"x" * bounded.MAX_HEAD_BYTES
    head = b"POST /hooks/acme/voice HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)

    async def scenario() -> None:
        async with open_house() as house:
            assert (await ask(house.port, head, body)).startswith(b"HTTP/1.1 200 ")
            assert (await ask(house.port, head + body)).startswith(b"HTTP/1.1 200 ")

    uvloop.run(scenario())


def test_a_webhook_whose_body_does_not_come_whole_is_a_line_in_the_log() -> None:
    async def scenario() -> None:
        with capture_logs() as lines:
            async with open_house() as house:
                _, writer = await asyncio.open_connection("127.0.0.1", house.port)
                writer.write(b"POST /hooks/acme/voice HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
                await writer.drain()
                writer.close()
                await until(lambda: any(line["event"].startswith("webhook cut short") for line in lines))
                assert house.door.asked == []

    uvloop.run(scenario())
