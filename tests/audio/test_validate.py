"""What is said about raw PCM, word by word."""

import struct

import numpy as np
import pytest

from trunkline.audio import validate_pcm_format


def wav(rate: int = 16000, channels: int = 1, bits: int = 16) -> bytes:
    kind = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits)
    return b"RIFF" + bytes(4) + b"WAVEfmt " + struct.pack("<I", 16) + kind + b"data" + bytes(4) + bytes(9600)


GOOD = [
    (bytes(9600), (24000, 1, 16), "200 ms of 24000 Hz, 1 channel, 16 bits"),
    (bytes(480), (24000, 1, 16), "10 ms of 24000 Hz, 1 channel, 16 bits"),
    (bytes(48000), (24000, 1, 16), "1000 ms of 24000 Hz, 1 channel, 16 bits"),
    (bytes(640), (8000, 2, 16), "20 ms of 8000 Hz, 2 channels, 16 bits"),
    (bytearray(480), (8000, 1, 24), "20 ms of 8000 Hz, 1 channel, 24 bits"),
    (memoryview(bytes(160)), (8000, 1, 8), "20 ms of 8000 Hz, 1 channel, 8 bits"),
]


@pytest.mark.parametrize(("audio", "expected", "said"), GOOD, ids=[case[2] for case in GOOD])
def test_what_fits_is_described(audio: bytes, expected: tuple[int, int, int], said: str) -> None:
    assert validate_pcm_format(audio, *expected) == (True, said)


MONO = (24000, 1, 16)
BAD: list[tuple[object, tuple[object, object, object], str]] = [
    (b"", MONO, "no audio: expected 10 to 1000 ms of 24000 Hz, 1 channel, 16 bits"),
    (bytes(9601), MONO, "9601 bytes are not whole 2-byte frames of 24000 Hz, 1 channel, 16 bits"),
    (bytes(642), (8000, 2, 16), "642 bytes are not whole 4-byte frames of 8000 Hz, 2 channels, 16 bits"),
    (bytes(478), MONO, "9.95833 ms of 24000 Hz, 1 channel, 16 bits: expected 10 to 1000 ms"),
    (bytes(48002), MONO, "1000.04 ms of 24000 Hz, 1 channel, 16 bits: expected 10 to 1000 ms"),
    (bytes(480), (12345, 1, 16), "a rate of 12345 Hz is not supported: use one of 8000, 11025, 16000, "),
    (bytes(480), ("24000", 1, 16), "a rate of '24000' Hz is not supported"),
    (bytes(480), (24000, 0, 16), "0 channels are not supported: use 1 to 8"),
    (bytes(480), (24000, 9, 16), "9 channels are not supported: use 1 to 8"),
    (bytes(480), (24000, 1, 12), "12 bits are not supported: use one of 8, 16, 24, 32"),
    (np.zeros(480, np.int16), MONO, "audio must be bytes, not ndarray"),
    (None, MONO, "audio must be bytes, not NoneType"),
    (
        wav(16000, 2),
        MONO,
        "a WAV file of 16000 Hz, 2 channels, 16 bits, expected raw samples of 24000 Hz, 1 channel, 16 bits: take",
    ),
    (wav()[:30], MONO, "a WAV file, expected raw samples of 24000 Hz, 1 channel, 16 bits: take them out first"),
]


@pytest.mark.parametrize(("audio", "expected", "said"), BAD, ids=[case[2][:60] for case in BAD])
def test_what_does_not_is_one_sentence(audio: object, expected: tuple[int, int, int], said: str) -> None:
    ok, message = validate_pcm_format(audio, *expected)  # type: ignore[arg-type]
    assert not ok
    assert message.startswith(said)
