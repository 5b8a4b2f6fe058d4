"""What goes into the Silero model and what is kept: with a model of our own, and with the real one."""

import numpy as np
import pytest
from numpy.typing import NDArray

from trunkline.ai.models import find_silero
from trunkline.ai.providers import silero
from trunkline.audio.silero import CONTEXT, Floats, Silero


class Recorder:
    """Remembers what it was given; answers with the mean of each frame, and adds 1 to the state."""

    def __init__(self) -> None:
        self.asked: list[tuple[Floats, Floats]] = []

    def __call__(self, frames: Floats, state: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        self.asked.append((frames.copy(), state.copy()))
        return frames[:, CONTEXT:].mean(axis=1, keepdims=True), state + 1


def frame(value: int) -> bytes:
    return np.full(256, value, "<i2").tobytes()


def test_a_frame_comes_after_the_last_samples_of_the_frame_before() -> None:
    model = Recorder()
    detector = Silero(model)
    stream = detector.stream()
    assert detector.probabilities([stream], [frame(16384)]) == [0.5]
    detector.probabilities([stream], [frame(-32768)])
    (first, _), (second, _) = model.asked
    assert first.shape == second.shape == (1, 32 + 256)
    assert (first[0, :32] == 0).all()
    assert (second[0, :32] == 0.5).all()
    assert (second[0, 32:] == -1).all()


def test_state_stays_with_its_stream_whatever_the_batch() -> None:
    model = Recorder()
    detector = Silero(model)
    a, b, c = detector.stream(), detector.stream(), detector.stream()
    detector.probabilities([a, b], [frame(0), frame(0)])
    detector.probabilities([b, c], [frame(0), frame(0)])
    frames, state = model.asked[1]
    assert frames.shape == (2, 288)
    assert state.shape == (2, 2, 128)
    assert [state[0, row, 0] for row in range(2)] == [1, 0]
    assert [s.state[0, 0, 0] for s in (a, b, c)] == [1, 2, 1]


def test_no_streams_need_no_model() -> None:
    model = Recorder()
    assert Silero(model).probabilities([], []) == []
    assert model.asked == []


def test_a_batch_gives_what_its_frames_give_one_by_one() -> None:
    file = find_silero()
    if file is None:
        pytest.skip("the Silero model is not there: run 'trunkline models'")
    detector = Silero(silero.load(file))
    noise = np.random.default_rng(7).normal(0, 3000, (5, 12, 256)).astype("<i2")
    together = [detector.stream() for _ in noise]
    alone = [detector.stream() for _ in noise]
    for step in range(noise.shape[1]):
        frames = [row[step].tobytes() for row in noise]
        batch = detector.probabilities(together, frames)
        singles = [detector.probabilities([s], [f])[0] for s, f in zip(alone, frames, strict=True)]
        np.testing.assert_allclose(batch, singles, atol=1e-5)
