"""The playback buffer, by the vendor's rules for marks and clears, counted to the sample."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio.format import MULAW_8K, PCM16_16K
from trunkline.testing.earpiece import EarLedger, Earpiece

A, B, QUIET = b"\x10", b"\x20", b"\xff"
Step = Callable[[Earpiece], object]


def add(audio: bytes) -> Step:
    return lambda ear: ear.add(audio)


def play(until: int) -> Step:
    return lambda ear: ear.play(until)[1]


def mark(name: str) -> Step:
    return lambda ear: ear.mark(name)


def clear(ear: Earpiece) -> object:
    return ear.clear()


def end(ear: Earpiece) -> object:
    ear.end_utterance()
    return None


class Case(NamedTuple):
    why: str
    steps: list[tuple[Step, object]]  # what is done, and what it gives
    heard: bytes
    ledger: EarLedger


CASES = [
    Case("nothing sent is silence", [(play(5), [])], QUIET * 5, EarLedger(0, 0, 0, 0)),
    Case(
        "audio is played in order from when it came",
        [(play(2), []), (add(A * 3), 0), (add(B * 2), 0), (play(8), [])],
        QUIET * 2 + A * 3 + B * 2 + QUIET,
        EarLedger(5, 5, 0, 0),
    ),
    Case(
        "a burst is played in real time and stays buffered",
        [(add(A * 100), 0), (play(30), [])],
        A * 30,
        EarLedger(100, 30, 0, 70),
    ),
    Case("a mark on an empty buffer returns at once", [(mark("m"), ["m"])], b"", EarLedger(0, 0, 0, 0)),
    Case(
        "a mark returns when the audio before it was played, not a sample sooner",
        [(add(A * 10), 0), (mark("m"), []), (add(B * 10), 0), (play(9), []), (play(10), ["m"])],
        A * 10,
        EarLedger(20, 10, 0, 10),
    ),
    Case(
        "marks return in order, several at once if so much was played",
        [(add(A), 0), (mark("1"), []), (mark("2"), []), (add(A), 0), (mark("3"), []), (play(2), ["1", "2", "3"])],
        A * 2,
        EarLedger(2, 2, 0, 0),
    ),
    Case(
        "a clear drops the rest and returns all marks at once",
        [
            (add(A * 10), 0),
            (mark("1"), []),
            (add(B * 10), 0),
            (mark("2"), []),
            (play(4), []),
            (clear, (16, ["1", "2"])),
        ],
        A * 4,
        EarLedger(20, 4, 16, 0),
    ),
    Case(
        "after a clear new audio is played at once",
        [(add(A * 10), 0), (play(4), []), (clear, (6, [])), (add(B * 3), 0), (mark("m"), []), (play(7), ["m"])],
        A * 4 + B * 3,
        EarLedger(13, 7, 6, 0),
    ),
    Case("a clear of nothing is nothing", [(clear, (0, []))], b"", EarLedger(0, 0, 0, 0)),
    Case(
        "a dry gap is measured when it ends",
        [(add(A * 4), 0), (play(10), []), (add(B * 4), 6), (play(14), [])],
        A * 4 + QUIET * 6 + B * 4,
        EarLedger(8, 8, 0, 0),
    ),
    Case(
        "audio that comes just in time leaves no gap",
        [(add(A * 4), 0), (play(4), []), (add(B), 0), (play(5), [])],
        A * 4 + B,
        EarLedger(5, 5, 0, 0),
    ),
    Case(
        "there is no gap after the end of an utterance, nor after a clear",
        [(add(A), 0), (end, None), (play(5), []), (add(A), 0), (play(9), []), (clear, (0, [])), (add(A), 0)],
        A + QUIET * 4 + A + QUIET * 3,
        EarLedger(3, 2, 0, 1),
    ),
    Case("empty audio is nothing", [(add(b""), 0), (play(1), [])], QUIET, EarLedger(0, 0, 0, 0)),
    Case("time does not run backwards", [(play(3), []), (play(1), [])], QUIET * 3, EarLedger(0, 0, 0, 0)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.why)
def test_the_buffer_keeps_the_vendors_rules(case: Case) -> None:
    ear = Earpiece(MULAW_8K)
    for step, expected in case.steps:
        assert step(ear) == expected
    assert ear.heard() == case.heard
    assert ear.ledger == case.ledger


def test_the_next_mark_is_foretold_by_its_position() -> None:
    ear = Earpiece(MULAW_8K)
    ear.play(100)
    ear.add(A * 50)
    ear.mark("m")
    assert ear.next_mark == 150
    ear.play(120)
    assert ear.next_mark == 150
    ear.play(150)
    assert ear.next_mark is None


def test_two_byte_samples_are_counted_as_samples() -> None:
    ear = Earpiece(PCM16_16K)
    ear.add(b"\x01\x02" * 7)
    ear.play(3)
    assert ear.heard() == b"\x01\x02" * 3
    assert ear.ledger == EarLedger(7, 3, 0, 4)


STEPS = st.one_of(
    st.integers(0, 700).map(lambda n: add(A * n)),
    st.integers(0, 400).map(lambda n: lambda ear: ear.play(ear.position + n)),
    st.just(mark("m")),
    st.just(clear),
    st.just(end),
)


@given(st.lists(STEPS, max_size=30))
def test_whatever_happens_the_ledger_balances_and_the_track_is_as_long_as_the_call(steps: list[Step]) -> None:
    ear = Earpiece(MULAW_8K)
    for step in steps:
        step(ear)
        assert ear.ledger.balanced
        assert len(ear.heard()) == ear.position
        assert ear.heard().count(A) == ear.ledger.played
