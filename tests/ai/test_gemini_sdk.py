"""Google's own Python SDK as the judge: its types take what is said on our wire, and its client talks to our stand-in.

The SDK's client always speaks TLS, whatever it is told: so there is some, with a certificate made for the test.
"""

import asyncio
import base64
import ssl
from pathlib import Path
from typing import Any

import pytest
from gemini_leg import Tap, on_the_line
from google import genai
from google.genai import types
from live_leg import Leg, quiet, tone
from real_time import in_real_time
from tls_door import behind_tls
from voices import Letters

from trunkline.ai.events import KeyPressed, ReplyEnded
from trunkline.ai.standin import Answer, Place, Trouble
from trunkline.ai.tools import tool
from trunkline.audio.convert import Converter
from trunkline.audio.format import MULAW_8K, PCM16_16K, PCM16_24K
from trunkline.testing.standins import play, standing_in

MODELS = ["live", "gemini-3.8-live-extended-thinking", "gemini-3.1-flash-live-preview", "gemini-2.5-flash-native-audio"]


@tool
async def weather(town: str, days: int = 1, units: list[str] | None = None) -> str:
    """What the weather is like."""
    return "fine"


def judge_ours(message: dict[str, Any]) -> None:
    """The SDK's model of a setup has no field for what its own code puts there: it is judged by itself."""
    if "setup" in message:
        message = {"setup": dict(message["setup"])}
        types.RealtimeInputConfig.model_validate(message["setup"].pop("realtimeInputConfig"))
    judged = types.LiveClientMessage.model_validate(message)
    assert len(judged.model_fields_set) == 1


def judge_theirs(message: dict[str, Any]) -> None:
    types.LiveServerMessage.model_validate(message)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("turns", ["ours", "server"])
def test_the_sdks_types_take_all_that_is_said_in_a_call(turns: str, model: str) -> None:
    """A call with all there is: a greeting, a function, keys, an interruption, a lost connection, a renewal."""

    async def story() -> Tap:
        tap = Tap()

        def mind(history: Any, tools: Any) -> Answer:
            if len(history) < 4 and history[-1].role == "caller":
                return Answer("Let me see.", tool="weather", arguments='{"town": "Paris"}')
            return Answer("It is fine, and it will be fine tomorrow too, and on the day after.")

        game = play(voice=Letters(), mind=mind, stt_ms=5, model_ms=5, voice_ms=5, speed=40)
        own: dict[str, Any] = {"turns": turns, "start_sensitivity": "high", "end_sensitivity": "low", "proactive": True}
        own |= {"thinking_level": "low", "thinking_budget": 0, "max_output_tokens": 500}
        wanted: dict[str, Any] = {"tools": (weather,), "instructions": "Be kind.", "voice": "Puck", "model": model}
        async with on_the_line(game, tap=tap, own=own, greeting="Hello.", **wanted) as leg:
            await leg.greeted()
            await leg.say(tone(500), quiet(400))
            await leg.until(lambda: len(leg.of(ReplyEnded)) > 2 and not leg.pending)
            leg.session.tell(KeyPressed("1"), 0)
            await leg.until(lambda: len(leg.of(ReplyEnded)) > 3)
            game.troubles.append((Place.HEARING, Trouble.CUT))
            await _interrupt(leg)
            await leg.until(lambda: len(leg.of(ReplyEnded)) > 4 and not leg.pending)
            assert not leg.failure
        return tap

    tap = asyncio.run(story())
    for _, is_ours, message in tap.said:
        (judge_ours if is_ours else judge_theirs)(message)
    kinds = {key for _, is_ours, message in tap.said if is_ours for key in message}
    assert kinds == {"setup", "realtimeInput", "clientContent", "toolResponse"}
    assert tap.sockets == 2


async def _interrupt(leg: Leg) -> None:
    last = leg.of(ReplyEnded)[-1].generation
    await leg.say(tone(500))
    leg.interrupt(last, 60, "It")
    await leg.say(quiet(700))


def test_the_judge_does_judge() -> None:
    wrongs: list[dict[str, Any]] = [
        {"setup": {"modl": "x", "realtimeInputConfig": {}}},
        {"realtimeInput": {"sound": {}}},
        {"other": {}},
    ]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="Extra inputs"):
            judge_ours(wrong)
    with pytest.raises(ValueError, match="Extra inputs"):
        judge_theirs({"serverContent": {"modelTurns": {}}})


# --- the client ---------------------------------------------------------------------------------------------------


@in_real_time
async def test_the_sdks_client_holds_a_session_with_the_stand_in(tmp_path: Path) -> None:
    game = play(("What now?",), voice=Letters(), mind=lambda history, tools: Answer("So it is."), speed=60)
    async with (
        standing_in(game, names=["gemini"]) as vendors,
        behind_tls(vendors.settings("gemini")["base_url"], tmp_path) as (base_url, certificate),
    ):
        trusting = ssl.create_default_context(cafile=certificate)
        options = types.HttpOptions(
            base_url=base_url, api_version="v1beta", async_client_args={"ssl": trusting, "verify": trusting}
        )
        client = genai.Client(api_key="key", http_options=options)
        config = types.LiveConnectConfig(
            response_modalities=[types.Modality.AUDIO],
            system_instruction="Be kind.",
            input_audio_transcription=types.AudioTranscriptionConfig(),
            output_audio_transcription=types.AudioTranscriptionConfig(),
            session_resumption=types.SessionResumptionConfig(),
            realtime_input_config=types.RealtimeInputConfig(
                automatic_activity_detection=types.AutomaticActivityDetection(disabled=True)
            ),
        )
        async with client.aio.live.connect(model="gemini-3.8-live", config=config) as session:
            said, spoken, heard = "", b"", ""
            pcm = Converter(MULAW_8K, PCM16_16K).process(tone(500) + quiet(300))
            await session.send_realtime_input(activity_start=types.ActivityStart())
            await session.send_realtime_input(audio=types.Blob(data=pcm, mime_type="audio/pcm;rate=16000"))
            await session.send_realtime_input(activity_end=types.ActivityEnd())
            async for message in session.receive():
                content = message.server_content
                if content is None:
                    continue
                spoken += message.data or b""
                if content.input_transcription:
                    heard += content.input_transcription.text or ""
                if content.output_transcription:
                    said += content.output_transcription.text or ""
            assert (said, heard) == ("So it is.", "What now?")
            assert spoken == await Letters().speak("So it is.", PCM16_24K)


def test_base64_of_either_alphabet_is_audio() -> None:
    from trunkline.ai.providers._gemini_messages import Blob

    audio = bytes(range(256)) * 3
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        assert Blob("audio/pcm", encode(audio).decode()).audio() == audio
