"""The gateway as a whole, built from its settings."""

import asyncio
import os
import signal
from pathlib import Path

import httpx
import pytest
import uvloop
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from trunkline.ai.agent import Agent
from trunkline.config import Config
from trunkline.errors import ConfigError
from trunkline.server.run import running

START = (
    '{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{"streamSid":"MZ1","accountSid":"AC1",'
    '"callSid":"CA1","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},'
    '"customParameters":{}}}'
)
ECHO = Agent("", model="echo")


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_call_goes_through_and_its_id_is_on_every_line_of_it() -> None:
    async def scenario() -> None:
        async with running(Config.load(port=0, insecure=True), ECHO) as service:
            media = service.gateway.base_url.replace("http", "ws") + "/media/twilio"
            async with connect(media) as phone:
                await phone.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
                await phone.send(START)
                await phone.send('{"event":"stop","sequenceNumber":"2","streamSid":"MZ1","stop":{"callSid":"CA1"}}')
                assert [message async for message in phone] == []  # until the gateway closes

    with capture_logs() as lines:
        uvloop.run(scenario())
    of_the_call = [line for line in lines if line["event"].startswith("call ")]
    assert of_the_call
    assert {line["call"] for line in of_the_call} == {"CA1"}


def test_a_call_is_named_by_the_path_its_socket_came_by() -> None:
    async def scenario() -> str | bytes:
        async with running(Config.load(port=0, insecure=True), ECHO) as service:
            base = service.gateway.base_url.replace("http", "ws")
            async with connect(f"{base}/ws/voice/visit-42?ticket=any") as client:
                await client.send('{"type":"session_start"}')
                return await client.recv()

    assert '"call_id":"visit-42"' in str(uvloop.run(scenario()))


def test_a_browser_gets_in_by_a_ticket_that_its_server_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPEN_TOKEN", "a token of the tests")

    async def scenario() -> list[int]:
        async with running(Config.load(port=0), ECHO) as service, httpx.AsyncClient() as http:
            hook = f"{service.gateway.base_url}/hooks/open/ticket"
            stranger = await http.post(hook, json={"call_id": "visit-42"})
            headers = {"Authorization": "Bearer a token of the tests"}
            url = (await http.post(hook, json={"call_id": "visit-42"}, headers=headers)).json()["url"]
            async with connect(url) as browser:
                await browser.send('{"type":"session_start"}')
                assert '"visit-42"' in str(await browser.recv())
            with pytest.raises(InvalidStatus) as refused:
                await connect(url)
            return [stranger.status_code, refused.value.response.status_code]

    assert uvloop.run(scenario()) == [401, 401]


def test_the_public_address_is_the_port_that_was_bound() -> None:
    async def scenario() -> None:
        async with running(Config.load(port=0), ECHO) as service, httpx.AsyncClient() as http:
            assert (await http.get(f"{service.gateway.base_url}/ready")).status_code == 200

    uvloop.run(scenario())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"agent": "nobody"}, "'nobody' is not an agent"),
        ({"host": "0.0.0.0"}, "TRUNKLINE_PUBLIC_URL is not set"),  # noqa: S104
        ({"record_dir": "a file/calls"}, "the folder for recordings can't be made"),
        ({"record_dir": "/proc"}, "the folder for recordings can't be made or written to"),
    ],
)
def test_what_cannot_work_is_told_before_the_first_call(tmp_path: Path, settings: dict[str, str], told: str) -> None:
    (tmp_path / "a file").write_text("")

    async def scenario() -> None:
        async with running(Config.load(port=0, **settings), ECHO):
            pytest.fail("it runs")

    with pytest.raises(ConfigError, match=told):
        uvloop.run(scenario())


def test_the_process_keeps_its_signals_until_the_gateway_is_told_to_heed_them() -> None:
    def handlers() -> list[object]:
        return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    async def scenario() -> None:
        before = handlers()
        async with running(Config.load(port=0), ECHO) as service:
            assert handlers() == before
            with service.stopped_by_signals():
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.wait_for(service.stopped(), timeout=10)
            assert handlers() == before

    uvloop.run(scenario())
