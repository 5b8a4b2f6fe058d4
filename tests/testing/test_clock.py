"""Time jumps from deadline to deadline."""

import pytest

from trunkline.testing.clock import VirtualClock


class Alarm:
    """Goes off at each of ``times`` and writes down its name."""

    def __init__(self, name: str, times: list[float], story: list[tuple[str, float]]) -> None:
        self.name = name
        self.times = times
        self.story = story

    @property
    def deadline(self) -> float | None:
        return self.times[0] if self.times else None

    def tick(self, now: float) -> None:
        self.times.pop(0)
        self.story.append((self.name, now))


def test_alarms_go_off_in_order_and_ties_in_the_order_given() -> None:
    story: list[tuple[str, float]] = []
    clock = VirtualClock(0)
    parts = [Alarm("a", [1, 3, 5], story), Alarm("b", [2, 3], story)]
    assert not clock.run(parts, done=lambda: False)
    assert story == [("a", 1), ("b", 2), ("a", 3), ("b", 3), ("a", 5)]


def test_it_stops_when_done_and_when_the_time_is_up() -> None:
    story: list[tuple[str, float]] = []
    clock = VirtualClock(0)
    parts = [Alarm("a", [1, 3, 5], story)]
    assert clock.run(parts, done=lambda: len(story) == 1)
    assert clock.now == 1
    assert not clock.run(parts, done=lambda: False, until=4)
    assert (clock.now, len(story)) == (4, 2)


def test_a_deadline_in_the_past_is_due_now() -> None:
    story: list[tuple[str, float]] = []
    clock = VirtualClock(10)
    clock.run([Alarm("late", [3], story)], done=lambda: False)
    assert story == [("late", 10)]


def test_a_part_that_never_gets_on_is_named() -> None:
    class Restless:
        deadline = 1.0

        def tick(self, now: float) -> None:
            pass

    with pytest.raises(RuntimeError, match="Restless asks to be woken again and again"):
        VirtualClock(0).run([Restless()], done=lambda: False)
