"""The echo agent."""

import asyncio

import pytest

from trunkline.ai.base import AgentProvider, AgentSettings, CallFacts
from trunkline.ai.events import AgentEvent, CallAnswered, ReplyAudio, ReplyInterrupted, ReplyStarted
from trunkline.ai.providers.echo import PROVIDER
from trunkline.audio.format import MULAW_8K, PCM16_8K, PCM16_24K, AudioFormat
from trunkline.errors import AudioError

FACTS = CallFacts("call", "test")


def test_it_says_back_what_it_hears_as_one_reply() -> None:
    events: list[AgentEvent] = []
    session = PROVIDER.agent(AgentSettings()).open(FACTS, hears=PCM16_24K, speaks=PCM16_24K, emit=events.append)
    session.tell(CallAnswered(), 0)
    session.hear(b"one", 0)
    session.hear(b"two", 0.02)
    assert events == [ReplyStarted(1), ReplyAudio(b"one", 1), ReplyAudio(b"two", 1)]


def test_after_an_interruption_it_goes_on_as_the_next_reply() -> None:
    events: list[AgentEvent] = []
    session = PROVIDER.agent(AgentSettings()).open(FACTS, hears=PCM16_24K, speaks=PCM16_24K, emit=events.append)
    session.hear(b"one", 0)
    session.tell(ReplyInterrupted(1, 0, ""), 0)
    session.tell(ReplyInterrupted(1, 0, ""), 0)  # told twice is once
    session.hear(b"two", 0.02)
    assert events[2:] == [ReplyStarted(2), ReplyAudio(b"two", 2)]


def test_its_run_has_nothing_to_do() -> None:
    session = PROVIDER.agent(AgentSettings()).open(FACTS, hears=MULAW_8K, speaks=MULAW_8K, emit=print)
    asyncio.run(session.run())


RATES = [("mulaw", MULAW_8K), (24000, PCM16_24K), (8000, PCM16_8K)]


@pytest.mark.parametrize(("rate", "audio"), RATES)
def test_its_rate_is_a_setting(rate: int, audio: AudioFormat) -> None:
    agent = PROVIDER.agent(AgentSettings(rate=rate))
    assert agent.hears == agent.speaks == (audio,)


def test_a_rate_nobody_converts_is_refused() -> None:
    with pytest.raises(AudioError, match="not supported"):
        PROVIDER.agent(AgentSettings(rate=12345))


def test_it_is_a_whole_agent() -> None:
    assert isinstance(PROVIDER, AgentProvider)
