"""Cartesia: Sonic as a voice, Ink as a recogniser. A phone's mu-law goes both ways untouched."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from starlette.routing import BaseRoute

from trunkline import logs
from trunkline.ai.base import AgentSettings, CallFacts, Emit, ProviderSpec, Stt, SttEmit, SttSession, Tts, TtsSession
from trunkline.ai.keys import KeyQuestion, check_key
from trunkline.ai.patience import Patience
from trunkline.ai.providers import _cartesia_messages as wire
from trunkline.ai.providers._cartesia_manual import ManualSession
from trunkline.ai.providers._cartesia_speak import SpeakSession
from trunkline.ai.providers._cartesia_turns import TurnsSession
from trunkline.ai.session import Address
from trunkline.ai.standin import Play
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat

FORMATS: Final[tuple[AudioFormat, ...]] = (MULAW_8K, ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K)


class Settings(msgspec.Struct, frozen=True):
    """Cartesia's own settings."""

    api_key: str = ""
    base_url: str = "https://api.cartesia.ai"
    voice: str = "f786b574-daa5-4673-aa0c-cbe3e8534c02"  # id of a voice, if the agent names none: Katie, US English
    speed: float = 1.0  # of the voice, 0.6 to 1.5
    volume: float = 1.0  # … 0.5 to 2
    emotion: str = ""  # … such as "content"; empty: as the text has it
    pronunciation_dict_id: str = ""
    max_buffer_delay_ms: int = 0  # how long the voice may wait for more text; it is given whole clauses already
    keyterms: tuple[str, ...] = ()  # names and words of the trade that should be recognised
    turns: bool = True  # ink-2 judges turns itself; false: the voice detector here does
    turn_start_threshold: float = 0.8  # how sure it is that a turn begins, 0.5 to 0.9
    turn_eager_end_threshold: float = 0.4  # … goes on, below which a reply may be begun on trial, 0.3 to 0.6
    turn_end_threshold: float = 0.2  # … goes on, below which it is over, 0.05 to 0.5: the lower, the more patient
    turn_end_timeout_ms: int = 5600  # a turn is over after so much silence, however unsure it is, 640 to 11200


class Cartesia:
    """What its parts have in common. ``model`` as Cartesia names it."""

    def __init__(self, settings: AgentSettings, model: str) -> None:
        self.name = f"{wire.NAME}/{model}"
        self._own = settings.own if isinstance(settings.own, Settings) else Settings()
        self._model = model
        self._language = settings.language.partition("-")[0]
        self._patience = Patience.towards(settings)

    async def warm_up(self) -> None:
        await check_key(PROVIDER.spec, key_question(self._own))

    async def close(self) -> None: ...

    def _address(self, path: str, **query: object) -> Address:
        given = {name: value for name, value in query.items() if value not in (None, ())}
        # https becomes wss, http becomes ws.
        url = "ws" + self._own.base_url.removeprefix("http") + path
        return Address(f"{url}?{urlencode(given, doseq=True)}" if given else url, _headers(self._own))


class CartesiaStt(Cartesia):
    """A recogniser."""

    hears = FORMATS
    partials = True

    def __init__(self, settings: AgentSettings) -> None:
        super().__init__(settings, settings.model or "ink-2")
        self.turns = self._own.turns and not self._model.startswith("ink-whisper")

    async def warm_up(self) -> None:
        if self._model.startswith("ink-2") and self._language != "en":
            logs.get(__name__).warning("recogniser knows English only", model=self.name, language=self._language)
        await super().warm_up()

    def open(self, facts: CallFacts, *, hears: AudioFormat, emit: SttEmit) -> SttSession:
        own, log = self._own, logs.get(__name__).bind(call=facts.call_id, role="stt")
        audio = wire.output_format(hears)
        query = {"model": self._model, "encoding": audio.encoding, "sample_rate": hears.rate, "keyterm": own.keyterms}
        if not self.turns:
            language = self._language if self._model.startswith("ink-whisper") else None
            address = self._address("/stt/websocket", **query, language=language)
            return ManualSession(address, hears, emit, self._patience, log)
        address = self._address(
            "/stt/turns/websocket",
            **query,
            turn_start_threshold=own.turn_start_threshold,
            turn_eager_end_threshold=own.turn_eager_end_threshold,
            turn_end_threshold=own.turn_end_threshold,
            turn_end_timeout_ms=own.turn_end_timeout_ms,
        )
        return TurnsSession(address, hears, emit, self._patience, log, end_timeout_ms=own.turn_end_timeout_ms)


class CartesiaTts(Cartesia):
    """A voice."""

    speaks = FORMATS
    streams_text = True

    def __init__(self, settings: AgentSettings) -> None:
        super().__init__(settings, settings.model or "sonic-3.5")
        self._voice = settings.voice or self._own.voice

    def open(self, facts: CallFacts, *, speaks: AudioFormat, emit: Emit) -> TtsSession:
        own, log = self._own, logs.get(__name__).bind(call=facts.call_id, role="tts")
        manner = wire.Manner(own.speed, own.volume, own.emotion or None)
        voice = wire.Voice(
            model_id=self._model,
            voice=wire.VoiceId(self._voice),
            language=self._language,
            output_format=wire.output_format(speaks),
            max_buffer_delay_ms=own.max_buffer_delay_ms,
            add_timestamps=True,
            use_normalized_timestamps=False,
            generation_config=None if manner == wire.Manner() else manner,
            pronunciation_dict_id=own.pronunciation_dict_id or None,
        )
        return SpeakSession(self._address("/tts/websocket"), voice, speaks, emit, self._patience, log)


def key_question(own: Settings) -> KeyQuestion:
    """Any key may list voices."""
    return KeyQuestion(f"{own.base_url}/voices?limit=1", _headers(own))


def _headers(own: Settings) -> dict[str, str]:
    return {"Authorization": f"Bearer {own.api_key}", "Cartesia-Version": wire.VERSION}


ABOUT: Final = """\
A recogniser and a voice. Mu-law and A-law at 8 kHz pass untouched both ways; PCM16 at 8, 16 and 24 kHz too.

- **`sonic-3.5` and other Sonic models** (text to speech): one socket for a call, one of the vendor's contexts for a
  reply, which takes each piece of text as it is written and speaks them as one. The voice is `voice=` of the agent,
  or `CARTESIA_VOICE`, by its id. The vendor times its words, so that after an interruption it is known to the word
  what the caller heard. Silence of more than 80 ms before a reply's first sound is trimmed, and told in the log. A
  reply that is cancelled stops at once; what the vendor still makes of it is dropped.
- **`ink-2`** (speech to text, English) judges itself when a turn is over; no voice detector runs beside it, and a
  reply is begun on trial before it is sure. The call's gaps are filled with silence, and a turn it forgets to end is
  ended for it. It tells no times, so where a turn began and ended is read off the loudness of the line. With
  `CARTESIA_TURNS=false` the voice detector here ends turns.
- **`ink-whisper`** (speech to text) leaves turns to the voice detector here, and is asked for the last words at its
  end.
- **On trouble**: a lost or silent connection is replaced at once. A recogniser's new one hears the turn again; a
  voice's new one goes on from the first word of which the caller did not get the whole. A refused key or an account
  with nothing to spend is given up at once, for the provider behind it if there is one.

Not supported: speech by HTTP, phonemes and their times, cloning of voices, the vendor's own agents.
"""


class _Provider:
    spec = ProviderSpec(
        name=wire.NAME,
        title="Cartesia",
        settings=Settings,
        key="api_key",
        key_from="https://play.cartesia.ai/keys",
        offline="--agent local",
        models=("sonic-3.5", "sonic-3", "ink-2", "ink-whisper"),
        about=ABOUT,
    )

    def stt(self, settings: AgentSettings) -> Stt:
        return CartesiaStt(settings)

    def tts(self, settings: AgentSettings) -> Tts:
        return CartesiaTts(settings)

    def key_question(self, own: Settings) -> KeyQuestion:
        return key_question(own)

    def stand_in(self, play: Play) -> Sequence[BaseRoute]:
        from trunkline.ai.providers._cartesia_standin import routes

        return routes(play)

    def stand_in_settings(self, base_url: str) -> dict[str, Any]:
        return {"api_key": "stand-in", "base_url": base_url}


PROVIDER = _Provider()
