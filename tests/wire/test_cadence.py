"""Audio that comes at another rate than it was said to have is noticed; bad lines and silent ones are not mistaken."""

import random

import pytest

from trunkline.wire._cadence import Cadence


def told(announced: int, arrivals: list[tuple[float, int]]) -> list[int]:
    """What is said of packets of so many samples that come at these times."""
    cadence = Cadence(announced)
    return [rate for now, samples in sorted(arrivals) if (rate := cadence.push(samples, 1000.0 + now))]


def packets(rate: int, seconds: float, every_ms: int = 20) -> list[tuple[float, int]]:
    return [(n * every_ms / 1000, rate * every_ms // 1000) for n in range(int(1000 * seconds / every_ms))]


@pytest.mark.parametrize("every_ms", [10, 20, 60, 100, 200])
@pytest.mark.parametrize(
    ("announced", "sent"), [(24000, 8000), (16000, 8000), (24000, 16000), (8000, 16000), (8000, 24000), (16000, 24000)]
)
def test_a_wrong_rate_is_told_within_five_seconds_and_again_every_two(announced: int, sent: int, every_ms: int) -> None:
    rates = told(announced, packets(sent, 5, every_ms))
    assert rates
    assert rates[0] == pytest.approx(sent, rel=0.02)
    assert len(told(announced, packets(sent, 21, every_ms))) == pytest.approx(9, abs=1)


@pytest.mark.parametrize("rate", [8000, 16000, 24000])
@pytest.mark.parametrize("every_ms", [10, 20, 60, 200, 500])
def test_the_right_rate_is_never_told(rate: int, every_ms: int) -> None:
    assert told(rate, packets(rate, 60, every_ms)) == []


def test_a_clock_that_is_a_little_off_is_no_other_rate() -> None:
    assert told(8000, [(at * 1.02, samples) for at, samples in packets(8000, 60)]) == []


@pytest.mark.parametrize("stall_s", [0.2, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("every_s", [4.0, 7.0])
def test_a_line_that_stalls_and_catches_up_is_not_mistaken(stall_s: float, every_s: float) -> None:
    arrivals = [(at if at % every_s >= stall_s else at - at % every_s + stall_s, n) for at, n in packets(8000, 60)]
    assert told(8000, arrivals) == []


def test_jitter_is_not_mistaken() -> None:
    dice = random.Random(7)
    assert told(8000, [(at + 0.06 * dice.random(), n) for at, n in packets(8000, 60)]) == []


@pytest.mark.parametrize("talk_s", [0.5, 1.5, 4.0])
@pytest.mark.parametrize("pause_s", [0.5, 1.0, 5.0])
def test_silence_that_is_not_sent_is_not_mistaken(talk_s: float, pause_s: float) -> None:
    spoken = [(at, n) for at, n in packets(8000, 60) if at % (talk_s + pause_s) < talk_s]
    assert told(8000, spoken) == []


def test_five_percent_that_are_lost_are_not_mistaken() -> None:
    dice = random.Random(5)
    assert told(8000, [packet for packet in packets(8000, 60) if dice.random() > 0.05]) == []


def test_a_wrong_rate_shows_even_where_silence_is_not_sent() -> None:
    spoken = [(at, n) for at, n in packets(8000, 20) if at % 3 < 2]
    assert told(24000, spoken)[0] == pytest.approx(8000, rel=0.05)
