"""What a transport of somebody else's carries: named, checked, converted both ways, and told to a call."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self

import msgspec
import numpy as np

from trunkline.audio.convert import Converter
from trunkline.audio.format import AudioFormat, Encoding
from trunkline.audio.framing import Framer
from trunkline.audio.validate import validate_pcm_format
from trunkline.errors import AudioError
from trunkline.wire.base import BinaryFrame, CloseSocket, Output, TextFrame
from trunkline.wire.events import AudioHeard, ClearAudio, HangUp, PlayAudio, WireCommand, WireEvent

FRAME_MS: Final = 20

_FORMAT: Final = re.compile(r"(audio/)?([\w-]+)(?:/(\d+)(?:/1)?)?((?:\s*;\s*[\w-]+=[\w.-]+)*)\s*")
_NAMES: Final = {
    **dict.fromkeys(("pcmu", "mulaw", "ulaw", "x-mulaw"), Encoding.MULAW),
    **dict.fromkeys(("pcma", "alaw", "x-alaw"), Encoding.ALAW),
    **dict.fromkeys(("l16", "pcm16", "pcm", "linear16"), Encoding.PCM16),
}


class Carriage(msgspec.Struct, frozen=True):
    """How a transport carries one call's audio, both ways."""

    audio: AudioFormat
    big_endian: bool = False
    frame_ms: int = FRAME_MS  # of what we send
    exact: bool = False  # what comes has to be of that length too

    @classmethod
    def of(cls, metadata: Mapping[str, Any], default: AudioFormat) -> Self:
        """From ``format``, ``byte_order`` and ``frame_ms`` of a call's metadata. Raises ``AudioError``.

        ``format`` is a content type (``audio/l16;rate=16000``), a codec's name in SDP (``PCMU/8000``, RFC 8866 §6.6) or
        our own (``mulaw/8000``). ``L16`` of SDP is big-endian (RFC 3551 §4.5.11); ``audio/l16`` is little-endian, as
        Vonage and others send it; ``byte_order`` says otherwise.
        """
        named = metadata.get("format", default)
        audio, big_endian = (named, False) if isinstance(named, AudioFormat) else _read(named)
        order = metadata.get("byte_order", "big" if big_endian else "little")
        if order not in ("big", "little"):
            raise AudioError("byte_order is neither 'big' nor 'little'")
        frame_ms = metadata.get("frame_ms", FRAME_MS)
        if type(frame_ms) is not int or not 0 < frame_ms <= 1000 or frame_ms * audio.rate % 1000:
            raise AudioError(f"frame_ms is no whole number of which {audio.rate} Hz has whole samples")
        wide = audio.encoding is Encoding.PCM16
        return cls(audio, wide and order == "big", frame_ms, exact="frame_ms" in metadata)

    @property
    def frame_bytes(self) -> int:
        """Of a frame."""
        return self.audio.bytes_for(self.frame_ms)

    def fault(self, chunk: object) -> str:
        """What is wrong with a chunk of the caller's audio; empty if nothing is."""
        fine, sentence = validate_pcm_format(chunk, self.audio.rate, 1, 8 * self.audio.sample_bytes)  # type: ignore[arg-type]
        if not fine:
            return sentence
        size = memoryview(chunk).nbytes  # type: ignore[arg-type]
        return f"{size} bytes, where {self.frame_ms} ms have {self.frame_bytes}" if self._is_odd(size) else ""

    def _is_odd(self, size: int) -> bool:
        return self.exact and size != self.frame_bytes

    def swapped(self, audio: bytes) -> bytes:
        """From the transport's byte order to ours, and back."""
        return np.frombuffer(audio, "<i2").byteswap().tobytes() if self.big_endian else audio


def _read(named: object) -> tuple[AudioFormat, bool]:
    """The format called so, and whether it is big-endian unless somebody says otherwise."""
    said = _FORMAT.fullmatch(named) if isinstance(named, str) else None
    encoding = _NAMES.get(said[2].lower()) if said else None
    if said is None or encoding is None:
        raise AudioError(f"format is not one of {', '.join(_NAMES)} with a rate, as in 'PCMU/8000'")
    parameters = dict(pair.strip().lower().split("=") for pair in said[4].split(";") if pair.strip())
    if parameters.get("channels", "1") != "1":
        raise AudioError("format has more than one channel")
    rate = said[3] or parameters.get("rate", "" if encoding is Encoding.PCM16 else "8000")
    if not rate.isdecimal():
        raise AudioError("format has no rate")
    return AudioFormat(encoding, int(rate)), said[2].lower() == "l16" and not said[1]


class GatewayMetrics(msgspec.Struct, frozen=True):
    """A call's figures at one moment: ``total_…`` of the caller's audio that was taken, ``sent_…`` of what we sent."""

    total_chunks: int = 0
    total_bytes: int = 0
    total_duration_ms: float = 0.0
    validation_errors: int = 0  # chunks that were not taken
    buffer_overflows: int = 0  # chunks nobody had read when there was no more room: the oldest went
    sent_chunks: int = 0
    sent_bytes: int = 0
    sent_duration_ms: float = 0.0
    last_error: str = ""  # what was wrong with the latest chunk that was not taken


class Figures:
    """Counts what ``GatewayMetrics`` tells."""

    __slots__ = ("_audio", "bytes", "chunks", "errors", "last_error", "overflows", "sent_bytes", "sent_chunks")

    def __init__(self, audio: AudioFormat) -> None:
        self._audio = audio
        self.chunks = self.bytes = self.errors = self.overflows = self.sent_chunks = self.sent_bytes = 0
        self.last_error = ""

    def snapshot(self) -> GatewayMetrics:
        """As they are now."""
        return GatewayMetrics(
            total_chunks=self.chunks,
            total_bytes=self.bytes,
            total_duration_ms=self._audio.ms(self.bytes),
            validation_errors=self.errors,
            buffer_overflows=self.overflows,
            sent_chunks=self.sent_chunks,
            sent_bytes=self.sent_bytes,
            sent_duration_ms=self._audio.ms(self.sent_bytes),
            last_error=self.last_error,
        )


class Speaker:
    """The application's audio on its way out: in the transport's format, cut into its frames."""

    def __init__(self, source: AudioFormat, carriage: Carriage) -> None:
        self._carriage = carriage
        self._convert = Converter(source, carriage.audio)
        self._framer = Framer(carriage.frame_bytes)

    def push(self, audio: bytes, *, last: bool) -> list[bytes]:
        """The frames that ``audio`` completes. After the ``last`` nothing is left waiting. Raises ``AudioError``."""
        converted = self._convert.process(audio)
        if last:
            converted += self._convert.flush()
        frames = self._framer.push(converted)
        if last and (rest := self._framer.flush(self._carriage.audio.silence_unit)):
            frames.append(rest)
        return [self._carriage.swapped(frame) for frame in frames]


class EmbeddedCodec:
    """A codec without a wire: events come as they are, and commands go to whoever the link is.

    Put an event into ``events`` and hand in an empty message.
    """

    def __init__(self, carriage: Carriage) -> None:
        self.replies: list[Output] = []
        self.events: list[WireEvent] = []
        self._carriage = carriage

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireEvent]:
        """A chunk of audio, or nothing: then the ``events``."""
        if data:
            return (AudioHeard(self._carriage.swapped(data)),)
        events, self.events = self.events, []
        return events

    def send(self, command: WireCommand) -> Sequence[Output]:
        """Audio as a binary message, clearing as a text, hanging up as a close."""
        match command:
            case PlayAudio(audio=audio):
                return (BinaryFrame(self._carriage.swapped(audio)),)
            case ClearAudio():
                return (TextFrame(b"clear"),)
            case HangUp(reason=reason):
                return (CloseSocket(1000, reason),)
            case _:
                return ()
