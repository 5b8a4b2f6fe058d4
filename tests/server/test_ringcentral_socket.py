"""The webhook-and-socket contract on a real port: its paths, who is let in, and what the log tells."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode

from trunkline import logs, registry
from trunkline.ai.agent import Agent
from trunkline.audio.format import MULAW_8K
from trunkline.config import Config
from trunkline.errors import ConfigError
from trunkline.server.run import running
from trunkline.testing import echo, sounds
from trunkline.testing.call import place
from trunkline.testing.phone import Phone
from trunkline.testing.script import HangUp, Say, WaitForQuiet
from trunkline.wire.base import Platform

RINGCENTRAL: Platform = registry.load("wire", "ringcentral")
TOKEN = "a token of the tests"
INBOUND = "/api/voice/inbound"
HEALTH = "/api/voice/realtime/health"
SOCKET = "/api/voice/realtime/ws/call"
CALL: dict[str, Any] = {
    "event": "call.inbound",
    "body": {"id": "call-77", "from": {"phoneNumber": "+15005550006"}, "to": {"phoneNumber": "+15005550001"}},
}


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGCENTRAL_VERIFICATION_TOKEN", TOKEN)


@asynccontextmanager
async def served(**config: Any) -> AsyncIterator[tuple[str, httpx.AsyncClient]]:
    """A gateway whose agent is an echo: its base address, and a client for it."""
    async with (
        running(Config.load(port=0, **config), Agent("", model="echo")) as service,
        httpx.AsyncClient(base_url=service.gateway.base_url, trust_env=False) as http,
    ):
        yield service.gateway.base_url, http


async def announce(http: httpx.AsyncClient, token: str = TOKEN) -> str:
    """A call's media socket."""
    reply = await http.post(INBOUND, json=CALL, headers={"Verification-Token": token})
    assert reply.status_code == 200
    url: str = reply.json()["media"]["url"]
    return url


def test_a_whole_call_over_the_contract_and_what_health_tells_of_it() -> None:
    async def scenario() -> Any:
        async with served() as (base, http):
            before = (await http.get(HEALTH)).json()
            settings = Config.load().platform(RINGCENTRAL.spec)
            far = RINGCENTRAL.phone(settings, call_id="call-77", caller="+15005550006", callee="+15005550001")
            said = sounds.murmur(MULAW_8K, 700)
            outcome = (await place(Phone(far, [Say(said), WaitForQuiet(300), HangUp()]), base)).outcome
            for _ in range(100):
                after = (await http.get(HEALTH)).json()
                if not after["active_calls"]:
                    break
            return before, outcome, after

    before, outcome, after = uvloop.run(scenario())
    assert (before["status"], before["total_calls"], before["success_rate"]) == ("healthy", 0, 1.0)
    assert outcome.ok, outcome.log
    assert echo.compare(outcome.said, outcome.heard, outcome.wire).whole
    assert (after["status"], after["total_calls"], after["success_rate"]) == ("healthy", 1, 1.0)
    assert after["provider"]["name"] == "echo"


def test_a_subscriptions_token_is_sent_back_small_and_in_time() -> None:
    async def scenario() -> httpx.Response:
        async with served() as (_, http):
            return await http.post(INBOUND, headers={"Validation-Token": "d4e5-F6"})

    reply = uvloop.run(scenario())
    assert (reply.status_code, reply.headers["validation-token"]) == (200, "d4e5-F6")
    assert reply.headers["content-type"] == "application/json"
    assert sum(len(name) + len(value) + 4 for name, value in reply.headers.raw) + len(reply.content) < 1024


@pytest.mark.parametrize("path", [INBOUND, "/hooks/ringcentral/inbound"])
@pytest.mark.parametrize(("method", "status"), [("GET", 405), ("POST", 401), ("DELETE", 405)])
def test_the_webhook_has_a_path_of_its_own_and_the_usual_one(path: str, method: str, status: int) -> None:
    async def scenario() -> int:
        async with served() as (_, http):
            return (await http.request(method, path)).status_code

    assert uvloop.run(scenario()) == status


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("?call_id=call-77", {}, 401),
        ("?call_id=call-77", {"Verification-Token": "wrong"}, 401),
        ("?call_id=call-78", {"Verification-Token": TOKEN}, 404),
        ("?call_id=call-77&ticket=wrong", {"Verification-Token": TOKEN}, 401),
        ("", {"Verification-Token": TOKEN}, 400),
    ],
)
def test_a_stranger_gets_no_socket(query: str, headers: dict[str, str], status: int) -> None:
    async def scenario() -> None:
        async with served() as (base, http):
            await announce(http)
            with pytest.raises(InvalidStatus) as caught:
                await connect(base.replace("http", "ws") + SOCKET + query, additional_headers=headers)
            assert caught.value.response.status_code == status
            assert (await http.get(HEALTH)).json()["total_calls"] == 0

    uvloop.run(scenario())


def test_without_the_token_nobody_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGCENTRAL_VERIFICATION_TOKEN", "")

    async def scenario() -> tuple[int, int]:
        async with served() as (base, http):
            reply = await http.post(INBOUND, json=CALL, headers={"Verification-Token": ""})
            with pytest.raises(InvalidStatus) as caught:
                await connect(base.replace("http", "ws") + SOCKET + "?call_id=call-77")
            return reply.status_code, caught.value.response.status_code

    assert uvloop.run(scenario()) == (403, 403)


def test_the_contracts_query_alone_opens_a_socket_where_nothing_is_checked() -> None:
    async def scenario() -> bytes:
        async with served(insecure=True) as (base, _):
            query = "?call_id=call-1&from_number=%2B15005550006&to_number=%2B15005550001&session_id=s-1"
            async with connect(base.replace("http", "ws") + SOCKET + query) as socket:
                await socket.send(json.dumps({"type": "start"}))
                for _ in range(10):
                    await socket.send(sounds.murmur(MULAW_8K, 20))
                return await socket.recv(decode=False)

    assert len(uvloop.run(scenario())) == 160


def test_limits_are_set_by_the_names_of_the_contract_and_told_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_WEBSOCKET_TIMEOUT", "0.3")
    monkeypatch.setenv("VOICE_MAX_ERRORS", "3")
    lines = io.StringIO()

    async def close_code(url: str, *messages: str) -> int | None:
        async with connect(url) as socket:
            for message in messages:
                await socket.send(message)
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            return socket.close_code

    async def scenario() -> tuple[int | None, int | None]:
        async with served() as (_, http):
            logs.configure(level="info", format="json", stream=lines)
            urls = [await announce(http), await announce(http)]
            silent, broken = await asyncio.gather(
                close_code(urls[0], '{"type":"start"}'), close_code(urls[1], "[", "hello?", "{")
            )
            return silent, broken

    assert uvloop.run(scenario()) == (1008, 1007)
    log = lines.getvalue()
    assert "no audio for 0.3 s" in log
    assert log.count("peer at fault, and borne") == 2
    assert "hello?" not in log


def test_the_platforms_own_name_for_a_setting_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_MAX_ERRORS", "3")
    assert Config.load().platform(RINGCENTRAL.spec).max_errors == 3
    monkeypatch.setenv("RINGCENTRAL_MAX_ERRORS", "5")
    assert Config.load().platform(RINGCENTRAL.spec).max_errors == 5
    Path("trunkline.toml").write_text("[ringcentral]\nmax_errors = 7")
    assert Config.load().platform(RINGCENTRAL.spec).max_errors == 5
    monkeypatch.setenv("VOICE_MAX_ERRORS", "many")
    monkeypatch.delenv("RINGCENTRAL_MAX_ERRORS")
    with pytest.raises(ConfigError, match="VOICE_MAX_ERRORS from the environment can't be used"):
        Config.load().platform(RINGCENTRAL.spec)


class Pinged(ClientConnection):
    """Counts the pings it gets, and answers them."""

    pings = 0

    def process_event(self, event: Any) -> None:
        self.pings += getattr(event, "opcode", None) is Opcode.PING
        super().process_event(event)


def test_the_socket_is_pinged(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = msgspec.structs.replace(RINGCENTRAL.spec, keep_alive_s=0.02)
    monkeypatch.setattr(RINGCENTRAL, "tuned", lambda settings: spec)

    async def scenario() -> int:
        async with served() as (_, http), connect(await announce(http), create_connection=Pinged) as socket:
            assert isinstance(socket, Pinged)
            await socket.send('{"type":"start"}')
            await asyncio.sleep(0.15)
            return socket.pings

    assert uvloop.run(scenario()) >= 3
