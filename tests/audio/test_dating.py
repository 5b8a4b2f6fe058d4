"""Where a change was, from weights that are made up."""

import pytest

from trunkline.audio.dating import COVERED, GAP, GAP_SLICE, GAP_SLICE_QUIET, LATE, REACH, Evidence, Slices, farthest

# What belongs together, from the first on. The gaps are short enough to cost about as much in quiet as under noise.
CASES = [
    ("nothing", [], 0),
    ("silence", [-1, -1, -1], 0),
    ("a voice", [1, 1, 1], 3),
    ("a voice, then silence", [1, 2, -1, -3], 2),
    ("a gap that weighs less than what it costs to be one", [2, 2, -1, -1, 3], 5),
    ("a gap that weighs much more, and a word beyond it", [2, 2, -9, -9, 3, 3], 6),
    ("a gap, and too little beyond it", [2, 2, -9, -9, 3], 2),
    ("two gaps, each with a word beyond it", [2, -9, 3, 3, -9, 3, 3], 7),
    ("the first sounds are soft", [-1, -1, 3, 3], 4),
]


@pytest.mark.parametrize("covered", [0, 1])
@pytest.mark.parametrize(("weights", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_belongs_to_a_voice(weights: list[float], expected: int, covered: float) -> None:
    assert farthest(weights, covered) == expected


@pytest.mark.parametrize(("covered", "slice_cost"), [(0, GAP_SLICE_QUIET), (1, GAP_SLICE)])
def test_what_a_gap_costs_whatever_its_slices_weigh(covered: float, slice_cost: float) -> None:
    gap = [-50.0] * 10
    cost = GAP + 10 * slice_cost
    assert farthest([9, *gap, cost + 0.1], covered) == 12
    assert farthest([9, *gap, cost - 0.1], covered) == 1


def test_a_longer_gap_is_one_under_noise_where_in_quiet_it_is_none() -> None:
    weights = [3.0] * 5 + [-3.0] * 12 + [3.0] * 4
    assert farthest(weights, 1) == len(weights)
    assert farthest(weights, 0) == 5


def taken(*frames: tuple[float, float], covered: float = 0) -> Slices:
    """Evidence of these frames; the present is ``LATE`` frames after the last of them."""
    slices = Slices()
    for frame in [(50.0, 50.0)] * LATE + list(frames):
        slices.add(Evidence(frame, covered))
    return slices


def test_begin_and_end_are_told_in_frames_before_the_present() -> None:
    slices = taken((-2, -2), (2, 2), (2, -2), (-2, -2), (-2, -2), (-2, -2))
    assert slices.end(LATE + 5) == LATE + 3.5
    assert slices.begin(LATE + 2) is None  # it does not sound now
    assert taken((-2, -2), (-2, 2), (2, 2)).begin(LATE + 3) == LATE + 1.5


def test_no_farther_back_than_asked_and_than_is_kept() -> None:
    sounding = taken(*[(1, 1)] * REACH)
    assert sounding.begin(LATE + 3) == LATE + 3
    assert sounding.begin(1000) == LATE + REACH / 2
    assert sounding.end(1000) == LATE
    assert sounding.begin(LATE - 1) is None
    assert sounding.end(0) is None


def test_without_evidence_nothing_is_said() -> None:
    slices = taken((2, 2))
    slices.clear()
    assert slices.begin(10) is None
    assert slices.end(10) is None
    assert taken((-1, -1)).end(10) is None


def test_what_comes_just_after_a_break_is_about_what_was_before_it() -> None:
    slices = taken((2, 2))
    slices.clear()
    for _ in range(LATE):
        slices.add(Evidence((9, 9), 0))
    assert slices.begin(10) is None
    slices.add(Evidence((2, 2), 0))
    assert slices.begin(10) == LATE + 1


def test_a_voice_goes_on_farther_than_it_is_seen_the_more_of_it_is_covered() -> None:
    assert taken((2, 2)).margin == 0
    assert taken((2, 2), covered=0.5).margin == COVERED / 2
    assert taken((2, 2), covered=1).margin == COVERED
