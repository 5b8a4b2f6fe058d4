"""OpenAI's own Python SDK as the judge: its types take what is said on our wires, and its client talks to our stand-in.

The SDK's models let unknown fields pass, so those are looked for.
"""

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import pytest
from live_leg import quiet, tone
from openai import AsyncOpenAI, BaseModel
from openai.types.live import ClientEvent, ConnectServerEvent
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from openai_leg import Tap, on_the_line
from pydantic import TypeAdapter
from real_time import in_real_time
from voices import Letters, Noise

from trunkline.ai.events import KeyPressed, ReplyAudio, ReplyEnded, ReplyInterrupted
from trunkline.ai.standin import Answer, Place, Trouble
from trunkline.ai.tools import tool
from trunkline.audio.format import MULAW_8K
from trunkline.testing.standins import play, standing_in

REALTIME_OURS: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)
REALTIME_THEIRS: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
LIVE_OURS: TypeAdapter[Any] = TypeAdapter(ClientEvent)
LIVE_THEIRS: TypeAdapter[Any] = TypeAdapter(ConnectServerEvent)

# What the vendor's documentation shows in a session and the SDK's type of it leaves out.
SHOWN = {"$.session.object", "$.session.id"}


def strangers(value: Any, where: str = "$") -> Iterator[str]:
    """Fields the SDK does not know."""
    if isinstance(value, BaseModel):
        yield from (f"{where}.{name}" for name in value.model_extra or {})
        for name in type(value).model_fields:
            yield from strangers(getattr(value, name), f"{where}.{name}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from strangers(inner, f"{where}[{i}]")


def judge(message: dict[str, Any], kinds: TypeAdapter[Any]) -> None:
    judged = kinds.validate_python(message)
    assert judged.type == message["type"]
    assert set(strangers(judged)) <= SHOWN


@tool
async def weather(town: str) -> str:
    """What the weather is like."""
    return "fine"


@pytest.mark.parametrize("turns", ["server", "semantic"])
def test_the_sdks_types_take_all_that_is_said_in_a_call(turns: str) -> None:
    """A call with all there is: a greeting, a function, keys, an interruption, a lost connection, a renewal."""

    async def story() -> Tap:
        tap = Tap()

        def mind(history: Any, tools: Any) -> Answer:
            if history[-1].role == "caller" and "pressed" not in history[-1].text:
                return Answer("Let me see.", "weather", '{"town": "Rome"}')
            return Answer("It is fine, and it will be fine tomorrow too, and on the day after.")

        game = play(voice=Letters(), mind=mind, stt_ms=5, model_ms=5, voice_ms=5, speed=40)
        own = {"turn_detection": turns, "noise_reduction": "near_field", "speed": 1.2, "max_output_tokens": 500}
        own |= {"reasoning_effort": "low", "prompt_answers": True}
        async with on_the_line(
            game, tap=tap, own=own, greeting="Hello.", tools=(weather,), instructions="Be kind."
        ) as leg:
            await leg.until(lambda: leg.of(ReplyEnded) and not leg.pending)
            await leg.say(tone(500), quiet(400))
            await leg.until(lambda: len(leg.of(ReplyEnded)) > 2 and not leg.pending)
            leg.session.tell(KeyPressed("1"), 0)
            await leg.until(lambda: leg.of(ReplyAudio)[-1].generation == 4)
            leg.session.tell(ReplyInterrupted(4, 60, "It"), 0)
            game.troubles.append((Place.HEARING, Trouble.CUT))
            await leg.say(tone(500), quiet(400))
            await leg.until(lambda: leg.texts()[-1].startswith("It is fine") and not leg.pending)
        return tap

    tap = asyncio.run(story())
    for _, is_ours, message in tap.said:
        judge(message, REALTIME_OURS if is_ours else REALTIME_THEIRS)
    kinds = {message["type"] for _, is_ours, message in tap.said if is_ours}
    assert kinds == {
        "session.update",
        "input_audio_buffer.append",
        "conversation.item.create",
        "conversation.item.truncate",
        "response.create",
        "response.cancel",
    }
    assert tap.sockets == 2


def test_the_judge_does_judge() -> None:
    with pytest.raises(AssertionError):
        judge({"type": "response.create", "response": {"modalities": ["audio"]}}, REALTIME_OURS)


@in_real_time
async def test_the_sdks_client_holds_a_session_with_the_stand_in() -> None:
    game = play(("What now?",), voice=Letters(), mind=lambda history, tools: Answer("So it is."), speed=60, stt_ms=1)
    async with standing_in(game, names=["openai"]) as vendors:
        settings = vendors.settings("openai")
        async with (
            AsyncOpenAI(api_key="key", base_url=settings["base_url"]) as client,
            client.realtime.connect(model="gpt-realtime-2.1") as connection,
        ):
            assert (await connection.recv()).type == "session.created"
            await connection.session.update(
                session={
                    "type": "realtime",
                    "instructions": "Be kind.",
                    "audio": {
                        "input": {
                            "format": {"type": "audio/pcmu"},
                            "transcription": {"model": "gpt-transcribe"},
                            "turn_detection": {
                                "type": "server_vad",
                                "threshold": 0.5,
                                "prefix_padding_ms": 300,
                                "silence_duration_ms": 500,
                                "create_response": True,
                                "interrupt_response": True,
                            },
                        },
                        "output": {"format": {"type": "audio/pcmu"}, "voice": "marin"},
                    },
                }
            )
            assert (await connection.recv()).type == "session.updated"
            for piece in (tone(500), quiet(400)):
                await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
            said, spoken, heard = "", b"", ""
            async for event in connection:
                match event.type:
                    case "response.output_audio.delta":
                        spoken += base64.b64decode(event.delta)
                    case "response.output_audio_transcript.delta":
                        said += event.delta
                    case "conversation.item.input_audio_transcription.completed":
                        heard = event.transcript
                    case "response.done":
                        assert event.response.status == "completed"
                        break
            assert (said, heard) == ("So it is.", "What now?")
            assert spoken == await Letters().speak("So it is.", MULAW_8K)
            await connection.response.cancel()
            refused = await connection.recv()
            while refused.type != "error":
                refused = await connection.recv()
            assert refused.error.code == "response_cancel_not_active"


def test_the_sdks_types_take_all_that_is_said_in_a_live_call() -> None:
    async def story() -> Tap:
        tap = Tap()

        def mind(history: Any, tools: Any) -> Answer:
            if history[-1].role == "tool":
                return Answer("It is fine.")
            return Answer("Let me see.", "weather", '{"town": "Rome"}')

        game = play(voice=Noise(), mind=mind, stt_ms=5, model_ms=5, voice_ms=5)
        agent: dict[str, Any] = {"greeting": "Hello.", "tools": (weather,), "instructions": "Be kind."}
        async with on_the_line(game, tap=tap, faster=1, model="gpt-live-1", **agent) as leg:
            await leg.until(lambda: leg.of(ReplyEnded))
            await leg.say(tone(300), quiet(300))
            await leg.until(lambda: leg.texts()[-1].endswith("It is fine."))
            game.troubles.append((Place.HEARING, Trouble.CUT))
            await leg.say(tone(300), quiet(200))
            await leg.until(lambda: tap.received("session.started")[1:])
        return tap

    tap = asyncio.run(story())
    for _, is_ours, message in tap.said:
        judge(message, LIVE_OURS if is_ours else LIVE_THEIRS)
    kinds = {message["type"] for _, is_ours, message in tap.said if is_ours}
    assert kinds >= {
        "session.start",
        "session.input_audio.append",
        "session.instructions.append",
        "response.item.create",
        "response.create",
        "session.close",
    }


@in_real_time
async def test_the_sdks_client_holds_a_live_session_with_the_stand_in() -> None:
    game = play(("What now?",), voice=Noise(), mind=lambda history, tools: Answer("So it is."), stt_ms=1)
    async with standing_in(game, names=["openai"]) as vendors:
        settings = vendors.settings("openai")
        async with (
            AsyncOpenAI(api_key="key", base_url=settings["base_url"]) as client,
            client.live.connect() as connection,
        ):
            await connection.send(
                {
                    "type": "session.start",
                    "session": {
                        "model": "gpt-live-1",
                        "instructions": "Be kind.",
                        "audio": {
                            "format": {"type": "audio/pcmu", "rate": 8000},
                            "output": {"voice": "marin"},
                        },
                    },
                }
            )
            assert (await connection.recv()).type == "session.started"
            for piece in (tone(200), quiet(200)):
                audio = base64.b64encode(piece).decode()
                await connection.send({"type": "session.input_audio.append", "audio": audio})
            said, spoken, heard = "", b"", ""
            async for event in connection:
                match event.type:
                    case "session.output_audio.delta":
                        spoken += base64.b64decode(event.delta)
                    case "session.output_transcript.delta":
                        said += event.delta
                    case "session.input_transcript.delta":
                        heard += event.delta
                if (await Noise().speak("So it is.", MULAW_8K)) in spoken:
                    break
            assert (said, heard) == ("So it is.", "What now?")
            await connection.send({"type": "session.close"})
            async for event in connection:
                if event.type == "session.closed":
                    assert event.reason == "close_requested"
