"""The doctor on good recordings, which must get no finding, and on what is no recording of speech."""

import shutil

import numpy as np
import pytest
from doctored import NAMES, THROUGH, good, late, long, take

from noises import KINDS, Floats, noise
from speech import INSTEAD
from trunkline.audio.doctor import Take, examine
from trunkline.audio.format import AudioFormat, Encoding
from trunkline.errors import AudioError
from trunkline.testing import sounds

NEEDS_ESPEAK = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("rate", "line"), [(24000, "pcm16"), *((rate, line) for rate in (8000, 16000) for line in THROUGH)]
)
def test_a_good_recording_gets_no_finding(name: str, rate: int, line: str) -> None:
    assert examine(take(good(name, rate), rate=rate, line=line)) == []


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


def test_one_voice_on_both_channels_is_no_echo() -> None:
    assert examine(take(good(NAMES[0]), 0.95 * good(NAMES[0]))) == []


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
@pytest.mark.parametrize("rate", [8000, 11025, 48000])
def test_the_shortest_recordings_are_examined_too(samples: int, channels: int, rate: int) -> None:
    dice = np.random.default_rng(samples)
    examine(take(*(dice.normal(0, 3000, samples) for _ in range(channels)), rate=rate))
    assert {finding.fault for finding in examine(take(*[np.zeros(samples)] * channels, rate=rate))} == {"silence"}


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
