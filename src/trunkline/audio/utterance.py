"""Whole utterances for a phone line, in one step."""

from typing import Final

from trunkline.audio._kernels import Buffer
from trunkline.audio.convert import Converter
from trunkline.audio.floats import FLOAT, SAMPLE_BYTES, FloatStream
from trunkline.audio.format import ALAW_8K, MULAW_8K, AudioFormat, Encoding
from trunkline.errors import AudioError

CODECS: Final = {"PCMU": MULAW_8K, "PCMA": ALAW_8K, "mulaw": MULAW_8K, "alaw": ALAW_8K}
"""Payload names of RFC 3551, and our own names for the same."""
SOURCES: Final = {
    "pcm16": Encoding.PCM16,
    FLOAT: Encoding.PCM16,  # after a step of its own
    "mulaw": Encoding.MULAW,
    "alaw": Encoding.ALAW,
}


def convert_for_rtp(audio: Buffer, source_rate: int, source_format: str = "pcm16", codec: str = "PCMU") -> bytes:
    """A whole utterance, mono, as 8 kHz G.711: for n samples exactly ``ceil(n * 8000 / source_rate)`` bytes.

    Whole frames thus stay whole frames; ``framing.Framer`` cuts them into packets. It ends where the utterance ends:
    what the filter would ring on is left out (``AudioStreamConverter.convert_stream`` has it). Raises ``AudioError``
    for an unknown format, codec or rate, for no audio, and for audio that isn't whole samples or isn't finite.
    """
    if source_format not in SOURCES:
        raise AudioError(f"a source of {source_format!r} is not supported: use one of {', '.join(SOURCES)}")
    if codec not in CODECS:
        raise AudioError(f"a codec of {codec!r} is not supported: use one of {', '.join(CODECS)}")
    source = AudioFormat(SOURCES[source_format], source_rate)
    converter = Converter(source, CODECS[codec])
    size = SAMPLE_BYTES if source_format == FLOAT else source.sample_bytes
    if not isinstance(audio, Buffer):
        raise AudioError(f"audio must be bytes, not {type(audio).__name__}")
    n_bytes = memoryview(audio).nbytes
    if not n_bytes:
        raise AudioError("an utterance without audio: expected at least one sample")
    if n_bytes % size:
        raise AudioError(f"{n_bytes} bytes are not whole {size}-byte samples of {source_format}")
    return converter.process(FloatStream().process(audio) if source_format == FLOAT else audio)
