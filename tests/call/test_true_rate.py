"""Whether a wrong rate is told from everything else that makes audio come too slowly or too fast."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_world import FRAME, World

from trunkline.call.true_rate import RATES, WINDOW_S, WINDOWS, TrueRate
from trunkline.wire.events import AudioHeard, AudioMissing

START = 5_000.25


def told(rate: int, arrivals: Iterator[tuple[float, int]], *, look_every_s: float = 0.7) -> list[int]:
    """What is said of audio that arrives so: (seconds, samples), in order. A second without any is known to a call."""
    true_rate = TrueRate(rate, START)
    samples, last_at, look_at, found = 0, 0.0, look_every_s, []
    for at, size in arrivals:
        while at >= look_at:
            if look_at - last_at >= 1:
                true_rate.restart(samples, START + look_at)
            if measured := true_rate.look(samples, START + look_at):
                found.append(measured)
            look_at += look_every_s
        samples += size
        last_at = at
    return found


def even(rate: int, seconds: float = 20) -> Iterator[tuple[float, int]]:
    for n in range(int(50 * seconds)):
        yield 0.02 * (n + 1), rate // 50


@pytest.mark.parametrize("real", RATES)
@pytest.mark.parametrize("announced", RATES)
def test_every_rate_is_told_from_every_other_once(announced: int, real: int) -> None:
    found = told(announced, even(real))
    if real == announced:
        assert found == []
    else:
        assert len(found) == 1
        assert found[0] == pytest.approx(real, rel=0.02)


def test_it_takes_some_seconds_and_no_more() -> None:
    needed = WINDOWS * (WINDOW_S + 0.7)
    assert told(24000, even(8000, needed + 0.7)) != []
    assert told(24000, even(8000, WINDOWS * WINDOW_S)) == []


@pytest.mark.parametrize("rate", [8000, 16000, 24000])
@pytest.mark.parametrize("skew", [0.999, 1.001, 0.98, 1.02])
def test_a_crystal_that_is_off_is_no_wrong_rate(rate: int, skew: float) -> None:
    assert told(rate, ((at * skew, size) for at, size in even(rate, 60))) == []


@pytest.mark.parametrize("rate", [8000, 16000, 24000])
@pytest.mark.parametrize(
    ("every_s", "for_s"), [(1, 0.2), (1, 0.9), (2.1, 0.6), (2, 1.5), (3, 2.8), (7, 5), (0.5, 0.45)]
)
def test_stalls_however_regular_are_no_wrong_rate(rate: int, every_s: float, for_s: float) -> None:
    def stalled() -> Iterator[tuple[float, int]]:
        for at, size in even(rate, 60):
            late = at % every_s
            yield (at - late + for_s if late < for_s else at), size

    assert told(rate, stalled()) == []


@pytest.mark.parametrize("burst_s", [0.5, 2, 10])
def test_what_piled_up_before_the_start_is_no_wrong_rate(burst_s: float) -> None:
    def piled() -> Iterator[tuple[float, int]]:
        yield 0.001, int(16000 * burst_s)
        yield from even(16000, 60)

    assert told(16000, piled()) == []


@given(st.integers(0, 10**6), st.sampled_from([8000, 16000, 24000]), st.floats(0, 0.3), st.floats(0.85, 1))
def test_jitter_and_some_loss_are_no_wrong_rate(seed: int, rate: int, jitter_s: float, kept: float) -> None:
    dice = random.Random(seed)

    def shaken() -> Iterator[tuple[float, int]]:
        last = 0.0
        for at, size in even(rate, 30):
            last = max(last, at + jitter_s * dice.random())
            if dice.random() < kept:
                yield last, size

    assert told(rate, shaken()) == []


@given(st.integers(0, 10**6), st.sampled_from([(24000, 8000), (8000, 24000), (16000, 8000), (16000, 24000)]))
def test_a_wrong_rate_is_found_on_a_line_with_jitter(seed: int, rates: tuple[int, int]) -> None:
    announced, real = rates
    dice = random.Random(seed)

    def shaken() -> Iterator[tuple[float, int]]:
        last = 0.0
        for at, size in even(real, 30):
            last = max(last, at + 0.1 * dice.random())
            yield last, size

    (found,) = told(announced, shaken())
    assert found == pytest.approx(real, rel=0.05)


def test_a_pause_begins_the_measuring_anew() -> None:
    true_rate = TrueRate(16000, START)
    samples = 0
    for n in range(1, 60):  # half of the time nothing is sent, as a platform does that does not want to be interrupted
        samples += 8000
        if n % 4 == 0:
            true_rate.restart(samples, START + n)
        assert true_rate.look(samples, START + n) == 0


# --- in a call ---------------------------------------------------------------------------------------------------


def feed(world: World, seconds: float, audio: bytes, hole: AudioMissing | None = None) -> None:
    """A message with ``audio`` every 20 ms, a hole before each."""
    for _ in range(int(seconds * 50)):
        world.run(0.02, caller=False)
        if hole is not None:
            world.happen(hole)
        world.happen(AudioHeard(audio))


def rates(world: World) -> tuple[int, list[dict[str, object]]]:
    noted = world.noted("caller audio at another rate than announced")
    return world.call.session.measured_rate, [dict(note.fields) for note in noted]


@pytest.mark.parametrize("audio", [FRAME * 3, FRAME * 2])
def test_a_call_says_so_once_and_keeps_it_in_its_record(audio: bytes) -> None:
    world = World()
    world.start()
    feed(world, 20, audio)
    measured, noted = rates(world)
    assert measured == pytest.approx(50 * len(audio), rel=0.02)
    assert noted == [{"announced_hz": 8000, "measured_hz": measured}]
    assert world.record is None, "the call goes on"
    assert len(world.agent.heard) == 50 * 20 * len(audio), "and nothing is made of the audio but what its format says"


def test_holes_that_the_platform_numbered_are_audio_that_was_sent() -> None:
    world = World()
    world.start()
    feed(world, 20, FRAME[:80], AudioMissing(80, lost=True))
    assert rates(world) == (0, [])


def test_silence_that_is_not_sent_is_no_wrong_rate() -> None:
    world = World()
    world.start()
    for _ in range(20):
        feed(world, 0.5, FRAME)
        world.run(0.5, caller=False)
        world.happen(AudioMissing(4000, lost=False))
    assert rates(world) == (0, [])


def test_a_line_that_is_dead_half_of_the_time_is_no_wrong_rate() -> None:
    world = World()
    world.start()
    for _ in range(6):
        feed(world, 2, FRAME)
        world.run(2, caller=False)
    assert rates(world) == (0, [])
