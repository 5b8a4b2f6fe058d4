"""OpenAI: whole agents that hear and speak, by the Realtime and the Live API; and models that write, or write down."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from starlette.routing import BaseRoute

from trunkline.ai import transcription
from trunkline.ai.base import AgentModel, AgentSession, AgentSettings, CallFacts, Emit, Llm, ProviderSpec, Stt
from trunkline.ai.chat.account import Dialect, Wishes
from trunkline.ai.chat.llm import Chat
from trunkline.ai.keys import KeyQuestion, check_key
from trunkline.ai.providers._openai_account import NAME, OpenAISettings, account, key_question
from trunkline.ai.providers._openai_live import FORMATS as LIVE_FORMATS
from trunkline.ai.providers._openai_live import LiveSession
from trunkline.ai.providers._openai_opening import FORMATS
from trunkline.ai.providers._openai_realtime import RealtimeSession
from trunkline.ai.standin import Play
from trunkline.ai.toolbox import all_tools
from trunkline.audio.format import AudioFormat
from trunkline.errors import ConfigError

MODELS: Final = ("gpt-realtime-2.1", "gpt-realtime-2.1-mini", "gpt-realtime-2", "gpt-realtime-1.5", "gpt-live-1")

# Names without a version: the vendor shuts both down on 2027-01-20.
_LATEST: Final = {
    "gpt-realtime": MODELS[0],
    "gpt-realtime-mini": MODELS[1],
}


ABOUT: Final = """\
Whole agents that hear and speak, by two of its protocols. A phone's mu-law or A-law is passed through untouched both
ways; any other phone is 24 kHz PCM to it. `openai`, `openai/gpt-realtime` and `openai/gpt-realtime-2.1` are the same:
the names without a version are shut down on 2027-01-20. Any other model is passed on by its name, `gpt-live-…` to Live.

**Realtime.** The server finds the caller's turns: by silence, or with `OPENAI_TURN_DETECTION=semantic` by what was
said. Whether a caller interrupts or only agrees is decided in the call, and what the caller did not hear is truncated
at the vendor to the millisecond. That costs one round trip for each turn; `OPENAI_PROMPT_ANSWERS=true` lets the server
answer by itself whenever the agent is silent. Functions may be called several at a time. A greeting is asked for word
for word, which a model can't be made to keep to. The words of a reply are placed beside its audio by the pace of the
voice, which is an estimate; its audio is counted. A session is replaced between two turns after
`OPENAI_SESSION_MINUTES` (55), before the vendor ends it at 60 minutes.

**Live.** The model hears and speaks all the time and decides itself when to yield: nothing is truncated, since nothing
can be, and the call is told of the caller's speech only while the agent is silent. It gets the caller's audio without
holes and never in a burst; its endless stream is cut into replies by its silences. Functions are called by a text model
at the vendor's (`OPENAI_LIVE_DELEGATE`); without one there are none. Keys are told to it in words. Questions to a
silent caller are left to the model.

**When something goes wrong.** A lost or silent connection is made anew at once: the conversation is told again as text,
audio that nobody had words for is sent again, and a reply that broke off goes on where it did while the caller hears
what is there already. A response that fails is tried again up to three times. A refused key, or an account with nothing
left, ends the call's agent at once.

**Azure, and whoever else speaks the protocol:** `OPENAI_BASE_URL=https://NAME.openai.azure.com/openai/v1`,
`OPENAI_AUTH_HEADER=api-key`, and the deployment's name as the model; `OPENAI_QUERY='{"api-version": "…"}'` puts more on
every address. Paths of dated API versions, which still use the names of the beta, are not supported; nor are images,
MCP tools, stored prompts, SIP and WebRTC.

Further settings: `OPENAI_TRANSCRIPTION_MODEL` (empty: turns without words), `OPENAI_VAD_THRESHOLD`,
`OPENAI_SILENCE_MS`, `OPENAI_PREFIX_MS`, `OPENAI_EAGERNESS`, `OPENAI_NOISE_REDUCTION`, `OPENAI_SPEED`,
`OPENAI_MAX_OUTPUT_TOKENS`, `OPENAI_REASONING_EFFORT`, `OPENAI_ORGANIZATION`, `OPENAI_PROJECT`.

As parts of a cascade: `llm="openai/MODEL"` is any model that writes by chat completions, `stt="openai"` sends each turn
as one file to `OPENAI_TRANSCRIPTION_MODEL`.
"""


class _Agent:
    """A model that hears and speaks. Telephones of G.711 are passed straight through; others are 24 kHz to it."""

    def __init__(self, settings: AgentSettings) -> None:
        self.own: OpenAISettings = settings.own or OpenAISettings()
        self.settings = settings
        self.model = settings.model or MODELS[0]
        if self.own.base_url == OpenAISettings().base_url:  # elsewhere it may be a deployment's name
            self.model = _LATEST.get(self.model, self.model)
        self.name = f"{NAME}/{self.model}"
        self._session = LiveSession if self.model.startswith("gpt-live") else RealtimeSession
        formats = LIVE_FORMATS if self._session is LiveSession else FORMATS
        self.hears: tuple[AudioFormat, ...] = tuple(formats)
        self.speaks: tuple[AudioFormat, ...] = tuple(formats)
        all_tools(settings.tools, settings.transfer_to)  # a mistake in them stops the start, not a call

    def open(self, facts: CallFacts, *, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> AgentSession:
        return self._session(self, facts, hears, speaks, emit)

    async def warm_up(self) -> None:
        await _check(self.own)

    async def close(self) -> None: ...


async def _check(own: OpenAISettings) -> None:
    await check_key(PROVIDER.spec, key_question(own))


class _Provider:
    spec = ProviderSpec(
        name=NAME,
        title="OpenAI",
        settings=OpenAISettings,
        key="api_key",
        key_from="https://platform.openai.com/api-keys",
        offline="the agent local, or a simulated OpenAI: trunkline demo --model openai",
        models=MODELS,
        about=ABOUT,
    )

    def agent(self, settings: AgentSettings) -> AgentModel:
        return _Agent(settings)

    def llm(self, settings: AgentSettings) -> Llm:
        own = settings.own or OpenAISettings()
        if not settings.model:
            raise ConfigError(f"which model? One that writes is named as llm='{NAME}/MODEL'")
        wishes = Wishes(
            max_tokens=own.max_output_tokens or Wishes().max_tokens,
            temperature=None,  # models that reason refuse one
            reasoning_effort=own.reasoning_effort,
        )
        dialect = Dialect(max_tokens="max_completion_tokens")
        return Chat(
            account(own),
            settings.model,
            wishes=wishes,
            dialect=dialect,
            others=settings.has_standby,
            check=partial(_check, own),
        )

    def stt(self, settings: AgentSettings) -> Stt:
        own = settings.own or OpenAISettings()
        model = settings.model or own.transcription_model or OpenAISettings().transcription_model
        return transcription.stt(account(own), model, settings, check=partial(_check, own))

    def key_question(self, own: OpenAISettings) -> KeyQuestion:
        return key_question(own)

    def stand_in(self, play: Play) -> Sequence[BaseRoute]:
        from trunkline.ai.chat.standin import routes as chat_routes
        from trunkline.ai.providers._openai_standin import routes
        from trunkline.ai.transcription_standin import transcription_routes

        return [*routes(play), *chat_routes(play), *transcription_routes(play)]

    def stand_in_settings(self, base_url: str) -> dict[str, Any]:
        return {"api_key": "simulated", "base_url": f"{base_url}/v1"}


PROVIDER = _Provider()
