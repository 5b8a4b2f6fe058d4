"""Deepgram: Flux and Nova as recognisers, Aura and Flux TTS as voices. A phone's mu-law goes both ways untouched."""

from collections.abc import Sequence
from typing import Any, Final, Literal
from urllib.parse import urlencode

import httpx
import msgspec
from starlette.routing import BaseRoute

from trunkline import logs
from trunkline.ai.base import AgentSettings, CallFacts, Emit, ProviderSpec, Stt, SttEmit, SttSession, Tts, TtsSession
from trunkline.ai.http import client
from trunkline.ai.keys import KeyQuestion, check_key
from trunkline.ai.patience import Patience
from trunkline.ai.providers._deepgram_aura import AURA, FLUX, SpeakSession
from trunkline.ai.providers._deepgram_flux import FluxSession
from trunkline.ai.providers._deepgram_messages import NAME
from trunkline.ai.providers._deepgram_nova import NovaSession
from trunkline.ai.providers._deepgram_rest import RestSession
from trunkline.ai.session import Address
from trunkline.ai.standin import Play
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat, Encoding

FORMATS: Final[tuple[AudioFormat, ...]] = (MULAW_8K, ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K)

_ENCODINGS: Final = {Encoding.MULAW: "mulaw", Encoding.ALAW: "alaw", Encoding.PCM16: "linear16"}


class Settings(msgspec.Struct, frozen=True):
    """Deepgram's own settings."""

    api_key: str = ""
    base_url: str = "https://api.deepgram.com"  # https://api.eu.deepgram.com keeps the audio in the EU
    tts_transport: Literal["websocket", "rest"] = "websocket"  # rest: one request for each sentence
    keyterms: tuple[str, ...] = ()  # names and words of the trade that should be recognised
    eot_threshold: float = 0.7  # Flux: how sure it is that a turn is over before it says so, 0.5 to 1
    eager_eot_threshold: float = 0.5  # … before it lets a reply be begun on trial, 0.3 to 0.9; 0: never
    eot_timeout_ms: int = 5000  # … a turn is over after so much silence, however unsure it is, 500 to 60000
    nova_turns: bool = False  # Nova: its own endpointing ends turns, instead of our voice detector
    endpointing_ms: int = 300  # … silence after which it takes speech for finished
    utterance_end_ms: int = 1000  # … the same by gaps between words, which noise can't fill; 1000 at least
    speed: float = 1.0  # of the voice
    mip_opt_out: bool = False  # nothing of ours may be used to train the vendor's models (it may cost more)


class Deepgram:
    """What its parts have in common. ``model`` as Deepgram names it."""

    def __init__(self, settings: AgentSettings, model: str) -> None:
        own = settings.own if isinstance(settings.own, Settings) else Settings()
        own = msgspec.structs.replace(own, base_url=own.base_url.rstrip("/"))
        self.name = f"{NAME}/{model}"
        self._own = own
        self._model = model
        self._language = settings.language.partition("-")[0]
        self._patience = Patience.towards(settings)

    async def warm_up(self) -> None:
        await check_key(PROVIDER.spec, key_question(self._own))

    async def close(self) -> None: ...

    def _url(self, path: str, audio: AudioFormat, **more: object) -> str:
        query: dict[str, object] = {"model": self._model, "encoding": _ENCODINGS[audio.encoding]}
        query |= {"sample_rate": audio.rate, "mip_opt_out": self._own.mip_opt_out or None, **more}
        given = {name: _written(value) for name, value in query.items() if value not in (None, ())}
        return f"{self._own.base_url}{path}?{urlencode(given, doseq=True)}"

    def _address(self, path: str, audio: AudioFormat, **more: object) -> Address:
        # https becomes wss, http becomes ws.
        return Address("ws" + self._url(path, audio, **more).removeprefix("http"), _authorization(self._own))


class DeepgramStt(Deepgram):
    """A recogniser."""

    hears = FORMATS
    partials = True

    def __init__(self, settings: AgentSettings) -> None:
        super().__init__(settings, settings.model or "flux-general-en")
        self._is_flux = self._model.startswith("flux")
        self.turns = self._is_flux or self._own.nova_turns

    def open(self, facts: CallFacts, *, hears: AudioFormat, emit: SttEmit) -> SttSession:
        own, log = self._own, logs.get(__name__).bind(call=facts.call_id, role="stt")
        if self._is_flux:
            address = self._address(
                "/v2/listen",
                hears,
                eot_threshold=own.eot_threshold,
                eager_eot_threshold=own.eager_eot_threshold or None,
                eot_timeout_ms=own.eot_timeout_ms,
                keyterm=own.keyterms,
                language_hint=self._language if self._model.endswith("multi") else None,
            )
            return FluxSession(address, hears, emit, self._patience, log, eot_timeout_ms=own.eot_timeout_ms)
        address = self._address(
            "/v1/listen",
            hears,
            language=self._language,
            interim_results=True,
            smart_format=True,
            endpointing=own.endpointing_ms,
            utterance_end_ms=own.utterance_end_ms,
            keyterm=own.keyterms,
        )
        return NovaSession(address, hears, emit, self._patience, log, turns=own.nova_turns)


class DeepgramTts(Deepgram):
    """A voice."""

    speaks = FORMATS
    streams_text = False

    def __init__(self, settings: AgentSettings) -> None:
        super().__init__(settings, settings.voice or settings.model or "aura-2-thalia-en")
        self._is_flux = self._model.startswith("flux")
        self._http: httpx.AsyncClient | None = None

    def open(self, facts: CallFacts, *, speaks: AudioFormat, emit: Emit) -> TtsSession:
        log = logs.get(__name__).bind(call=facts.call_id, role="tts")
        path = "/v2/speak" if self._is_flux else "/v1/speak"
        speed = self._own.speed if self._own.speed != 1 else None
        if self._own.tts_transport == "rest":
            # Without a container: a WAV header would be heard as a click.
            url = self._url(path, speaks, container="none", speed=speed)
            headers = _authorization(self._own) | {"Content-Type": "application/json"}
            self._http = self._http or client(limits=httpx.Limits(max_connections=None))
            return RestSession(self._http, url, headers, speaks, emit, self._patience, log)
        address = self._address(path, speaks, speed=speed)
        return SpeakSession(address, FLUX if self._is_flux else AURA, speaks, emit, self._patience, log)

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()


def key_question(own: Settings) -> KeyQuestion:
    """A key of any scope may ask about itself."""
    return KeyQuestion(f"{own.base_url.rstrip('/')}/v1/auth/token", _authorization(own))


def _authorization(own: Settings) -> dict[str, str]:
    return {"Authorization": f"Token {own.api_key}"}


def _written(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


ABOUT: Final = """\
A recogniser and a voice. Mu-law and A-law at 8 kHz pass untouched both ways, in binary messages; PCM16 at 8, 16 and
24 kHz too.

- **`flux-general-en`, `flux-general-multi`** (speech to text) judge themselves when a turn is over; no voice detector
  runs beside them. With `DEEPGRAM_EAGER_EOT_THRESHOLD` a reply is begun on trial before they are sure. The call's gaps
  are filled with silence, and a turn they forget to end is ended for them.
- **`nova-3` and other Nova models** (speech to text) leave turns to the voice detector here, and are asked for the last
  words at its end; with `DEEPGRAM_NOVA_TURNS` their own endpointing ends turns.
- **`aura-2-…-en`, `flux-…-en`** (text to speech): the model's name is the voice, and `voice=` of the agent goes before
  it. One socket for a call. The first sentence is spoken at once, the rest in larger portions, because Aura takes 20
  flushes a minute. Words have no time-stamps: within a portion, what was heard is reckoned by its length. Silence of
  more than 80 ms before a reply's first sound is trimmed, and told in the log.
- **On trouble**: a lost or silent connection is replaced at once. A recogniser's new one hears again what no words were
  made of; a voice's new one speaks the portion again, and what the caller got of it is left out. A refused key or an
  account with nothing to spend is given up at once, for the provider behind it if there is one.

Not supported: the voice agent API, several channels, diarisation, captions of recorded files.
"""


class _Provider:
    spec = ProviderSpec(
        name=NAME,
        title="Deepgram",
        settings=Settings,
        key="api_key",
        key_from="https://console.deepgram.com",
        offline="--agent local",
        models=("flux-general-en", "flux-general-multi", "nova-3", "aura-2-thalia-en", "flux-alexis-en"),
        about=ABOUT,
    )

    def stt(self, settings: AgentSettings) -> Stt:
        return DeepgramStt(settings)

    def tts(self, settings: AgentSettings) -> Tts:
        return DeepgramTts(settings)

    def key_question(self, own: Settings) -> KeyQuestion:
        return key_question(own)

    def stand_in(self, play: Play) -> Sequence[BaseRoute]:
        from trunkline.ai.providers._deepgram_standin import routes

        return routes(play)

    def stand_in_settings(self, base_url: str) -> dict[str, Any]:
        return {"api_key": "stand-in", "base_url": base_url}


PROVIDER = _Provider()
