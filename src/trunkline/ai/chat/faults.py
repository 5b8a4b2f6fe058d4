"""What an error in OpenAI's form means, whoever sends it: as an answer's body, in a stream, or in a message."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from trunkline.ai import patience
from trunkline.errors import Fault, ProviderError

TOO_LONG: Final = "context_length_exceeded"

CODES: Final[dict[str, tuple[Fault, str]]] = {
    "invalid_api_key": ("bad key", "the key was refused"),
    "account_deactivated": ("bad key", "the account is closed"),
    "insufficient_quota": ("quota", "the account has nothing left to spend"),
    "billing_hard_limit_reached": ("quota", "the account has reached its limit"),
    "rate_limit_exceeded": ("rate limit", "too much at once"),
    "inference_rate_limit_exceeded": ("rate limit", "too much at once"),
    "session_expired": ("transient", "the session has lasted as long as it may"),
    "beta_api_shape_disabled": ("our fault", "the session was opened in a way that is no more"),
    "model_not_found": ("our fault", "there is no such model"),
    TOO_LONG: ("our fault", "the conversation is too long for the model"),
}

_TYPES: Final[dict[str, tuple[Fault, str]]] = {
    "invalid_request_error": ("our fault", "can't make anything of our message"),
    "authentication_error": ("bad key", "the key was refused"),
    "server_error": ("transient", "the service failed"),
}
"""Less is known by these than by the status of an answer."""


class TooLong(ProviderError):
    """The conversation does not fit the model: a shorter one may."""


class Failure(msgspec.Struct, frozen=True):
    """A server's error. Its ``message`` may quote the request: it is not read."""

    code: str | int | None = None
    type: str | None = None


class _Refusal(msgspec.Struct, frozen=True):
    error: Failure


def failed(provider: str, failure: Failure) -> ProviderError:
    """An error the server names. Names we don't know may be a passing trouble."""
    if known := _known(failure):
        name, fault, what = known
    else:
        name = named(str(failure.code or failure.type or ""))
        fault, what = _TYPES.get(failure.type or "", ("transient", "failed"))
    return _error(provider, fault, f"{what} ({name})", name)


def refused(provider: str, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """An HTTP answer that is an error. A 429 may mean that nothing is left to spend, a 413 that it is too much at once:
    the body says so. ``headers`` in lower case."""
    error = patience.refused(provider, status, headers)
    try:
        known = _known(msgspec.json.decode(body, type=_Refusal).error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        known = None
    if known is None:
        return error
    name, fault, what = known
    return _error(provider, fault, f"{what} (HTTP {status}, {name})", name, error.retry_after_s)


def named(name: str | None) -> str:
    """A vendor's name for something, made safe to log."""
    return re.sub(r"[^0-9A-Za-z_.-]", "?", (name or "")[:60]) or "unnamed"


def _known(failure: Failure) -> tuple[str, Fault, str] | None:
    """Some servers put a code where the type should be."""
    return next(((str(name), *CODES[str(name)]) for name in (failure.code, failure.type) if name in CODES), None)


def _error(provider: str, fault: Fault, what: str, name: str, retry_after_s: float = 0.0) -> ProviderError:
    return (TooLong if name == TOO_LONG else ProviderError)(provider, fault, what, retry_after_s=retry_after_s)
