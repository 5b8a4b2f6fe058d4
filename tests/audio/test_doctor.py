"""The doctor on good recordings, which must get no finding, and on what is no recording of speech."""

import io
import shutil
import subprocess
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
from doctored import NAMES, THROUGH, good, late, long, take
from scipy.signal import resample_poly

from noises import KINDS, Floats, noise, to_pcm16
from speech import INSTEAD
from trunkline.audio.doctor import Take, examine
from trunkline.audio.format import AudioFormat, Encoding
from trunkline.errors import AudioError
from trunkline.testing import sounds

NEEDS_FFMPEG = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
NEEDS_ESPEAK = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("rate", "line"), [(24000, "pcm16"), *((rate, line) for rate in (8000, 16000) for line in THROUGH)]
)
def test_a_good_recording_gets_no_finding(name: str, rate: int, line: str) -> None:
    assert examine(take(good(name, rate), rate=rate, line=line)) == []


@NEEDS_FFMPEG
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rate", [8000, 11025])
@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_mulaw", "pcm_alaw", "pcm_u8"])
def test_a_recording_brought_down_by_the_filter_of_ffmpeg_gets_none(name: str, rate: int, codec: str) -> None:
    """It is but half closed at the last hertz."""
    raw = to_pcm16(good(name, 24000))
    told = ["-f", "s16le", "-ar", "24000", "-ac", "1", "-i", "-", "-ar", str(rate), "-c:a", codec, "-f", "wav", "-"]
    wav = subprocess.run(["ffmpeg", "-loglevel", "error", *told], input=raw, capture_output=True, check=True).stdout
    samples, _ = soundfile.read(io.BytesIO(wav), dtype="int16")
    assert examine(Take((samples,), rate)) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("line", THROUGH)
def test_a_recording_brought_down_by_the_filter_of_scipy_gets_none(name: str, line: str) -> None:
    assert examine(take(resample_poly(good(name, 16000), 1, 2), line=line)) == []


@NEEDS_ESPEAK
@pytest.mark.parametrize("text", [INSTEAD, "She sells sea shells on the sea shore. Six sick sheep.", "yes"])
@pytest.mark.parametrize(("rate", "line"), [(22050, "pcm16"), *((8000, line) for line in THROUGH)])
def test_synthetic_speech_gets_none(text: str, rate: int, line: str) -> None:
    spoken = np.frombuffer(sounds.speak(text, AudioFormat(Encoding.PCM16, rate)), "<i2").astype(float)
    assert examine(take(spoken, rate=rate, line=line)) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("line", THROUGH)
def test_noise_on_the_line_is_none_of_its_business(kind: str, line: str) -> None:
    hiss = noise(kind, len(good(NAMES[0])))
    assert examine(take(good(NAMES[0]) + 300 * hiss / hiss.std(), line=line)) == []


def test_two_people_talking_on_two_channels_get_none() -> None:
    one, other = long(), np.roll(long(first=2), 20_000)
    assert examine(take(one, other)) == []


@pytest.mark.parametrize("share", [0.95, 0.5, 0.1])
def test_one_voice_on_both_channels_is_no_echo_wherever_it_stands(share: float) -> None:
    assert examine(take(good(NAMES[0]), share * good(NAMES[0]))) == []


def plucked(rate: int, hz: float, seconds: float = 0.5) -> Floats:
    """A string: noise going round a delay line that dulls it (Karplus and Strong)."""
    line = np.random.default_rng(5).uniform(-9000, 9000, round(rate / hz))
    turns = []
    for _ in range(int(seconds * hz)):
        turns.append(line)
        line = 0.498 * (line + np.roll(line, 1))
    return np.concatenate(turns)


def tune(rate: int) -> Floats:
    return np.concatenate([plucked(rate, hz) for hz in (262, 330, 392, 330, 262, 392, 330, 262, 523, 392)])


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_music_gets_none(rate: int) -> None:
    twice = tune(2 * rate)  # a string of a low rate has no filter behind it
    assert examine(take(resample_poly(twice, 1, 2), rate=rate)) == []


def test_a_voice_over_music_gets_none() -> None:
    music, voice = tune(16000), good(NAMES[0], 16000)
    both = voice + 0.25 * np.resize(music, len(voice))
    assert examine(take(both, rate=16000)) == []


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("hz", [200, 220])
def test_a_tone_with_edges_does_not_click(rate: int, hz: int) -> None:
    sawtooth = 9000 * (2 * (np.arange(3 * rate) * hz / rate % 1) - 1)
    assert not any("clicks" in finding.fault for finding in examine(take(sawtooth, rate=rate)))


@NEEDS_ESPEAK
def test_synthetic_consonants_are_no_under_runs() -> None:
    """Before some, espeak-ng is silent for 44 ms in the midst of a word."""
    text = "こんにちは、お電話ありがとうございます。"
    command = ["espeak-ng", "-v", "ja", "-s", "150", "--stdout", text]
    samples, rate = soundfile.read(
        io.BytesIO(subprocess.run(command, capture_output=True, check=True).stdout), dtype="int16"
    )
    assert examine(Take((samples,), rate)) == []


SINE = np.sin(2 * np.pi * 440 * np.arange(40_000) / 8000)


@pytest.mark.parametrize(
    "sound",
    [8000 * SINE, 32_000 * SINE, 8000 * (SINE + np.sin(2 * np.pi * 350 * np.arange(40_000) / 8000))],
    ids=["tone", "loud tone", "dial tone"],
)
@pytest.mark.parametrize("line", THROUGH)
def test_tones_get_none(sound: Floats, line: str) -> None:
    assert examine(take(sound, line=line)) == []


@pytest.mark.parametrize("samples", [1, 2, 10, 159, 160, 161, 512, 3000])
@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("rate", [2000, 8000, 11025, 48000, 192_000])
def test_the_shortest_recordings_are_examined_too(samples: int, channels: int, rate: int) -> None:
    dice = np.random.default_rng(samples)
    examine(take(*(dice.normal(0, 3000, samples) for _ in range(channels)), rate=rate))
    assert {finding.fault for finding in examine(take(*[np.zeros(samples)] * channels, rate=rate))} == {"silence"}


SILENCES: dict[str, Callable[[int], Floats]] = {
    "zero": lambda n: np.zeros(n),
    "A-law's": lambda n: np.full(n, 8.0),
    "A-law's on both sides": lambda n: np.random.default_rng(1).choice([-8.0, 8.0], n),
    "a little noise": lambda n: np.random.default_rng(1).normal(0, 1, n),
    "an offset": lambda n: np.full(n, 100.0),
}


@pytest.mark.parametrize("silence", SILENCES)
@pytest.mark.parametrize("name", NAMES)
def test_one_who_listens_most_of_the_time_is_read_rightly(name: str, silence: str) -> None:
    said = good(name)
    assert examine(take(np.concatenate((SILENCES[silence](3 * len(said)), said)))) == []


def test_a_silent_side_is_named() -> None:
    (finding,) = examine(take(good(NAMES[0]), np.zeros(len(good(NAMES[0])))))
    assert (finding.fault, finding.where) == ("silence", "right")


@pytest.mark.parametrize("empty", [Take((), 8000), Take((np.zeros(0, np.int16),), 8000)])
def test_nothing_at_all_is_an_audio_error(empty: Take) -> None:
    with pytest.raises(AudioError, match="there is no audio in it"):
        examine(empty)


def test_several_faults_are_all_told() -> None:
    speech = long()
    spoilt = np.clip(late(speech, 8000, 120, 6) * 8, -12_000, 12_000)
    faults = {finding.fault for finding in examine(take(speech, spoilt))}
    assert faults == {"clipping", "echo"}


@pytest.mark.parametrize("rate", [0, 1, 99, 1999, 192_001])
def test_a_rate_nobody_records_at_is_an_audio_error(rate: int) -> None:
    with pytest.raises(AudioError, match=f"a rate of {rate} Hz is not supported: use one from 2000 to 192000"):
        examine(take(good(NAMES[0]), rate=rate))
