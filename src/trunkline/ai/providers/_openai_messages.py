"""What OpenAI says on its Realtime socket (GA).

Names follow the vendor's API reference; what we never read of a message is not declared here.
"""

import re
from typing import Final

import msgspec
from msgspec import Struct

from trunkline.errors import RemoteError

# --- from the vendor ---------------------------------------------------------------------------------------------


class FormatName(Struct):
    type: str


class _AudioSide(Struct):
    format: FormatName | None = None


class _Audio(Struct):
    input: _AudioSide | None = None
    output: _AudioSide | None = None


class Resolved(Struct):
    """A session as the server understood it."""

    audio: _Audio | None = None


class SessionCreated(Struct, tag="session.created"):
    """Nothing of it matters: our own settings follow."""


class SessionUpdated(Struct, tag="session.updated"):
    session: Resolved


class SpeechStarted(Struct, tag="input_audio_buffer.speech_started"):
    """``audio_start_ms`` counts the audio of this connection, and lies ``prefix_padding_ms`` before the speech."""

    audio_start_ms: float
    item_id: str


class SpeechStopped(Struct, tag="input_audio_buffer.speech_stopped"):
    """``audio_end_ms`` lies ``silence_duration_ms`` after the speech."""

    audio_end_ms: float
    item_id: str


class Committed(Struct, tag="input_audio_buffer.committed"):
    """The caller's turn is part of the conversation."""

    item_id: str


class WordsDelta(Struct, tag="conversation.item.input_audio_transcription.delta"):
    item_id: str
    delta: str = ""


class WordsDone(Struct, tag="conversation.item.input_audio_transcription.completed"):
    item_id: str
    transcript: str


class WordsFailed(Struct, tag="conversation.item.input_audio_transcription.failed"):
    item_id: str


class OutputItem(Struct):
    """Of a response. Calls of functions have a name and arguments."""

    type: str
    id: str | None = None
    status: str | None = None
    call_id: str | None = None
    name: str = ""
    arguments: str = ""


class WhatFailed(Struct):
    code: str | None = None
    type: str | None = None
    event_id: str | None = None


class _Details(Struct):
    error: WhatFailed | None = None


class Response(Struct):
    id: str
    status: str = ""
    status_details: _Details | None = None
    output: list[OutputItem] = []
    metadata: dict[str, str] | None = None


class ResponseCreated(Struct, tag="response.created"):
    response: Response


class ItemAdded(Struct, tag="response.output_item.added"):
    response_id: str
    item: OutputItem


class ItemDone(Struct, tag="response.output_item.done"):
    response_id: str
    item: OutputItem


class AudioDelta(Struct, tag="response.output_audio.delta"):
    response_id: str
    item_id: str
    delta: bytes
    content_index: int = 0


class TranscriptDelta(Struct, tag="response.output_audio_transcript.delta"):
    response_id: str
    delta: str


class AudioDone(Struct, tag="response.output_audio.done"):
    response_id: str


class ResponseDone(Struct, tag="response.done"):
    response: Response


class Failed(Struct, tag="error"):
    error: WhatFailed


class Unknown(Struct):
    """A message of a kind this file does not know, or has no use for."""

    kind: str


ServerMessage = (
    SessionCreated
    | SessionUpdated
    | SpeechStarted
    | SpeechStopped
    | Committed
    | WordsDelta
    | WordsDone
    | WordsFailed
    | ResponseCreated
    | ItemAdded
    | ItemDone
    | AudioDelta
    | TranscriptDelta
    | AudioDone
    | ResponseDone
    | Failed
)

OF_NO_USE: Final = frozenset(
    {
        "conversation.item.added", "conversation.item.deleted", "conversation.item.done", "conversation.item.truncated",
        "input_audio_buffer.cleared", "rate_limits.updated", "response.content_part.added",
        "response.content_part.done", "response.function_call_arguments.delta", "response.function_call_arguments.done",
        "response.output_audio_transcript.done",
    }
)  # fmt: skip
"""Kinds we know and need nothing of."""

_SERVER: Final[msgspec.json.Decoder[ServerMessage]] = msgspec.json.Decoder(ServerMessage)


class _Kind(Struct):
    type: str


_KIND: Final = msgspec.json.Decoder(_Kind)
_AT: Final = re.compile(r" - at `([^`]+)`$")


def read(data: bytes) -> ServerMessage | Unknown:
    """One message of the server. Raises ``RemoteError`` for what can't be one."""
    try:
        return _SERVER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return unknown(data, error)


def unknown(data: bytes, error: Exception) -> Unknown:
    """A message whose only fault is a type we don't know."""
    at = _AT.search(str(error))
    where = at[1] if at else "$"
    if isinstance(error, msgspec.ValidationError) and where == "$.type":
        try:
            return Unknown(_KIND.decode(data).type)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    raise RemoteError("a message that can't be read", where=where) from None
