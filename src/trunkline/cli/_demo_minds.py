"""Who answers in ``trunkline demo``: the local agent, or a vendor's: real where its key is set, else simulated."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from trunkline import registry
from trunkline.ai.agent import Agent
from trunkline.ai.base import AgentModel, AgentProvider, AgentSettings, ProviderSpec
from trunkline.ai.standin import StandInProvider
from trunkline.config import Config
from trunkline.errors import ConfigError
from trunkline.testing.scripted_stt import Fixture, ScriptedStt
from trunkline.testing.standins import play, standing_in

LOCAL: Final = "local"
INSTRUCTIONS: Final = (
    "You are the receptionist of a small restaurant, on the telephone. It is open from Monday to Friday, nine to five. "
    "Answer in one or two short sentences. When the caller wants nothing more, say goodbye."
)
GREETING: Final = "Hello, this is the demonstration restaurant. How can I help you?"
PAUSE_MS: Final = 270
"""Silence after which the simulated vendors take a turn for over: longer than espeak-ng's pause at a comma."""

CASCADE: Final = Agent(
    INSTRUCTIONS,
    greeting=GREETING,
    stt="deepgram/flux-general-en",
    llm="groq/llama-3.1-8b-instant",
    tts="cartesia/sonic-3.5",
)


class Mind(NamedTuple):
    """What answers a demonstration's call."""

    config: Config
    agent: Agent
    model: AgentModel | None  # in the place of the one ``agent`` names
    simulated: Sequence[str]  # for people: what of it is
    real: Sequence[str]  # vendors that are really asked


@asynccontextmanager
async def mind(name: str, config: Config, known: Sequence[Fixture]) -> AsyncIterator[Mind]:
    """``local``, ``cascade`` or ``vendor/model``, or several with commas between them. The stand-ins serve while the
    context lasts; their ears know the recordings in ``known`` by heart. Raises ``ConfigError``."""
    if name == LOCAL:
        local = registry.load("ai.providers", LOCAL).agent(AgentSettings(), stt=ScriptedStt(known))
        yield Mind(config, Agent(""), local, ["the speech recogniser (it knows the script by heart)"], [])
        return
    models = [model.strip() for model in name.split(",")]
    agent = CASCADE if name == "cascade" else Agent(INSTRUCTIONS, model=models, greeting=GREETING)
    vendors = _vendors(agent)
    missing = [vendor for vendor in vendors if not _has_key(vendor, config)]
    real = [vendor for vendor in vendors if vendor not in missing]
    if not missing:
        yield Mind(config, agent, None, [], real)
        return
    async with standing_in(play(fixtures=known, hang_ms=PAUSE_MS, stt_ms=PAUSE_MS + 10), names=missing) as stand_ins:
        for vendor in missing:
            config = config.with_provider(vendor, **stand_ins.settings(vendor))
        simulated = [f"{vendor} (a stand-in on this machine that speaks its wire format)" for vendor in missing]
        yield Mind(config, agent, None, simulated, real)


def _vendors(agent: Agent) -> list[str]:
    if agent.stt:
        return [str(part).partition("/")[0] for part in (agent.stt, agent.llm, agent.tts)]
    able = [name for name in registry.names("ai.providers") if _can_be_shown(name)]
    vendors = [model.partition("/")[0] for model in agent.model]
    for vendor in vendors:
        if vendor not in able:
            choices = ", ".join([LOCAL, "cascade", *(f"{name}/…" for name in able)])
            raise ConfigError(f"{vendor!r} can't be demonstrated: choose one of {choices}")
    return vendors


def _can_be_shown(name: str) -> bool:
    provider = registry.load("ai.providers", name)
    return isinstance(provider, StandInProvider) and isinstance(provider, AgentProvider)


def _has_key(vendor: str, config: Config) -> bool:
    spec: ProviderSpec = registry.load("ai.providers", vendor).spec
    return bool(spec.key and getattr(config.provider(spec), spec.key))
