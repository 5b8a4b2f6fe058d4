"""What we say on Gemini's Live socket: exactly one thing in each message.

Read back, these structs refuse fields they don't know: the vendor closes the socket on one.
"""

from binascii import b2a_base64
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType


class _Ours(Struct, omit_defaults=True, forbid_unknown_fields=True, rename="camel"):
    """Something we send."""


class Part(_Ours):
    text: str | UnsetType = UNSET


class Said(_Ours, omit_defaults=False):
    """A turn of the conversation. There is no role for the system here."""

    role: Literal["user", "model"]
    parts: list[Part]


class Instruction(_Ours):
    parts: list[Part]
    role: str | UnsetType = UNSET  # of no meaning here, and taken all the same


# --- setup --------------------------------------------------------------------------------------------------------


class PrebuiltVoice(_Ours):
    voice_name: str


class VoiceConfig(_Ours):
    prebuilt_voice_config: PrebuiltVoice


class SpeechConfig(_Ours):
    voice_config: VoiceConfig | UnsetType = UNSET
    language_code: str | UnsetType = UNSET


class ThinkingConfig(_Ours):
    thinking_level: str | UnsetType = UNSET
    thinking_budget: int | UnsetType = UNSET


class GenerationConfig(_Ours):
    response_modalities: list[str]
    speech_config: SpeechConfig | UnsetType = UNSET
    thinking_config: ThinkingConfig | UnsetType = UNSET
    max_output_tokens: int | UnsetType = UNSET


class Function(_Ours):
    name: str
    description: str
    behavior: Literal["BLOCKING", "NON_BLOCKING"] | UnsetType = UNSET
    parameters: dict[str, Any] | UnsetType = UNSET


class Functions(_Ours):
    function_declarations: list[Function]


class Detection(_Ours):
    """Of the caller's activity. ``disabled``: we say when it starts and ends."""

    disabled: bool | UnsetType = UNSET
    start_of_speech_sensitivity: str | UnsetType = UNSET
    end_of_speech_sensitivity: str | UnsetType = UNSET
    prefix_padding_ms: int | UnsetType = UNSET
    silence_duration_ms: int | UnsetType = UNSET


class RealtimeConfig(_Ours):
    automatic_activity_detection: Detection
    activity_handling: str | UnsetType = UNSET
    turn_coverage: str | UnsetType = UNSET


class Nothing(_Ours):
    """An empty object: its presence is what counts."""


class Resumption(_Ours):
    handle: str | UnsetType = UNSET


class Window(_Ours):
    target_tokens: int


class Compression(_Ours):
    trigger_tokens: int
    sliding_window: Window


class Proactivity(_Ours):
    proactive_audio: bool


class HistoryConfig(_Ours):
    initial_history_in_client_content: bool


class Setup(_Ours):
    """The first message. Only what the model's family knows is set."""

    model: str
    generation_config: GenerationConfig
    system_instruction: Instruction | UnsetType = UNSET
    tools: list[Functions] | UnsetType = UNSET
    realtime_input_config: RealtimeConfig | UnsetType = UNSET
    input_audio_transcription: Nothing | UnsetType = UNSET
    output_audio_transcription: Nothing | UnsetType = UNSET
    session_resumption: Resumption | UnsetType = UNSET
    context_window_compression: Compression | UnsetType = UNSET
    proactivity: Proactivity | UnsetType = UNSET
    history_config: HistoryConfig | UnsetType = UNSET


# --- after it -----------------------------------------------------------------------------------------------------


class Audio(_Ours):
    """For reading only: what is sent fifty times a second is made by ``Voice``."""

    data: bytes
    mime_type: str


class RealtimeInput(_Ours):
    """Exactly one of them."""

    audio: Audio | UnsetType = UNSET
    text: str | UnsetType = UNSET
    audio_stream_end: bool | UnsetType = UNSET
    activity_start: Nothing | UnsetType = UNSET
    activity_end: Nothing | UnsetType = UNSET


class ClientContent(_Ours, omit_defaults=False):
    """``turn_complete``: answer this, and leave what you are saying."""

    turns: list[Said]
    turn_complete: bool


class FunctionResponse(_Ours):
    id: str
    name: str
    response: dict[str, Any]
    scheduling: str | UnsetType = UNSET


class ToolResponse(_Ours):
    function_responses: list[FunctionResponse]


class ClientMessage(_Ours):
    """One message: exactly one of these."""

    setup: Setup | UnsetType = UNSET
    realtime_input: RealtimeInput | UnsetType = UNSET
    client_content: ClientContent | UnsetType = UNSET
    tool_response: ToolResponse | UnsetType = UNSET


encode = msgspec.json.Encoder().encode

ACTIVITY_START = ClientMessage(realtime_input=RealtimeInput(activity_start=Nothing()))
ACTIVITY_END = ClientMessage(realtime_input=RealtimeInput(activity_end=Nothing()))
KICK = ClientMessage(realtime_input=RealtimeInput(text=" "))


class Voice:
    """Messages with the caller's voice, at one rate."""

    __slots__ = ("_after",)

    def __init__(self, rate: int) -> None:
        self._after = b'","mimeType":"audio/pcm;rate=%d"}}}' % rate

    def message(self, pcm16: bytes) -> bytes:
        """One message."""
        return b'{"realtimeInput":{"audio":{"data":"' + b2a_base64(pcm16, newline=False) + self._after


def says(text: str, role: Literal["user", "model"] = "user") -> Said:
    """A turn in text."""
    return Said(role, [Part(text)])


def content(turns: list[Said], *, answer: bool) -> ClientMessage:
    """Turns in text; ``answer``: and now it is the model's."""
    return ClientMessage(client_content=ClientContent(turns, answer))
