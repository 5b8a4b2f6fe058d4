import os
import subprocess
import wave
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio import g711
from trunkline.audio.dtmf import HIGH_HZ, KEYS, LOW_HZ, DtmfDetector, KeyHeard, dtmf
from trunkline.errors import AudioError

SPEECH = Path(os.environ.get("TRUNKLINE_SPEECH_DIR", Path(__file__).parents[3] / "shared/speech"))
ALL_KEYS = "".join(KEYS)


def line(pcm16: bytes) -> bytes:
    """What mu-law leaves of it."""
    return g711.decode_mulaw(g711.encode_mulaw(pcm16))


def keys(pcm16: bytes, *, rate: int = 8000) -> str:
    return "".join(heard.key for heard in DtmfDetector(rate).push(pcm16))


def silence(ms: float, rate: int = 8000) -> bytes:
    return bytes(2 * int(ms * rate / 1000))


def two_tones(
    low: float, high: float, ms: float, *, low_dbm0: float = -8, high_dbm0: float = -8, rate: int = 8000, lead: int = 0
) -> bytes:
    """Tones as a phone out of tune would make them, silence around, through mu-law. ``lead`` shifts by samples."""
    t = np.arange(int(ms * rate / 1000)) / rate
    wave_ = sum(
        32767 * 10 ** ((dbm0 - 3.17) / 20) * np.sin(2 * np.pi * hz * t + hz)
        for hz, dbm0 in ((low, low_dbm0), (high, high_dbm0))
    )
    pcm16 = np.rint(np.clip(wave_, -32768, 32767)).astype("<i2").tobytes()
    return line(silence(60) + bytes(2 * lead) + pcm16 + silence(60))


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
def test_every_key_made_is_heard(rate: int) -> None:
    audio = b"".join(dtmf(key, 60, rate=rate) + silence(60, rate) for key in ALL_KEYS)
    assert keys(audio, rate=rate) == ALL_KEYS


def test_a_key_made_has_its_length_level_and_twist() -> None:
    pcm = np.frombuffer(dtmf("1", 1000, level_dbm0=-6, twist_db=2), "<i2").astype(float)
    assert len(pcm) == 8000
    spectrum = 2 * np.abs(np.fft.rfft(pcm)) / len(pcm) / 32767
    assert 20 * np.log10(spectrum[1209]) == pytest.approx(-9.17, abs=0.05)
    assert 20 * np.log10(spectrum[697]) == pytest.approx(-11.17, abs=0.05)


# Each for all 16 keys, and for five positions of the key between the detector's windows.
ACCEPTED = [
    ("the shortest key", {"ms": 40}),
    ("40 ms, sharp by 1.5 % and 2 Hz", {"ms": 40, "tune": 1.015, "more_hz": 2}),
    ("40 ms, flat by 1.5 % and 2 Hz", {"ms": 40, "tune": 0.985, "more_hz": -2}),
    ("high above low by 4 dB", {"ms": 40, "low_dbm0": -14, "high_dbm0": -10}),
    ("low above high by 8 dB", {"ms": 40, "low_dbm0": -8, "high_dbm0": -16}),
    ("as quiet as must be heard", {"ms": 40, "low_dbm0": -25, "high_dbm0": -25}),
    ("as loud as a line carries", {"ms": 40, "low_dbm0": -3, "high_dbm0": -3}),
    ("clipped", {"ms": 40, "low_dbm0": 0, "high_dbm0": 0}),
    ("held for two seconds", {"ms": 2000}),
]
REFUSED = [
    ("too short", {"ms": 24}),
    ("low tone sharp by 3.5 %", {"ms": 100, "low_tune": 1.035}),
    ("low tone flat by 3.5 %", {"ms": 100, "low_tune": 0.965}),
    ("high tone sharp by 3.5 %", {"ms": 100, "high_tune": 1.035}),
    ("high tone flat by 3.5 %", {"ms": 100, "high_tune": 0.965}),
    ("high above low by 7 dB", {"ms": 100, "low_dbm0": -14, "high_dbm0": -7}),
    ("low above high by 12 dB", {"ms": 100, "low_dbm0": -6, "high_dbm0": -18}),
    ("too quiet", {"ms": 100, "low_dbm0": -29, "high_dbm0": -29}),
    ("only one tone", {"ms": 100, "high_dbm0": -60}),
]


def presses(case: dict[str, float]) -> list[tuple[str, bytes]]:
    case = dict(case)
    both = case.pop("tune", 1.0)
    low_tune, high_tune = case.pop("low_tune", both), case.pop("high_tune", both)
    more_hz = case.pop("more_hz", 0.0)
    return [
        (
            KEYS[LOW_HZ.index(low)][HIGH_HZ.index(high)],
            two_tones(low * low_tune + more_hz, high * high_tune + more_hz, lead=lead, **case),  # type: ignore[arg-type]
        )
        for low, high, lead in product(LOW_HZ, HIGH_HZ, (0, 8, 16, 24, 32))
    ]


@pytest.mark.parametrize("case", [case for _, case in ACCEPTED], ids=[name for name, _ in ACCEPTED])
def test_what_q24_wants_heard_is_heard_once(case: dict[str, float]) -> None:
    assert [(key, keys(audio)) for key, audio in presses(case)] == [(key, key) for key, _ in presses(case)]


@pytest.mark.parametrize("case", [case for _, case in REFUSED], ids=[name for name, _ in REFUSED])
def test_what_q24_wants_refused_is_refused(case: dict[str, float]) -> None:
    assert [keys(audio) for _, audio in presses(case)] == [""] * 80


@pytest.mark.parametrize("key", ALL_KEYS)
def test_a_drop_out_of_ten_ms_does_not_make_two_keys_of_one(key: str) -> None:
    press = dtmf(key, 80)
    assert keys(line(silence(50) + press + silence(10) + press + silence(60))) == key


@pytest.mark.parametrize("key", ALL_KEYS)
def test_a_pause_of_forty_ms_makes_two_keys(key: str) -> None:
    press = dtmf(key, 50)
    assert keys(line(press + silence(40) + press + silence(60))) == key + key


def test_one_key_may_follow_another_without_a_pause() -> None:
    assert keys(dtmf("1", 100) + dtmf("2", 100)) == "12"


@pytest.mark.parametrize("snr_db", [12, 15, 20])
def test_keys_are_heard_in_noise(snr_db: int) -> None:
    rng = np.random.default_rng(snr_db)
    for key in ALL_KEYS:
        tone = np.frombuffer(silence(50) + dtmf(key, 60, twist_db=0) + silence(50), "<i2").astype(float)
        level = 32767 * 10 ** (-9.17 / 20) * 10 ** (-snr_db / 20)
        noisy = np.clip(tone + level * rng.standard_normal(len(tone)), -32768, 32767)
        assert keys(line(noisy.astype("<i2").tobytes())) == key


def test_a_key_says_where_it_began() -> None:
    (heard,) = DtmfDetector().push(silence(500) + dtmf("7", 100) + silence(100))
    assert heard.at == pytest.approx(4000, abs=80)


@given(st.lists(st.integers(1, 700), max_size=30))
def test_any_cutting_of_the_audio_gives_the_same_keys(sizes: list[int]) -> None:
    audio = b"".join(silence(55) + dtmf(key, 60) for key in "159D") + silence(55)
    whole = DtmfDetector().push(audio)
    assert [heard.key for heard in whole] == list("159D")
    detector = DtmfDetector()
    heard: list[KeyHeard] = []
    at = 0
    for size in sizes:
        heard += detector.push(audio[at : at + size])
        at += size
    heard += detector.push(audio[at:])
    assert heard == whole


@given(st.binary(max_size=4000))
def test_any_bytes_are_audio(data: bytes) -> None:
    detector = DtmfDetector()
    assert all(heard.key in ALL_KEYS for heard in detector.push(data) + detector.push(data))


@pytest.mark.parametrize("key", ["", "12", "E", "１"])
def test_what_is_no_key_is_not_made(key: str) -> None:
    with pytest.raises(AudioError, match="not a key"):
        dtmf(key, 100)


def test_a_rate_too_low_for_the_tones_is_refused() -> None:
    with pytest.raises(AudioError, match="use 8000 or more"):
        DtmfDetector(4000)


# --- speech is no key --------------------------------------------------------------------------------------------


def at_8_khz(pcm: np.ndarray, rate: float, speed: float = 1.0) -> np.ndarray:
    """Good enough for this: what is reflected into the band only makes the test harder."""
    at = np.arange(0, len(pcm) - 1, rate * speed / 8000)
    voice: np.ndarray = np.interp(at, np.arange(len(pcm)), pcm)
    return voice


def false_keys(voice: np.ndarray) -> int:
    pcm16 = np.clip(np.rint(voice), -32768, 32767).astype("<i2").tobytes()
    return len(DtmfDetector().push(line(pcm16)))


def test_ten_minutes_of_speech_hold_no_key() -> None:
    """The recordings at nineteen speeds, hence pitches, so that their formants pass over the tones."""
    files = sorted(SPEECH.glob("*.wav"))
    if not files:
        pytest.skip(f"no recordings in {SPEECH}: set TRUNKLINE_SPEECH_DIR")
    parts = []
    for path in files:
        with wave.open(str(path)) as file:
            parts.append(at_8_khz(np.frombuffer(file.readframes(file.getnframes()), "<i2"), file.getframerate()))
    speech = np.concatenate(parts)
    seconds = 0.0
    for speed in np.linspace(0.8, 1.25, 19):
        voice = at_8_khz(speech, 8000, float(speed)) * 2
        seconds += len(voice) / 8000
        assert false_keys(voice) == 0, f"at speed {speed:.3f}"
    assert seconds > 600


def test_synthetic_voices_hold_no_key() -> None:
    text = "One two three four five six seven eight nine zero. Please hold the line while I connect you."
    for voice in ("en", "en+f3", "en+m3", "en-us"):
        try:
            made = subprocess.run(["espeak-ng", "-v", voice, "--stdout", text], capture_output=True, check=True)
        except FileNotFoundError:
            pytest.skip("espeak-ng is not installed")
        pcm = np.frombuffer(made.stdout[44 : len(made.stdout) // 2 * 2], "<i2").astype(float)
        assert sum(false_keys(at_8_khz(pcm, 22050, speed)) for speed in (0.85, 1.0, 1.2)) == 0
