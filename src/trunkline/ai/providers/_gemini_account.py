"""An account with the Gemini API: where it is, how it lets us in, what its refusals mean."""

import re
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from trunkline.ai import patience
from trunkline.ai.keys import KeyQuestion
from trunkline.ai.session import Address
from trunkline.errors import Fault, ProviderError

NAME: Final = "gemini"

_SERVICE: Final = "google.ai.generativelanguage"


class GeminiSettings(msgspec.Struct, frozen=True):
    """Gemini's own settings."""

    api_key: str = ""
    base_url: str = "https://generativelanguage.googleapis.com"
    api_version: str = "v1beta"  # the Live API's own; "v1alpha" has previews

    turns: Literal["ours", "server"] = "ours"  # who finds the caller's turns; see spec.about for what that means
    input_rate: Literal[16000, 8000] = 16000  # Hz of what it hears: a phone's 8 kHz are brought to 16, or left to it
    prefix_ms: int = 200  # audio before the speech that belongs to it
    silence_ms: int = 600  # of turns="server": so much silence ends a turn
    start_sensitivity: Literal["", "high", "low"] = ""  # of turns="server"; empty: the vendor's own
    end_sensitivity: Literal["", "high", "low"] = ""

    tool_behavior: Literal["", "BLOCKING", "NON_BLOCKING"] = ""  # empty: the best the model's family can do
    thinking_level: Literal["", "minimal", "low", "medium", "high"] = ""  # of models that have levels
    thinking_budget: int = -1  # tokens, of 2.5; -1: the model's own
    proactive: bool = False  # of 2.5: it need not answer what was not meant for it
    max_output_tokens: int = 0  # of one reply; 0: the vendor's own limit
    compress_at_tokens: int = (
        32_000  # each turn is billed with all that was before: then the oldest is dropped; 0: never
    )
    compress_to_tokens: int = 16_000

    answer_s: float = (
        2.0  # no sound of an answer so long after a turn: asked again, once; more where a model thinks long
    )
    session_minutes: float = 9.0  # a new connection takes over after as many; the vendor ends one after about 10
    finish_sentences: bool = True  # a reply that ends in mid-sentence is asked to go on


def _headers(own: GeminiSettings) -> dict[str, str]:
    return {"x-goog-api-key": own.api_key}


def socket_address(own: GeminiSettings) -> Address:
    """The Live API's WebSocket."""
    base = "ws" + own.base_url.rstrip("/").removeprefix("http")
    return Address(f"{base}/ws/{_SERVICE}.{own.api_version}.GenerativeService.BidiGenerateContent", _headers(own))


def key_question(own: GeminiSettings) -> KeyQuestion:
    """One line of the list of models. A key that is none is answered with 400 here."""
    url = f"{own.base_url.rstrip('/')}/{own.api_version}/models?pageSize=1"
    return KeyQuestion(url, _headers(own), refusals=(400, 401, 403))


# --- what their errors mean --------------------------------------------------------------------------------------

# Words of the vendor's reasons, which have no codes; the first that is found counts.
_REASONS: Final[tuple[tuple[str, Fault, str], ...]] = (
    ("api key", "bad key", "the key was refused"),
    ("api_key_invalid", "bad key", "the key was refused"),
    ("unauthenticated", "bad key", "the key was refused"),
    ("permission_denied", "bad key", "the key may not do this"),
    ("permission denied", "bad key", "the key may not do this"),
    ("billing", "quota", "the account has nothing left to spend"),
    ("current quota", "quota", "the account has nothing left to spend"),
    ("resource_exhausted", "rate limit", "too much at once"),
    ("resource has been exhausted", "rate limit", "too much at once"),
    ("rate limit", "rate limit", "too much at once"),
    ("too many", "rate limit", "too much at once"),
    ("quota", "quota", "the account has nothing left to spend"),
)

_STATUSES: Final[dict[int, str]] = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE",
}  # fmt: skip
"""What the vendor calls an HTTP status."""


def _by_reason(reason: str) -> tuple[Fault, str] | None:
    reason = reason.lower()
    return next(((fault, what) for word, fault, what in _REASONS if word in reason), None)


def closed(code: int, reason: str) -> ProviderError:
    """A close frame. Its code alone may mean anything: a refused key is 1007, an empty account 1011."""
    if known := _by_reason(reason):
        fault, what = known
        return ProviderError(NAME, fault, f"closed the socket: {what} ({code})")
    if code == 1011:
        return ProviderError(NAME, "transient", "closed the socket: the service failed (1011)")
    return patience.closed(NAME, code)


class _What(msgspec.Struct, frozen=True):
    code: int = 0
    message: str = ""
    status: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    error: _What = _What()


def failed(code: int, message: str = "", status: str = "") -> ProviderError:
    """An error the vendor tells in a message. Its text is for nobody's eyes but ours."""
    name = re.sub(r"[^A-Z_]", "", status)[:40] or _STATUSES.get(code, str(code))
    if known := _by_reason(message) or _by_reason(name):
        fault, what = known
        return ProviderError(NAME, fault, f"{what} ({name})")
    fault = "our fault" if 400 <= code < 500 else "transient"
    return ProviderError(NAME, fault, f"failed ({name})")


def refused(status: int, given: Mapping[str, str], body: bytes) -> ProviderError:
    """An HTTP answer that is a refusal. What a 400 or a 429 means is in its body."""
    error = patience.refused(NAME, status, given)
    try:
        what = msgspec.json.decode(body, type=_Refusal).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return error
    known = _by_reason(what.message)
    if known is None:
        return error
    return ProviderError(NAME, known[0], f"{known[1]} (HTTP {status})", retry_after_s=error.retry_after_s)
