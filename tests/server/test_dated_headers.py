"""Times by the wall's clock: of webhooks as they come in, and in the tokens of requests as they go out."""

import asyncio
import time
from pathlib import Path

import httpx
import msgspec
import pytest
import uvloop
from house import SPEC, FakeDoor

from trunkline.ai.agent import Agent
from trunkline.audio.format import PCM16_16K
from trunkline.call.session import CallSession
from trunkline.call.state import CallState
from trunkline.config import Config
from trunkline.server.app import make_app
from trunkline.server.calls import Switchboard
from trunkline.server.routes import Route
from trunkline.server.run import running
from trunkline.server.sender import HttpSender
from trunkline.testing.call import PlacedCall, place
from trunkline.testing.echo import compare
from trunkline.testing.phone import Phone
from trunkline.testing.script import Action, HangUp, PressKey, Say, Wait
from trunkline.testing.sounds import murmur
from trunkline.wire.base import HttpCall
from trunkline.wire.vonage import PLATFORM


class Stamp(msgspec.Struct, frozen=True):
    """A header that is nothing but the time."""

    def headers(self, at: float) -> dict[str, str]:
        return {"x-at": repr(at)}


def test_each_attempt_of_a_request_is_dated_anew() -> None:
    seen: list[float] = []

    def platform(request: httpx.Request) -> httpx.Response:
        assert request.headers["x-own"] == "1"
        seen.append(float(request.headers["x-at"]))
        return httpx.Response(503 if len(seen) == 1 else 200)

    async def scenario() -> None:
        async with HttpSender(httpx.MockTransport(platform), wait_s=0) as sender:
            await sender(HttpCall("PUT", "https://api.example.org", {"x-own": "1"}, dated=Stamp()))

    before = time.time()
    asyncio.run(scenario())
    assert before <= seen[0] < seen[1] <= time.time()


def test_a_webhook_is_dated_as_it_comes() -> None:
    door = FakeDoor()

    async def scenario() -> None:
        async with Switchboard(max_calls=1) as board:
            app = make_app(routes={"acme": Route(SPEC, door)}, base_url="https://gw.example.org", board=board)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://any") as http:
                await http.get("/hooks/acme/voice")

    before = time.time()
    uvloop.run(scenario())
    assert before <= door.asked[0].at <= time.time()


def test_a_call_that_is_signed_by_the_time_goes_through_on_a_real_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = murmur(PCM16_16K, 800)

    async def scenario() -> tuple[PlacedCall, CallSession]:
        over: asyncio.Future[CallSession] = asyncio.get_running_loop().create_future()
        config = Config.load(agent="echo", agent_rate=16000, port=0)
        config = config.with_platform(PLATFORM.spec, signature_secret="0123456789abcdef" * 3)
        codec = PLATFORM.phone(config.platform(PLATFORM.spec), call_id="call-1", caller="+15005550006", callee="1")
        script: list[Action] = [Say(said), Wait(600), PressKey("5"), Wait(200), HangUp()]
        async with running(config, Agent(""), keep=over.set_result) as service:
            placed = await place(Phone(codec, script, wire=PCM16_16K), service.gateway.base_url, limit_s=20)
            return placed, await asyncio.wait_for(over, 10)

    placed, session = uvloop.run(scenario())
    assert placed.outcome.ok, placed.outcome.complaints
    assert compare(placed.outcome.said, placed.outcome.heard, PCM16_16K).whole
    assert (session.call_id, session.caller) == ("call-1", "15005550006")
    assert session.ledger.balances
    assert (session.state, session.end_reason) == (CallState.ENDED, "hung up")  # by closing the socket with 1000
