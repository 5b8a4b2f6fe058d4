"""What is overdue, and when to look for it."""

from math import inf

import pytest

from trunkline.call.settings import CallSettings
from trunkline.call.watch import QUIET_STEP_S, Overdue, Watch

RULES = CallSettings(start_timeout_s=5, silence_timeout_s=30, quiet_after_s=1, hang_up_timeout_s=4)
START = 1000.0


@pytest.mark.parametrize(
    ("now", "heard_at", "overdue"),
    [
        (4.9, None, None),
        (5.0, None, Overdue.START),
        (5.0, 4.5, None),
        (5.5, 4.5, Overdue.FRAME),
        (34.4, 4.5, Overdue.FRAME),
        (34.5, 4.5, Overdue.AUDIO),
    ],
)
def test_the_gravest_thing_is_told(now: float, heard_at: float | None, overdue: Overdue | None) -> None:
    heard = None if heard_at is None else START + heard_at
    assert Watch(RULES, START).overdue(START + now, heard) is overdue


def test_a_call_that_was_to_end_is_given_up_after_its_time() -> None:
    watch = Watch(RULES, START)
    watch.leaving(START + 10)
    assert watch.overdue(START + 13.9, START + 13.9) is None
    assert watch.overdue(START + 14, START + 14) is Overdue.GONE


@pytest.mark.parametrize(("now", "heard_at"), [(0.0, None), (3.0, 2.5), (3.5, 2.5), (100.0, 2.5)])
def test_nothing_is_overdue_before_the_deadline_that_was_not_before(now: float, heard_at: float | None) -> None:
    watch = Watch(RULES, START)
    heard = None if heard_at is None else START + heard_at
    due = watch.deadline(START + now, heard)
    assert START + now < due < inf
    assert watch.overdue(due - 1e-6, heard) is watch.overdue(START + now, heard)


@pytest.mark.parametrize("heard_at", [None, START])
def test_whoever_is_late_looks_again_in_a_moment_and_not_at_once(heard_at: float | None) -> None:
    watch = Watch(RULES, START)
    late = START + 100
    watch.excuse(late)
    assert watch.deadline(late, heard_at) == late + QUIET_STEP_S
    assert watch.overdue(late + QUIET_STEP_S, heard_at) is not None


def test_while_the_line_is_quiet_it_looks_in_small_steps() -> None:
    assert Watch(RULES, START).deadline(START + 10, START) == pytest.approx(START + 10 + QUIET_STEP_S)


def test_silence_that_has_its_reason_is_not_counted() -> None:
    watch = Watch(RULES, START)
    watch.alive(START + 40)
    assert watch.overdue(START + 69.9, START) is Overdue.FRAME
    assert watch.overdue(START + 70, START) is Overdue.AUDIO
