"""Two sockets for one call, on every platform: the second is refused and the call goes on."""

import asyncio
import io
from pathlib import Path

import httpx
import pytest
import uvloop
from media_platforms import PLATFORMS, announce, closed_door, load, telephone
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from trunkline import logs
from trunkline.ai.agent import Agent
from trunkline.call.session import CallSession
from trunkline.call.state import CallState
from trunkline.server.run import running
from trunkline.testing import echo
from trunkline.testing.call import place
from trunkline.testing.outcome import Outcome
from trunkline.testing.phone import Phone
from trunkline.testing.script import Action, HangUp, Say, WaitForQuiet
from trunkline.testing.sounds import murmur
from trunkline.wire.base import BinaryFrame, NamingDoor, PhoneCodec, Platform, TextFrame
from trunkline.wire.tickets import TicketBook

CALL = "CA0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def intrude(codec: PhoneCodec, base_url: str) -> int:
    """Come with another socket for a call that is under way, properly admitted: the close code, or the HTTP status."""
    async with httpx.AsyncClient(trust_env=False) as http:
        media = await announce(http, codec, base_url)
    try:
        async with connect(media.url, additional_headers=media.headers, compression=None) as socket:
            for output in codec.opened():
                assert isinstance(output, TextFrame | BinaryFrame)
                await socket.send(output.data, text=isinstance(output, TextFrame))
            try:
                while True:
                    await socket.recv()
            except ConnectionClosed:
                return socket.close_code or 0
    except InvalidStatus as refused:
        return refused.response.status_code


def names_its_call(platform: Platform) -> bool:
    """Whether the upgrade request tells which call it is for, so that there need be no socket to refuse."""
    tickets = TicketBook(lambda: "unused")
    settings = platform.spec.settings()
    return isinstance(platform.door(settings, base_url="", tickets=tickets, insecure=False), NamingDoor)


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_second_socket_for_a_running_call_is_refused_and_the_call_is_not_harmed(name: str) -> None:
    platform = load(name)
    config = closed_door(platform, agent="echo")
    wire = platform.spec.formats[0]
    records: list[CallSession] = []
    lines = io.StringIO()

    async def scenario() -> tuple[Outcome, int]:
        logs.configure(level="info", format="json", stream=lines)
        async with running(config, Agent(""), keep=records.append) as service:
            base_url = service.gateway.base_url
            script: list[Action] = [Say(murmur(wire, 1500)), WaitForQuiet(300), HangUp()]
            phone = Phone(telephone(platform, config, CALL), script, wire=wire, frame_ms=platform.spec.frame_ms)
            first = asyncio.create_task(place(phone, base_url, limit_s=20))
            while service.gateway.board.active == 0:  # noqa: ASYNC110 - the call comes by itself
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            refused_with = await intrude(telephone(platform, config, CALL), base_url)
            return (await first).outcome, refused_with

    outcome, refused_with = uvloop.run(scenario())
    assert refused_with == (409 if names_its_call(platform) else 1008)
    assert outcome.ok, outcome.log
    assert echo.compare(outcome.said, outcome.heard, wire).whole
    assert "the call is under way on another socket" in lines.getvalue()
    assert "+1500555" not in lines.getvalue()
    (record,) = [record for record in records if record.call_id]
    assert (record.state, record.ledger.balances) == (CallState.ENDED, True)


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_call_may_come_again_when_it_is_over(name: str) -> None:
    platform = load(name)
    config = closed_door(platform, agent="echo")
    wire = platform.spec.formats[0]
    records: list[CallSession] = []

    async def scenario() -> None:
        async with running(config, Agent(""), keep=records.append) as service:
            for _ in range(3):
                phone = Phone(telephone(platform, config, CALL), [HangUp()], wire=wire)
                await place(phone, service.gateway.base_url, limit_s=5)

    uvloop.run(scenario())
    assert len([record for record in records if record.call_id]) == 3
