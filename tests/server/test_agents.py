"""Which model answers."""

from pathlib import Path
from typing import Any

import pytest

from trunkline.agent import Agent
from trunkline.ai.base import CallFacts
from trunkline.ai.cascade import Cascade
from trunkline.ai.escalation import Escalating, Escalation
from trunkline.ai.fallback_agent import FallbackAgent
from trunkline.ai.fallback_llm import FallbackLlm
from trunkline.ai.fallback_tts import FallbackTts
from trunkline.ai.handover import HandingOver
from trunkline.ai.intents import Understanding
from trunkline.ai.manners import Manners
from trunkline.ai.providers.energy import EnergyVad
from trunkline.ai.tools import tool
from trunkline.audio.format import MULAW_8K, PCM16_16K
from trunkline.config import Config
from trunkline.errors import ConfigError
from trunkline.server.agents import agent_model


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["echo", "local"])
def test_a_model_is_found_by_its_name(name: str) -> None:
    assert agent_model(Agent("", model=name), Config.load()).name == name


def test_the_operator_overrides_the_application() -> None:
    assert agent_model(Agent("", model="local"), Config.load(agent="echo")).name == "echo"


@pytest.mark.parametrize(("rate", "audio"), [("mulaw", MULAW_8K), ("16000", PCM16_16K)])
def test_the_echo_works_at_the_rate_it_is_told(rate: Any, audio: Any) -> None:
    assert agent_model(Agent("", model="echo"), Config.load(agent_rate=rate)).hears == (audio,)


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        (Agent("", model="ehco"), "'ehco' is not an agent: choose one of "),
        (Agent("", model="acme/model-1"), "'acme' is not an agent: choose one of "),
        (Agent("", model="espeak"), "'espeak' is not an agent: choose one of "),
        (Agent("", tts="ehco"), "'ehco' is not a voice: choose one of "),
        (Agent("", stt="espeak"), "'espeak' is not a recogniser: choose one of "),
    ],
)
def test_an_unknown_model_is_told_with_the_choices(agent: Any, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        agent_model(agent, Config.load())
    assert str(error.value).startswith(told)


def test_a_cascade_is_made_of_the_parts_that_were_named_and_the_local_ones() -> None:
    assert agent_model(Agent("", tts="espeak", llm="receptionist"), Config.load()).name == "receptionist+espeak"


def test_the_operator_chooses_what_finds_speech_and_how_eagerly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEECH_START_THRESHOLD", "5")
    monkeypatch.setenv("TRUNKLINE_SPEECH_STOP_THRESHOLD", "20")
    monkeypatch.setenv("TRUNKLINE_VAD", "energy")
    config = Config.load()
    assert (config.speech_start_threshold, config.speech_stop_threshold) == (5, 20)
    for agent in (Agent(""), Agent("", llm="receptionist")):
        model = agent_model(agent, config)
        assert isinstance(model, Cascade)
        assert isinstance(model.vad, EnergyVad)
        assert (model.vad.rules.start_frames, model.vad.rules.stop_frames) == (5, 20)


def test_a_part_may_have_others_behind_it() -> None:
    model = agent_model(Agent("", llm=["receptionist", "receptionist"], tts=("espeak", "espeak")), Config.load())
    assert model.name == "receptionist|receptionist+espeak|espeak"
    assert isinstance(model, Cascade)
    assert isinstance(model.llm, FallbackLlm)
    assert isinstance(model.tts, FallbackTts)


@pytest.mark.parametrize("typed", ["", "local, echo"])
def test_a_whole_agent_may_have_others_behind_it(typed: str) -> None:
    model = agent_model(Agent("", model=["local", "echo"]), Config.load(agent=typed or None, agent_rate=8000))
    assert isinstance(model, FallbackAgent)
    assert model.name == "local|echo"


def test_a_voice_is_its_vendors_and_the_others_speak_with_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "simulated")
    monkeypatch.setenv("GEMINI_API_KEY", "simulated")
    names = ["openai/gpt-realtime-2.1", "gemini/live", "openai/gpt-realtime-2.1-mini"]
    model = agent_model(Agent("", model=names, voice="cedar"), Config.load())
    assert isinstance(model, FallbackAgent)
    settings: list[Any] = [getattr(part, "settings") for part in model.standby.parts]  # noqa: B009 - each one's own
    assert [one.voice for one in settings] == ["cedar", "", "cedar"]
    assert all(one.has_standby for one in settings)


def test_each_agent_of_several_is_watched_unless_it_escalates_by_itself() -> None:
    model = agent_model(Agent("", model=("local", "echo"), escalate="notify"), Config.load(agent_rate=8000))
    assert isinstance(model, FallbackAgent)
    assert [isinstance(part, Escalating) for part in model.standby.parts] == [False, True]


def test_one_that_stands_behind_nobody_can_be_misspelt_too() -> None:
    with pytest.raises(ConfigError, match=r"'recepcionist' is not a language model: choose one of .*receptionist"):
        agent_model(Agent("", llm=["receptionist", "recepcionist"]), Config.load())
    with pytest.raises(ConfigError, match=r"'ehco' is not an agent: choose one of .*echo"):
        agent_model(Agent("", model=["echo", "ehco"]), Config.load())


@tool
def hours() -> str:
    """When we are open."""
    return "nine to five"


def test_an_agents_tools_and_manners_reach_its_cascade() -> None:
    for agent in (Agent("", tools=[hours], language="de"), Agent("", llm="receptionist", tools=[hours], language="de")):
        model = agent_model(agent, Config.load())
        assert isinstance(model, Cascade)
        assert model.tools == (hours,)
        assert model.manners == Manners.in_language("de")
    model = agent_model(Agent("", manners=Manners(no_input_s=3)), Config.load())
    assert isinstance(model, Cascade)
    assert model.manners.no_input_s == 3


def test_tools_that_cannot_be_told_apart_stop_the_start() -> None:
    with pytest.raises(ConfigError, match="two tools 'hours'"):
        agent_model(Agent("", tools=[hours, hours]), Config.load())


def tell(facts: CallFacts, found: Understanding) -> None: ...


@pytest.mark.parametrize(
    ("agent", "rule"),
    [
        (Agent(""), None),
        (Agent("", on_escalation=tell), Escalation("notify", tell)),
        (Agent("", escalate="notify"), Escalation("notify")),
        (
            Agent("", escalate="transfer", on_escalation=tell, transfer_to="sip:desk@example.org"),
            Escalation("transfer", tell),
        ),
        (
            Agent("", escalate=Escalation(unclear_turns=4), on_escalation=tell),
            Escalation("notify", tell, unclear_turns=4),
        ),
    ],
)
def test_how_an_agent_escalates(agent: Agent, rule: Escalation | None) -> None:
    model = agent_model(agent, Config.load())
    assert isinstance(model, Cascade)
    assert model.escalation == rule


def test_an_agent_that_is_no_cascade_is_watched_from_outside() -> None:
    model = agent_model(Agent("", model="echo", escalate="notify"), Config.load())
    assert isinstance(model, Escalating)
    assert model.name == "echo"


def test_a_transfer_to_nobody_stops_the_start() -> None:
    for name in ("echo", "local"):
        with pytest.raises(ConfigError, match="needs transfer_to"):
            agent_model(Agent("", model=name, escalate="transfer"), Config.load())


def test_agents_that_hand_over_are_one_model() -> None:
    billing = Agent("Bills.", name="billing", hands_to=["desk"], tools=[hours])
    desk = Agent("You answer.", name="desk", hands_to=[billing])
    model = agent_model(desk, Config.load())
    assert isinstance(model, HandingOver)
    assert (model.first, list(model.members)) == ("desk", ["desk", "billing"])
    first, second = model.members.values()
    assert isinstance(first, Cascade)
    assert isinstance(second, Cascade)
    assert [tool.name for tool in first.tools] == ["hand_over"]
    assert [tool.name for tool in second.tools] == ["hours", "hand_over"]
    assert agent_model(desk, Config.load(agent="echo")).name == "echo"
