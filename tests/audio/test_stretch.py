from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio.stretch import lengthen, shorten

RATE = 8000


def hum(hz: float, samples: int = 160) -> np.ndarray:
    t = np.arange(samples) / RATE
    wave: np.ndarray = 5000 * (np.sin(2 * np.pi * hz * t) + 0.5 * np.sin(4 * np.pi * hz * t))
    return wave


def noise(rms: float, samples: int = 160) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(samples) * rms


@pytest.mark.parametrize("hz", [110, 150, 200, 250, 390])
def test_a_voice_loses_or_gains_whole_pitch_periods(hz: float) -> None:
    frame = hum(hz)
    for change in (shorten, lengthen):
        new = change(frame, RATE)
        assert new is not None
        periods = abs(len(new) - len(frame)) * hz / RATE
        assert periods == pytest.approx(round(periods), abs=0.06)
        assert round(periods) >= 1


@pytest.mark.parametrize("change", [shorten, lengthen])
@pytest.mark.parametrize("hz", [110, 150, 200, 250, 390])
def test_both_ends_stay_and_no_step_is_steeper_than_before(change: Callable[..., np.ndarray], hz: float) -> None:
    frame = hum(hz)
    new = change(frame, RATE)
    assert abs(new[0] - frame[0]) < 600
    assert new[-1] == frame[-1]
    assert np.abs(np.diff(new)).max() <= 1.15 * np.abs(np.diff(frame)).max()


@pytest.mark.parametrize("change", [shorten, lengthen])
def test_in_a_pause_half_the_frame_will_do(change: Callable[..., np.ndarray]) -> None:
    assert abs(len(change(noise(30), RATE)) - 160) == 80
    assert abs(len(change(np.zeros(160), RATE)) - 160) == 80


@pytest.mark.parametrize("change", [shorten, lengthen])
def test_what_does_not_resemble_itself_is_left_alone_unless_it_is_urgent(change: Callable[..., np.ndarray]) -> None:
    assert change(noise(3000), RATE) is None
    assert abs(len(change(noise(3000), RATE, urgent=True)) - 160) >= 20


@given(st.integers(0, 500), st.booleans())
def test_any_length_is_changed_by_at_most_half_or_not_at_all(samples: int, urgent: bool) -> None:
    for change in (shorten, lengthen):
        new = change(hum(140, samples), RATE, urgent=urgent)
        if new is not None:
            assert 20 <= abs(len(new) - samples) <= samples // 2
        else:
            assert samples < 40 or not urgent
