"""Whole utterances for RTP: exact lengths, every source, every fault."""

import numpy as np
import pytest

from trunkline.audio import convert_for_rtp, g711
from trunkline.audio.convert import Converter
from trunkline.audio.format import ALAW_8K, MULAW_8K, RATES, AudioFormat, Encoding
from trunkline.errors import AudioError

SAMPLES = np.random.default_rng(1).normal(0, 6000, 4801).astype("<i2")
PCM16 = SAMPLES.tobytes()
SOURCES = {
    "pcm16": (PCM16, Encoding.PCM16, PCM16),
    "pcm_f32le": ((SAMPLES / 32768).astype("<f4").tobytes(), Encoding.PCM16, PCM16),
    "mulaw": (g711.encode_mulaw(PCM16), Encoding.MULAW, g711.encode_mulaw(PCM16)),
    "alaw": (g711.encode_alaw(PCM16), Encoding.ALAW, g711.encode_alaw(PCM16)),
}


@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "mulaw", "alaw"])
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("rate", RATES)
def test_an_utterance_becomes_g711_of_exactly_its_length(rate: int, source: str, codec: str) -> None:
    audio, encoding, plain = SOURCES[source]
    target = MULAW_8K if codec in ("PCMU", "mulaw") else ALAW_8K
    spoken = convert_for_rtp(audio, rate, source, codec)
    assert spoken == Converter(AudioFormat(encoding, rate), target).process(plain)
    assert len(spoken) == -(-len(SAMPLES) * 8000 // rate)


def test_two_hundred_milliseconds_are_ten_packets() -> None:
    assert len(convert_for_rtp(bytes(9600), 24000)) == 10 * 160


def test_any_buffer_will_do() -> None:
    expected = convert_for_rtp(PCM16, 24000)
    assert convert_for_rtp(bytearray(PCM16), 24000) == convert_for_rtp(memoryview(PCM16), 24000) == expected


BAD: list[tuple[object, object, str, str, str]] = [
    (b"", 24000, "pcm16", "PCMU", "an utterance without audio: expected at least one sample"),
    (bytes(321), 24000, "pcm16", "PCMU", "321 bytes are not whole 2-byte samples of pcm16"),
    (bytes(322), 24000, "pcm_f32le", "PCMU", "322 bytes are not whole 4-byte samples of pcm_f32le"),
    (np.array([0, np.nan], "<f4").tobytes(), 24000, "pcm_f32le", "PCMU", "NaN or infinite"),
    (bytes(320), 12000, "pcm16", "PCMU", "a rate of 12000 Hz is not supported: use one of 8000, "),
    (bytes(320), None, "pcm16", "PCMU", "a rate of None Hz is not supported"),
    (bytes(320), 24000, "mp3", "PCMU", "a source of 'mp3' is not supported: use one of pcm16, pcm_f32le, mulaw, alaw"),
    (bytes(320), 24000, "pcm16", "G729", "a codec of 'G729' is not supported: use one of PCMU, PCMA, mulaw, alaw"),
    (np.zeros(160, np.int16), 24000, "pcm16", "PCMU", "audio must be bytes, not ndarray"),
]


@pytest.mark.parametrize(("audio", "rate", "source", "codec", "error"), BAD, ids=[case[4] for case in BAD])
def test_anything_else_is_one_clear_error(audio: object, rate: object, source: str, codec: str, error: str) -> None:
    with pytest.raises(AudioError, match=error):
        convert_for_rtp(audio, rate, source, codec)  # type: ignore[arg-type]
