"""VoiceAI Connect at the gateway's own door, on a real socket."""

import json
from pathlib import Path

import pytest
import uvloop
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from trunkline.ai.agent import Agent
from trunkline.config import Config
from trunkline.server.run import running

ID = "c0ffee00-0000-4000-8000-000000000001"
INITIATE = {
    "type": "session.initiate",
    "conversationId": ID,
    "expectAudioMessages": True,
    "supportedMediaFormats": ["raw/lpcm16", "raw/mulaw", "raw/lpcm16_24", "raw/lpcm16_8"],
}


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("rate", "accepted"),
    [("24000", "raw/lpcm16_24"), ("16000", "raw/lpcm16"), ("8000", "raw/lpcm16_8"), ("mulaw", "raw/mulaw")],
)
def test_the_agents_own_format_is_asked_for(rate: str, accepted: str) -> None:
    async def scenario() -> None:
        config = Config.load(port=0, insecure=True, agent_rate=rate)
        async with running(config, Agent("", model="echo")) as service:
            media = service.gateway.base_url.replace("http", "ws") + "/media/audiocodes"
            async with connect(media) as phone:
                await phone.send(json.dumps(INITIATE))
                assert json.loads(await phone.recv()) == {"type": "session.accepted", "mediaFormat": accepted}

    uvloop.run(scenario())


@pytest.mark.parametrize(
    ("token", "shown", "status"),
    [("s3cret", "", 401), ("s3cret", "Bearer wrong", 401), ("", "Bearer ", 403), ("", "", 403)],
)
def test_a_stranger_gets_no_socket(token: str, shown: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIOCODES_AUTH_TOKEN", token)

    async def scenario() -> None:
        async with running(Config.load(port=0), Agent("", model="echo")) as service:
            media = service.gateway.base_url.replace("http", "ws") + "/media/audiocodes"
            with pytest.raises(InvalidStatus) as caught:
                await connect(media, additional_headers={"Authorization": shown} if shown else {})
            assert caught.value.response.status_code == status
            assert service.gateway.board.active == 0

    uvloop.run(scenario())


def test_a_conversation_that_is_not_known_can_not_be_resumed() -> None:
    async def scenario() -> None:
        async with running(Config.load(port=0, insecure=True), Agent("", model="echo")) as service:
            media = service.gateway.base_url.replace("http", "ws") + "/media/audiocodes"
            async with connect(media) as phone:
                await phone.send(json.dumps({"type": "session.resume", "conversationId": ID}))
                assert json.loads(await phone.recv()) == {"type": "session.error", "reason": "conversation not found"}
                with pytest.raises(ConnectionClosed) as closed:
                    await phone.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008

    uvloop.run(scenario())


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (INITIATE | {"expectAudioMessages": False}, "this bot speaks: set directTTS and directSTT"),
        (INITIATE | {"supportedMediaFormats": ["wav/lpcm16"]}, "no supported media format is offered"),
    ],
)
def test_a_session_that_can_not_be_is_told_so_and_its_socket_closed(message: dict[str, object], answer: str) -> None:
    async def scenario() -> None:
        async with running(Config.load(port=0, insecure=True), Agent("", model="echo")) as service:
            media = service.gateway.base_url.replace("http", "ws") + "/media/audiocodes"
            async with connect(media) as phone:
                await phone.send(json.dumps(message))
                said = [json.loads(text) async for text in phone]
            assert said == [{"type": "session.error", "reason": answer}]
            assert phone.close_code == 1000

    uvloop.run(scenario())
