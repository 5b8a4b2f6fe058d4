"""Which model answers."""

from pathlib import Path
from typing import Any

import pytest

from trunkline.agent import Agent
from trunkline.ai.cascade import Cascade
from trunkline.ai.fallback_llm import FallbackLlm
from trunkline.ai.fallback_tts import FallbackTts
from trunkline.ai.providers.energy import EnergyVad
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


def test_one_that_stands_behind_nobody_can_be_misspelt_too() -> None:
    with pytest.raises(ConfigError, match=r"'recepcionist' is not a language model: choose one of .*receptionist"):
        agent_model(Agent("", llm=["receptionist", "recepcionist"]), Config.load())
