"""Sounds made, read and written."""

from pathlib import Path
from shutil import which

import numpy as np
import pytest
import soundfile

from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_16K, AudioFormat
from trunkline.errors import AudioError, MissingProgram
from trunkline.testing import sounds
from trunkline.testing.gate import Gate, linear
from trunkline.testing.phone import Phone
from trunkline.testing.script import HangUp, Say
from trunkline.wire.twilio import PLATFORM, TwilioSettings


@pytest.mark.parametrize("wire", [MULAW_8K, ALAW_8K, PCM16_16K], ids=str)
@pytest.mark.parametrize("make", [sounds.tone, sounds.murmur])
def test_made_sounds_are_as_long_as_asked_and_are_voices(wire: AudioFormat, make: type) -> None:
    audio = make(wire, 250)
    assert wire.ms(len(audio)) == 250
    gate = Gate(wire)
    gate.push(audio)
    assert gate.speaking


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 1), (44100, 2), (48000, 6)])
def test_a_recording_of_any_rate_and_channels_is_read_as_the_wires_audio(
    tmp_path: Path, rate: int, channels: int
) -> None:
    t = np.arange(rate) / rate
    voice = 0.3 * np.sin(2 * np.pi * 440 * t)
    soundfile.write(tmp_path / "in.wav", np.stack([voice] * channels, axis=1), rate)
    audio = sounds.read(tmp_path / "in.wav", MULAW_8K)
    assert len(audio) == pytest.approx(8000, abs=100)  # and the filter's tail
    rms = np.sqrt(np.mean(np.square(linear(audio, MULAW_8K)[1000:7000].astype(float))))
    assert rms == pytest.approx(0.3 * 32768 / np.sqrt(2), rel=0.03)


@pytest.mark.parametrize("content", [None, b"", b"RIFF but not much of it"])
def test_what_is_no_recording_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "voice.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AudioError, match=r"voice\.wav can't be read as audio"):
        sounds.read(path, MULAW_8K)


def test_a_rate_that_is_not_converted_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "odd.wav", np.zeros(100), 12_345)
    with pytest.raises(AudioError, match="a rate of 12345 Hz is not supported"):
        sounds.read(tmp_path / "odd.wav", MULAW_8K)


@pytest.mark.skipif(which(sounds.ESPEAK) is None, reason="espeak-ng is not installed")
def test_where_there_is_nothing_to_speak_it_says_so() -> None:
    with pytest.raises(AudioError, match="nothing to speak"):
        sounds.speak("", MULAW_8K)


@pytest.mark.skipif(which(sounds.ESPEAK) is None, reason="espeak-ng is not installed")
def test_text_is_spoken() -> None:
    audio = sounds.speak("A table for two, please.", MULAW_8K)
    assert 800 < MULAW_8K.ms(len(audio)) < 5000
    gate = Gate(MULAW_8K)
    assert gate.push(audio)


def test_without_espeak_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingProgram, match="espeak-ng is not installed: run 'sudo apt-get install espeak-ng'"):
        sounds.speak("hello", MULAW_8K)


def test_a_call_is_recorded_with_the_caller_left_and_what_was_heard_right(tmp_path: Path) -> None:
    said = sounds.tone(MULAW_8K, 100)
    codec = PLATFORM.phone(TwilioSettings(), call_id="CA01", caller="", callee="")
    phone = Phone(codec, [Say(said), HangUp()])
    phone.opened(0.0)
    while phone.deadline is not None:
        phone.tick(phone.deadline)
    sounds.write(tmp_path / "out.wav", phone.outcome())
    samples, rate = soundfile.read(tmp_path / "out.wav", dtype="int16")
    assert (rate, samples.shape) == (8000, (800, 2))
    assert (samples[:, 0] == linear(said, MULAW_8K)).all()
    assert not samples[:, 1].any()
