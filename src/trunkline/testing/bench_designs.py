"""The ways people resample and code phone audio, behind one face, to measure ours against."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.signal import firwin, resample_poly

from trunkline.audio import g711
from trunkline.audio.resample import Resampler
from trunkline.testing import resampling

Samples = NDArray[np.int16]

FRAME_MS = 20


class Streaming(Protocol):
    def process(self, pcm16: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def samples_of(pcm16: bytes) -> Samples:
    return np.frombuffer(pcm16, "<i2")


def bytes_of(values: NDArray[Any]) -> bytes:
    whole: Samples = np.clip(np.rint(values), -32768, 32767).astype("<i2")
    return whole.tobytes()


class SoxrStream:
    """What most bridges use."""

    def __init__(self, from_rate: int, to_rate: int) -> None:
        self._soxr = soxr.ResampleStream(from_rate, to_rate, 1, dtype="int16", quality="HQ")

    def process(self, pcm16: bytes) -> bytes:
        return bytes(self._soxr.resample_chunk(samples_of(pcm16)).tobytes())

    def flush(self) -> bytes:
        return bytes(self._soxr.resample_chunk(np.zeros(0, np.int16), last=True).tobytes())


class ScipyPerChunk:
    """Each frame resampled by itself, by SciPy's own default filter, designed beforehand."""

    def __init__(self, from_rate: int, to_rate: int) -> None:
        common = int(np.gcd(from_rate, to_rate))
        self._up, self._down = to_rate // common, from_rate // common
        longest = max(self._up, self._down)
        self._taps = firwin(20 * longest + 1, 1 / longest, window=("kaiser", 5.0)).astype(np.float32)

    def process(self, pcm16: bytes) -> bytes:
        return bytes_of(resample_poly(samples_of(pcm16).astype(np.float32), self._up, self._down, window=self._taps))

    def flush(self) -> bytes:
        return b""


DESIGNS: dict[str, Callable[[int, int], Streaming]] = {
    "trunkline": Resampler,
    "soxr stream HQ": SoxrStream,
    "scipy per chunk": ScipyPerChunk,
}


def frames_of(audio: bytes, frame_bytes: int) -> list[bytes]:
    return [audio[at : at + frame_bytes] for at in range(0, len(audio), frame_bytes)]


def in_frames(design: str, from_rate: int, to_rate: int) -> resampling.Through:
    """A whole recording through ``design``, one frame after the other."""

    def through(pcm16: bytes) -> bytes:
        stream = DESIGNS[design](from_rate, to_rate)
        pieces = [stream.process(frame) for frame in frames_of(pcm16, from_rate * 2 * FRAME_MS // 1000)]
        return b"".join([*pieces, stream.flush()])

    return through


# --- G.711 without a compiler --------------------------------------------------------------------------------

DECODED = samples_of(g711.decode_mulaw(bytes(range(256))))
ENCODED = np.frombuffer(g711.encode_mulaw(np.arange(65536).astype(np.uint16).tobytes()), np.uint8)


def loop_decode(mulaw: bytes) -> bytes:
    out = bytearray()
    for code in mulaw:
        b = ~code & 0xFF
        magnitude = (((b & 15) << 3) + 0x84 << (b >> 4 & 7)) - 0x84
        out += (-magnitude if b & 0x80 else magnitude).to_bytes(2, "little", signed=True)
    return bytes(out)


def loop_encode(pcm16: bytes) -> bytes:
    out = bytearray()
    for at in range(0, len(pcm16), 2):
        x = int.from_bytes(pcm16[at : at + 2], "little", signed=True) >> 2
        magnitude = min((x if x >= 0 else ~x) + 33, 0x1FFF)
        segment = magnitude.bit_length() - 6
        out.append(~(segment << 4 | magnitude >> segment + 1 & 15 | (0x80 if x < 0 else 0)) & 0xFF)
    return bytes(out)


def take_decode(mulaw: bytes) -> bytes:
    return DECODED[np.frombuffer(mulaw, np.uint8)].tobytes()


def take_encode(pcm16: bytes) -> bytes:
    return ENCODED[samples_of(pcm16).view(np.uint16)].tobytes()
