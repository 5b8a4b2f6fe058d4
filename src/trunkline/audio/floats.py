"""Floating-point samples, the way models speak: ±1 is full scale."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trunkline.audio._kernels import Buffer
from trunkline.errors import AudioError

FLOAT: Final = "pcm_f32le"
"""Its name: IEEE 754 single precision, little-endian."""
SAMPLE_BYTES: Final = 4
_LOUDEST: Final = np.float32(32767 / 32768)


def to_pcm16(samples: NDArray[np.floating[Any]]) -> bytes:
    """Samples as PCM16: beyond full scale clipped, else rounded half to even; int16 / 32768 comes back exactly.

    Raises ``AudioError`` where a sample is no number or infinite: that is a fault of whoever made it, and no sound.
    """
    if not np.isfinite(samples).all():
        raise AudioError("samples that are NaN or infinite: floating-point audio lies between -1 and 1")
    scaled = np.clip(samples, -1, _LOUDEST) * 32768
    whole: NDArray[np.int16] = np.rint(scaled, out=scaled).astype("<i2")
    return whole.tobytes()


class FloatStream:
    """``pcm_f32le`` in pieces of any size in, PCM16 out. A sample cut in two waits for its other part."""

    __slots__ = ("_part",)

    def __init__(self) -> None:
        self._part = b""

    def process(self, data: Buffer) -> bytes:
        """The samples that ``data`` completes. Raises ``AudioError`` for what is no sound: then this piece is dropped
        whole, and the next goes on where it would have."""
        if not isinstance(data, Buffer):
            raise AudioError(f"audio must be bytes, not {type(data).__name__}")
        run = self._part + bytes(data)
        whole = len(run) - len(run) % SAMPLE_BYTES
        self._part = run[whole:]
        return to_pcm16(np.frombuffer(run[:whole], "<f4"))

    def reset(self) -> None:
        """Drop the part of a sample that waits."""
        self._part = b""
