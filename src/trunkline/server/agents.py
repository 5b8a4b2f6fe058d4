"""From what an application said about its agent to a model that can open sessions."""

from typing import Any

import msgspec

from trunkline import registry
from trunkline.ai.agent import Agent
from trunkline.ai.base import (
    AgentModel,
    AgentProvider,
    AgentSettings,
    LlmProvider,
    ProviderSpec,
    SttProvider,
    TtsProvider,
    VadProvider,
)
from trunkline.ai.cascade import Cascade
from trunkline.ai.models import vad_at_hand
from trunkline.config import Config
from trunkline.errors import ConfigError

_ROOM = "ai.providers"


def agent_model(agent: Agent, config: Config) -> AgentModel:
    """The model ``agent`` asks for; ``config.agent`` overrides it. Loads nothing yet. Raises ``ConfigError``."""
    settings = AgentSettings(
        instructions=agent.instructions,
        greeting=agent.greeting or "",
        language=agent.language,
        voice=agent.voice or "",
        rate=config.agent_rate,
        transfer_to=agent.transfer_to or "",
        models=str(config.models_dir or ""),
        options={
            "vad": "" if config.vad == "auto" else config.vad,
            "speech_energy_threshold": str(config.speech_energy_threshold),
            "speech_start_threshold": str(config.speech_start_threshold),
            "speech_stop_threshold": str(config.speech_stop_threshold),
        },
    )
    if not config.agent and (agent.stt or agent.llm or agent.tts):
        return _cascade(agent, settings, config)
    wanted = config.agent or agent.model
    provider, settings = _provider(wanted, AgentProvider, "an agent", settings, config)
    model: AgentModel = provider.agent(settings)
    return model


def _cascade(agent: Agent, settings: AgentSettings, config: Config) -> AgentModel:
    """Named parts; what is not named is what the local agent has."""
    ears = None
    if agent.stt:
        provider, own = _provider(agent.stt, SttProvider, "a recogniser", settings, config)
        ears = provider.stt(own)
    vad, vad_settings = _provider(
        settings.options["vad"] or vad_at_hand(settings.models), VadProvider, "a voice detector", settings, config
    )
    llm, llm_settings = _provider(agent.llm or "receptionist", LlmProvider, "a language model", settings, config)
    tts, tts_settings = _provider(agent.tts or "espeak", TtsProvider, "a voice", settings, config)
    return Cascade(
        name="+".join(part for part in (agent.stt, agent.llm, agent.tts) if part),
        vad=vad.vad(vad_settings),
        stt=ears,
        llm=llm.llm(llm_settings),
        tts=tts.tts(tts_settings),
        instructions=agent.instructions,
        greeting=settings.greeting,
        transfer_to=settings.transfer_to,
    )


def _provider(wanted: str, kind: type, role: str, settings: AgentSettings, config: Config) -> tuple[Any, AgentSettings]:
    """The provider behind ``vendor/model``, and the settings that name the model and hold the provider's own."""
    vendor, _, model = wanted.partition("/")
    provider = registry.load(_ROOM, vendor) if vendor in registry.names(_ROOM) else None
    if not isinstance(provider, kind):
        choices = [name for name in registry.names(_ROOM) if isinstance(registry.load(_ROOM, name), kind)]
        raise ConfigError(f"{vendor!r} is not {role}: choose one of {', '.join(choices)}")
    spec: ProviderSpec | None = getattr(provider, "spec", None)
    return provider, msgspec.structs.replace(settings, model=model, own=spec and _own(spec, config))


def _own(spec: ProviderSpec, config: Config) -> Any:
    """A provider's own settings; without the key it needs there is no start."""
    own = config.provider(spec)
    if spec.key and not getattr(own, spec.key):
        offline = f"; without a key there is {spec.offline}" if spec.offline else ""
        name = f"{spec.name}_{spec.key}".upper()
        raise ConfigError(f"{spec.title} needs {name}, which is not set (get one at {spec.key_from}){offline}")
    return own
