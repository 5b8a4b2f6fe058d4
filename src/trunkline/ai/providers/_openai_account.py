"""An account with OpenAI, or with a service that speaks its protocol: where it is, how it lets us in, what its
refusals mean.
"""

from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import urlencode

import msgspec

from trunkline.ai import patience
from trunkline.ai.chat import faults
from trunkline.ai.chat.account import Account
from trunkline.ai.chat.faults import CODES, TOO_LONG, Failure
from trunkline.ai.keys import KeyQuestion
from trunkline.ai.session import Address
from trunkline.errors import ProviderError

NAME: Final = "openai"


class OpenAISettings(msgspec.Struct, frozen=True):
    """Settings of OpenAI, or of who speaks its protocol at ``base_url``."""

    api_key: str = ""
    base_url: str = "https://api.openai.com/v1"  # Azure: https://NAME.openai.azure.com/openai/v1
    auth_header: str = "Authorization"  # "Authorization" gets "Bearer KEY"; any other ("api-key") the key alone
    query: dict[str, str] = {}  # put on every address, as JSON: {"api-version": "…"}
    organization: str = ""  # where a key belongs to several
    project: str = ""

    transcription_model: str = "gpt-transcribe"  # writes down what the caller says; empty: nobody does
    turn_detection: Literal["server", "semantic"] = "server"  # when a turn is over: by silence, or by what was said
    vad_threshold: float = 0.5  # of "server": 0 to 1; higher on a noisy line
    silence_ms: int = 500  # of "server": so much silence ends a turn
    prefix_ms: int = 300  # of "server": audio before the speech that belongs to it
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"  # of "semantic"
    prompt_answers: bool = False  # let the server answer by itself while the agent is silent: one round trip less
    noise_reduction: Literal["", "near_field", "far_field"] = ""
    speed: float = 1.0  # of the voice: 0.25 to 1.5
    max_output_tokens: int = 0  # of one reply; 0: the vendor's own limit
    reasoning_effort: Literal["", "minimal", "low", "medium", "high", "xhigh"] = ""  # of models that reason
    session_minutes: float = 55.0  # a new session takes over after as many; the vendor ends one after 60

    live_delegate: str = "gpt-5.4-mini"  # the text model that calls functions for a Live model; empty: nobody does


def headers(own: OpenAISettings) -> dict[str, str]:
    """What lets us in."""
    bearer = own.auth_header.lower() == "authorization"
    given = {own.auth_header: f"Bearer {own.api_key}" if bearer else own.api_key}
    if own.organization:
        given["OpenAI-Organization"] = own.organization
    if own.project:
        given["OpenAI-Project"] = own.project
    return given


def socket_address(own: OpenAISettings, path: str, **query: str) -> Address:
    """A WebSocket under ``base_url``."""
    return Address(_url("ws" + own.base_url.removeprefix("http"), path, query | own.query), headers(own))


def account(own: OpenAISettings) -> Account:
    """The same, for models that only write."""
    return Account(NAME, own.base_url, headers(own), own.query)


def key_question(own: OpenAISettings) -> KeyQuestion:
    """The list of models: cheap, and only for those who have a key."""
    return KeyQuestion(_url(own.base_url, "/models", own.query), headers(own))


def _url(base: str, path: str, query: Mapping[str, str]) -> str:
    return base.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")


# --- what their errors mean --------------------------------------------------------------------------------------

ENDS_THE_SESSION: Final = frozenset(CODES) - {"rate_limit_exceeded", "inference_rate_limit_exceeded", TOO_LONG}
"""Errors after which a connection is of no more use. Most others concern one message."""


def failed(code: str | None, kind: str | None = None) -> ProviderError:
    """An error told in a message."""
    return faults.failed(NAME, Failure(code, kind))


def refused(status: int, given: Mapping[str, str], body: bytes) -> ProviderError:
    """An HTTP answer that is a refusal."""
    return faults.refused(NAME, status, given, body)


def closed(code: int, reason: str) -> ProviderError:
    """A close frame. Some of its reasons are an error's code."""
    for known, (fault, what) in CODES.items():
        if known in reason:
            return ProviderError(NAME, fault, f"closed the socket: {what} ({known}, {code})")
    if code == 4000:
        return ProviderError(NAME, "our fault", "closed the socket on the way it was opened (4000)")
    return patience.closed(NAME, code)
