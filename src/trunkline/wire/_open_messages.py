"""What is said on a socket of the open protocol, both ways. ``docs/protocol.md`` tells it to strangers; the schema
beside it is made from these structs."""

import re
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from trunkline.wire.events import Speaker

MAX_MESSAGE_BYTES: Final = 65536  # two seconds of audio in binary; a chunk should be a hundredth of that
CALL_ID: Final = re.compile(r"\A[0-9A-Za-z][0-9A-Za-z_.-]{0,63}\Z")  # harmless in URLs, logs and file names

CallId = Annotated[str, Meta(pattern=r"^[0-9A-Za-z][0-9A-Za-z_.-]{0,63}$")]
Address = Annotated[str, Meta(max_length=256)]  # a number has 16, a SIP URI with its parameters may be long
Count = Annotated[int, Meta(ge=0, le=2**53)]
Milliseconds = Annotated[float, Meta(ge=0, le=2**53)]
Digits = Annotated[str, Meta(pattern="^[0-9*#A-D]{1,32}$")]
MarkName = Annotated[str, Meta(max_length=256)]

Direction = Literal["inbound", "outbound"]
Carriage = Literal["binary", "json"]


class SessionStart(Struct, tag_field="type", tag="session_start", omit_defaults=True):
    """The client's first message, and the gateway's answer: audio may flow once it has been said.

    The gateway's answer always has `call_id`, and none of what is private.
    """

    call_id: CallId | None = None
    caller: Address = ""
    callee: Address = ""
    audio: Carriage = "binary"
    encoding: Literal["pcm16"] = "pcm16"
    sample_rate: Literal[16000] = 16000
    parameters: dict[str, str] = {}


class SessionEnd(Struct, tag_field="type", tag="session_end", omit_defaults=True):
    """The call is over. Whoever says it closes the socket next."""

    reason: str = ""


class AudioChunk(Struct, tag_field="type", tag="audio_chunk", gc=False):
    """Audio for those who can't send or take binary messages: `audio` is the same PCM16 in base64.

    `inbound` is from the client, `outbound` to it. `sequence` grows by one with each chunk of its direction;
    `timestamp` is when its audio begins, in milliseconds on any clock of the sender's that does not jump.
    """

    direction: Direction
    sequence: Count
    timestamp: Milliseconds
    audio: bytes


class Control(Struct, tag_field="type", tag="control"):
    """Any control message, as far as we can follow one we don't know."""

    action: str


class Clear(Struct, tag_field="action", tag="clear"):
    """Gateway to client: drop the audio that has not been played yet, and send back every mark that was pending."""

    type: Literal["control"]


class Mark(Struct, tag_field="action", tag="mark"):
    """Gateway to client: send this message back when the audio that came before it has been played."""

    type: Literal["control"]
    name: MarkName


class Dtmf(Struct, tag_field="action", tag="dtmf"):
    """Keys of a telephone: pressed by the caller, or to be pressed for the agent."""

    type: Literal["control"]
    digits: Digits


class Transfer(Struct, tag_field="action", tag="transfer"):
    """Gateway to client: connect the caller to `target` and end the session."""

    type: Literal["control"]
    target: str


class TranscriptChunk(Struct, tag_field="type", tag="transcript_chunk"):
    """Gateway to client: what was said. One that is not `final` is replaced by the speaker's next."""

    speaker: Speaker
    text: str
    final: bool


class TurnEnd(Struct, tag_field="type", tag="turn_end"):
    """Gateway to client: `speaker` has stopped. The caller's final transcript may still follow."""

    speaker: Speaker


Inbound = SessionStart | SessionEnd | AudioChunk | Control
Outbound = SessionStart | SessionEnd | AudioChunk | Control | TranscriptChunk | TurnEnd

decode_inbound: Final = msgspec.json.Decoder(Inbound).decode
decode_outbound: Final = msgspec.json.Decoder(Outbound).decode
decode_inbound_control: Final = msgspec.json.Decoder(Mark | Dtmf).decode
decode_outbound_control: Final = msgspec.json.Decoder(Clear | Mark | Dtmf | Transfer).decode
encode: Final = msgspec.json.Encoder().encode


class Unknown(Struct):
    """Any message at all."""

    type: str


decode_unknown: Final = msgspec.json.Decoder(Unknown).decode
