"""A platform that lets us choose the audio's format is asked for the agent's own."""

import json
from pathlib import Path

import pytest
import uvloop
from websockets.asyncio.client import connect

from trunkline.ai.agent import Agent
from trunkline.config import Config
from trunkline.server.run import running

INITIATE = {
    "type": "session.initiate",
    "conversationId": "c0ffee00-0000-4000-8000-000000000001",
    "expectAudioMessages": True,
    "supportedMediaFormats": ["raw/lpcm16", "raw/mulaw", "raw/lpcm16_24", "raw/lpcm16_8"],
}


@pytest.mark.parametrize(
    ("rate", "accepted"),
    [("24000", "raw/lpcm16_24"), ("16000", "raw/lpcm16"), ("8000", "raw/lpcm16_8"), ("mulaw", "raw/mulaw")],
)
def test_the_agents_own_format_is_asked_for(
    rate: str, accepted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def scenario() -> None:
        config = Config.load(port=0, insecure=True, agent_rate=rate)
        async with running(config, Agent("", model="echo")) as service:
            media = service.gateway.base_url.replace("http", "ws") + "/media/audiocodes"
            async with connect(media) as phone:
                await phone.send(json.dumps(INITIATE))
                assert json.loads(await phone.recv()) == {"type": "session.accepted", "mediaFormat": accepted}

    uvloop.run(scenario())
