import numpy as np
import pytest

from trunkline.audio.delay import DelayEstimate


def estimate(start_ms: float = 60) -> DelayEstimate:
    return DelayEstimate(min_s=0.02, max_s=0.2, start_s=start_ms / 1000)


def feed(delay: DelayEstimate, delays_ms: list[float], *, start: float = 0.0, transit_s: float = 7.0) -> float:
    """One packet every 20 ms, each so much slower than ``transit_s``; the time after the last."""
    for n, ms in enumerate(delays_ms):
        at = start + n * 0.02
        delay.observe(transit_s + ms / 1000, at + ms / 1000)
    return start + len(delays_ms) * 0.02


def test_before_anything_is_known_the_target_is_what_it_was_told() -> None:
    assert estimate(80).target_s == 0.08


def test_an_even_stream_needs_the_least() -> None:
    delay = estimate()
    feed(delay, [0.0] * 100)
    assert delay.target_s == 0.02


def test_the_target_covers_nearly_all_delays() -> None:
    rng = np.random.default_rng(1)
    delays = [float(d) for d in rng.exponential(12, 5000)]
    delay = estimate()
    feed(delay, delays)
    assert np.mean(np.array(delays) / 1000 > delay.target_s) < 0.005


def test_one_spike_in_a_minute_does_not_raise_the_target() -> None:
    delay = estimate()
    feed(delay, [0.0] * 1500 + [180.0] + [0.0] * 1500)
    assert delay.target_s == 0.02


def test_after_a_day_a_change_is_learnt_as_after_a_minute() -> None:
    fresh, old = estimate(), estimate()
    for half_seconds in range(2 * 86_400):  # one packet in each is all it takes
        old.observe(7.0, half_seconds * 0.5)
    feed(fresh, [0.0] * 3000)
    now = feed(old, [0.0] * 3000, start=90_000.0)
    for delay, at in ((fresh, 60.0), (old, now)):
        feed(delay, [0.0, 80.0] * 300, start=at)
    assert fresh.target_s == old.target_s > 0.07


def test_spikes_every_second_do() -> None:
    delay = estimate()
    feed(delay, ([0.0] * 49 + [120.0]) * 30)
    assert delay.target_s == pytest.approx(0.125)


@pytest.mark.parametrize("ppm", [-500, 500])
def test_a_drifting_clock_is_no_delay(ppm: int) -> None:
    delay = estimate()
    for n in range(20_000):
        delay.observe(n * 0.02 * ppm * 1e-6, n * 0.02)
    assert delay.target_s == 0.02
    assert delay.fastest_s == pytest.approx(20_000 * 0.02 * ppm * 1e-6, abs=0.0011)


def test_the_fastest_is_forgotten_after_two_seconds() -> None:
    delay = estimate()
    feed(delay, [0.0])
    end = feed(delay, [30.0] * 150, start=0.02)
    assert delay.fastest_s == pytest.approx(7.03)
    assert delay.fastest_at(end) == pytest.approx(7.03)
    assert delay.fastest_at(end + 3) is None
