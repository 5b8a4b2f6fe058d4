"""Silero voice activity at 8 kHz: what goes into the model, what comes out, what is kept between frames.

The contract of the model (``silero_vad.onnx`` and ``silero_vad_op18_ifless.onnx``, versions 5 and 6) for B streams:

    input  float32 [B, 32 + 256]    the last 32 samples of the previous frame, then the frame, full scale = 1
    state  float32 [2, B, 128]      zeros at first, then the previous answer's
    sr     int64   8000
    ->     float32 [B, 1]           probability of speech
           float32 [2, B, 128]      the next state

Whatever runs the model is passed in as a function, so this file needs none.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Infer = Callable[[Floats, Floats], tuple[NDArray[Any], NDArray[Any]]]
"""``(input, state) -> (probabilities, next state)``, in the shapes above."""

CONTEXT: Final = 32  # samples


class SileroStream:
    """What the model remembers of one stream: about 1.2 KB."""

    __slots__ = ("context", "state")

    def __init__(self) -> None:
        self.context: Floats = np.zeros(CONTEXT, np.float32)
        self.state: Floats = np.zeros((2, 1, 128), np.float32)


class Silero:
    """A ``Detector`` that asks one model about the frames of many streams at once."""

    rate = 8000
    frame_samples = 256

    def __init__(self, infer: Infer) -> None:
        self._infer = infer

    def stream(self) -> SileroStream:
        return SileroStream()

    def probabilities(self, streams: Sequence[SileroStream], frames: Sequence[bytes]) -> list[float]:
        """Safe on another thread as long as no stream is in two batches at a time."""
        if not streams:
            return []
        batch = np.empty((len(streams), CONTEXT + self.frame_samples), np.float32)
        samples = np.frombuffer(b"".join(frames), "<i2").reshape(len(streams), self.frame_samples)
        np.multiply(samples, np.float32(1 / 32768), out=batch[:, CONTEXT:])
        for row, stream in enumerate(streams):
            batch[row, :CONTEXT] = stream.context
        found, state = self._infer(batch, np.concatenate([s.state for s in streams], axis=1))
        for row, stream in enumerate(streams):
            # Copies: views would keep the whole batch alive for as long as one of its streams is quiet.
            stream.context = batch[row, -CONTEXT:].copy()
            stream.state = state[:, row : row + 1].copy()
        return [float(p) for p in found[:, 0]]
