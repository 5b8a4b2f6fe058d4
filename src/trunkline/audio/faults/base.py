"""What a fault's file is given and what it gives back."""

from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]
Floats = NDArray[np.float64]

CHANNELS: Final = ("left", "right")


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong: a line of the report. Every text is whole by itself."""

    fault: str  # a short name, always the same for the same fault
    where: str  # which channel, from when
    evidence: str  # the figures it was told by
    cause: str  # what most likely made it, and what to do


class Take(msgspec.Struct, frozen=True):
    """A recording as PCM16: one array per channel, all of one length."""

    channels: tuple[Samples, ...]
    rate: int  # Hz

    def __iter__(self) -> Iterator[tuple[str, Samples]]:
        """Each channel with what to call it."""
        if len(self.channels) == 1:
            yield "all of it", self.channels[0]
            return
        for at, samples in enumerate(self.channels):
            yield f"{CHANNELS[at] if at < 2 else f'channel {at + 1}'}", samples

    def seconds(self, samples: int) -> float:
        return samples / self.rate


def at_time(where: str, take: Take, sample: int) -> str:
    """``where``, with the place of the first occurrence."""
    return f"{where}, first at {take.seconds(sample):.2f} s"


def blocks(samples: NDArray[np.generic], size: int) -> Floats:
    """Whole blocks of ``size`` samples, one a row; what is left over is dropped."""
    whole = len(samples) - len(samples) % size
    return np.asarray(samples[:whole], np.float64).reshape(-1, size)


def loudness(samples: NDArray[np.generic], size: int) -> Floats:
    """RMS of each block about its mean, in LSB."""
    return np.asarray(blocks(samples, size).std(axis=1))


def step(samples: Samples) -> int:
    """The least a sample differs from silence by: 1 LSB, or 256 where there were but 8 bits."""
    heights = np.abs(samples.astype(np.int32))
    return int(heights[heights > 0].min(initial=np.iinfo(np.int16).max))
