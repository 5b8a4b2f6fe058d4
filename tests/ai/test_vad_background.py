"""The voice activity of a call, as the provider opens it, dates edges as ``listening.decisions`` does."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from listening import listen
from noises import noise
from trunkline.ai.events import AgentEvent, SpeechStarted, SpeechStopped
from trunkline.ai.models import find_silero
from trunkline.ai.providers.silero import SileroVad, load
from trunkline.ai.vad_hub import VadHub
from trunkline.audio.background import Background
from trunkline.audio.format import MULAW_8K, PCM16_8K
from trunkline.audio.g711 import decode_mulaw, encode_mulaw
from trunkline.audio.silero import Silero
from trunkline.errors import MissingProgram
from trunkline.testing import sounds


def in_noise() -> bytes:
    """mu-law: someone asks something in a noisy room."""
    try:
        said = np.frombuffer(sounds.speak("what time do you open on a Sunday", PCM16_8K), "<i2").astype(float)
    except MissingProgram as missing:
        pytest.skip(str(missing))
    wave = np.pad(said, 8000)
    hiss = noise("room", len(wave))
    return encode_mulaw((wave + hiss * (said.std() / 2 / hiss.std())).astype("<i2").tobytes())


def edges_of_a_call(vad: SileroVad, audio: bytes) -> list[AgentEvent]:
    """Of a call whose audio comes in pieces of 20 ms, beside another call's."""
    heard: list[AgentEvent] = []

    async def scene() -> None:
        await vad.warm_up()
        assert vad.hub is not None
        ear, other = (vad.hub.open(MULAW_8K, emit) for emit in (heard.append, lambda event: None))
        for piece, at in enumerate(range(0, len(audio), 160)):
            for each in (ear, other):
                each.hear(audio[at : at + 160], piece * 0.02)
            while ear.backlog or other.backlog:  # noqa: ASYNC110 - as fast as the worker is
                await asyncio.sleep(0)
        while vad.hub.frames_judged < 2 * (len(audio) // 256):  # noqa: ASYNC110
            await asyncio.sleep(0)
        await vad.close()

    asyncio.run(scene())
    return heard


@pytest.mark.skipif(find_silero() is None, reason="the Silero model is not there: run 'trunkline models'")
def test_a_call_hears_of_the_edges_that_the_background_dates() -> None:
    audio = in_noise()
    file = find_silero()
    assert file is not None
    detector, pcm16 = Silero(load(file)), decode_mulaw(audio)
    (expected,) = listen(detector, [pcm16], background=Background())
    found = edges_of_a_call(SileroVad(), audio)
    places = [event.at_ms for event in found if isinstance(event, SpeechStarted | SpeechStopped)]
    assert places == pytest.approx([edge.at_ms for edge in expected], abs=0.01)  # a batch is added up in another order
    assert [type(event) for event in found] == [SpeechStarted, SpeechStopped]
    (undated,) = listen(detector, [pcm16])
    assert undated != expected


class Always:
    """A detector that hears nothing but voices."""

    rate = 8000
    frame_samples = 256

    def stream(self) -> None:
        return None

    def probabilities(self, streams: Sequence[None], frames: Sequence[bytes]) -> list[float]:
        return [1.0] * len(frames)


def test_after_a_gap_the_background_is_not_what_it_was() -> None:
    async def scene() -> None:
        hub = VadHub(Always(), background=Background())
        ear = hub.open(PCM16_8K, lambda event: None)
        ear.hear(bytes(512), 0)
        while hub.frames_judged < 1:  # noqa: ASYNC110
            await asyncio.sleep(0)
        before = ear.surroundings
        ear.hear(bytes(512), 0.032)
        while hub.frames_judged < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert ear.surroundings is before
        ear.hear(bytes(512), 5)
        while hub.frames_judged < 3:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert ear.surroundings is not before
        hub.close()

    asyncio.run(scene())
