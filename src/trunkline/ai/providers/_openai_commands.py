"""What we say on OpenAI's Realtime socket (GA).

Read back, these structs refuse fields they don't know: the vendor does too, and drops the whole message.
"""

from binascii import b2a_base64
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType


class _Ours(Struct, omit_defaults=True, forbid_unknown_fields=True):
    """Something we send."""


class Format(_Ours):
    """``audio/pcmu`` and ``audio/pcma`` are G.711 at 8 kHz; ``audio/pcm`` has a ``rate`` of 24000."""

    type: str
    rate: int | UnsetType = UNSET


class ServerVad(_Ours, tag="server_vad"):
    threshold: float
    prefix_padding_ms: int
    silence_duration_ms: int
    create_response: bool | UnsetType = UNSET
    interrupt_response: bool | UnsetType = UNSET


class SemanticVad(_Ours, tag="semantic_vad"):
    eagerness: str
    create_response: bool | UnsetType = UNSET
    interrupt_response: bool | UnsetType = UNSET


class Transcription(_Ours):
    model: str
    language: str | UnsetType = UNSET


class NoiseReduction(_Ours):
    type: str


class AudioInput(_Ours):
    turn_detection: ServerVad | SemanticVad
    format: Format | UnsetType = UNSET
    transcription: Transcription | UnsetType = UNSET
    noise_reduction: NoiseReduction | UnsetType = UNSET


class AudioOutput(_Ours):
    format: Format
    voice: str | UnsetType = UNSET
    speed: float | UnsetType = UNSET


class Audio(_Ours):
    input: AudioInput
    output: AudioOutput | UnsetType = UNSET


class Function(_Ours, tag="function"):
    name: str
    description: str
    parameters: dict[str, Any]


class Reasoning(_Ours):
    effort: str


class Session(_Ours, tag="realtime"):
    """Only what is set is sent, and only fields the vendor documents: one it doesn't know costs the whole session."""

    audio: Audio
    output_modalities: list[str] | UnsetType = UNSET
    instructions: str | UnsetType = UNSET
    tools: list[Function] | UnsetType = UNSET
    tool_choice: str | UnsetType = UNSET
    max_output_tokens: int | UnsetType = UNSET
    reasoning: Reasoning | UnsetType = UNSET


class SessionUpdate(_Ours, tag="session.update"):
    session: Session
    event_id: str | UnsetType = UNSET


class AudioAppend(_Ours, tag="input_audio_buffer.append"):
    """For reading only: what is sent fifty times a second is made by ``append``."""

    audio: bytes
    event_id: str | UnsetType = UNSET


class Content(_Ours):
    type: Literal["input_text", "output_text"]
    text: str


class MessageItem(_Ours, tag="message"):
    role: Literal["user", "assistant", "system"]
    content: list[Content]
    id: str | UnsetType = UNSET


class CallItem(_Ours, tag="function_call"):
    call_id: str
    name: str
    arguments: str
    id: str | UnsetType = UNSET


class ResultItem(_Ours, tag="function_call_output"):
    call_id: str
    output: str
    id: str | UnsetType = UNSET


Item = MessageItem | CallItem | ResultItem


class ItemCreate(_Ours, tag="conversation.item.create"):
    item: Item
    previous_item_id: str | UnsetType = UNSET
    event_id: str | UnsetType = UNSET


class ItemTruncate(_Ours, tag="conversation.item.truncate", omit_defaults=False):
    """The caller heard ``audio_end_ms`` of this item, and no more."""

    item_id: str
    content_index: int
    audio_end_ms: int


class ItemDelete(_Ours, tag="conversation.item.delete"):
    item_id: str


class Wanted(_Ours):
    """Of a response. ``instructions`` take the place of the session's."""

    metadata: dict[str, str] | UnsetType = UNSET
    instructions: str | UnsetType = UNSET
    conversation: Literal["auto", "none"] | UnsetType = UNSET
    tool_choice: Literal["auto", "none"] | UnsetType = UNSET


class ResponseCreate(_Ours, tag="response.create"):
    event_id: str | UnsetType = UNSET
    response: Wanted | UnsetType = UNSET


class ResponseCancel(_Ours, tag="response.cancel"):
    response_id: str | UnsetType = UNSET


ClientMessage = SessionUpdate | AudioAppend | ItemCreate | ItemTruncate | ItemDelete | ResponseCreate | ResponseCancel

encode = msgspec.json.Encoder().encode


def append(audio: bytes) -> bytes:
    """A message with the caller's voice."""
    return b'{"type":"input_audio_buffer.append","audio":"' + b2a_base64(audio, newline=False) + b'"}'
