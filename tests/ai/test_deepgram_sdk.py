"""The vendor's own client holds sessions with our stand-in of it: what it is told it understands."""

import asyncio
import inspect
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from real_time import in_real_time
from vendor_calls import FACTS, LINE, Kept, Vendor, listening, talking
from voices import Tone, hum, silence, tone

from trunkline.ai.standin import WRONG_KEY
from trunkline.audio.format import MULAW_8K
from trunkline.testing.standins import play

with warnings.catch_warnings():
    # The SDK connects with what websockets calls legacy.
    warnings.simplefilter("ignore", DeprecationWarning)
    from deepgram import AsyncDeepgramClient
    from deepgram.core.api_error import ApiError
    from deepgram.environment import DeepgramClientEnvironment
    from deepgram.listen.v1.client import AsyncV1Client as NovaListen
    from deepgram.listen.v1.types import ListenV1Metadata, ListenV1Results
    from deepgram.listen.v2.client import AsyncV2Client as FluxListen
    from deepgram.listen.v2.types import ListenV2Connected, ListenV2TurnInfo, ListenV2Warning
    from deepgram.speak.v1.audio.client import AsyncAudioClient as AuraBatch
    from deepgram.speak.v1.client import AsyncV1Client as AuraSpeak
    from deepgram.speak.v1.types import SpeakV1Clear, SpeakV1Flush, SpeakV1Flushed, SpeakV1Metadata, SpeakV1Text
    from deepgram.speak.v2.audio.client import AsyncAudioClient as FluxBatch
    from deepgram.speak.v2.client import AsyncV2Client as FluxSpeak
    from deepgram.speak.v2.types import (
        SpeakV2Connected,
        SpeakV2Flush,
        SpeakV2Speak,
        SpeakV2SpeechMetadata,
        SpeakV2SpeechStarted,
    )

DEEPGRAM = Vendor("deepgram")

pytestmark = pytest.mark.filterwarnings("ignore:websockets.* deprecated:DeprecationWarning")
"""It loads the rest of that only when it is used."""

TURN = silence(MULAW_8K, 100) + hum(MULAW_8K) + silence(MULAW_8K, 500)


@asynccontextmanager
async def client(key: str = "some-key") -> AsyncIterator[Any]:
    async with DEEPGRAM.standing_in(play([LINE], voice=Tone(), stt_ms=230, voice_ms=5, speed=50)) as url:
        ws = url.replace("http", "ws", 1)
        there = DeepgramClientEnvironment(base=url, production=ws, agent=ws, agent_rest=url)
        async with httpx.AsyncClient() as client:
            yield AsyncDeepgramClient(api_key=key, environment=there, httpx_client=client)


async def told(socket: Any) -> Any:
    return await asyncio.wait_for(socket.recv(), 2)


async def send(socket: Any, audio: bytes) -> None:
    for at in range(0, len(audio), 640):
        await socket.send_media(audio[at : at + 640])


@in_real_time
async def test_their_client_has_a_turn_with_flux() -> None:
    async with (
        client() as deepgram,
        deepgram.listen.v2.connect(
            model="flux-general-en", encoding="mulaw", sample_rate=8000, eager_eot_threshold=0.5
        ) as socket,
    ):
        assert isinstance(await told(socket), ListenV2Connected)
        await socket.send_force_end_turn()
        warned = await told(socket)
        assert isinstance(warned, ListenV2Warning)
        assert warned.code == "FORCE_END_TURN_NO_ACTIVE_TURN"
        await send(socket, TURN)
        turn: list[ListenV2TurnInfo] = []
        while not turn or turn[-1].event != "EndOfTurn":
            turn.append(await told(socket))
        assert all(isinstance(info, ListenV2TurnInfo) for info in turn)
        events = [info.event for info in turn if info.event != "Update"]
        assert events == ["StartOfTurn", "EagerEndOfTurn", "EndOfTurn"]
        assert turn[-1].transcript == LINE
        assert turn[-1].trigger == "model"
        assert [word.word for word in turn[-1].words] == LINE.split()
        await socket.send_close_stream()


@in_real_time
async def test_their_client_has_a_turn_with_nova() -> None:
    async with (
        client() as deepgram,
        deepgram.listen.v1.connect(
            model="nova-3", encoding="mulaw", sample_rate=8000, interim_results="true"
        ) as socket,
    ):
        await socket.send_keep_alive()
        await send(socket, TURN[: -len(silence(MULAW_8K, 300))])
        interim = await told(socket)
        assert isinstance(interim, ListenV1Results)
        assert not interim.is_final
        await socket.send_finalize()
        final = await told(socket)
        assert isinstance(final, ListenV1Results)
        assert (final.is_final, final.from_finalize) == (True, True)
        assert final.channel.alternatives[0].transcript == LINE
        await socket.send_close_stream()
        assert isinstance(await told(socket), ListenV1Metadata)


@in_real_time
async def test_their_client_is_spoken_to_by_aura() -> None:
    async with (
        client() as deepgram,
        deepgram.speak.v1.connect(model="aura-2-thalia-en", encoding="mulaw", sample_rate=8000) as socket,
    ):
        assert isinstance(await told(socket), SpeakV1Metadata)
        await socket.send_text(SpeakV1Text(text="Hello there."))
        await socket.send_flush(SpeakV1Flush(type="Flush"))
        audio = b""
        while isinstance(came := await told(socket), bytes):
            audio += came
        assert audio == tone("Hello there.", MULAW_8K)
        assert isinstance(came, SpeakV1Flushed)
        await socket.send_clear(SpeakV1Clear(type="Clear"))
        assert (await told(socket)).type == "Cleared"


@in_real_time
async def test_their_client_is_spoken_to_by_flux() -> None:
    async with (
        client() as deepgram,
        deepgram.speak.v2.connect(model="flux-alexis-en", encoding="mulaw", sample_rate=8000) as socket,
    ):
        assert isinstance(await told(socket), SpeakV2Connected)
        await socket.send_speak(SpeakV2Speak(text="Hello there."))
        assert isinstance(await told(socket), SpeakV2SpeechStarted)
        await socket.send_flush(SpeakV2Flush())
        assert (await told(socket)).type == "Flushed"
        audio = b""
        while isinstance(came := await told(socket), bytes):
            audio += came
        assert audio == tone("Hello there.", MULAW_8K)
        assert isinstance(came, SpeakV2SpeechMetadata)


@in_real_time
async def test_their_client_is_spoken_to_by_http() -> None:
    async with client() as deepgram:
        audio = b""
        async for chunk in deepgram.speak.v1.audio.generate(
            text="Hello there.", model="aura-2-thalia-en", encoding="mulaw", sample_rate=8000, container="none"
        ):
            audio += chunk
        assert audio == tone("Hello there.", MULAW_8K)


@pytest.mark.parametrize("api", ["listen.v1", "listen.v2", "speak.v1", "speak.v2"])
@in_real_time
async def test_their_client_is_refused_as_the_vendor_refuses(api: str) -> None:
    async with client(WRONG_KEY) as deepgram:
        of, version = api.split(".")
        model = {"listen.v1": "nova-3", "listen.v2": "flux-general-en", "speak.v1": "aura-2-thalia-en"}.get(api)
        session = getattr(getattr(deepgram, of), version)
        with pytest.raises(ApiError) as refused:
            async with session.connect(model=model or "flux-alexis-en", encoding="mulaw", sample_rate=8000):
                pass
        assert refused.value.status_code == 401


@in_real_time
async def test_what_the_vendor_has_no_word_for_is_refused() -> None:
    async with client() as deepgram:
        with pytest.raises(ApiError):
            async with deepgram.listen.v2.connect(model="nova-3", encoding="mulaw", sample_rate=8000):
                pass
        with pytest.raises(ApiError):
            async with deepgram.listen.v2.connect(
                model="flux-general-en", encoding="mulaw", sample_rate=8000, eot_threshold=0.2
            ):
                pass


EVERYTHING: dict[str, Any] = {
    "keyterms": ("Trunkline", "Luigi's"),
    "eot_threshold": 0.8,
    "eager_eot_threshold": 0.4,
    "eot_timeout_ms": 3000,
    "endpointing_ms": 250,
    "utterance_end_ms": 1200,
    "speed": 1.1,
    "mip_opt_out": True,
}


ASKED_AT = [
    ("flux-general-en", "websocket", FluxListen.connect),
    ("flux-general-multi", "websocket", FluxListen.connect),
    ("nova-3", "websocket", NovaListen.connect),
    ("aura-2-thalia-en", "websocket", AuraSpeak.connect),
    ("aura-2-thalia-en", "rest", AuraBatch.generate),
    ("flux-alexis-en", "websocket", FluxSpeak.connect),
    ("flux-alexis-en", "rest", FluxBatch.generate),
]


@pytest.mark.parametrize(
    ("model", "transport", "theirs"), ASKED_AT, ids=[f"{asked[0]}-{asked[1]}" for asked in ASKED_AT]
)
def test_all_that_we_ask_for_is_something_to_ask_for(model: str, transport: str, theirs: Any) -> None:
    listens = theirs in (FluxListen.connect, NovaListen.connect)

    async def story() -> None:
        async with DEEPGRAM.standing_in(play([LINE], voice=Tone(), stt_ms=210, voice_ms=5, speed=50)) as url:
            own = DEEPGRAM.settings(f"{url}/", model, tts_transport=transport, **EVERYTHING)
            part: Any = DEEPGRAM.provider.stt(own) if listens else DEEPGRAM.provider.tts(own)
            await part.warm_up()
            if listens:
                turns = [(0.0, 720.0)] if model == "nova-3" else []
                async with listening(part, [hum(MULAW_8K)], turns=turns) as (kept, _, _):
                    await kept.until(lambda: bool(kept.finals))  # the stand-in took every parameter
            else:
                async with talking(part) as (kept, session, _):
                    session.say("Hello there.", 1)
                    session.finish(1)
                    await kept.until(lambda: kept.ended(1))
                    assert kept.audio(1) == tone("Hello there.", MULAW_8K)

    asyncio.run(story())
    asked = asyncio.run(_asked(model, transport, listens=listens))
    assert asked.keys() <= inspect.signature(theirs).parameters.keys()
    assert asked["model"] == [model]
    assert asked["encoding"] == ["mulaw"]
    assert asked["sample_rate"] == ["8000"]


async def _asked(model: str, transport: str, *, listens: bool) -> dict[str, list[str]]:
    """The query of the address that ``model`` is asked at."""
    own = DEEPGRAM.settings("http://127.0.0.1:9", model, tts_transport=transport, **EVERYTHING)
    if listens:
        address = DEEPGRAM.provider.stt(own).open(FACTS, hears=MULAW_8K, emit=Kept()).address().url
    else:
        session = DEEPGRAM.provider.tts(own).open(FACTS, speaks=MULAW_8K, emit=Kept())
        address = session.url if transport == "rest" else session.address().url
    return parse_qs(urlsplit(address).query)
