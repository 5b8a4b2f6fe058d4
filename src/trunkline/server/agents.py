"""From what an application said about its agent to a model that can open sessions."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from trunkline import registry
from trunkline.ai.agent import Agent
from trunkline.ai.base import (
    AgentModel,
    AgentProvider,
    AgentSettings,
    LlmProvider,
    ProviderSpec,
    Stt,
    SttProvider,
    TtsProvider,
    VadProvider,
)
from trunkline.ai.cascade import Cascade
from trunkline.ai.deeds import Deeds
from trunkline.ai.escalation import Escalating, Escalation
from trunkline.ai.fallback_agent import FallbackAgent
from trunkline.ai.fallback_llm import FallbackLlm
from trunkline.ai.fallback_stt import FallbackStt
from trunkline.ai.fallback_tts import FallbackTts
from trunkline.ai.handover import HandingOver
from trunkline.ai.manners import Manners
from trunkline.ai.models import vad_at_hand
from trunkline.ai.team import hand_over_tool, names, team_of
from trunkline.ai.tools import Tool
from trunkline.config import Config
from trunkline.errors import ConfigError

_ROOM = "ai.providers"

P = TypeVar("P")


def agent_model(agent: Agent, config: Config) -> AgentModel:
    """The model ``agent`` asks for; ``config.agent`` overrides it. Loads nothing yet. Raises ``ConfigError``."""
    if not agent.hands_to or config.agent:
        return _one(agent, config)
    team = team_of(agent)
    others = {member.name: [team[name] for name in names(member.hands_to)] for member in team.values()}
    models = {
        name: _one(member, config, hand_over_tool(others[name]) if others[name] else None)
        for name, member in team.items()
    }
    return HandingOver(models, agent.name)


def _one(agent: Agent, config: Config, hand_over: Tool | None = None) -> AgentModel:
    """One agent's model."""
    settings = AgentSettings(
        instructions=agent.instructions,
        greeting=agent.greeting or "",
        language=agent.language,
        voice=agent.voice or "",
        rate=config.agent_rate,
        transfer_to=agent.transfer_to or "",
        models=str(config.models_dir or ""),
        tools=(*agent.tools, *([hand_over] if hand_over else [])),
        manners=agent.manners or Manners.in_language(agent.language),
        escalation=_escalation(agent),
        options={
            "vad": "" if config.vad == "auto" else config.vad,
            "speech_energy_threshold": str(config.speech_energy_threshold),
            "speech_start_threshold": str(config.speech_start_threshold),
            "speech_stop_threshold": str(config.speech_stop_threshold),
        },
    )
    if not config.agent and (agent.stt or agent.llm or agent.tts):
        return _cascade(agent, settings, config)
    wanted = [name.strip() for name in config.agent.split(",")] if config.agent else agent.model or "local"
    deeds = Deeds()
    if len(_names(wanted)) > 1:
        settings = msgspec.structs.replace(settings, deeds=deeds)
    models = _parts(wanted, AgentProvider, "an agent", "agent", settings, config)
    return _one_or_standby([_escalating(model, settings) for model in models], partial(FallbackAgent, deeds=deeds))


def _escalating(model: AgentModel, settings: AgentSettings) -> AgentModel:
    if settings.escalation is None or isinstance(model, Cascade):
        return model
    return Escalating(model, settings.escalation, settings.transfer_to)


def _escalation(agent: Agent) -> Escalation | None:
    match agent.escalate:
        case None:
            return Escalation("notify", agent.on_escalation) if agent.on_escalation else None
        case "transfer" | "notify":
            return Escalation(agent.escalate, agent.on_escalation)
        case rule:
            return msgspec.structs.replace(rule, notify=rule.notify or agent.on_escalation)


def _cascade(agent: Agent, settings: AgentSettings, config: Config) -> AgentModel:
    """Named parts; what is not named is what the local agent has."""
    ears: Stt | None = None
    if agent.stt:
        ears = _one_or_standby(_parts(agent.stt, SttProvider, "a recogniser", "stt", settings, config), FallbackStt)
    else:
        settings = msgspec.structs.replace(settings, options={**settings.options, "recogniser": "no"})
    vad, vad_settings = _provider(
        settings.options["vad"] or vad_at_hand(settings.models), VadProvider, "a voice detector", settings, config
    )
    llms = _parts(agent.llm or "receptionist", LlmProvider, "a language model", "llm", settings, config)
    voices = _parts(agent.tts or "espeak", TtsProvider, "a voice", "tts", settings, config)
    return Cascade(
        name="+".join("|".join(_names(part)) for part in (agent.stt, agent.llm, agent.tts) if part),
        vad=vad.vad(vad_settings),
        stt=ears,
        llm=FallbackLlm(llms, time.monotonic),  # one alone is asked to go on, too
        tts=_one_or_standby(voices, FallbackTts),
        instructions=agent.instructions,
        greeting=settings.greeting,
        transfer_to=settings.transfer_to,
        tools=settings.tools,
        manners=settings.manners,
        escalation=settings.escalation,
    )


def _names(wanted: str | Sequence[str]) -> Sequence[str]:
    return (wanted,) if isinstance(wanted, str) else wanted


def _parts(
    wanted: str | Sequence[str], kind: type, role: str, method: str, settings: AgentSettings, config: Config
) -> list[Any]:
    """One role's parts, preferred first. One that others stand behind is told so: it gives up sooner. A voice is named
    as the first one's vendor names it, and means nothing to another's."""
    names = _names(wanted)
    settings = msgspec.structs.replace(settings, has_standby=len(names) > 1)
    others = msgspec.structs.replace(settings, voice="")
    first = _vendor(names[0])
    found = [_provider(name, kind, role, settings if _vendor(name) == first else others, config) for name in names]
    return [getattr(provider, method)(own) for provider, own in found]


def _vendor(name: str) -> str:
    return name.partition("/")[0]


def _one_or_standby(parts: Sequence[P], standby: Callable[[Sequence[P], Callable[[], float]], P]) -> P:
    return parts[0] if len(parts) == 1 else standby(parts, time.monotonic)


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
        raise ConfigError(
            f"{spec.title} needs {spec.key_setting}, which is not set (get one at {spec.key_from}){offline}"
        )
    return own
