"""Keeping a stream's delay near its target: when a frame is played a little shorter or longer than it came.

The sender's clock and ours differ by some 100 ppm, and the target moves with the network; both show as playing later
or earlier than wanted. Small differences wait for a frame in which nobody hears the change, large ones don't.
"""

from typing import Final

import numpy as np

from trunkline.audio import g711
from trunkline.audio.format import AudioFormat, Encoding
from trunkline.audio.stretch import Samples, lengthen, shorten

_EVERY_S: Final = 0.1  # between two changes: 10 % of the pace at most
_TOO_LATE_S: Final = 0.02  # worth shortening
_URGENT_S: Final = 0.06  # shorten even where it may be heard
_HURRY_S: Final = 0.1  # shorten every frame
_TOO_EARLY: Final = 0.25  # of the target gone: worth lengthening
_HOLE_NEAR: Final = 0.5  # of the target gone: lengthen even where it may be heard, a hole would be worse


class Pace:
    """Changes the length of one stream's frames."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self._format = audio_format
        self._changed_at = 0

    def adjust(self, audio: bytes, *, late_s: float, target_s: float, at: int) -> bytes:
        """``audio``, changed or not; ``at`` counts the samples played so far. It is ``late_s`` later than wanted
        (negative: earlier), where ``target_s`` is the delay wanted. Untouched audio comes back as the same bytes."""
        if late_s > _TOO_LATE_S:
            if late_s < _HURRY_S and self._recently(at):
                return audio
            new = shorten(self._decode(audio), self._format.rate, urgent=late_s > _URGENT_S)
        elif late_s < -_TOO_EARLY * target_s and not self._recently(at):
            new = lengthen(self._decode(audio), self._format.rate, urgent=late_s < -_HOLE_NEAR * target_s)
        else:
            return audio
        if new is None:
            return audio
        self._changed_at = at
        return self._encode(new)

    def _recently(self, at: int) -> bool:
        return at - self._changed_at < _EVERY_S * self._format.rate

    def _decode(self, audio: bytes) -> Samples:
        match self._format.encoding:
            case Encoding.MULAW:
                audio = g711.decode_mulaw(audio)
            case Encoding.ALAW:
                audio = g711.decode_alaw(audio)
        return np.frombuffer(audio, "<i2").astype(np.float64)

    def _encode(self, samples: Samples) -> bytes:
        pcm16 = np.rint(samples).astype("<i2").tobytes()
        match self._format.encoding:
            case Encoding.MULAW:
                return g711.encode_mulaw(pcm16)
            case Encoding.ALAW:
                return g711.encode_alaw(pcm16)
            case _:
                return pcm16
