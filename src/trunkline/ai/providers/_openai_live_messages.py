"""What is said on OpenAI's Live socket, both ways. What we never read of a message is not declared here."""

from binascii import b2a_base64
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from trunkline.ai.providers._openai_commands import Function
from trunkline.ai.providers._openai_messages import Unknown, WhatFailed, unknown

# --- from the vendor ---------------------------------------------------------------------------------------------


class Started(Struct):
    expires_at: float | None = None  # seconds of the epoch


class SessionStarted(Struct, tag="session.started"):
    session: Started


class OutputAudio(Struct, tag="session.output_audio.delta"):
    """The model's voice and its silence, in real time."""

    delta: bytes


class OutputWords(Struct, tag="session.output_transcript.delta"):
    delta: str


class InputWords(Struct, tag="session.input_transcript.delta"):
    """Words of the caller; positions in the session's audio."""

    delta: str
    start_ms: float
    end_ms: float


class Delegation(Struct):
    id: str
    target: str


class DelegationCreated(Struct, tag="session.delegation.created"):
    """The model wants something found out. It does not say what."""

    delegation: Delegation


class NestedItem(Struct):
    type: str
    call_id: str = ""
    name: str = ""
    arguments: str = ""


class Nested(Struct):
    """An event of the text model that calls functions for the voice."""

    type: str
    item: NestedItem | None = None


class ResponseEvent(Struct, tag="response.event"):
    event: Nested


class SessionClosed(Struct, tag="session.closed"):
    reason: str


class Failed(Struct, tag="error"):
    error: WhatFailed


LiveMessage = (
    SessionStarted | OutputAudio | OutputWords | InputWords | DelegationCreated | ResponseEvent | SessionClosed | Failed
)

OF_NO_USE: Final = frozenset(
    {
        "info", "session.commentary.appended", "session.instructions.appended", "session.thinking.appended",
        "session.updated", "session.usage.updated",
    }
)  # fmt: skip
"""Kinds we know and need nothing of."""

_LIVE: Final[msgspec.json.Decoder[LiveMessage]] = msgspec.json.Decoder(LiveMessage)


def read(data: bytes) -> LiveMessage | Unknown:
    """One message of the server. Raises ``RemoteError`` for what can't be one."""
    try:
        return _LIVE.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return unknown(data, error)


# --- to the vendor -----------------------------------------------------------------------------------------------


class _Ours(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Something we send: the vendor refuses fields it doesn't know."""


class Format(_Ours):
    type: str
    rate: int


class Output(_Ours):
    voice: str


class Audio(_Ours):
    format: Format
    output: Output


class Text(_Ours):
    text: str


class Earlier(_Ours):
    """Something that was said before."""

    role: str
    content: list[Text]


class Responses(_Ours):
    model: str
    tools: list[Function]
    instructions: str | UnsetType = UNSET


class ByResponses(_Ours, tag="responses"):
    """A text model at the vendor's calls our functions."""

    responses: Responses


class Session(_Ours):
    model: str
    audio: Audio
    instructions: str | UnsetType = UNSET
    input: list[Earlier] | UnsetType = UNSET
    delegation: ByResponses | UnsetType = UNSET
    store: bool | UnsetType = UNSET


class SessionStart(_Ours, tag="session.start"):
    """The first message."""

    session: Session
    event_id: str | UnsetType = UNSET


class AudioAppend(_Ours, tag="session.input_audio.append"):
    """For reading only: what is sent fifty times a second is made by ``append``."""

    audio: bytes
    event_id: str | UnsetType = UNSET


class InstructionsAppend(_Ours, tag="session.instructions.append", omit_defaults=False):
    """The model is told what to do now."""

    content: str
    delegation_id: str | None


class ThinkingAppend(_Ours, tag="session.thinking.append", omit_defaults=False):
    """The model is told something it need not say."""

    content: str
    delegation_id: str | None


class FunctionOutput(_Ours, tag="function_call_output"):
    call_id: str
    output: str


class ResponseItemCreate(_Ours, tag="response.item.create"):
    """What came of a function, for the text model."""

    item: FunctionOutput


class ResponseCreate(_Ours, tag="response.create"):
    """The text model may go on."""


class SessionClose(_Ours, tag="session.close"):
    """Goodbye: the session's seconds cost money."""


ClientMessage = (
    SessionStart
    | AudioAppend
    | InstructionsAppend
    | ThinkingAppend
    | ResponseItemCreate
    | ResponseCreate
    | SessionClose
)

encode = msgspec.json.Encoder().encode


def append(audio: bytes) -> bytes:
    """A message with the caller's voice."""
    return b'{"type":"session.input_audio.append","audio":"' + b2a_base64(audio, newline=False) + b'"}'


def functions(given: list[Function], model: str) -> ByResponses:
    """``model`` calls these."""
    return ByResponses(responses=Responses(model=model, tools=given))
