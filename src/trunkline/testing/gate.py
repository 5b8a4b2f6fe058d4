"""Who is speaking, told by level alone: good enough for clean test audio, and it needs no model.

Simulated people and agents listen with it. It is not the voice activity detector of the product.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from trunkline.audio import g711
from trunkline.audio.format import AudioFormat, Encoding
from trunkline.audio.level import measure

BLOCK_MS: Final = 10
THRESHOLD: Final = 0.01
"""RMS of a loud block, of full scale: under any voice and over line noise."""
ONSET_BLOCKS: Final = 2
"""Loud blocks in a row that make a voice; a single one is a click."""

_LINEAR: Final = {Encoding.MULAW: g711.decode_mulaw, Encoding.ALAW: g711.decode_alaw, Encoding.PCM16: bytes}


def linear(audio: bytes, wire: AudioFormat) -> NDArray[np.int16]:
    """The samples of ``audio`` on the scale of PCM16, whatever its encoding."""
    return np.frombuffer(_LINEAR[wire.encoding](audio), dtype="<i2")


class Voice(msgspec.Struct, frozen=True, gc=False):
    """A voice began, or fell silent, at ``sample`` (counted from the first one pushed)."""

    began: bool
    sample: int


class Gate:
    """Push audio, get the edges of speech. A pause shorter than ``hang_ms`` belongs to the speech around it."""

    def __init__(self, wire: AudioFormat, *, hang_ms: float = 200) -> None:
        self.wire = wire
        self.speaking = False
        self.began_at = -1
        """The sample where the present or the latest utterance began; -1 before the first."""
        self.loud_until = 0
        """The sample after the last loud block."""
        self.position = 0
        """Samples judged so far: whole blocks."""
        self._hang = int(hang_ms * wire.rate / 1000)
        self._block = wire.rate * BLOCK_MS // 1000
        self._rest = b""
        self._loud_run = 0

    def push(self, audio: bytes) -> list[Voice]:
        """The edges found in ``audio`` (any length). An end is found ``hang_ms`` after it happened."""
        size = self._block * self.wire.sample_bytes
        audio = self._rest + audio
        whole = len(audio) - len(audio) % size
        self._rest = audio[whole:]
        edges: list[Voice] = []
        for loud in self._loud(audio[:whole]):
            self.position += self._block
            self._loud_run = self._loud_run + 1 if loud else 0
            if loud and (self.speaking or self._loud_run >= ONSET_BLOCKS):
                self.loud_until = self.position
                if not self.speaking:
                    self.speaking = True
                    self.began_at = self.position - self._loud_run * self._block
                    edges.append(Voice(True, self.began_at))
            elif self.speaking and self.position - self.loud_until >= self._hang:
                self.speaking = False
                edges.append(Voice(False, self.loud_until))
        return edges

    def _loud(self, audio: bytes) -> list[bool]:
        if audio == self.wire.silence(self.wire.samples(len(audio))):
            return [False] * (self.wire.samples(len(audio)) // self._block)
        pcm, size = _LINEAR[self.wire.encoding](audio), 2 * self._block
        return [measure(pcm[at : at + size]).rms > THRESHOLD for at in range(0, len(pcm), size)]
