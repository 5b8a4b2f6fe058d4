"""What is said on a Twilio media socket, both ways (protocol page §3 and §4)."""

import re
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

MAX_MESSAGE_BYTES: Final = 65536  # a media message has some 400; nothing Twilio sends comes near

# Twilio writes numbers as strings; both are taken (§10.1), which is why the decoder below is not strict.
Count = Annotated[int, Meta(ge=0, le=2**53)]
Milliseconds = Annotated[int, Meta(ge=0, le=86_400_000)]  # a call lasts a day at most
# Twilio's own ids are two letters and 32 hex digits. Not insisted upon, but what goes into URLs and logs is harmless.
SID: Final = re.compile(r"\A[0-9A-Za-z_-]{1,64}\Z")
Sid = Annotated[str, Meta(pattern=SID.pattern)]
Digit = Annotated[str, Meta(pattern=r"\A[0-9*#A-Da-d]\Z")]


# --- Twilio -> gateway -------------------------------------------------------------------------------------------


class Connected(Struct, tag_field="event", tag="connected"):
    """The first message. It carries nothing we need."""


class MediaFormat(Struct, rename="camel"):
    encoding: str
    sample_rate: int
    channels: int


class StartDetails(Struct, rename="camel"):
    stream_sid: Sid
    account_sid: Sid
    call_sid: Sid
    media_format: MediaFormat
    tracks: list[str] = []
    custom_parameters: dict[str, str] = {}


class Start(Struct, tag_field="event", tag="start", rename="camel"):
    sequence_number: Count
    stream_sid: str
    start: StartDetails


class InboundMedia(Struct, gc=False):
    timestamp: Milliseconds  # since the stream began
    payload: bytes
    track: str = "inbound"


class Media(Struct, tag_field="event", tag="media", rename="camel", gc=False):
    sequence_number: Count
    stream_sid: str
    media: InboundMedia


class DtmfDetails(Struct):
    digit: Digit
    track: str = "inbound_track"


class Dtmf(Struct, tag_field="event", tag="dtmf", rename="camel"):
    sequence_number: Count
    stream_sid: str
    dtmf: DtmfDetails


class EchoedName(Struct):
    name: str


class MarkEcho(Struct, tag_field="event", tag="mark", rename="camel"):
    sequence_number: Count
    stream_sid: str
    mark: EchoedName


class Stop(Struct, tag_field="event", tag="stop", rename="camel"):
    sequence_number: Count
    stream_sid: str


class Unknown(Struct, rename="camel"):
    """Any message at all, as far as we can follow one we don't know."""

    event: str
    sequence_number: Count | None = None


decode_inbound: Final = msgspec.json.Decoder(Connected | Start | Media | Dtmf | MarkEcho | Stop, strict=False).decode
decode_unknown: Final = msgspec.json.Decoder(Unknown, strict=False).decode


# --- gateway -> Twilio: an unexpected field makes a message invalid (error 31951) -------------------------------


class OutboundPayload(Struct, forbid_unknown_fields=True):
    payload: bytes


class OutboundMedia(Struct, tag_field="event", tag="media", rename="camel", forbid_unknown_fields=True):
    stream_sid: str
    media: OutboundPayload


class MarkName(Struct, forbid_unknown_fields=True):
    name: str


class OutboundMark(Struct, tag_field="event", tag="mark", rename="camel", forbid_unknown_fields=True):
    stream_sid: str
    mark: MarkName


class OutboundClear(Struct, tag_field="event", tag="clear", rename="camel", forbid_unknown_fields=True):
    stream_sid: str


decode_outbound: Final = msgspec.json.Decoder(OutboundMedia | OutboundMark | OutboundClear).decode
