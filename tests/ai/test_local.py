"""The local agent, whole: real detector, scripted recogniser, receptionist, espeak-ng."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from trunkline import registry
from trunkline.ai.base import AgentProvider, AgentSettings, CallFacts, Stt
from trunkline.ai.cascade import Cascade
from trunkline.ai.events import (
    AgentEvent,
    CallAnswered,
    CallerSaid,
    HangUpWanted,
    KeyPressed,
    ReplyAudio,
    ReplyEnded,
    ReplyHeard,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
)
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_24K
from trunkline.testing import sounds
from trunkline.testing.scripted_stt import Fixture, ScriptedStt

FACTS = CallFacts("call", "test")
pytestmark = pytest.mark.usefixtures("espeak")


class Line:
    """One open call to the local agent, that hears every reply to its end at once."""

    def __init__(self, stt: Stt | None, settings: AgentSettings | None = None) -> None:
        self.agent = registry.load("ai.providers", "local").agent(settings or AgentSettings(), stt=stt)
        self.events: list[AgentEvent] = []
        self._something = asyncio.Event()
        self._sent = 0

    def _emit(self, event: AgentEvent) -> None:
        self.events.append(event)
        self._something.set()
        if isinstance(event, ReplyEnded):
            self.session.tell(ReplyHeard(event.generation, self.reply(event.generation)), 0)

    async def __aenter__(self) -> "Line":
        await self.agent.warm_up()
        self.session = self.agent.open(FACTS, hears=MULAW_8K, speaks=MULAW_8K, emit=self._emit)
        self._run = asyncio.create_task(self.session.run())
        self.session.tell(CallAnswered(), 0)
        await self.until(1)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._run.cancel()
        await asyncio.wait([self._run])
        await self.agent.close()

    async def until(self, generation: int) -> str:
        """The whole text of a reply, when it has been spoken."""
        while not any(isinstance(e, ReplyEnded) and e.generation == generation for e in self.events):
            self._something.clear()
            await self._something.wait()
        return self.reply(generation)

    async def until_event(self, kind: type[AgentEvent], count: int) -> None:
        while sum(isinstance(event, kind) for event in self.events) < count:
            self._something.clear()
            await self._something.wait()

    def reply(self, generation: int) -> str:
        return "".join(e.text for e in self.events if isinstance(e, ReplyText) and e.generation == generation)

    def plays(self, mulaw: bytes) -> None:
        for at in range(0, len(mulaw), 160):
            self.session.hear(mulaw[at : at + 160], self._sent / 8000)
            self._sent += 160


SILENCE = MULAW_8K.silence(4800)
ASKING = "when are you open"
BYE = "goodbye"


def test_a_spoken_question_gets_a_spoken_answer_and_a_goodbye_hangs_up() -> None:
    said = {text: sounds.speak(text, PCM16_8K) for text in (ASKING, BYE)}
    stt = ScriptedStt([Fixture(text, audio) for text, audio in said.items()])

    async def scene() -> None:
        async with Line(stt) as line:
            assert "How can I help you?" in line.reply(1)
            line.plays(SILENCE + sounds.speak(ASKING, MULAW_8K) + SILENCE)
            assert "nine to five" in await line.until(2)
            line.plays(sounds.speak(BYE, MULAW_8K) + SILENCE)
            assert "Goodbye!" in await line.until(3)
            await line.until_event(HangUpWanted, 1)
        finals = [e.text for e in line.events if isinstance(e, CallerSaid) and e.final]
        assert finals == [ASKING, BYE]
        edges = [type(e) for e in line.events if isinstance(e, SpeechStarted | SpeechStopped)]
        assert edges == [SpeechStarted, SpeechStopped] * 2
        assert sum(len(e.audio) for e in line.events if isinstance(e, ReplyAudio)) > 3 * 8000

    asyncio.run(scene())


@pytest.mark.parametrize("detector", ["silero", "webrtc"])
def test_without_a_recogniser_it_says_so_and_serves_keys(detector: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trunkline.ai.providers._moonshine_model.installed", lambda: False)
    if detector == "webrtc":
        monkeypatch.setattr("trunkline.ai.models.find_silero", lambda cache: None)

    async def scene() -> None:
        async with Line(None) as line:
            assert isinstance(line.agent, Cascade)
            assert line.agent.vad is not None
            assert line.agent.vad.name == detector
            line.plays(SILENCE + sounds.speak(ASKING, MULAW_8K) + SILENCE)
            assert "no speech recogniser" in await line.until(2)
            line.session.tell(KeyPressed("1"), 3)
            assert "nine to five" in await line.until(3)

    asyncio.run(scene())


def test_telephone_audio_needs_no_conversion_either_way() -> None:
    agent = registry.load("ai.providers", "local").agent(AgentSettings())
    assert agent.hears == (MULAW_8K, ALAW_8K, PCM16_8K)
    assert {MULAW_8K, ALAW_8K, PCM16_8K, PCM16_24K} <= set(agent.speaks)


def test_settings_reach_its_parts(tmp_path: Path) -> None:
    settings = AgentSettings(greeting="Luigi's, good evening.", transfer_to="sip:luigi@example.org")
    settings = msgspec.structs.replace(settings, models=str(tmp_path))

    async def scene() -> None:
        async with Line(None, settings) as line:
            assert line.reply(1) == "Luigi's, good evening."

    asyncio.run(scene())


def test_it_is_a_whole_agent() -> None:
    assert isinstance(registry.load("ai.providers", "local"), AgentProvider)
    assert not isinstance(registry.load("ai.providers", "espeak"), AgentProvider)
