"""Edges of speech and of sound, in recordings made of real speech and pauses that are known."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from speech import FOLDER, speech, utterances
from trunkline.ai.models import find_silero
from trunkline.ai.providers.silero import load
from trunkline.ai.providers.webrtc import WebRtcDetector
from trunkline.audio.convert import Converter
from trunkline.audio.format import PCM16_8K, PCM16_16K
from trunkline.audio.silero import Silero
from trunkline.audio.stretches import levels, sounds, voices
from trunkline.audio.turns import Stretch, caller_turns
from trunkline.audio.vad import Detector

Samples = NDArray[np.int16]
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.wav"))) or ("espeak",)


def detector(name: str) -> Detector[object]:
    if name == "webrtc":
        return WebRtcDetector()
    file = find_silero()
    if file is None:
        pytest.skip("no Silero model: run 'trunkline models'")
    return Silero(load(file))  # type: ignore[return-value]


@cache
def spoken() -> list[Samples]:
    """Utterances of people, cut where their energy begins and ends."""
    cut = []
    for name in NAMES:
        wide = speech(name, PCM16_16K)
        wide = wide[: len(wide) // 320 * 320]
        samples = np.frombuffer(wide, "<i2")
        cut += [samples[int(16 * begin) : int(16 * end)] for begin, end in utterances(wide)]
    return cut


def call(gaps: list[float], noise_db: float | None) -> tuple[bytes, bytes]:
    """Both channels at 8 kHz: each utterance, then ``gaps`` of silence, then the agent, then more silence."""
    agent = spoken()[0]
    parts: list[tuple[Samples, Samples]] = [(silence(700), silence(700))]
    for said, gap in zip(spoken(), gaps, strict=True):
        parts += [(said, silence(len(said) / 16)), (silence(gap + len(agent) / 16), np.append(silence(gap), agent))]
        parts += [(silence(600), silence(600))]
    random = np.random.default_rng(1)
    sides = []
    for side in zip(*parts, strict=True):
        samples = np.concatenate(side).astype(float)
        if noise_db is not None:
            samples += random.standard_normal(len(samples)) * 32768 * 10 ** (noise_db / 20)
        sides.append(Converter(PCM16_16K, PCM16_8K).process(samples.clip(-32768, 32767).astype("<i2").tobytes()))
    return sides[0], sides[1]


def silence(ms: float) -> Samples:
    return np.zeros(round(16 * ms), np.int16)


@pytest.mark.parametrize("noise_db", [None, -65, -50], ids=["no noise", "noise at -65 dB", "noise at -50 dB"])
@pytest.mark.parametrize("name", ["silero", "webrtc"])
def test_gaps_that_are_known_are_measured_within_60_ms(name: str, noise_db: float | None) -> None:
    gaps = [float(gap) for gap in np.random.default_rng(2).integers(150, 1100, len(spoken()))]
    caller, agent = call(gaps, noise_db)
    turns = caller_turns(voices(caller, detector(name)), sounds(agent, 8000), len(caller) / 16)
    assert [turn.outcome for turn in turns] == ["answered"] * len(gaps)
    for turn, gap in zip(turns, gaps, strict=True):
        assert turn.response_ms is not None
        assert abs(turn.response_ms - gap) <= 60


@pytest.mark.parametrize("name", ["silero", "webrtc"])
def test_a_voice_that_goes_on_to_the_recordings_end_is_found(name: str) -> None:
    half = spoken()[0][: len(spoken()[0]) // 2].tobytes()
    pcm16 = bytes(16_000) + Converter(PCM16_16K, PCM16_8K).process(half)
    assert voices(pcm16, detector(name))[-1].end_ms == pytest.approx(len(pcm16) / 16, abs=60)


@pytest.mark.parametrize("name", ["silero", "webrtc"])
@pytest.mark.parametrize("pcm16", [b"", bytes(2), bytes(3200), bytes(160_000)], ids=len)
def test_in_silence_there_is_neither_voice_nor_sound(name: str, pcm16: bytes) -> None:
    assert voices(pcm16, detector(name)) == []
    assert sounds(pcm16, 8000) == []


def tone(ms: float, rate: int, level: float = 0.2) -> bytes:
    t = np.arange(round(rate * ms / 1000)) / rate
    return (32767 * level * np.sin(2 * np.pi * 440 * t)).astype("<i2").tobytes()


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_a_sound_is_found_to_the_block(rate: int) -> None:
    quiet = bytes(2 * rate)
    assert sounds(quiet + tone(500, rate) + quiet, rate) == [Stretch(1000, 1500)]


@pytest.mark.parametrize(
    ("gap_ms", "stretches"), [(140, [(0, 540)]), (160, [(0, 200), (360, 560)])], ids=["a pause inside", "two sounds"]
)
def test_a_short_pause_is_inside_a_sound(gap_ms: int, stretches: list[tuple[float, float]]) -> None:
    pcm16 = tone(200, 8000) + bytes(16 * gap_ms) + tone(200, 8000) + bytes(32_000)
    assert sounds(pcm16, 8000) == [Stretch(*each) for each in stretches]


def test_a_click_is_no_sound() -> None:
    assert sounds(bytes(16_000) + tone(20, 8000) + bytes(16_000), 8000) == []


def test_comfort_noise_is_no_sound_and_a_voice_over_it_is() -> None:
    noise = np.random.default_rng(3).standard_normal(16_000) * 32768 * 10 ** (-45 / 20)
    hissing = noise.astype("<i2").tobytes()
    assert sounds(hissing, 8000) == []
    over = (noise[:4000] + np.frombuffer(tone(500, 8000), "<i2")).astype("<i2").tobytes()
    assert sounds(hissing + over + hissing, 8000) == [Stretch(2000, 2500)]


def test_dc_is_no_sound() -> None:
    steady = np.full(16_000, 3000, "<i2").tobytes()
    assert sounds(steady, 8000) == []
    assert levels(steady, 8000).max() < -90
