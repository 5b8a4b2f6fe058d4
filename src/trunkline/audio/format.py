"""What a run of audio bytes is: its encoding and its rate, together."""

from enum import StrEnum
from typing import Final

import msgspec

from trunkline.errors import AudioError

RATES: Final = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000)
"""Sample rates Trunkline converts between, in Hz."""


class Encoding(StrEnum):
    """How one mono sample is written."""

    PCM16 = "pcm16"  # signed, little-endian, 2 bytes
    MULAW = "mulaw"  # G.711 mu-law, 1 byte
    ALAW = "alaw"  # G.711 A-law, 1 byte


# G.711 silence: mu-law 0xFF is +0, A-law has no zero and 0xD5 is its smallest positive step.
_SILENCE: Final = {Encoding.PCM16: b"\x00\x00", Encoding.MULAW: b"\xff", Encoding.ALAW: b"\xd5"}


class AudioFormat(msgspec.Struct, frozen=True):
    """Mono audio of one encoding at one rate. The rate is part of the type: 8 kHz is never taken for 16."""

    encoding: Encoding
    rate: int  # Hz

    def __post_init__(self) -> None:
        if self.rate not in RATES:
            raise AudioError(f"a rate of {self.rate} Hz is not supported: use one of {', '.join(map(str, RATES))}")

    def __str__(self) -> str:
        return f"{self.encoding.value}/{self.rate}"

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample."""
        return 2 if self.encoding is Encoding.PCM16 else 1

    @property
    def silence_unit(self) -> bytes:
        """One silent sample."""
        return _SILENCE[self.encoding]

    def samples(self, n_bytes: int) -> int:
        """Whole samples in ``n_bytes``."""
        return n_bytes // self.sample_bytes

    def ms(self, n_bytes: int) -> float:
        """How long ``n_bytes`` last, in milliseconds."""
        return 1000 * n_bytes / (self.sample_bytes * self.rate)

    def bytes_for(self, ms: float) -> int:
        """Bytes of ``ms`` milliseconds, rounded down to whole samples."""
        return int(ms * self.rate / 1000) * self.sample_bytes

    def silence(self, samples: int) -> bytes:
        """``samples`` samples of silence in this encoding."""
        return self.silence_unit * samples


MULAW_8K: Final = AudioFormat(Encoding.MULAW, 8000)
ALAW_8K: Final = AudioFormat(Encoding.ALAW, 8000)
PCM16_8K: Final = AudioFormat(Encoding.PCM16, 8000)
PCM16_16K: Final = AudioFormat(Encoding.PCM16, 16000)
PCM16_24K: Final = AudioFormat(Encoding.PCM16, 24000)
