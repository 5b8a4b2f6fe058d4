"""What Gemini says on its Live socket.

Its messages have no type: each holds one thing or several under names of their own, and all must be looked at. What we
never read of a message is not declared here.
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import Any, Final

import msgspec
from msgspec import Struct

from trunkline.ai.messages import safe
from trunkline.errors import RemoteError

_URL_SAFE: Final = str.maketrans("-_", "+/")


class _Theirs(Struct, rename="camel"):
    """Something the vendor says."""


class Blob(_Theirs):
    mime_type: str = ""
    data: str = ""

    def audio(self) -> bytes:
        """The data. Raises ``RemoteError``."""
        try:
            # Either alphabet is base64 to the vendor.
            return a2b_base64(self.data.translate(_URL_SAFE) if "-" in self.data or "_" in self.data else self.data)
        except (Base64Error, ValueError):
            raise RemoteError("audio that can't be read", where="$.inlineData.data") from None


class Part(_Theirs):
    text: str = ""
    thought: bool = False
    inline_data: Blob | None = None


class ModelTurn(_Theirs):
    parts: list[Part] = []


class Transcription(_Theirs):
    text: str = ""
    finished: bool = False


class Content(_Theirs):
    model_turn: ModelTurn | None = None
    input_transcription: Transcription | None = None
    output_transcription: Transcription | None = None
    interrupted: bool = False
    generation_complete: bool = False
    turn_complete: bool = False
    interaction_status: str = ""


class FunctionCall(_Theirs):
    name: str
    id: str = ""
    args: dict[str, Any] = {}


class ToolCall(_Theirs):
    function_calls: list[FunctionCall] = []


class Cancellation(_Theirs):
    ids: list[str] = []


class Resumption(_Theirs):
    new_handle: str = ""
    resumable: bool = False


class GoAway(_Theirs):
    time_left: str = ""

    @property
    def left_s(self) -> float:
        """How long the connection still serves; 0 where that can't be read."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)s", self.time_left)
        return float(found[1]) if found else 0.0


class Failure(_Theirs):
    code: int = 0
    message: str = ""
    status: str = ""


class ServerMessage(_Theirs):
    """One message."""

    setup_complete: dict[str, Any] | None = None
    server_content: Content | None = None
    tool_call: ToolCall | None = None
    tool_call_cancellation: Cancellation | None = None
    session_resumption_update: Resumption | None = None
    go_away: GoAway | None = None
    error: Failure | None = None
    code: int | None = None  # an error without an envelope
    message: str = ""
    status: str = ""

    @property
    def failure(self) -> Failure | None:
        """What it says went wrong."""
        if self.error is None and self.code is not None:
            return Failure(self.code, self.message, self.status)
        return self.error


_SERVER: Final = msgspec.json.Decoder(ServerMessage)
_NAMES: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_AT: Final = re.compile(r" - at `([^`]+)`$")
_KNOWN: Final = frozenset(field.encode_name for field in msgspec.structs.fields(ServerMessage)) | {
    "usageMetadata",
    "voiceActivity",
    "voiceActivityDetectionSignal",
}
"""Names we know, the last of which we need nothing of."""


def read(data: bytes) -> ServerMessage:
    """One message of the server. Raises ``RemoteError`` for what can't be one."""
    try:
        return _SERVER.decode(data)
    except _UNREADABLE as error:
        at = _AT.search(str(error))
        raise RemoteError("a message that can't be read", where=at[1] if at else "$") from None


def unknown(data: bytes) -> list[str]:
    """Names in a message that we don't know, made safe to log. Raises ``RemoteError``: a message may be good but for
    these."""
    try:
        return [safe(name) for name in _NAMES.decode(data) if name not in _KNOWN]
    except _UNREADABLE:
        raise RemoteError("a message that can't be read") from None
