"""G.711 against the sums of the ITU-T G.191 reference, and against the table printed in the recommendation."""

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio.g711 import decode_alaw, decode_mulaw, encode_alaw, encode_mulaw
from trunkline.errors import AudioError

Law = Callable[[bytes | bytearray | memoryview], bytes]

EVERY_SAMPLE = np.arange(-32768, 32768).astype("<i2").tobytes()
EVERY_CODE = bytes(range(256))


@pytest.mark.parametrize(
    ("law", "given_bytes", "sha256"),
    [
        (encode_mulaw, EVERY_SAMPLE, "90c29de505fb68e766118303bd552a16005dcf810873698bee1d8f3b247ce28c"),
        (encode_alaw, EVERY_SAMPLE, "38488f6fd710f4686360edc4d38639f96c491595ef93f8eb8d62d5e07ca6ce7b"),
        (decode_mulaw, EVERY_CODE, "3dab54339e520bb2c924826e3b72a917a2b612e9fd12fc867500f1d983a75827"),
        (decode_alaw, EVERY_CODE, "e04788d110e58ff8c70c93b8480190d973e3b67876b6119abbaec766cc75c174"),
    ],
)
def test_every_answer_is_the_reference_softwares(law: Law, given_bytes: bytes, sha256: str) -> None:
    assert hashlib.sha256(law(given_bytes)).hexdigest() == sha256


def samples(pcm16: bytes) -> list[int]:
    return [int(x) for x in np.frombuffer(pcm16, "<i2")]


# first code, its sample, last code of the segment, its sample (ITU-T G.711 tables 1 and 2, on the 16-bit scale)
MULAW_SEGMENTS = [
    (0xFF, 0, 0xF0, 120),
    (0xEF, 132, 0xE0, 372),
    (0xDF, 396, 0xD0, 876),
    (0xCF, 924, 0xC0, 1884),
    (0xBF, 1980, 0xB0, 3900),
    (0xAF, 4092, 0xA0, 7932),
    (0x9F, 8316, 0x90, 15996),
    (0x8F, 16764, 0x80, 32124),
]
ALAW_SEGMENTS = [
    (0xD5, 8, 0xDA, 248),
    (0xC5, 264, 0xCA, 504),
    (0xF5, 528, 0xFA, 1008),
    (0xE5, 1056, 0xEA, 2016),
    (0x95, 2112, 0x9A, 4032),
    (0x85, 4224, 0x8A, 8064),
    (0xB5, 8448, 0xBA, 16128),
    (0xA5, 16896, 0xAA, 32256),
]


@pytest.mark.parametrize(("first", "low", "last", "high"), MULAW_SEGMENTS)
def test_mulaw_segments_begin_and_end_where_the_recommendation_says(first: int, low: int, last: int, high: int) -> None:
    negative = bytes([first & 0x7F, last & 0x7F])
    assert samples(decode_mulaw(bytes([first, last]))) == [low, high]
    assert samples(decode_mulaw(negative)) == [-low, -high]


@pytest.mark.parametrize(("first", "low", "last", "high"), ALAW_SEGMENTS)
def test_alaw_segments_begin_and_end_where_the_recommendation_says(first: int, low: int, last: int, high: int) -> None:
    negative = bytes([first & 0x7F, last & 0x7F])
    assert samples(decode_alaw(bytes([first, last]))) == [low, high]
    assert samples(decode_alaw(negative)) == [-low, -high]


@pytest.mark.parametrize(
    ("encode", "sample", "code"),
    [
        (encode_mulaw, 3, 0xFF),
        (encode_mulaw, 4, 0xFE),
        (encode_mulaw, -1, 0x7F),
        (encode_mulaw, -4, 0x7F),
        (encode_mulaw, 31612, 0x80),
        (encode_mulaw, -31613, 0x00),
        (encode_mulaw, -32768, 0x00),  # has no positive twin in 16 bits
        (encode_alaw, 0, 0xD5),
        (encode_alaw, 15, 0xD5),
        (encode_alaw, -1, 0x55),
        (encode_alaw, -16, 0x55),
        (encode_alaw, 31744, 0xAA),
        (encode_alaw, -31745, 0x2A),
        (encode_alaw, -32768, 0x2A),
    ],
)
def test_decisions_fall_where_the_reference_puts_them(encode: Law, sample: int, code: int) -> None:
    assert encode(np.array([sample], "<i2").tobytes()) == bytes([code])


def test_every_alaw_code_survives_a_round_trip() -> None:
    assert encode_alaw(decode_alaw(EVERY_CODE)) == EVERY_CODE


def test_every_mulaw_code_but_minus_zero_survives_a_round_trip() -> None:
    assert encode_mulaw(decode_mulaw(EVERY_CODE)) == EVERY_CODE.replace(b"\x7f", b"\xff")


@given(st.binary(max_size=400), st.integers(0, 400))
def test_codes_are_decoded_one_by_one(codes: bytes, cut: int) -> None:
    for decode in (decode_mulaw, decode_alaw):
        assert decode(codes) == decode(codes[:cut]) + decode(codes[cut:])


@pytest.mark.parametrize("law", [encode_mulaw, encode_alaw, decode_mulaw, decode_alaw])
def test_nothing_in_is_nothing_out(law: Law) -> None:
    assert law(b"") == b""


@pytest.mark.parametrize("law", [encode_mulaw, encode_alaw, decode_mulaw, decode_alaw])
def test_what_is_not_bytes_is_an_audio_error(law: Law) -> None:
    with pytest.raises(AudioError, match="audio must be bytes, not str"):
        law("audio")  # type: ignore[arg-type]


@pytest.mark.parametrize("law", [encode_mulaw, encode_alaw, decode_mulaw, decode_alaw])
def test_other_buffers_are_taken_too(law: Law) -> None:
    assert law(bytearray(b"\x01\x02")) == law(memoryview(b"\x01\x02")) == law(b"\x01\x02")


@pytest.mark.parametrize("encode", [encode_mulaw, encode_alaw])
def test_half_a_sample_is_an_audio_error(encode: Law) -> None:
    with pytest.raises(AudioError, match="whole 2-byte samples, not 3 bytes"):
        encode(b"\x00\x00\x00")
