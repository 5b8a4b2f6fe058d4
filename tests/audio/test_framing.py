"""Frames out of any run of bytes: nothing lost, nothing added, all of one size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_16K
from trunkline.audio.framing import Framer
from trunkline.errors import AudioError


@given(st.integers(1, 50), st.lists(st.binary(max_size=120), max_size=12))
def test_frames_joined_are_the_input_but_for_what_waits(size: int, pieces: list[bytes]) -> None:
    framer = Framer(size)
    frames = [frame for piece in pieces for frame in framer.push(piece)]
    assert {len(frame) for frame in frames} <= {size}
    assert framer.pending_bytes < size
    assert b"".join(frames) + framer.flush() == b"".join(pieces)


@pytest.mark.parametrize(
    ("size", "pieces", "frames"),
    [
        (4, [b"abcd"], [[b"abcd"]]),
        (4, [b"abc", b"d"], [[], [b"abcd"]]),
        (4, [b"abcdefghi", b"jkl"], [[b"abcd", b"efgh"], [b"ijkl"]]),
        (4, [b"a", b"", b"bcdef"], [[], [], [b"abcd"]]),
        (1, [b"abc"], [[b"a", b"b", b"c"]]),
    ],
)
def test_a_frame_comes_with_its_last_byte(size: int, pieces: list[bytes], frames: list[list[bytes]]) -> None:
    framer = Framer(size)
    assert [framer.push(piece) for piece in pieces] == frames


def test_a_whole_frame_is_handed_on_uncopied() -> None:
    frame = bytes(160)
    assert Framer(160).push(frame)[0] is frame


@pytest.mark.parametrize(
    ("size", "left", "padding", "last"),
    [
        (8, b"", b"\xff", b""),
        (8, b"abc", b"", b"abc"),
        (8, b"abc", MULAW_8K.silence_unit, b"abc" + b"\xff" * 5),
        (8, b"abc", ALAW_8K.silence_unit, b"abc" + b"\xd5" * 5),
        (8, b"abcd", PCM16_16K.silence_unit, b"abcd" + bytes(4)),
        (8, b"abc", b"\x01\x02", b"abc\x02\x01\x02\x01\x02"),  # the sample cut in two is completed
    ],
)
def test_the_last_frame_is_filled_up_with_what_one_asks(size: int, left: bytes, padding: bytes, last: bytes) -> None:
    framer = Framer(size)
    framer.push(left)
    assert framer.flush(padding) == last
    assert framer.pending_bytes == 0


def test_reset_drops_what_waits() -> None:
    framer = Framer(4)
    framer.push(b"ab")
    framer.reset()
    assert framer.push(b"cdef") == [b"cdef"]


@pytest.mark.parametrize("size", [0, -160])
def test_a_frame_of_nothing_is_an_audio_error(size: int) -> None:
    with pytest.raises(AudioError, match=f"a frame has at least 1 byte, not {size}"):
        Framer(size)
