"""Formats into formats: one fused step must be the same as decoding, resampling and encoding one after the other."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio import g711
from trunkline.audio.convert import Converter
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, RATES, AudioFormat, Encoding
from trunkline.audio.resample import Resampler
from trunkline.errors import AudioError

FORMATS = [AudioFormat(encoding, rate) for encoding in Encoding for rate in RATES]
PHONE_FORMATS = [MULAW_8K, ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K]
Law = Callable[[bytes], bytes]
DECODE: dict[Encoding, Law] = {
    Encoding.PCM16: bytes,
    Encoding.MULAW: g711.decode_mulaw,
    Encoding.ALAW: g711.decode_alaw,
}
ENCODE: dict[Encoding, Law] = {
    Encoding.PCM16: bytes,
    Encoding.MULAW: g711.encode_mulaw,
    Encoding.ALAW: g711.encode_alaw,
}

formats = st.sampled_from(FORMATS)


def noise(n_bytes: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).bytes(n_bytes)


@pytest.mark.parametrize("source", PHONE_FORMATS, ids=str)
@pytest.mark.parametrize("target", PHONE_FORMATS, ids=str)
def test_one_step_equals_three(source: AudioFormat, target: AudioFormat) -> None:
    audio = noise(640)
    converter, resampler = Converter(source, target), Resampler(source.rate, target.rate)
    encode = ENCODE[target.encoding]
    if source == target:
        assert converter.process(audio) is audio
        return
    assert converter.process(audio) == encode(resampler.process(DECODE[source.encoding](audio)))
    assert converter.flush() == encode(resampler.flush())


@given(formats, formats, st.integers(0, 1200), st.lists(st.integers(0, 1200), max_size=20), st.integers(0, 2**32 - 1))
def test_how_the_input_is_cut_does_not_show(
    source: AudioFormat, target: AudioFormat, n: int, places: list[int], seed: int
) -> None:
    audio = noise(n, seed)
    bounds = [0, *sorted(p % (n + 1) for p in places), n]
    whole, cut = Converter(source, target), Converter(source, target)
    # an unconverted stream keeps whole samples, too, but what it was given as it is
    expected = whole.process(audio[: n - n % source.sample_bytes])
    assert b"".join(cut.process(audio[a:b]) for a, b in pairwise(bounds)) == expected
    assert cut.flush() == whole.flush()


@given(formats, formats, st.lists(st.integers(0, 600), max_size=5))
def test_as_many_samples_come_out_as_belong_to_what_went_in(
    source: AudioFormat, target: AudioFormat, pieces: list[int]
) -> None:
    converter = Converter(source, target)
    got = sum(len(converter.process(source.silence(n))) for n in pieces)
    assert got == -(-sum(pieces) * target.rate // source.rate) * target.sample_bytes


@pytest.mark.parametrize("source", [MULAW_8K, PCM16_24K], ids=str)
@pytest.mark.parametrize("target", PHONE_FORMATS, ids=str)
def test_silence_stays_silence(source: AudioFormat, target: AudioFormat) -> None:
    converter = Converter(source, target)
    out = converter.process(source.silence(480)) + converter.flush()
    assert out == target.silence(target.samples(len(out)))


def test_mulaw_survives_the_way_through_a_wider_band_within_its_own_noise() -> None:
    tone = np.rint(9000 * np.sin(np.arange(1600) * 2 * np.pi * 700 / 8000)).astype("<i2").tobytes()
    spoken = g711.encode_mulaw(tone)
    up, down = Converter(MULAW_8K, PCM16_24K), Converter(PCM16_24K, MULAW_8K)
    back = np.frombuffer(g711.decode_mulaw(down.process(up.process(spoken))), "<i2").astype(float)
    gain = np.abs(np.fft.rfft(back[400:1600] * np.hanning(1200)))
    assert gain.argmax() == 700 * 1200 // 8000
    assert np.sqrt(np.mean(back[400:] ** 2)) == pytest.approx(9000 / np.sqrt(2), rel=0.02)


def test_after_reset_a_new_stream_begins() -> None:
    converter = Converter(PCM16_24K, MULAW_8K)
    converter.process(noise(333))
    converter.reset()
    assert converter.process(noise(960, 2)) == Converter(PCM16_24K, MULAW_8K).process(noise(960, 2))


def test_the_delay_is_the_filters_and_nothing_where_the_rate_stays() -> None:
    assert Converter(MULAW_8K, PCM16_24K).delay_ms == Resampler(8000, 24000).delay_ms
    assert Converter(MULAW_8K, PCM16_8K).delay_ms == 0


@pytest.mark.parametrize(("source", "target"), [(MULAW_8K, PCM16_24K), (PCM16_8K, MULAW_8K), (MULAW_8K, MULAW_8K)])
def test_what_is_not_bytes_is_an_audio_error(source: AudioFormat, target: AudioFormat) -> None:
    with pytest.raises(AudioError, match="audio must be bytes, not ndarray"):
        Converter(source, target).process(np.zeros(160, np.int16))  # type: ignore[arg-type]


def test_other_buffers_are_taken_too() -> None:
    audio = noise(160)
    expected = Converter(MULAW_8K, PCM16_24K).process(audio)
    assert Converter(MULAW_8K, PCM16_24K).process(bytearray(audio)) == expected
    assert Converter(MULAW_8K, PCM16_24K).process(memoryview(audio)) == expected
