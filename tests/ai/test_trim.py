"""Leading silence: what is trimmed, what never is."""

import numpy as np
import pytest

from trunkline.ai.trim import KEEP_MS, LONGEST_MS, LeadingSilence
from trunkline.audio.convert import Converter
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_24K, AudioFormat

FORMATS = [MULAW_8K, ALAW_8K, PCM16_8K, PCM16_24K]


def tone(audio: AudioFormat, ms: int, level: float = 0.1) -> bytes:
    time_s = np.arange(ms * audio.rate // 1000) / audio.rate
    pcm = (32767 * level * np.cos(2 * np.pi * 300 * time_s)).astype("<i2").tobytes()
    return Converter(AudioFormat(PCM16_8K.encoding, audio.rate), audio).process(pcm)


def silent(audio: AudioFormat, ms: int) -> bytes:
    return audio.silence(ms * audio.rate // 1000)


def through(trim: LeadingSilence, audio: bytes, step: int) -> bytes:
    return b"".join(trim.push(audio[at : at + step]) for at in range(0, len(audio), step)) + trim.flush()


@pytest.mark.parametrize("audio", FORMATS, ids=str)
@pytest.mark.parametrize("lead_ms", [0, 10, 80, 90, 300, 990])
@pytest.mark.parametrize("step_ms", [1, 7, 20, 5000])
def test_no_more_than_the_silence_over_the_limit_goes(audio: AudioFormat, lead_ms: int, step_ms: int) -> None:
    trim = LeadingSilence(audio)
    speech = tone(audio, 200)
    given = through(trim, silent(audio, lead_ms) + speech, audio.bytes_for(step_ms))
    kept_ms = min(lead_ms, KEEP_MS)
    assert trim.trimmed_ms == lead_ms - kept_ms
    assert given == silent(audio, kept_ms) + speech


def test_a_soft_onset_is_sound() -> None:
    trim = LeadingSilence(PCM16_24K)
    breath = tone(PCM16_24K, 150, level=0.004)  # -51 dB RMS
    given = through(trim, silent(PCM16_24K, 200) + breath + tone(PCM16_24K, 50), 960)
    assert trim.trimmed_ms == 120
    assert given.endswith(breath + tone(PCM16_24K, 50))


@pytest.mark.parametrize("audio", FORMATS, ids=str)
def test_a_beginning_too_quiet_for_too_long_is_passed_on_whole(audio: AudioFormat) -> None:
    trim = LeadingSilence(audio)
    whole = silent(audio, LONGEST_MS + 500) + tone(audio, 50)
    assert through(trim, whole, audio.bytes_for(20)) == whole
    assert trim.trimmed_ms == 0


def test_the_hiss_of_a_voice_is_silence() -> None:
    hiss = np.random.default_rng(1).normal(0, 8, 24_000 // 5).astype("<i2").tobytes()  # -72 dB
    trim = LeadingSilence(PCM16_24K)
    given = through(trim, hiss + tone(PCM16_24K, 50), 960)
    assert trim.trimmed_ms == 120
    assert given == hiss[-PCM16_24K.bytes_for(KEEP_MS) :] + tone(PCM16_24K, 50)


def test_only_the_beginning_is_looked_at() -> None:
    trim = LeadingSilence(MULAW_8K)
    whole = tone(MULAW_8K, 40) + silent(MULAW_8K, 700) + tone(MULAW_8K, 40)
    assert through(trim, whole, 160) == whole


def test_what_is_silent_to_its_end_comes_whole() -> None:
    trim = LeadingSilence(MULAW_8K)
    assert through(trim, silent(MULAW_8K, 300), 160) == silent(MULAW_8K, 300)
    assert LeadingSilence(MULAW_8K).flush() == b""
