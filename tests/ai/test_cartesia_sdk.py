"""The vendor's own client holds sessions with our stand-in of it: what it is told it understands."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from cartesia import AsyncCartesia
from cartesia.types.websocket_response import Chunk, Done, Error, Timestamps
from real_time import in_real_time
from vendor_calls import Vendor
from voices import Tone, hum, silence, tone
from websockets.exceptions import InvalidStatus

from trunkline.ai.standin import WRONG_KEY
from trunkline.audio.format import MULAW_8K
from trunkline.testing.standins import play

CARTESIA = Vendor("cartesia")

LINE = "I would like a table"
TURN = silence(MULAW_8K, 100) + hum(MULAW_8K) + silence(MULAW_8K, 500)
SPEAKING: dict[str, Any] = {
    "model_id": "sonic-3.5",
    "voice": {"mode": "id", "id": "some-voice"},
    "output_format": {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000},
}


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


@asynccontextmanager
async def client(key: str = "some-key") -> AsyncIterator[AsyncCartesia]:
    there = play([LINE], voice=Tone(), stt_ms=230, voice_ms=5, speed=50)
    async with CARTESIA.standing_in(there) as url, httpx.AsyncClient() as http:
        websockets = url.replace("http", "ws", 1)
        yield AsyncCartesia(api_key=key, base_url=url, websocket_base_url=websockets, http_client=http)


async def send(socket: Any, request: dict[str, Any]) -> None:
    await socket.send(request)


async def next_of(socket: Any) -> Any:
    return await asyncio.wait_for(socket.recv(), 2)


@in_real_time
async def test_their_client_is_spoken_to_in_a_context_that_goes_on() -> None:
    async with client() as cartesia, cartesia.tts.websocket_connect() as socket:
        context = socket.context(**SPEAKING)
        await context.push("Hello ", add_timestamps=True)
        await context.push("there.", add_timestamps=True)
        await context.send(**SPEAKING, transcript="", continue_=False, add_timestamps=True)
        audio, words, last = b"", [], None
        async for message in context.receive():
            last = message
            if isinstance(message, Chunk):
                audio += message.audio or b""
            elif isinstance(message, Timestamps) and message.word_timestamps is not None:
                times = message.word_timestamps
                words += list(zip(times.words, times.start, times.end, strict=True))
        assert isinstance(last, Done)
        assert audio == tone("Hello ", MULAW_8K) + tone("there.", MULAW_8K)
        assert [word for word, _, _ in words] == ["Hello", "there."]
        assert words[1][1] == pytest.approx(0.24)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"max_buffer_delay_ms": 9000}, "out of range"),
        ({"model_id": "tenor-1"}, "no such model"),
        ({"bitrate": 8}, "bitrate"),
        ({"output_format": {"container": "raw", "encoding": "pcm_mulaw"}}, "sample_rate"),
        ({"voice": {"mode": "embedding", "id": "x"}}, "mode"),
        ({"generation_config": {"speed": 3}}, "out of range"),
        ({"transcript": "", "continue": True}, "needs some text"),
        ({"transcript": None}, "transcript"),
    ],
    ids=lambda wrong: next(iter(wrong)) if isinstance(wrong, dict) else "",
)
@in_real_time
async def test_what_the_vendor_would_refuse_is_refused(wrong: dict[str, Any], text: str) -> None:
    async with client() as cartesia, cartesia.tts.websocket_connect() as socket:
        request: Any = {"context_id": "one", "transcript": "Hello.", **SPEAKING, **wrong}
        await socket.send(request)
        error = await next_of(socket)
        assert isinstance(error, Error)
        assert (error.status_code, error.context_id) == (400, "one")
        assert text in (error.message or "")


@in_real_time
async def test_a_context_that_is_over_takes_no_text_and_a_voice_is_kept() -> None:
    async with client() as cartesia, cartesia.tts.websocket_connect() as socket:
        one = {"context_id": "one", **SPEAKING}
        await send(socket, {**one, "transcript": "Hello.", "continue": True})
        await send(socket, {**one, "transcript": "Hello.", "continue": True, "language": "de"})
        while not isinstance(error := await next_of(socket), Error):
            pass
        assert "keeps its voice" in (error.message or "")
        await send(socket, {**one, "transcript": "", "continue": False})
        await send(socket, {**one, "transcript": "More.", "continue": True})
        while not isinstance(error := await next_of(socket), Error):
            pass
        assert "has all text" in (error.message or "")
        while not isinstance(await next_of(socket), Done):
            pass
        await send(socket, {**one, "transcript": "More.", "continue": True})
        assert "has ended" in ((await next_of(socket)).message or "")


@in_real_time
async def test_a_context_nobody_ends_dies_a_second_after_its_last_audio() -> None:
    async with client() as cartesia, cartesia.tts.websocket_connect() as socket:
        one: Any = {"context_id": "one", "transcript": "Hi.", "continue": True, **SPEAKING}
        await socket.send(one)
        assert isinstance(await next_of(socket), Chunk)
        begun = asyncio.get_running_loop().time()
        while not isinstance(await next_of(socket), Done):
            pass
        assert asyncio.get_running_loop().time() - begun >= 0.95


@in_real_time
async def test_their_client_has_a_turn() -> None:
    async with (
        client() as cartesia,
        cartesia.stt.auto_finalize.websocket(
            model="ink-2",
            encoding="pcm_mulaw",
            sample_rate=8000,
            turn_end_threshold=0.3,
            keyterm=["Luigi", "table"],
        ) as socket,
    ):
        await socket.send({"type": "config", "turn": {"end_threshold": 0.15}})
        for at in range(0, len(TURN), 640):
            await socket.send_raw(TURN[at : at + 640])
        told = [await next_of(socket) for _ in range(5)]
        kinds = [message.type for message in told]
        assert kinds == ["connected", "turn.start", "turn.update", "turn.eager_end", "turn.end"]
        assert told[-1].transcript == LINE
        await socket.send({"type": "close"})


@in_real_time
async def test_their_client_says_when_a_turn_is_over() -> None:
    async with (
        client() as cartesia,
        cartesia.stt.manual_finalize.websocket(
            model="ink-whisper", encoding="pcm_mulaw", sample_rate=8000, language="en"
        ) as socket,
    ):
        for at in range(0, len(TURN) - 2400, 640):
            await socket.send_raw(TURN[at : at + 640])
        await socket.send_raw("finalize")
        told: list[Any] = []
        while not told or told[-1].type != "flush_done":
            told.append(await next_of(socket))
        assert "".join(message.text for message in told[:-1] if message.is_final) == LINE
        await socket.send_raw("close")
        assert (await next_of(socket)).type == "done"


@pytest.mark.parametrize("api", ["tts", "turns", "manual"])
@in_real_time
async def test_their_client_is_refused_as_the_vendor_refuses(api: str) -> None:
    async with client(WRONG_KEY) as cartesia:
        connect: Any = {
            "tts": cartesia.tts.websocket_connect,
            "turns": cartesia.stt.auto_finalize.websocket,
            "manual": cartesia.stt.manual_finalize.websocket,
        }[api]
        asked = {} if api == "tts" else {"model": "ink-2", "encoding": "pcm_mulaw", "sample_rate": 8000}
        with pytest.raises(InvalidStatus) as refused:
            async with connect(**asked):
                pass
        assert refused.value.response.status_code == 401


@in_real_time
async def test_a_client_that_does_not_say_its_version_is_refused() -> None:
    async with client() as cartesia:
        without: Any = {"cartesia-version": ""}
        with pytest.raises(InvalidStatus) as refused:
            async with cartesia.tts.websocket_connect(extra_headers=without):
                pass
        assert refused.value.response.status_code == 400


@pytest.mark.parametrize("wrong", [{"turn_end_threshold": 0.9}, {"model": "ink-whisper"}, {"encoding": "opus"}])
@in_real_time
async def test_a_recogniser_that_is_asked_for_what_there_is_not_says_so(wrong: dict[str, Any]) -> None:
    async with client() as cartesia:
        asked: Any = {"model": "ink-2", "encoding": "pcm_mulaw", "sample_rate": 8000, **wrong}
        async with cartesia.stt.auto_finalize.websocket(**asked) as socket:
            error = await next_of(socket)
            assert (error.type, error.status_code) == ("error", 400)
