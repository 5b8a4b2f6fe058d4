"""The virtual line, good and bad."""

from typing import NamedTuple

import pytest

from trunkline.testing.clock import VirtualClock
from trunkline.testing.link import LOST, Line, pair
from trunkline.testing.network import KERNEL_BYTES, Conditions, Path, dropping


class Case(NamedTuple):
    why: str
    conditions: Conditions
    sent_at_ms: list[int]
    arrived: list[tuple[int, int]]  # which message, at how many ms


CASES = [
    Case("a good line is instant", Conditions(), [0, 20], [(0, 0), (1, 20)]),
    Case("latency delays each message", Conditions(latency_ms=50), [0, 20], [(0, 50), (1, 70)]),
    Case(
        "a stall holds everything back and then lets it go at once",
        Conditions(stalls=((0.01, 0.1),)),
        [0, 20, 40, 60, 120],
        [(0, 0), (1, 100), (2, 100), (3, 100), (4, 120)],
    ),
    Case(
        "what was sent before a stall and arrives in it waits too",
        Conditions(latency_ms=15, stalls=((0.01, 0.1),)),
        [0, 90],
        [(0, 100), (1, 105)],
    ),
    Case(
        "a slow reader takes one message after the other",  # 100 bytes at 1,000 bytes a second
        Conditions(bytes_per_s=1000),
        [0, 0, 0, 500],
        [(0, 100), (1, 200), (2, 300), (3, 600)],
    ),
]


def arrivals(conditions: Conditions, sent_at_ms: list[int]) -> list[tuple[int, int]]:
    clock = VirtualClock(1000.0)
    got: list[tuple[int, int]] = []
    path = Path(conditions, clock, lambda data, binary: got.append((data[0], round((clock.now - 1000) * 1000))))
    for number, at in enumerate(sent_at_ms):
        clock.run([path], done=lambda: False, until=1000 + at / 1000)
        clock.now = 1000 + at / 1000
        path.send(bytes([number]) * 100, False)
    clock.run([path], done=lambda: False)
    return got


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.why)
def test_messages_arrive_when_the_line_lets_them(case: Case) -> None:
    assert arrivals(case.conditions, case.sent_at_ms) == case.arrived


def test_a_socket_with_jitter_keeps_the_order_and_loses_nothing() -> None:
    got = arrivals(Conditions(latency_ms=20, jitter_ms=100, seed=3), [20 * n for n in range(200)])
    assert [number for number, _ in got] == list(range(200))
    delays = [at - 20 * number for number, at in got]
    assert min(delays) >= 20
    assert max(delays) <= 120


def test_datagrams_are_lost_doubled_and_reordered() -> None:
    conditions = Conditions(datagrams=True, loss=0.1, duplication=0.1, reordering=0.1, seed=1)
    got = [number for number, _ in arrivals(conditions, [20 * n for n in range(200)])]
    assert len(set(got)) < 200
    assert len(got) > len(set(got))
    assert got != sorted(got)


def test_the_same_seed_is_the_same_line() -> None:
    conditions = Conditions(jitter_ms=100, datagrams=True, loss=0.2, seed=5)
    times = [20 * n for n in range(100)]
    assert arrivals(conditions, times) == arrivals(conditions, times)


def test_a_socket_that_loses_messages_is_refused() -> None:
    with pytest.raises(ValueError, match="a socket loses, doubles and reorders no messages"):
        Conditions(loss=0.1)


def test_the_sender_sees_its_buffer_grow_behind_a_reader_that_does_not_read() -> None:
    clock = VirtualClock()
    path = Path(Conditions(stalls=((0, 10),)), clock, lambda data, binary: None)
    path.send(bytes(KERNEL_BYTES), True)
    assert path.buffered() == 0
    path.send(bytes(1000), True)
    assert path.buffered() == 1000
    clock.run([path], done=lambda: False)
    assert path.buffered() == 0


def test_frames_are_dropped_at_the_rate_asked_for_and_alike_each_time() -> None:
    drop = dropping(0.1, seed=2)
    first = [drop(n) for n in range(10_000)]
    drop = dropping(0.1, seed=2)
    assert first == [drop(n) for n in range(10_000)]
    assert 900 < sum(first) < 1100


class Ear:
    """Writes down what arrives at an end."""

    def __init__(self) -> None:
        self.story: list[tuple[object, ...]] = []

    def received(self, data: bytes, binary: bool, now: float) -> None:
        self.story.append((data, binary))

    def closed(self, code: int, reason: str, now: float) -> None:
        self.story.append(("closed", code, reason))

    def lost(self, reason: str, now: float) -> None:
        self.story.append(("lost", reason))


def test_a_close_arrives_behind_what_was_sent_and_ends_both_directions() -> None:
    clock = VirtualClock()
    near, far, scissors = pair(Line(up=Conditions(latency_ms=30), down=Conditions(latency_ms=30)), clock)
    here, there = Ear(), Ear()
    near.attach(here)
    far.attach(there)
    near.send_text(b"1")
    near.send_binary(b"2")
    near.close(1000, "bye")
    near.close(1001, "twice")
    near.send_text(b"too late")
    far.send_text(b"crossed the close")
    clock.run([near.path, far.path, scissors], done=lambda: False)
    far.send_text(b"into the void")
    clock.run([near.path, far.path, scissors], done=lambda: False)
    assert there.story == [(b"1", False), (b"2", True), ("closed", 1000, "bye")]
    assert here.story == [("lost", "closed by this end")]


def test_a_lost_socket_takes_along_what_was_on_its_way_and_tells_both_ends() -> None:
    clock = VirtualClock()
    near, far, scissors = pair(Line(up=Conditions(latency_ms=1000), lost_at_s=0.5), clock)
    here, there = Ear(), Ear()
    near.attach(here)
    far.attach(there)
    near.send_text(b"never arrives")
    clock.run([near.path, far.path, scissors], done=lambda: False)
    near.send_text(b"nor does this")
    clock.run([near.path, far.path, scissors], done=lambda: False)
    assert here.story == there.story == [("lost", LOST)]
