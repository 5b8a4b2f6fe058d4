"""The books of one simulated call: latency by position, under-runs, marks, and whether the echo is an echo."""

from typing import Any

import pytest

from trunkline.audio.convert import Converter
from trunkline.audio.format import MULAW_8K, PCM16_24K
from trunkline.testing.load_call import FRAME, PERIOD, LoadCall, Tally, sound

SOUND = sound()


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def call(tally: Tally) -> LoadCall:
    return LoadCall(tally)


def said(call: LoadCall, frames: int) -> bytes:
    """Say so many frames, 20 ms apart from 100 s on; returns what was said."""
    for number in range(frames):
        call.sent(100 + 0.020 * number)
    return b"".join(SOUND[number % PERIOD] for number in range(frames))


@pytest.mark.parametrize(
    ("pieces", "latencies_ms", "why"),
    [
        ([(FRAME, 100.005), (FRAME, 100.025)], [5, 5], "each frame by itself"),
        ([(2 * FRAME, 100.025)], [25, 5], "a pair is as late as its first frame"),
        ([(100, 100.001), (60, 100.030), (FRAME, 100.031)], [30, 11], "a frame is back when its last sample is"),
        ([(FRAME - 1, 100.9)], [], "and not before"),
    ],
)
def test_the_latency_of_a_frame_is_from_its_sending_to_its_last_sample(
    call: LoadCall, tally: Tally, pieces: Any, latencies_ms: Any, why: Any
) -> None:
    audio = said(call, 2)
    at = 0
    for size, now in pieces:
        call.heard(audio[at : at + size], now)
        at += size
    assert [round(1000 * latency, 6) for latency in tally.latencies] == latencies_ms, why
    assert not call.astray


@pytest.mark.parametrize(
    ("came_at", "dry_ms", "why"),
    [
        ([100.0, 100.020, 100.040], 0, "on time"),
        ([100.0, 100.039, 100.059], 0, "a hole within the slack"),
        ([100.0, 100.050, 100.070], 30, "dry from 20 ms to 50 ms"),
        ([100.0, 100.001, 100.070], 30, "two frames last 40 ms"),
        ([100.0, 100.0, 100.0], 0, "ahead"),
        ([100.0, 101.020, 102.040], 2000, "every hole counts"),
    ],
)
def test_an_under_run_is_the_time_the_playback_had_nothing_to_play(
    call: LoadCall, tally: Tally, came_at: Any, dry_ms: Any, why: Any
) -> None:
    said(call, 3)
    for number, now in enumerate(came_at):
        call.heard(SOUND[number], now)
    assert round(1000 * tally.dry_s, 6) == dry_ms, why


def test_a_hole_counts_in_the_window_it_is_in(call: LoadCall, tally: Tally) -> None:
    said(call, 2)
    call.heard(SOUND[0], 100.0)
    call.close_window(100.120, overdue_s=9)
    assert tally.dry_s == pytest.approx(0.100)
    tally.restart(100.120)
    call.heard(SOUND[1], 100.220)
    assert tally.dry_s == pytest.approx(0.100)


def test_before_the_first_audio_nothing_is_missed(call: LoadCall, tally: Tally) -> None:
    said(call, 1)
    call.close_window(105, overdue_s=9)
    assert tally.dry_s == 0


def test_frames_that_never_came_back_count_with_their_age(call: LoadCall, tally: Tally) -> None:
    said(call, 10)
    call.close_window(100.500, overdue_s=0.450)
    assert [round(latency, 3) for latency in tally.latencies] == [0.5, 0.48, 0.46]


def test_a_mark_is_reached_when_all_before_it_has_been_played(call: LoadCall) -> None:
    said(call, 2)
    call.heard(SOUND[0] + SOUND[1], 100.0)
    call.mark("t1")
    assert call.played_mark(100.039) is None
    assert call.played_mark(100.041) == "t1"
    assert call.played_mark(100.041) is None


def through(audio: bytes) -> bytes:
    """As an echo at 24 kHz gives it back."""
    up, down = Converter(MULAW_8K, PCM16_24K), Converter(PCM16_24K, MULAW_8K)
    return down.process(up.process(audio))


@pytest.mark.parametrize("size", [FRAME, 2 * FRAME, 3 * FRAME])
@pytest.mark.parametrize(
    ("damage", "astray", "why"),
    [
        (lambda audio: audio, False, "an echo"),
        (lambda audio: MULAW_8K.silence(8000) + audio, True, "a second of silence in front"),
        (lambda audio: audio[:3200] + MULAW_8K.silence(FRAME) + audio[3200:], True, "one frame put in"),
        (lambda audio: audio[:3200] + audio[3200 + FRAME :], True, "one frame lost"),
        (lambda audio: MULAW_8K.silence(len(audio)), True, "silence"),
        (lambda audio: audio + audio[:FRAME], True, "more than was said"),
    ],
)
def test_an_echo_that_is_not_what_was_said_is_noticed(
    call: LoadCall, damage: Any, astray: Any, why: Any, size: Any
) -> None:
    audio = damage(through(said(call, 4 * PERIOD)))
    for at in range(0, len(audio), size):
        call.heard(audio[at : at + size], 105)
    assert call.astray == astray, why
