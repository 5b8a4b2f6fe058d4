import pytest

from trunkline.audio.format import MULAW_8K, PCM16_24K, AudioFormat
from trunkline.call.pace import PREROLL_MS, UNDER_RUN_S, Pace

START = 900.5


def pace(fmt: AudioFormat = MULAW_8K, *, max_frames: int = 1, lead_ms: float = 200) -> Pace:
    """One whose buffer began to sound at START."""
    made = Pace(fmt, frame_ms=20, max_frames=max_frames, lead_ms=lead_ms)
    made.start(0, 0, START, first=True)
    return made


@pytest.mark.parametrize("fmt", [MULAW_8K, PCM16_24K], ids=str)
@pytest.mark.parametrize(
    ("max_frames", "lead_ms", "low_ms", "pair_ms", "preroll_ms"),
    [
        (1, 200, 180, 20, 60),  # frame by frame
        (5, 200, 100, 40, 60),  # gulps of half the lead
        (50, 200, 100, 40, 60),
        (5, 50, 30, 40, 50),  # no wait for more than the lead
        (5, 0, 20, 40, 20),  # a frame is the least that can be ahead
    ],
)
def test_the_limits_follow_from_the_frames_and_the_lead(
    fmt: AudioFormat, max_frames: int, lead_ms: float, low_ms: float, pair_ms: float, preroll_ms: float
) -> None:
    limits = pace(fmt, max_frames=max_frames, lead_ms=lead_ms)
    assert [fmt.ms(limit) for limit in (limits.low, limits.pair, limits.preroll)] == [low_ms, pair_ms, preroll_ms]


def test_what_was_sent_sounds_one_after_the_other() -> None:
    clock = pace()
    assert clock.when(0) == START
    assert clock.when(8000) == START + 1


def test_a_platform_is_never_thought_slower_than_it_says() -> None:
    clock = pace()
    clock.passed(4000, START + 1)
    assert clock.when(8000) == START + 1, "it was late to tell: nothing new"
    clock.passed(8000, START + 0.75)
    assert clock.when(8000) == START + 0.75


@pytest.mark.parametrize(
    ("dry_s", "first", "meant", "under_runs"),
    [
        (UNDER_RUN_S * 1.1, False, False, 1),
        (UNDER_RUN_S * 0.9, False, False, 0),
        (1, True, False, 0),
        (1, False, True, 0),
    ],
)
def test_only_a_gap_inside_a_reply_that_nobody_meant_is_an_under_run(
    dry_s: float, first: bool, meant: bool, under_runs: int
) -> None:
    clock = pace()
    clock.gap_is_meant = meant
    clock.start(1600, 8000 * dry_s, START + 0.2 + dry_s, first=first)
    assert clock.under_runs == under_runs
    assert clock.under_run_s == pytest.approx(under_runs * dry_s)


def test_an_empty_buffer_waits_for_its_preroll_once_and_from_the_first_time_it_is_asked() -> None:
    clock = pace()
    clock.gap_is_meant = False
    assert clock.starts_at(10, START, first=False) == START, "it has only just run dry"
    waits_until = START + PREROLL_MS / 1000
    assert clock.starts_at(0, START, first=True) == waits_until
    assert clock.starts_at(400, START + 0.05, first=True) == waits_until
    clock.start(0, 480, START + 0.06, first=True)
    assert clock.starts_at(8000, START + 2, first=False) == START + 2 + PREROLL_MS / 1000


def test_a_buffer_that_was_emptied_has_room_at_any_time() -> None:
    clock = pace()
    clock.gap_is_meant = False
    clock.stop(800)
    assert clock.when(10**9) == float("-inf")
    assert clock.gap_is_meant
