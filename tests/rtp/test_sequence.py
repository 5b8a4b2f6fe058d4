from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.rtp.sequence import Loss, SequenceTracker, Standing

P, OK, LATE, JUMP, RESTART = (
    Standing.PROBATION,
    Standing.IN_ORDER,
    Standing.LATE,
    Standing.JUMPED,
    Standing.RESTARTED,
)


def feed(tracker: SequenceTracker, numbers: Iterable[int]) -> list[Standing]:
    return [tracker.receive(number) for number in numbers]


@pytest.mark.parametrize(
    ("numbers", "standings", "why"),
    [
        ([7, 8, 9], [P, OK, OK], "two in sequence prove a source"),
        ([7, 9, 10, 11], [P, P, OK, OK], "a gap in probation begins it anew"),
        ([65535, 0, 1], [P, OK, OK], "probation may straddle the wrap"),
        ([0, 65535, 0], [P, P, OK], "probation may go backwards over the wrap"),
        ([1, 2, 2], [P, OK, LATE], "a duplicate is not in order"),
        ([10, 11, 13, 12], [P, OK, OK, LATE], "out of order"),
        ([0, 1, 3000], [P, OK, OK], "the largest gap that is only loss"),
        ([0, 1, 3001], [P, OK, JUMP], "one packet more is a jump"),
        ([0, 1, 20000, 20001, 20002], [P, OK, JUMP, RESTART, OK], "two in sequence after a jump are a restart"),
        ([0, 1, 20000, 2, 20001], [P, OK, JUMP, OK, RESTART], "the jump is remembered, as RFC 3550 has it"),
        ([0, 1, 20000, 30000, 30001], [P, OK, JUMP, JUMP, RESTART], "only the last jump counts"),
        ([500, 501, 402], [P, OK, LATE], "99 behind is late"),
        ([500, 501, 401], [P, OK, JUMP], "100 behind is not believed"),
        ([5, 6, 65530], [P, OK, LATE], "late over the wrap"),
    ],
)
def test_standings_follow_rfc_3550(numbers: list[int], standings: list[Standing], why: str) -> None:
    assert feed(SequenceTracker(), numbers) == standings, why


def test_extended_numbers_put_packets_in_order_over_the_wrap() -> None:
    tracker = SequenceTracker()
    extended = []
    for number in (65534, 65535, 1, 0, 2):
        tracker.receive(number)
        extended.append(tracker.extended)
    assert [e - extended[0] for e in extended] == [0, 1, 3, 2, 4]


def test_the_report_counts_cycles_from_the_first_valid_packet() -> None:
    tracker = SequenceTracker()
    feed(tracker, (n % 65536 for n in range(65000, 65000 + 70000)))
    assert tracker.report() == Loss(0, 0, (65000 + 69999) & 0xFFFFFFFF)


def test_loss_is_counted_per_interval_and_altogether() -> None:
    tracker = SequenceTracker()
    feed(tracker, [0, 1, 2, 3, 4])  # counted from 1 on
    assert tracker.report() == Loss(0, 0, 4)
    feed(tracker, [6, 8])  # half of four lost
    assert tracker.report() == Loss(128, 2, 8)
    feed(tracker, [9, 10])
    assert tracker.report() == Loss(0, 2, 10)
    assert tracker.report() == Loss(0, 2, 10), "an empty interval has no loss"


def test_duplicates_make_the_loss_negative() -> None:
    tracker = SequenceTracker()
    feed(tracker, [0, 1, 1, 1])
    assert (tracker.lost, tracker.report().fraction) == (-2, 0)


def test_nothing_is_expected_or_lost_in_probation() -> None:
    tracker = SequenceTracker()
    feed(tracker, [5, 90])
    assert (tracker.valid, tracker.expected, tracker.received, tracker.lost) == (False, 0, 0, 0)


def test_a_restart_begins_the_statistics_anew() -> None:
    tracker = SequenceTracker()
    feed(tracker, [0, 1, 5, 40000, 40001, 40002])
    assert (tracker.expected, tracker.received, tracker.lost) == (2, 2, 0)


@given(st.lists(st.integers(0, 65535), max_size=60))
def test_any_numbers_leave_figures_that_fit_their_fields(numbers: list[int]) -> None:
    tracker = SequenceTracker()
    for number in numbers:
        standing = tracker.receive(number)
        if standing is not Standing.JUMPED:
            assert tracker.extended % 65536 == number
    report = tracker.report()
    assert 0 <= report.fraction <= 255
    assert -(1 << 23) <= report.cumulative < 1 << 23
    assert 0 <= report.extended_highest < 1 << 32


@given(st.integers(0, 65535), st.lists(st.integers(1, 2999), max_size=60))
def test_any_forward_steps_below_the_dropout_limit_are_followed_exactly(start: int, steps: list[int]) -> None:
    tracker = SequenceTracker()
    feed(tracker, [start, (start + 1) % 65536])
    number = start + 1
    for step in steps:
        number += step
        assert tracker.receive(number % 65536) is Standing.IN_ORDER
    assert tracker.expected == sum(steps) + 1
    assert tracker.lost == sum(steps) - len(steps)
