"""Both channels are as long as the call to the sample, and everything is where it sounded."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio.format import MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat
from trunkline.audio.recorder import RecordingSummary, StereoRecorder


def channels(pcm: bytes) -> tuple[list[int], list[int]]:
    both = np.frombuffer(pcm, "<i2").reshape(-1, 2)
    return both[:, 0].tolist(), both[:, 1].tolist()


def tone(samples: int, value: int = 1000) -> bytes:
    return np.full(samples, value, "<i2").tobytes()


def test_the_caller_is_left_and_the_agent_right() -> None:
    recorder = StereoRecorder(PCM16_8K, PCM16_8K)
    recorder.caller(tone(4, 1))
    recorder.agent(tone(2, 2), 1)
    assert channels(recorder.finish()) == ([1, 1, 1, 1], [0, 2, 2, 0])


def test_sound_in_pieces_lies_where_it_was_heard_and_silence_between() -> None:
    recorder = StereoRecorder(PCM16_8K, PCM16_8K)
    recorder.caller(tone(100, 1))
    recorder.agent(tone(10, 2), 0)
    recorder.agent(tone(10, 3), 10)
    recorder.agent(tone(10, 4), 50)
    _, right = channels(recorder.finish())
    assert right == [2] * 10 + [3] * 10 + [0] * 30 + [4] * 10 + [0] * 40


def test_taking_gives_each_sample_once_and_nothing_that_is_not_final() -> None:
    recorder = StereoRecorder(PCM16_8K, PCM16_8K)
    recorder.caller(tone(100, 1))
    recorder.agent(tone(10, 2), 0)
    first = recorder.take(30)
    recorder.agent(tone(10, 3), 30)
    second = recorder.take()
    assert (len(first), len(second), recorder.take()) == (120, 280, b"")
    recorder.caller(tone(20, 1))
    left, right = channels(first + second + recorder.finish())
    assert left == [1] * 120
    assert right == [2] * 10 + [0] * 20 + [3] * 10 + [0] * 80
    assert recorder.samples == 120


@pytest.mark.parametrize("until", [-5, 0, 7, 100, 1000])
def test_no_more_is_taken_than_the_caller_has_said(until: int) -> None:
    recorder = StereoRecorder(MULAW_8K, MULAW_8K)
    recorder.caller(MULAW_8K.silence(100))
    assert len(recorder.take(until)) == 4 * max(0, min(until, 100))


def test_agent_sound_beyond_the_callers_last_sample_lengthens_both() -> None:
    recorder = StereoRecorder(PCM16_8K, PCM16_8K)
    recorder.caller(tone(10, 1))
    recorder.agent(tone(10, 2), 5)
    left, right = channels(recorder.finish())
    assert left == [1] * 10 + [0] * 5
    assert right == [0] * 5 + [2] * 10
    assert recorder.samples == 15


@pytest.mark.parametrize("agent", [PCM16_16K, PCM16_24K], ids=str)
@pytest.mark.parametrize("taken", [True, False], ids=["in pieces", "at the end"])
def test_another_rate_of_the_agent_neither_lengthens_the_call_nor_sounds_after_it(
    agent: AudioFormat, taken: bool
) -> None:
    recorder = StereoRecorder(PCM16_8K, agent)
    recorder.agent(tone(agent.rate // 10), 0)
    pieces = []
    for _ in range(10):
        recorder.caller(bytes(1600))
        pieces.append(recorder.take() if taken else b"")
    pieces.append(recorder.finish())
    left, right = channels(b"".join(pieces))
    assert len(left) == recorder.samples == 8000
    assert min(right[200:700]) > 900
    assert not any(right[900:]), "the filter's tail ends where the sound ends"


@pytest.mark.parametrize("agent", [PCM16_16K, PCM16_24K], ids=str)
def test_sound_after_a_gap_is_where_it_was_heard_at_another_rate(agent: AudioFormat) -> None:
    recorder = StereoRecorder(PCM16_8K, agent)
    recorder.caller(bytes(16000))
    recorder.agent(tone(agent.rate // 10), 0)
    recorder.take(2000)
    recorder.agent(tone(agent.rate // 10), 4000)
    _, right = channels(recorder.finish())
    assert not any(right[:1999])
    onset = next(i for i, value in enumerate(right) if abs(value) > 500)
    assert onset == pytest.approx(4000 - 2000, abs=20)


PIECES = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400), st.integers(0, 300)), max_size=20)


@given(pieces=PIECES, agent=st.sampled_from([MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K]))
def test_both_channels_are_as_long_as_the_call_however_it_is_cut(
    pieces: list[tuple[int, int, int]], agent: AudioFormat
) -> None:
    recorder = StereoRecorder(MULAW_8K, agent)
    out, said, placed = b"", 0, 0
    for caller, gap, sound in pieces:
        recorder.caller(MULAW_8K.silence(caller))
        said += caller
        at = placed + gap
        if at + sound <= said:  # an agent is heard in the present, not in the future
            recorder.agent(bytes(agent.sample_bytes * (sound * agent.rate // 8000)), at)
            placed = at + sound
        out += recorder.take(placed)
    out += recorder.finish()
    assert len(out) == 4 * said == 4 * recorder.samples


def test_the_summary_tells_length_peaks_and_who_spoke_how_much() -> None:
    recorder = StereoRecorder(PCM16_8K, PCM16_8K)
    second = 16000
    recorder.caller(tone(4000) + bytes(3 * second // 2) + bytes(second))
    recorder.agent(tone(8000), 4000)
    taken = len(recorder.take(7001)) + len(recorder.finish())
    summary = recorder.summary
    assert summary.duration_s == taken / 4 / 8000 == 3.0
    assert summary.channels == 2
    assert summary.talk_ratio == pytest.approx((1 / 6, 1 / 3), abs=0.01)
    loudest = max(abs(value[0]) for value in struct.iter_unpack("<h", tone(8000))) / 32768
    assert summary.peak == pytest.approx((loudest, loudest), abs=1e-3)


def test_the_summary_of_nothing_is_silence() -> None:
    recorder = StereoRecorder(MULAW_8K, MULAW_8K)
    recorder.finish()
    assert recorder.summary == RecordingSummary(0.0, 2, (0.0, 0.0), (0.0, 0.0))
