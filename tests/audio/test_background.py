"""The second witness: what it makes of sounds over noise, and that a stream is its own in any batch."""

from collections.abc import Sequence

import numpy as np
import pytest

from noises import KINDS, Floats, noise, to_pcm16
from trunkline.audio.background import AROUND, FRAME, SLICE, Background, BackgroundStream
from trunkline.audio.dating import LATE, Evidence

LEVEL = 300.0  # of the noise, RMS
SECONDS = 3


def hiss(kind: str, seed: int = 7) -> Floats:
    wave = noise(kind, SECONDS * 8000 // FRAME * FRAME, seed=seed)
    loud: Floats = wave * (LEVEL / wave.std())
    return loud


def weigh(pcm16: bytes, probability: float | Sequence[float] = 0.01) -> list[Evidence]:
    """By one stream, of a model that thinks this of every frame, or of each."""
    background, stream = Background(), BackgroundStream()
    frames = [pcm16[at : at + 2 * FRAME] for at in range(0, len(pcm16), 2 * FRAME)]
    thought = [probability] * len(frames) if isinstance(probability, float) else probability
    return [background.weigh([stream], [frame], [p])[0] for frame, p in zip(frames, thought, strict=True)]


@pytest.mark.parametrize("kind", KINDS)
def test_steady_noise_is_no_voice(kind: str) -> None:
    settled = weigh(to_pcm16(hiss(kind)))[20:]
    assert np.mean([seen.weights for seen in settled]) < -2


@pytest.mark.parametrize("kind", ["white", "pink", "room"])
def test_what_stands_out_in_a_few_bands_is_dated_to_a_slice(kind: str) -> None:
    """As loud as the noise, all told."""
    first, last = 100, 120  # slices
    wave = hiss(kind)
    at = np.arange(first * SLICE, last * SLICE)
    wave[at] += LEVEL * np.sin(2 * np.pi * 840 * at / 8000) + LEVEL * np.sin(2 * np.pi * 1600 * at / 8000)
    doubtful = [0.6 if first <= 2 * frame < last else 0.1 for frame in range(len(wave) // FRAME)]
    weights = np.array([seen.weights for seen in weigh(to_pcm16(wave), doubtful)[LATE:]]).ravel()
    assert (weights[first:last] > 0).all()
    assert weights[first - 20 : first - AROUND].mean() < -2
    assert weights[last + AROUND : last + 20].mean() < -2


def test_a_model_that_is_surer_makes_more_of_the_same_sound() -> None:
    pcm16 = to_pcm16(hiss("white"))
    unsure, sure = (np.mean([seen.weights for seen in weigh(pcm16, p)[20:]]) for p in (0.1, 0.95))
    assert sure > unsure + 1


def test_what_the_model_thinks_is_about_the_sound_of_two_frames_ago() -> None:
    """It trails a voice; and the sound itself is judged when what follows it is known."""
    pcm16 = to_pcm16(hiss("white"))
    thinks = [0.95 if frame == 60 else 0.01 for frame in range(len(pcm16) // (2 * FRAME))]
    means = [np.mean(seen.weights) for seen in weigh(pcm16, thinks)]
    assert int(np.argmax(means[20:])) + 20 == 60  # … which stands where frame 60 - LATE is weighed
    click = np.frombuffer(pcm16, "<i2").copy()
    click[60 * FRAME : 61 * FRAME] = np.where(np.arange(FRAME) % 8 < 4, 8000, -8000)
    means = [np.mean(seen.weights) for seen in weigh(click.tobytes())]
    assert means[60 + LATE] > 0
    assert means[60] < -2
    assert means[60 + 2 * LATE + 1] < -2


def test_how_much_of_a_voice_the_noise_covers() -> None:
    def covered(level: float) -> float:
        wave = hiss("white") * (level / LEVEL)
        wave[len(wave) // 2 :] = 3000 * np.random.default_rng(1).standard_normal(len(wave[len(wave) // 2 :]))
        thinks = [0.99 if 2 * frame * FRAME >= len(wave) else 0.01 for frame in range(len(wave) // FRAME)]
        return weigh(to_pcm16(wave), thinks)[-1].covered

    at = [covered(level) for level in (10, 300, 1000, 2800)]  # the voice is 50, 20, 10 and under 1 dB over it
    assert at[0] == at[1] == 0
    assert 0 < at[2] < at[3]
    assert at[3] > 0.9


def test_noise_that_grows_becomes_background() -> None:
    wave = hiss("white")
    wave[len(wave) // 3 :] *= 10
    seen = weigh(to_pcm16(wave))
    step = len(seen) // 3 + 1
    assert np.mean([one.weights for one in seen[step + LATE : step + LATE + 3]]) > 0
    assert np.mean([one.weights for one in seen[-10:]]) < -2


def test_a_voice_that_was_there_from_the_start_is_told_from_the_noise_after_it() -> None:
    wave = hiss("white")
    wave[: len(wave) // 2] *= 10
    frames = len(wave) // FRAME
    half = frames // 2
    seen = weigh(to_pcm16(wave), [0.99 if frame < half else 0.3 for frame in range(frames)])
    assert np.mean([one.weights for one in seen[half + LATE + 1 :]]) < -2


@pytest.mark.parametrize(
    "pcm16",
    [
        bytes(20 * 2 * FRAME),
        np.full(20 * FRAME, -32768, "<i2").tobytes(),
        np.resize(np.array([32767, -32768], "<i2"), 20 * FRAME).tobytes(),
        np.random.default_rng(3).integers(-32768, 32767, 20 * FRAME).astype("<i2").tobytes(),
    ],
    ids=["silence", "full scale down", "full scale up and down", "full scale noise"],
)
@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_nothing_that_can_be_heard_makes_it_lose_its_numbers(pcm16: bytes, probability: float) -> None:
    for seen in weigh(pcm16, probability):
        assert np.isfinite(seen.weights).all()
        assert len(seen.weights) == FRAME // SLICE
        assert 0 <= seen.covered <= 1


def test_a_batch_gives_what_its_streams_give_one_by_one() -> None:
    takes = [to_pcm16(hiss(kind, seed)) for seed, kind in enumerate(KINDS)]
    background = Background()
    streams = [BackgroundStream() for _ in takes]
    alone = [weigh(take, 0.1 * i) for i, take in enumerate(takes)]
    for step in range(len(takes[0]) // (2 * FRAME)):
        frames = [take[2 * FRAME * step : 2 * FRAME * (step + 1)] for take in takes]
        together = background.weigh(streams, frames, [0.1 * i for i in range(len(takes))])
        for one, seen in zip(alone, together, strict=True):
            np.testing.assert_allclose(seen.weights, one[step].weights, atol=0.01)
            assert seen.covered == pytest.approx(one[step].covered, abs=0.001)


def test_no_streams_are_no_work() -> None:
    assert Background().weigh([], [], []) == []
