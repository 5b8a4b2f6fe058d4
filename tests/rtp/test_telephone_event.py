from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorded import vectors
from trunkline.errors import RemoteError
from trunkline.rtp.telephone_event import (
    DIGITS,
    EventHeard,
    EventPacket,
    EventReceiver,
    TelephoneEvent,
    press,
)

VECTORS = vectors("telephone_event", "rtp")


def name_of(vector: dict[str, Any]) -> str:
    return str(vector["name"])


@pytest.mark.parametrize("vector", VECTORS, ids=name_of)
def test_payloads_give_their_event_or_their_error(vector: dict[str, Any]) -> None:
    payload = bytes.fromhex(vector["hex"])
    if "error" in vector:
        with pytest.raises(RemoteError) as caught:
            TelephoneEvent.parse(payload)
        assert str(caught.value) == vector["error"]
        return
    event = TelephoneEvent.parse(payload)
    assert event == TelephoneEvent(vector["event"], vector["end"], vector["volume"], vector["duration"])
    if "one_way" not in vector:
        assert event.build() == payload


def hear(packets: list[tuple[float, EventPacket]], *, ssrc: int = 1, until: float | None = None) -> list[EventHeard]:
    """Feed packets at their times, then let time pass."""
    receiver = EventReceiver()
    heard: list[EventHeard] = []
    now = 0.0
    for now, packet in packets:
        heard += receiver.receive(packet.payload, packet.timestamp, ssrc, marker=packet.marker, now=now)
    due = receiver.get_timer()
    if due is not None:
        heard += receiver.handle_timer(due - 0.001)
        heard += receiver.handle_timer(max(due, now))
    assert receiver.get_timer() is None
    return heard


def at_its_time(packets: list[EventPacket], start: float = 0.0) -> list[tuple[float, EventPacket]]:
    return [(start + p.after_ms / 1000, p) for p in packets]


FIVE = list(press("5", timestamp=1000, rate=8000, ms=100))


def test_a_press_is_five_growing_packets_and_its_end_thrice() -> None:
    assert [p.after_ms for p in FIVE] == [20, 40, 60, 80, 100, 120, 140]
    assert [p.payload.hex() for p in FIVE] == [
        "050a00a0",
        "050a0140",
        "050a01e0",
        "050a0280",
        "058a0320",
        "058a0320",
        "058a0320",
    ]
    assert [p.marker for p in FIVE] == [True] + [False] * 6
    assert {p.timestamp for p in FIVE} == {1000}


FULL = EventHeard(5, 800)
LOSSES: list[tuple[list[int], list[EventHeard], str]] = [
    ([0, 1, 2, 3, 4, 5, 6], [FULL], "whole"),
    ([4, 5, 6], [FULL], "only the end packets"),
    ([6], [FULL], "only the last packet"),
    ([0, 1, 2, 3], [EventHeard(5, 640)], "all end packets lost"),
    ([0], [EventHeard(5, 160)], "only the first packet"),
    ([0, 0, 1, 1, 4, 4, 5, 5], [FULL], "everything doubled"),
    ([2, 0, 1, 5, 4, 3, 6], [FULL], "out of order"),
    ([6, 0, 1, 2, 3, 4, 5], [FULL], "the end first"),
    ([], [], "nothing"),
]


@pytest.mark.parametrize(("kept", "heard", "why"), LOSSES, ids=[why for _, _, why in LOSSES])
def test_a_press_is_heard_once_whatever_is_lost(kept: list[int], heard: list[EventHeard], why: str) -> None:
    packets = [(n * 0.02, FIVE[i]) for n, i in enumerate(kept)]
    assert hear(packets) == heard


def test_the_same_key_twice_is_two_presses() -> None:
    again = list(press("5", timestamp=1000 + 1600, rate=8000, ms=100))
    assert hear(at_its_time(FIVE) + at_its_time(again, 0.2)) == [FULL, FULL]


def test_the_next_key_ends_one_whose_end_was_lost() -> None:
    six = list(press("6", timestamp=2200, rate=8000, ms=60))
    assert hear(at_its_time(FIVE[:3]) + at_its_time(six, 0.15)) == [EventHeard(5, 480), EventHeard(6, 480)]


def test_the_same_key_again_ends_one_whose_end_was_lost() -> None:
    again = list(press("5", timestamp=2200, rate=8000, ms=100))
    assert hear(at_its_time(FIVE[:3]) + at_its_time(again, 0.15)) == [EventHeard(5, 480), FULL]


@pytest.mark.parametrize("digit", DIGITS)
def test_every_key_arrives_as_itself(digit: str) -> None:
    (heard,) = hear(at_its_time(list(press(digit, timestamp=0, rate=8000))))
    assert heard.digit == digit


def test_a_flash_is_no_digit() -> None:
    assert EventHeard(16, 100).digit is None


LONG = list(press("#", timestamp=0xFFFFFF00, rate=8000, ms=20_000))


def test_a_long_press_is_cut_into_segments_and_heard_as_one() -> None:
    assert len({p.timestamp for p in LONG}) == 3
    assert sum(p.marker for p in LONG) == 1
    assert hear(at_its_time(LONG)) == [EventHeard(11, 160_000)]


def test_a_long_press_survives_losses_at_its_seams() -> None:
    seams = {i for i, (a, b) in enumerate(pairwise(LONG)) if a.timestamp != b.timestamp}
    kept = [p for i, p in enumerate(LONG) if not any(seam - 1 <= i <= seam + 2 for seam in seams)]
    assert hear(at_its_time(kept)) == [EventHeard(11, 160_000)]


def test_a_late_packet_of_a_finished_segment_begins_no_new_press() -> None:
    at = next(i for i, (a, b) in enumerate(pairwise(LONG)) if a.timestamp != b.timestamp)
    swapped = [*LONG[:at], LONG[at + 1], LONG[at], *LONG[at + 2 :]]
    assert hear([(n * 0.02, p) for n, p in enumerate(swapped)]) == [EventHeard(11, 160_000)]


def test_other_clocks_have_other_durations() -> None:
    last = list(press("1", timestamp=0, rate=48000, ms=100))[-1]
    assert TelephoneEvent.parse(last.payload).duration == 4800


@pytest.mark.parametrize("key", ["", "55", "E", "x", "٣"])
def test_what_is_no_key_is_not_pressed(key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        list(press(key, timestamp=0, rate=8000))


def test_a_timestamp_may_be_used_again_much_later() -> None:
    receiver = EventReceiver()
    heard = []
    for start in (0.0, 60.0):
        for p in FIVE:
            heard += receiver.receive(p.payload, p.timestamp, 1, marker=p.marker, now=start + p.after_ms / 1000)
    assert heard == [FULL, FULL]


@given(st.lists(st.tuples(st.sampled_from(DIGITS), st.integers(40, 400)), max_size=6), st.randoms())
def test_any_presses_over_a_bad_line_are_heard_once_and_in_order(presses: list[tuple[str, int]], random: Any) -> None:
    packets: list[tuple[float, EventPacket]] = []
    start = 0.0
    expected = ""
    for digit, ms in presses:
        sent = at_its_time(list(press(digit, timestamp=int(start * 8000), rate=8000, ms=ms)), start)
        kept = [p for p in sent if random.random() > 0.4]
        if kept:
            expected += digit
        packets += [p for p in kept for _ in range(random.choice((1, 1, 2)))]
        start += ms / 1000 + 0.5
    receiver = EventReceiver()
    heard = ""
    for now, p in packets:
        due = receiver.get_timer()
        gone = receiver.handle_timer(due) if due is not None and due <= now else []
        gone += receiver.receive(p.payload, p.timestamp, 1, marker=p.marker, now=now)
        heard += "".join(event.digit or "?" for event in gone)
    heard += "".join(event.digit or "?" for event in receiver.handle_timer(start + 1))
    assert heard == expected


@given(st.lists(st.tuples(st.binary(max_size=6), st.integers(0, 3), st.booleans()), max_size=30))
def test_any_payloads_give_events_or_a_remote_error(seen: list[tuple[bytes, int, bool]]) -> None:
    receiver = EventReceiver()
    for n, (payload, timestamp, marker) in enumerate(seen):
        try:
            receiver.receive(payload, timestamp * 160, 1, marker=marker, now=n * 0.02)
        except RemoteError:
            assert len(payload) < 4
