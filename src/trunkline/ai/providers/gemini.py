"""Google Gemini: whole agents that hear and speak, by the Live API."""

from collections.abc import Sequence
from typing import Any, Final

from starlette.routing import BaseRoute

from trunkline import registry
from trunkline.ai.base import AgentModel, AgentSession, AgentSettings, CallFacts, Emit, ProviderSpec, Vad
from trunkline.ai.keys import KeyQuestion, check_key
from trunkline.ai.models import vad_at_hand
from trunkline.ai.providers._gemini_account import NAME, GeminiSettings, key_question
from trunkline.ai.providers._gemini_families import MODELS, family_of, model_of
from trunkline.ai.providers._gemini_live import LiveSession
from trunkline.ai.standin import Play
from trunkline.ai.toolbox import all_tools
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat


class _Agent:
    """A model that hears and speaks. It hears a phone as it is, since our own voice detector does."""

    hears: tuple[AudioFormat, ...] = (PCM16_16K, PCM16_8K, MULAW_8K, ALAW_8K, PCM16_24K)
    speaks: tuple[AudioFormat, ...] = (PCM16_24K,)

    def __init__(self, settings: AgentSettings) -> None:
        self.own: GeminiSettings = settings.own or GeminiSettings()
        self.settings = settings
        self.model = model_of(settings.model)
        self.family = family_of(self.model)
        self.name = f"{NAME}/{self.model}"
        detector = settings.options.get("vad") or vad_at_hand(settings.models)
        self.vad: Vad = registry.load("ai.providers", detector).vad(settings)
        all_tools(settings.tools, settings.transfer_to)  # a mistake in them stops the start, not a call

    def open(self, facts: CallFacts, *, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> AgentSession:
        return LiveSession(self, facts, hears, emit)

    async def warm_up(self) -> None:
        await check_key(PROVIDER.spec, key_question(self.own))
        await self.vad.warm_up()

    async def close(self) -> None:
        await self.vad.close()


ABOUT: Final = """\
A whole agent that hears and speaks (Live API). It takes no G.711: a phone's audio is brought to PCM16 at 16 kHz here
(`GEMINI_INPUT_RATE=8000` leaves that to the vendor), and its voice comes at 24 kHz. `live` is the vendor's present
default model; what a model's family does not know is not sent to it.

- **Turns**: a voice detector here (Silero, WebRTC or `vad`) finds them, and the vendor hears only turns. While the
  agent speaks, what the caller says is kept back until the call has found it to be an interruption, and is then sent
  from its beginning: a vendor that hears an "mm-hm" would fall silent. What is too short to be judged without its words
  is sent when it is over, and its answer is heard only if it was an interruption. `GEMINI_TURNS=server` lets the vendor
  hear everything and find turns itself; whatever it takes for speech then ends the agent's reply.
- **What was heard**: the vendor can't be told where a reply was cut, and estimates it. The conversation kept here has
  what the caller heard; a session that can't be resumed is told that.
- **On trouble**: a lost, silent or ending connection is replaced, with the vendor's resumption handle, or without one
  with the conversation in text. A turn that was not answered is heard again; a reply that broke off goes on with its
  next word. No sound of an answer within `GEMINI_ANSWER_S`, and it is asked for once more.
- **Functions** don't block where the model can choose, and their results interrupt it. It is asked to tell the caller
  when one may take a while: nobody else can say a filler.

Not supported: video, Vertex AI, ephemeral tokens, changing instructions in mid-session.
"""


class _Provider:
    spec = ProviderSpec(
        name=NAME,
        title="Google Gemini",
        settings=GeminiSettings,
        key="api_key",
        key_from="https://aistudio.google.com/apikey",
        offline="the agent local, or a simulated Gemini: trunkline demo --model gemini",
        models=MODELS,
        about=ABOUT,
    )

    def agent(self, settings: AgentSettings) -> AgentModel:
        return _Agent(settings)

    def key_question(self, own: GeminiSettings) -> KeyQuestion:
        return key_question(own)

    def stand_in(self, play: Play) -> Sequence[BaseRoute]:
        from trunkline.ai.providers._gemini_standin import routes

        return routes(play)

    def stand_in_settings(self, base_url: str) -> dict[str, Any]:
        return {"api_key": "simulated", "base_url": base_url}


PROVIDER = _Provider()
