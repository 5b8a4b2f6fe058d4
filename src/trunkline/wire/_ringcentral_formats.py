"""What the packets of the webhook-and-socket contract may hold, in the words its announcements use for it."""

from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct

from trunkline.audio.format import MULAW_8K, RATES, AudioFormat, Encoding
from trunkline.audio.g711 import decode_alaw, decode_mulaw
from trunkline.errors import Refused

FRAME_MS: Final = 20
UNSUPPORTED: Final = 1003  # RFC 6455 §7.4.1: data of a type that can't be accepted

# The contract's one example says "mulaw". The rest are the names that RTP, SIP and other platforms have for the three.
_NAMES: Final = {
    **dict.fromkeys(("mulaw", "ulaw", "pcmu", "g711_ulaw", "audio/x-mulaw", "audio/pcmu"), Encoding.MULAW),
    **dict.fromkeys(("alaw", "pcma", "g711_alaw", "audio/x-alaw", "audio/pcma"), Encoding.ALAW),
    **dict.fromkeys(
        ("pcm", "pcm16", "pcm_s16le", "linear16", "lpcm16", "l16", "slin16", "audio/pcm", "audio/l16"), Encoding.PCM16
    ),
}
_WHOLE: Final = [rate for rate in RATES if not rate * FRAME_MS % 1000]  # Hz at which a frame is whole samples
_DECODERS: Final = {Encoding.MULAW: decode_mulaw, Encoding.ALAW: decode_alaw, Encoding.PCM16: bytes}


class Announced(Struct, omit_defaults=True):
    """A format as a message gives it; what it leaves out stays as it was."""

    encoding: str | None = None
    sample_rate: int | None = msgspec.field(name="sampleRate", default=None)
    channels: int | None = None


class Packets(Struct, frozen=True):
    """Raw samples without a header, of one or two channels; those of a moment stand side by side."""

    audio: AudioFormat = MULAW_8K
    channels: int = 1

    def __str__(self) -> str:
        return f"{self.audio}" + (" stereo" if self.channels == 2 else "")

    @property
    def hears(self) -> AudioFormat:
        """One channel of it as the call gets it. Two are mixed as PCM16, and stay so: no need to lose by encoding."""
        return self.audio if self.channels == 1 else AudioFormat(Encoding.PCM16, self.audio.rate)

    @property
    def unit(self) -> int:
        """Bytes of one moment: a sample of each channel."""
        return self.audio.sample_bytes * self.channels

    def mixed(self, packet: bytes) -> bytes:
        """A packet, which is whole moments, in the ``hears`` format."""
        if self.channels == 1:
            return packet
        pcm16 = np.frombuffer(_DECODERS[self.audio.encoding](packet), "<i2").reshape(-1, 2)
        # Each at half its level, so that nothing clips; to even, so that nothing drifts.
        mono: bytes = np.rint(pcm16.mean(axis=1)).astype("<i2").tobytes()
        return mono

    def spread(self, audio: bytes) -> bytes:
        """One channel of ``audio`` as a packet: the same on all channels."""
        if self.channels == 1:
            return audio
        both: bytes = np.repeat(np.frombuffer(audio, f"V{self.audio.sample_bytes}"), 2).tobytes()
        return both

    def changed(self, announced: Announced) -> "Packets":
        """What a message makes of it. Raises ``Refused`` for what can't be carried: all that follows would be noise."""
        encoding, rate, channels = self.audio.encoding, self.audio.rate, self.channels
        if announced.encoding is not None:
            known = _NAMES.get(announced.encoding.partition(";")[0].strip().lower())
            if known is None:
                raise Refused("an encoding that is not supported was announced", close_code=UNSUPPORTED)
            encoding = known
        if announced.sample_rate is not None:
            rate = announced.sample_rate
        if announced.channels is not None:
            channels = announced.channels
        if rate not in _WHOLE:
            raise Refused(f"a rate other than {_WHOLE} Hz was announced", close_code=UNSUPPORTED)
        if channels not in (1, 2):
            raise Refused("neither one channel nor two were announced", close_code=UNSUPPORTED)
        return Packets(AudioFormat(encoding, rate), channels)

    def said(self) -> dict[str, Any]:
        """In the contract's words."""
        name = "pcm" if self.audio.encoding is Encoding.PCM16 else self.audio.encoding.value
        return {"encoding": name, "sampleRate": self.audio.rate, "channels": self.channels}
