"""What is said on a Vonage media socket beside the audio, both ways (protocol page §3 and §4)."""

import re
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from trunkline.audio.format import PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat
from trunkline.errors import RemoteError

FRAME_MS: Final = 20  # a binary message is one frame of this length, either way
MAX_TEXT_BYTES: Final = 65536  # the longest message there is holds half a kilobyte of headers
TICKET: Final = "ticket"  # the header, and the field of the URL's query, that a single-use ticket travels in

# The platform's own are UUIDs. Not insisted upon, but what goes into URLs and logs is harmless.
CALL_ID: Final = re.compile(r"\A[0-9A-Za-z_-]{1,64}\Z")
Digit = Annotated[str, Meta(pattern=r"\A[0-9*#A-Da-d]\Z")]

# RFC 2586 has l16 big-endian; Vonage's is little-endian all the same.
_FORMATS: Final = {"8000": PCM16_8K, "16000": PCM16_16K, "24000": PCM16_24K}
_CONTENT_TYPE = re.compile(r"audio/l16 *; *rate=([0-9]{1,6})", re.IGNORECASE)


def content_type(audio: AudioFormat) -> str:
    """How Vonage names a format."""
    return f"audio/l16;rate={audio.rate}"


def audio_format(name: str, *, where: str) -> AudioFormat:
    """The format Vonage names so. Raises ``RemoteError``."""
    parts = _CONTENT_TYPE.fullmatch(name)
    if parts is None:
        raise RemoteError("an encoding that is not supported", where=where)
    if (audio := _FORMATS.get(parts[1])) is None:
        raise RemoteError("a sample rate that is not supported", where=where)
    return audio


# --- Vonage -> gateway -------------------------------------------------------------------------------------------


class Connected(Struct, tag_field="event", tag="websocket:connected"):
    """The first message. The headers of the NCCO stand beside its own fields; only ours are looked at."""

    content_type: str = msgspec.field(name="content-type")
    ticket: str = ""


class DtmfDetails(Struct):
    digit: Digit


class Dtmf(Struct, tag_field="event", tag="websocket:dtmf"):
    """Documented with ``digit``, seen with ``dtmf.digit``."""

    digit: Digit | None = None
    dtmf: DtmfDetails | None = None


class Cleared(Struct, tag_field="event", tag="websocket:cleared"):
    """The answer to a clear. It does not say to which."""


class Named(Struct):
    name: str


class Notified(Struct, tag_field="event", tag="websocket:notify"):
    """The payload of our notify: all audio sent before it was played, or dropped by a clear."""

    payload: Named


class Unknown(Struct):
    """Any message at all, as far as we can follow one we don't know."""

    event: str


ENDINGS: Final = frozenset({"websocket:disconnected", "websocket:closed", "websocket:hangup"})
"""Some clients wait for these. Whether they exist is not known; what they would mean is clear."""

decode_inbound: Final = msgspec.json.Decoder(Connected | Dtmf | Cleared | Notified).decode
decode_unknown: Final = msgspec.json.Decoder(Unknown).decode


# --- gateway -> Vonage -------------------------------------------------------------------------------------------


class Clear(Struct, tag_field="action", tag="clear", forbid_unknown_fields=True):
    """Drop all audio that was not played."""


class NotifyPayload(Struct, forbid_unknown_fields=True):
    name: str


class Notify(Struct, tag_field="action", tag="notify", forbid_unknown_fields=True):
    """Tell when all audio sent before was played."""

    payload: NotifyPayload


decode_outbound: Final = msgspec.json.Decoder(Clear | Notify).decode
