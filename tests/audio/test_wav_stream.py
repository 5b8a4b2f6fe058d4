"""WAV from a pipe: whole, in pieces of every size, and broken."""

import io
import struct
import wave

import pytest

from trunkline.audio.format import AudioFormat, Encoding
from trunkline.audio.wav_stream import LONGEST_HEADER, WavStream
from trunkline.errors import AudioError

SAMPLES = bytes(range(256)) * 2


def wav(rate: int = 22050, channels: int = 1, width: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(SAMPLES)
    return file.getvalue()


def endless(header: bytes) -> bytes:
    """As espeak-ng writes it: lengths no file ever has."""
    return header[:4] + b"\x24\xf0\xff\x7f" + header[8:40] + b"\x00\xf0\xff\x7f" + header[44:]


PLAIN = wav()
FORMAT_CHUNK = PLAIN[12:36]
WITH_ODD_CHUNK = PLAIN[:12] + b"LIST" + struct.pack("<I", 3) + b"abc\x00" + PLAIN[12:]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 43, 44, 45, 10_000])
@pytest.mark.parametrize("data", [PLAIN, endless(PLAIN), WITH_ODD_CHUNK], ids=["whole", "endless", "odd chunk"])
def test_samples_come_out_however_the_pipe_cuts(data: bytes, size: int) -> None:
    stream = WavStream()
    out = b"".join(stream.push(data[at : at + size]) for at in range(0, len(data), size))
    assert out == SAMPLES
    assert stream.format == AudioFormat(Encoding.PCM16, 22050)


BROKEN = [
    ("not a RIFF", b"<html>", "must begin with RIFF"),
    ("RIFF of something else", b"RIFF\x00\x00\x00\x00AVI LIST", "must begin with RIFF"),
    ("stereo", wav(channels=2), "2 channels"),
    ("8 bits", wav(width=1), "8 bits"),
    ("a rate nobody uses", wav(rate=12345), "12345 Hz is not supported"),
    ("samples before their format", PLAIN[:12] + PLAIN[36:], "format before its samples"),
    ("header without end", PLAIN[:12] + b"JUNK\xff\xff\xff\x00" + bytes(LONGEST_HEADER), "no samples in the first"),
]


@pytest.mark.parametrize(("data", "why"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_anything_else_is_one_clear_error(data: bytes, why: str) -> None:
    with pytest.raises(AudioError, match=why):
        WavStream().push(data)
