import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio.timeline import Timeline

WRAP = 1 << 32


@given(st.integers(0, WRAP - 1), st.lists(st.integers(-(WRAP // 4), WRAP // 2 - 1), max_size=30))
def test_any_steps_below_half_a_wrap_are_followed(start: int, steps: list[int]) -> None:
    timeline = Timeline(8000, 8000)
    timeline.place(start)
    newest = start
    for step in steps:
        assert timeline.place((newest + step) % WRAP) == newest + step
        newest = max(newest, newest + step)


@pytest.mark.parametrize(("rate", "clock"), [(8000, 1000), (16000, 8000), (24000, 1000), (8000, 48000)])
def test_another_clock_is_converted(rate: int, clock: int) -> None:
    timeline = Timeline(rate, clock)
    assert timeline.place(0) == 0
    assert timeline.place(clock) == rate
    assert timeline.place(clock // 2) == rate // 2


def test_a_jump_moves_what_comes_after() -> None:
    timeline = Timeline(8000, 8000)
    timeline.place(0)
    timeline.jump(500)
    assert timeline.place(160) == 660
