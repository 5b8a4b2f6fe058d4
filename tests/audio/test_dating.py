"""Where a change was, from weights that are made up."""

import pytest

from trunkline.audio.dating import REACH, SLACK, SOUNDS, Slices, farthest

# What belongs together, from the first on: most weight, and a little beyond a gap.
CASES = [
    ("nothing", [], 0),
    ("silence", [-1, -1, -1], 0),
    ("a voice", [1, 1, 1], 3),
    ("a voice, then silence", [1, 2, -1, -3], 2),
    ("a gap less than what is beyond it", [2, 2, -1, -1, 3], 5),
    ("a gap a little more than what is beyond it", [2, 2, -2, -2, 2], 5),
    ("a gap much more than that", [2, 2, -2, -2, -2, 2], 2),
    ("what is beyond it is too soft to be a sound", [2, 2, -1, 0.9], 2),
    ("the first sounds are soft", [-1, -1, 3, 3], 4),
]


@pytest.mark.parametrize(("weights", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_belongs_to_a_voice(weights: list[float], expected: int) -> None:
    assert farthest(weights) == expected


def test_the_limits_of_what_lies_beyond_a_gap() -> None:
    sound = SOUNDS + 0.1
    assert farthest([9, -sound - SLACK, sound]) == 3
    assert farthest([9, -sound - SLACK - 0.1, sound]) == 1


def taken(*frames: tuple[float, float]) -> Slices:
    slices = Slices()
    for frame in frames:
        slices.add(frame, frame)
    return slices


def test_begin_and_end_are_told_in_frames_before_the_present() -> None:
    slices = taken((-2, -2), (-2, 2), (2, 2), (-2, -2), (-2, -2), (-2, -2))
    assert slices.end(6) == 3
    assert slices.begin(6) is None  # it does not sound now
    assert taken((-2, -2), (-2, 2), (2, 2)).begin(3) == 1.5


def test_no_farther_back_than_asked_and_than_is_kept() -> None:
    sounding = taken(*[(1, 1)] * REACH)
    assert sounding.begin(3) == 3
    assert sounding.begin(1000) == REACH / 2
    assert sounding.end(1000) == 0


def test_without_evidence_nothing_is_said() -> None:
    slices = taken((2, 2))
    slices.clear()
    assert slices.begin(1) is None
    assert slices.end(1) is None
    assert taken((-1, -1)).end(1) is None
