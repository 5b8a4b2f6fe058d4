"""What is said on a VoiceAI Connect media socket, both ways (protocol page §4 and §5)."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

MAX_MESSAGE_BYTES: Final = 65536  # 20 ms at 24 kHz has some 1,400

# Usually a UUID. Not insisted upon, but what goes into logs and file names is harmless.
ConversationId = Annotated[str, Meta(pattern=r"\A[0-9A-Za-z_.:@+=~-]{1,128}\Z")]
Address = Annotated[str, Meta(max_length=256)]  # a number, or a SIP URI with its parameters


# --- VoiceAI Connect -> gateway ------------------------------------------------------------------------------------


class _FromPlatform(Struct, tag_field="type", rename="camel"):
    conversation_id: ConversationId


class SessionInitiate(_FromPlatform, tag="session.initiate"):
    supported_media_formats: list[str]
    bot_name: Address = ""
    caller: Address = ""
    expect_audio_messages: bool = True


class SessionResume(_FromPlatform, tag="session.resume"):
    """The first message on the socket that replaces a lost one."""


class SessionEnd(_FromPlatform, tag="session.end"):
    """The last message."""


class UserStreamStart(_FromPlatform, tag="userStream.start"):
    participant: str | None = None


class UserStreamChunk(Struct, tag_field="type", tag="userStream.chunk", rename="camel", gc=False):
    conversation_id: str  # compared with the session's
    audio_chunk: bytes
    participant: str | None = None


class UserStreamStop(_FromPlatform, tag="userStream.stop"):
    participant: str | None = None


class Activity(Struct):
    type: str
    name: str = ""
    value: Any = None
    parameters: Any = None  # of ``start``: an object


class Activities(_FromPlatform, tag="activities"):
    activities: list[Activity]


class ConnectionValidate(Struct, tag_field="type", tag="connection.validate"):
    """An administrator tries the connection. There is no conversation."""


class Unknown(Struct):
    """Any message at all, as far as we can follow one we don't know."""

    type: str


Inbound = (
    SessionInitiate
    | SessionResume
    | SessionEnd
    | UserStreamStart
    | UserStreamChunk
    | UserStreamStop
    | Activities
    | ConnectionValidate
)

decode_inbound: Final = msgspec.json.Decoder(Inbound).decode
decode_unknown: Final = msgspec.json.Decoder(Unknown).decode


# --- gateway -> VoiceAI Connect --------------------------------------------------------------------------------------


class SessionAccepted(Struct, tag_field="type", tag="session.accepted", rename="camel"):
    media_format: str


class SessionError(Struct, tag_field="type", tag="session.error"):
    reason: str = ""


class UserStreamStarted(Struct, tag_field="type", tag="userStream.started"):
    participant: str | None = None


class UserStreamStopped(Struct, tag_field="type", tag="userStream.stopped"):
    participant: str | None = None


class SpeechStarted(Struct, tag_field="type", tag="userStream.speech.started"):
    participant: str | None = None


class SpeechStopped(Struct, tag_field="type", tag="userStream.speech.stopped"):
    participant: str | None = None


class SpeechCommitted(Struct, tag_field="type", tag="userStream.speech.committed"):
    participant: str | None = None


class Alternative(Struct):
    text: str
    confidence: float = 0.0


class SpeechHypothesis(Struct, tag_field="type", tag="userStream.speech.hypothesis"):
    alternatives: list[Alternative]


class SpeechRecognition(Struct, tag_field="type", tag="userStream.speech.recognition"):
    alternatives: list[Alternative]


class PlayStart(Struct, tag_field="type", tag="playStream.start", rename="camel"):
    stream_id: str
    media_format: str


class PlayChunk(Struct, tag_field="type", tag="playStream.chunk", rename="camel"):
    stream_id: str
    audio_chunk: bytes


class PlayStop(Struct, tag_field="type", tag="playStream.stop", rename="camel"):
    stream_id: str


class ConnectionValidated(Struct, tag_field="type", tag="connection.validated"):
    success: bool


class SessionParams(Struct, rename="camel", frozen=True):
    barge_in: bool | None = None


class ActivityParams(Struct, rename="camel", frozen=True):
    hangup_reason: str = ""
    transfer_target: str = ""
    dtmf_digits: str = ""


class BotActivity(Struct, rename="camel"):
    type: str
    name: str = ""
    activity_params: ActivityParams = ActivityParams()
    session_params: SessionParams = SessionParams()


class BotActivities(Struct, tag_field="type", tag="activities"):
    activities: list[BotActivity]


Outbound = (
    SessionAccepted
    | SessionError
    | UserStreamStarted
    | UserStreamStopped
    | SpeechStarted
    | SpeechStopped
    | SpeechCommitted
    | SpeechHypothesis
    | SpeechRecognition
    | PlayStart
    | PlayChunk
    | PlayStop
    | ConnectionValidated
    | BotActivities
)

decode_outbound: Final = msgspec.json.Decoder(Outbound).decode
