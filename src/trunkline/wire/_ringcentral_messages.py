"""The few JSON messages of the webhook-and-socket contract: the webhook, its answer, and text on the media socket.

Only ``start``, ``config`` and ``stop`` are the contract's own. ``dtmf`` towards us, ``mark`` both ways, ``clear`` and
``hangup`` towards the peer are extensions of Trunkline's.
"""

import re
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from trunkline.wire._ringcentral_formats import Announced

MAX_TEXT_BYTES: Final = 16 * 1024
MAX_PACKET_MS: Final = 1000  # more is no packet of a call, but a recording or another format than was announced
CALL_ID: Final = re.compile(r"\A[0-9A-Za-z][0-9A-Za-z_.-]{0,127}\Z")  # harmless in URLs, logs and file names

Address = Annotated[str, Meta(max_length=256)]
MarkName = Annotated[str, Meta(max_length=256)]
Digit = Annotated[str, Meta(pattern="^[0-9*#A-Da-d]$")]


# --- the webhook --------------------------------------------------------------------------------------------------


class Party(Struct):
    """One end of the call."""

    number: Address | None = msgspec.field(name="phoneNumber", default=None)


class InboundCall(Struct):
    """``body`` of ``call.inbound``."""

    id: str
    caller: Party = msgspec.field(name="from", default_factory=Party)
    callee: Party = msgspec.field(name="to", default_factory=Party)


class Event(Struct):
    """Any event. Its body is read only if it is ``call.inbound``."""

    event: str
    body: msgspec.Raw = msgspec.Raw(b"{}")


class Media(Struct):
    """Where and how to open the media socket."""

    url: str
    format: Announced
    type: str = "websocket"


class Answer(Struct):
    """The webhook's answer."""

    action: str
    media: Media | None = None
    reason: str = ""


# --- the socket ---------------------------------------------------------------------------------------------------


class _Announcement(Struct, tag_field="type"):
    """A format may stand at the top, or under ``format`` or ``media``."""

    format: Announced | None = None
    media: Announced | None = None
    encoding: str | None = None
    sample_rate: int | None = msgspec.field(name="sampleRate", default=None)
    channels: int | None = None

    @property
    def announced(self) -> Announced:
        """What was said, wherever."""
        inner = self.format or self.media
        return inner or Announced(self.encoding, self.sample_rate, self.channels)


class Start(_Announcement, tag="start"):
    """The stream starts."""

    call_id: str | None = msgspec.field(name="callId", default=None)


class Config(_Announcement, tag="config"):
    """What the packets hold."""


class Stop(Struct, tag_field="type", tag="stop"):
    """The call is over."""


class Ping(Struct, tag_field="type", tag="ping"):
    """The peer is there, though it has nothing to say."""


class Dtmf(Struct, tag_field="type", tag="dtmf"):
    """The caller pressed a key."""

    digit: Digit


class Mark(Struct, tag_field="type", tag="mark"):
    """To the peer: send this back when all audio so far was played. From the peer: it was."""

    name: MarkName


class Clear(Struct, tag_field="type", tag="clear"):
    """To the peer: drop the audio that was not played yet, and send back every mark that was pending."""


class HangUp(Struct, tag_field="type", tag="hangup"):
    """To the peer: end the call."""

    reason: str = ""


ANNOUNCING: Final = ("start", "config")
"""Messages that must be understood: by a mistake in them all audio becomes noise."""

decode_event: Final = msgspec.json.Decoder(Event).decode
decode_call: Final = msgspec.json.Decoder(InboundCall).decode
decode_answer: Final = msgspec.json.Decoder(Answer).decode
decode_inbound: Final = msgspec.json.Decoder(Start | Config | Stop | Ping | Dtmf | Mark).decode
decode_outbound: Final = msgspec.json.Decoder(Mark | Clear | HangUp).decode
encode: Final = msgspec.json.Encoder().encode


class Unknown(Struct):
    """Any message at all."""

    type: str


decode_unknown: Final = msgspec.json.Decoder(Unknown).decode
