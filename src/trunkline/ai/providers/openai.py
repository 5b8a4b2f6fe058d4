"""OpenAI: whole agents that hear and speak, by the Realtime and the Live API."""

from collections.abc import Sequence
from typing import Any, Final

from starlette.routing import BaseRoute

from trunkline.ai.base import AgentModel, AgentSession, AgentSettings, CallFacts, Emit, ProviderSpec
from trunkline.ai.keys import KeyQuestion, check_key
from trunkline.ai.providers._openai_account import KEY_FROM, NAME, TITLE, OpenAISettings, key_question
from trunkline.ai.providers._openai_live import FORMATS as LIVE_FORMATS
from trunkline.ai.providers._openai_live import LiveSession
from trunkline.ai.providers._openai_opening import FORMATS
from trunkline.ai.providers._openai_realtime import RealtimeSession
from trunkline.ai.standin import Play
from trunkline.ai.toolbox import all_tools
from trunkline.audio.format import AudioFormat

MODELS: Final = ("gpt-realtime-2.1", "gpt-realtime-2.1-mini", "gpt-realtime-2", "gpt-realtime-1.5", "gpt-live-1")

# Names without a version: the vendor shuts both down on 2027-01-20.
_LATEST: Final = {
    "": MODELS[0],
    "gpt-realtime": MODELS[0],
    "gpt-realtime-mini": MODELS[1],
}


class _Agent:
    """A model that hears and speaks. Telephones of G.711 are passed straight through; others are 24 kHz to it."""

    def __init__(self, settings: AgentSettings) -> None:
        self.own: OpenAISettings = settings.own or OpenAISettings()
        self.settings = settings
        self.model = _LATEST.get(settings.model, settings.model)
        self.name = f"{NAME}/{self.model}"
        self._session = LiveSession if self.model.startswith("gpt-live") else RealtimeSession
        formats = LIVE_FORMATS if self._session is LiveSession else FORMATS
        self.hears: tuple[AudioFormat, ...] = tuple(formats)
        self.speaks: tuple[AudioFormat, ...] = tuple(formats)
        all_tools(settings.tools, settings.transfer_to)  # a mistake in them stops the start, not a call

    def open(self, facts: CallFacts, *, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> AgentSession:
        return self._session(self, facts, hears, speaks, emit)

    async def warm_up(self) -> None:
        question = key_question(self.own)
        await check_key(TITLE, "OPENAI_API_KEY", question.url, question.headers, KEY_FROM)

    async def close(self) -> None: ...


class _Provider:
    spec = ProviderSpec(
        name=NAME,
        title=TITLE,
        settings=OpenAISettings,
        key="api_key",
        key_from=KEY_FROM,
        offline="the agent local, or a simulated OpenAI: trunkline demo --model openai",
        models=MODELS,
        about="Whole agents that hear and speak. A phone's mu-law or A-law goes both ways untouched.",
    )

    def agent(self, settings: AgentSettings) -> AgentModel:
        return _Agent(settings)

    def key_question(self, own: OpenAISettings) -> KeyQuestion:
        return key_question(own)

    def stand_in(self, play: Play) -> Sequence[BaseRoute]:
        from trunkline.ai.providers._openai_standin import routes

        return routes(play)

    def stand_in_settings(self, base_url: str) -> dict[str, Any]:
        return {"api_key": "simulated", "base_url": f"{base_url}/v1"}


PROVIDER = _Provider()
