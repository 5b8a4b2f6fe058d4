"""Whatever Gemini says in whatever order, and whatever the call does meanwhile: what the call is told makes sense."""

import asyncio
import base64
import json
import random
from typing import Any

import msgspec
import pytest
from gemini_leg import PROVIDER
from live_leg import FACTS, quiet, tone
from msgspec import UNSET

from trunkline.ai.base import AgentSettings
from trunkline.ai.events import (
    AgentEvent,
    AgentFailed,
    CallAnswered,
    CallerSaid,
    KeyPressed,
    ReplyAudio,
    ReplyEnded,
    ReplyHeard,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
)
from trunkline.ai.manners import Manners
from trunkline.ai.providers import _gemini_commands as ours
from trunkline.audio.format import MULAW_8K, PCM16_24K

AUDIO = base64.b64encode(PCM16_24K.silence(2400)).decode()
SAID: list[dict[str, Any]] = [
    {"modelTurn": {"parts": [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": AUDIO}}]}},
    {"modelTurn": {"parts": [{"text": "Hm.", "thought": True}]}},
    {"outputTranscription": {"text": " some words"}},
    {"outputTranscription": {"text": " that end."}},
    {"inputTranscription": {"text": " heard"}},
    {"inputTranscription": {"finished": True}},
    {"interrupted": True},
    {"generationComplete": True},
    {"turnComplete": True},
    {"generationComplete": True, "turnComplete": True},
]
OTHERS: list[dict[str, Any]] = [
    {"toolCall": {"functionCalls": [{"id": "1", "name": "send_digits", "args": {"digits": "1"}}, {"name": "no"}]}},
    {"toolCallCancellation": {"ids": ["1", "2"]}},
    {"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}},
    {"goAway": {"timeLeft": "50s"}},
    {"setupComplete": {}},
    {"usageMetadata": {}},
]


class Wire:
    """A socket that goes nowhere: what is sent is read as strictly as the vendor reads it."""

    def __init__(self) -> None:
        self.active = False
        self.is_ready = True

    def send(self, data: bytes) -> bool:
        message = msgspec.json.decode(data, type=ours.ClientMessage)
        if message.realtime_input is not UNSET:
            given = message.realtime_input
            if given.activity_start is not UNSET:
                assert not self.active
                self.active = True
            elif given.activity_end is not UNSET:
                assert self.active
                self.active = False
            elif given.audio is not UNSET:
                assert self.active, "the vendor would not hear it"
        return True

    def expect(self, seconds: float | None) -> None: ...

    def ready(self) -> None: ...

    def renew(self) -> None: ...


@pytest.mark.parametrize("seed", range(25))
def test_what_the_call_is_told_makes_sense(seed: int) -> None:
    asyncio.run(story(random.Random(seed)))


async def story(dice: random.Random) -> None:
    events: list[AgentEvent] = []
    own = PROVIDER.spec.settings(api_key="k", answer_s=0.01)
    settings = AgentSettings(own=own, options={"vad": "energy"}, greeting="Hello.", manners=Manners(no_input_s=0.02))
    session: Any = PROVIDER.agent(settings).open(FACTS, hears=MULAW_8K, speaks=PCM16_24K, emit=events.append)
    session._socket = wire = Wire()
    now = 0.0

    async def connection() -> None:
        session.lost()
        wire.active = False
        session.opened()
        session.received(b'{"setupComplete":{}}', True)

    async def hear(audio: bytes) -> None:
        nonlocal now
        for at in range(0, len(audio), 160):
            now += 0.02
            session.hear(audio[at : at + 160], now)

    async with asyncio.TaskGroup() as session._group:
        session.tell(CallAnswered(), 0.0)
        await connection()
        for _ in range(150):
            ended = [event.generation for event in events if isinstance(event, ReplyEnded)]
            begun = [event.generation for event in events if isinstance(event, ReplyStarted)]
            match dice.choices(range(8), [30, 6, 8, 8, 6, 6, 3, 8])[0]:
                case 0:
                    session.received(json.dumps({"serverContent": dice.choice(SAID)}).encode(), True)
                case 1:
                    session.received(json.dumps(dice.choice(OTHERS)).encode(), True)
                case 2:
                    await hear(tone(dice.choice([100, 300, 900])))
                case 3:
                    await hear(quiet(dice.choice([100, 400])))
                case 4 if ended:
                    session.tell(ReplyHeard(dice.choice(ended), "words"), now)
                case 5 if begun:
                    session.tell(ReplyInterrupted(dice.choice(begun), 50, "wor"), now)
                case 6:
                    await connection()
                case 7:
                    await asyncio.sleep(dice.choice([0, 0, 0.002, 0.03]))
                case _:
                    session.tell(KeyPressed("1"), now)
        await asyncio.sleep(0.03)
        for task in session._group._tasks.copy():
            task.cancel()
    session._dialogue.close()
    check(events)


def check(events: list[AgentEvent]) -> None:
    assert not [event for event in events if isinstance(event, AgentFailed)]
    begun: list[int] = []
    ended: set[int] = set()
    speaking = False
    turns = finals = 0
    for event in events:
        match event:
            case ReplyStarted(generation):
                assert generation == len(begun) + 1
                begun.append(generation)
            case ReplyText(_, generation) | ReplyAudio(_, generation):
                assert generation in begun
                assert generation not in ended, "it was over"
            case ReplyEnded(generation):
                assert generation in begun
                assert generation not in ended, "it ends once"
                ended.add(generation)
            case SpeechStarted():
                assert not speaking
                speaking, turns = True, turns + 1
            case SpeechStopped():
                assert speaking
                speaking = False
            case CallerSaid(_, final):
                finals += final
            case _:
                pass
    assert finals <= turns
