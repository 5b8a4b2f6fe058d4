"""A call's audio, as it comes off the wire, cut into the frames a detector wants."""

from collections.abc import Callable
from typing import Final

import msgspec

from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, AudioFormat
from trunkline.audio.g711 import decode_alaw, decode_mulaw

HEARS: Final[tuple[AudioFormat, ...]] = (MULAW_8K, ALAW_8K, PCM16_8K)
"""The formats that can be cut: telephone audio as it comes, so that no phone is resampled to be listened to."""

GAP_S: Final = 1.0
"""No audio for longer than this, and what follows is a new beginning: the detector's memory is of another time."""


def _as_it_is(pcm16: bytes) -> bytes:
    return pcm16


_TO_PCM16: Final[dict[AudioFormat, Callable[[bytes], bytes]]] = {
    MULAW_8K: decode_mulaw,
    ALAW_8K: decode_alaw,
    PCM16_8K: _as_it_is,
}


class Frame(msgspec.Struct, gc=False):
    """``pcm16`` of one detector frame. ``fresh``: it does not continue the frame before it. ``lost``: so many frames
    between that one and this were dropped."""

    pcm16: bytes
    fresh: bool = False
    lost: int = 0


class Framer:
    """Cuts one stream. Push what arrives, take the frames it completes."""

    def __init__(self, hears: AudioFormat, frame_samples: int) -> None:
        self._to_pcm16 = _TO_PCM16[hears]
        self._frame_bytes = 2 * frame_samples
        self._rest = bytearray()
        self._heard_at: float | None = None
        self._fresh = False

    def push(self, audio: bytes, now: float) -> list[Frame]:
        """``audio`` of any length, heard at ``now`` (seconds, monotonic)."""
        if self._heard_at is not None and now - self._heard_at > GAP_S:
            self._fresh = True
        self._heard_at = now
        rest = self._rest
        rest += self._to_pcm16(audio)
        frames = []
        while len(rest) >= self._frame_bytes:
            frames.append(Frame(bytes(rest[: self._frame_bytes]), self._fresh))
            self._fresh = False
            del rest[: self._frame_bytes]
        return frames
