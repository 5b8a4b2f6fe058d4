"""A telephone on a real socket: webhook, media socket, real time. The gateway here is a few lines of our own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Literal

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosedOK

from trunkline.audio.format import MULAW_8K
from trunkline.errors import Refused, RemoteError
from trunkline.testing.call import PlacedCall, place
from trunkline.testing.echo import compare
from trunkline.testing.phone import Phone
from trunkline.testing.script import Action, HangUp, Say, Wait
from trunkline.testing.sounds import murmur
from trunkline.wire.base import Output, TextFrame
from trunkline.wire.events import AudioHeard, PlayAudio, StreamStopped
from trunkline.wire.twilio import PLATFORM, TwilioSettings

Media = Callable[[ServerConnection], Awaitable[None]]


class Tickets:
    """Any ticket will do."""

    def issue(self, call_id: str, now: float) -> str:
        return "ticket"

    def redeem(self, ticket: str, call_id: str, now: float) -> bool:
        return True


DOOR = PLATFORM.door(TwilioSettings(), base_url="http://127.0.0.1", tickets=Tickets(), insecure=True)


async def echo(socket: ServerConnection) -> None:
    with suppress(ConnectionClosedOK):
        await play_back(socket)


async def play_back(socket: ServerConnection) -> None:
    """Play back every frame, 100 ms late so that no hiccup is heard; in two fragments, as RFC 6455 §5.4 allows."""
    codec = DOOR.codec()
    held: list[bytes] = []
    async for message in socket:
        assert isinstance(message, str)
        for event in codec.receive(message.encode(), binary=False, now=0):
            if isinstance(event, StreamStopped):
                return
            if isinstance(event, AudioHeard):
                held.append(event.audio)
                if held[5:]:
                    for output in codec.send(PlayAudio(b"".join(held) if len(held) == 6 else event.audio)):
                        assert isinstance(output, TextFrame)
                        text = output.data.decode()
                        await socket.send([text[:50], text[50:]])


async def hangs_up(socket: ServerConnection) -> None:
    await socket.recv()
    await socket.close(1000, "enough")


async def fails(socket: ServerConnection) -> None:
    await socket.recv()
    await socket.close(1011, "agent failed")


async def breaks(socket: ServerConnection) -> None:
    await socket.recv()
    socket.transport.abort()


@asynccontextmanager
async def gateway(media: Media, answer: str = "") -> AsyncIterator[str]:
    """A webhook that answers with TwiML (or ``answer``), and a media socket; gives the base address."""
    async with serve(media, "127.0.0.1", 0, compression=None) as sockets:
        port = next(iter(sockets.sockets)).getsockname()[1]
        twiml = f'<Response><Connect><Stream url="ws://127.0.0.1:{port}/media"/></Connect></Response>'
        body = answer or f"HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {len(twiml)}\r\n\r\n{twiml}"

        async def hook(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(body.encode())
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(hook, "127.0.0.1", 0) as hooks:
            yield f"http://127.0.0.1:{hooks.sockets[0].getsockname()[1]}"


def call(script: list[Action], media: Media, *, answer: str = "", limit_s: float = 30) -> PlacedCall:
    codec = PLATFORM.phone(TwilioSettings(), call_id="CA01", caller="+15005550006", callee="+15005550001")

    async def run() -> PlacedCall:
        async with gateway(media, answer) as base:
            return await place(Phone(codec, script), base, limit_s=limit_s)

    return asyncio.run(run())


def test_an_echo_comes_back_whole_over_a_real_socket() -> None:
    outcome = call([Say(murmur(MULAW_8K, 600)), Wait(400), HangUp()], echo).outcome
    assert outcome.ok
    assert outcome.frames_sent == 50
    assert len(outcome.said) == len(outcome.heard)
    assert compare(outcome.said, outcome.heard, MULAW_8K).whole


@pytest.mark.parametrize(
    ("media", "by", "ok"), [(hangs_up, "gateway", True), (fails, "network", False), (breaks, "network", False)]
)
def test_the_gateway_may_end_the_call_in_its_own_way(media: Media, by: str, ok: bool) -> None:
    outcome = call([], media).outcome
    assert outcome.ended
    assert (outcome.ended.by, outcome.ok, outcome.balanced) == (by, ok, True)


def test_a_call_without_end_is_ended_by_the_limit() -> None:
    outcome = call([], echo, limit_s=0.1).outcome
    assert outcome.ended
    assert outcome.ended.by == "time limit"


def test_a_telephone_that_breaks_does_not_keep_its_call_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Phone):
        """Neither speaks nor hangs up."""

        def tick(self, now: float) -> list[Output]:
            raise AssertionError("a fault of the telephone's own")

        def hang_up(self, now: float, by: Literal["caller", "time limit"] = "caller") -> list[Output]:
            raise AssertionError("and another one")

    monkeypatch.setattr("trunkline.testing.call.OVERTIME_S", 0.1)
    codec = PLATFORM.phone(TwilioSettings(), call_id="CA01", caller="+15005550006", callee="+15005550001")

    async def run() -> PlacedCall:
        async with gateway(echo) as base, asyncio.timeout(5):
            return await place(Broken(codec, []), base, limit_s=0.1)

    outcome = asyncio.run(run()).outcome
    assert outcome.ended
    assert (outcome.ended.by, outcome.ok) == ("network", False)


def test_a_webhook_that_refuses_is_no_call() -> None:
    with pytest.raises(Refused, match="403"):
        call([], echo, answer="HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")


def test_a_webhook_that_breaks_off_is_no_call() -> None:
    with pytest.raises(RemoteError, match="no answer to the voice webhook"):
        call([], echo, answer="HTTP/1.1 ")


def test_a_media_socket_that_is_refused_is_no_call() -> None:
    async def run() -> None:
        codec = PLATFORM.phone(TwilioSettings(), call_id="CA01", caller="", callee="")
        async with gateway(echo) as base:
            hooks = base.rpartition(":")[2]
            twiml = f'<Response><Connect><Stream url="ws://127.0.0.1:{hooks}/media"/></Connect></Response>'
            head = f"HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {len(twiml)}\r\n\r\n"
            async with gateway(echo, head + twiml) as wrong:  # its stream leads to a webhook, not to a socket
                await place(Phone(codec, []), wrong)

    with pytest.raises(Refused, match="the media socket was refused with 200"):
        asyncio.run(run())


def test_an_address_where_nobody_listens_is_no_call() -> None:
    codec = PLATFORM.phone(TwilioSettings(), call_id="CA01", caller="", callee="")
    with pytest.raises(RemoteError, match="no answer to the voice webhook: ConnectError"):
        asyncio.run(place(Phone(codec, []), "http://127.0.0.1:9"))
