"""The vendor's own client holds sessions with our stand-in of it: what it is told it understands."""

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from deepgram_calls import LINE, Tone, hum, silence, tone, vendor

from trunkline.ai.standin import WRONG_KEY
from trunkline.audio.format import MULAW_8K
from trunkline.testing.standins import play

with warnings.catch_warnings():
    # The SDK connects with what websockets calls legacy.
    warnings.simplefilter("ignore", DeprecationWarning)
    from deepgram import AsyncDeepgramClient
    from deepgram.core.api_error import ApiError
    from deepgram.environment import DeepgramClientEnvironment
    from deepgram.listen.v1.types import ListenV1Metadata, ListenV1Results
    from deepgram.listen.v2.types import ListenV2Connected, ListenV2TurnInfo, ListenV2Warning
    from deepgram.speak.v1.types import SpeakV1Clear, SpeakV1Flush, SpeakV1Flushed, SpeakV1Metadata, SpeakV1Text
    from deepgram.speak.v2.types import (
        SpeakV2Connected,
        SpeakV2Flush,
        SpeakV2Speak,
        SpeakV2SpeechMetadata,
        SpeakV2SpeechStarted,
    )

pytestmark = pytest.mark.filterwarnings("ignore:websockets.* deprecated:DeprecationWarning")
"""It loads the rest of that only when it is used."""

TURN = silence(MULAW_8K, 100) + hum(MULAW_8K) + silence(MULAW_8K, 500)


@asynccontextmanager
async def client(key: str = "some-key") -> AsyncIterator[Any]:
    async with vendor(play([LINE], voice=Tone(), stt_ms=230, voice_ms=5, speed=50)) as url:
        http = f"{url}/deepgram"
        ws = http.replace("http", "ws", 1)
        there = DeepgramClientEnvironment(base=http, production=ws, agent=ws, agent_rest=http)
        async with httpx.AsyncClient() as client:
            yield AsyncDeepgramClient(api_key=key, environment=there, httpx_client=client)


async def told(socket: Any) -> Any:
    return await asyncio.wait_for(socket.recv(), 2)


async def send(socket: Any, audio: bytes) -> None:
    for at in range(0, len(audio), 640):
        await socket.send_media(audio[at : at + 640])


def test_their_client_has_a_turn_with_flux() -> None:
    async def story() -> None:
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

    asyncio.run(story())


def test_their_client_has_a_turn_with_nova() -> None:
    async def story() -> None:
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

    asyncio.run(story())


def test_their_client_is_spoken_to_by_aura() -> None:
    async def story() -> None:
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

    asyncio.run(story())


def test_their_client_is_spoken_to_by_flux() -> None:
    async def story() -> None:
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

    asyncio.run(story())


def test_their_client_is_spoken_to_by_http() -> None:
    async def story() -> None:
        async with client() as deepgram:
            audio = b""
            async for chunk in deepgram.speak.v1.audio.generate(
                text="Hello there.", model="aura-2-thalia-en", encoding="mulaw", sample_rate=8000, container="none"
            ):
                audio += chunk
            assert audio == tone("Hello there.", MULAW_8K)

    asyncio.run(story())


@pytest.mark.parametrize("api", ["listen.v1", "listen.v2", "speak.v1", "speak.v2"])
def test_their_client_is_refused_as_the_vendor_refuses(api: str) -> None:
    async def story() -> None:
        async with client(WRONG_KEY) as deepgram:
            of, version = api.split(".")
            model = {"listen.v1": "nova-3", "listen.v2": "flux-general-en", "speak.v1": "aura-2-thalia-en"}.get(api)
            session = getattr(getattr(deepgram, of), version)
            with pytest.raises(ApiError) as refused:
                async with session.connect(model=model or "flux-alexis-en", encoding="mulaw", sample_rate=8000):
                    pass
            assert refused.value.status_code == 401

    asyncio.run(story())


def test_what_the_vendor_has_no_word_for_is_refused() -> None:
    async def story() -> None:
        async with client() as deepgram:
            with pytest.raises(ApiError):
                async with deepgram.listen.v2.connect(model="nova-3", encoding="mulaw", sample_rate=8000):
                    pass
            with pytest.raises(ApiError):
                async with deepgram.listen.v2.connect(
                    model="flux-general-en", encoding="mulaw", sample_rate=8000, eot_threshold=0.2
                ):
                    pass

    asyncio.run(story())
