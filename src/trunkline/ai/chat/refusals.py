"""How servers that speak OpenAI's form refuse, for their stand-ins. What it means is in ``faults``."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import JSONResponse, Response

from trunkline.ai.standin import WRONG_KEY, Trouble

REFUSALS: Final[Mapping[Trouble, tuple[int, str, str]]] = {
    Trouble.KEY: (401, "invalid_api_key", "invalid_request_error"),
    Trouble.QUOTA: (429, "insufficient_quota", "insufficient_quota"),
    Trouble.RATE_LIMIT: (429, "rate_limit_exceeded", "requests"),
    Trouble.FAULT: (500, "server_error", "server_error"),
}
"""The status, the error's code, and its type."""


def key_refusal(headers: Mapping[str, str]) -> Response | None:
    """A key of the right form that is not the wrong one is good."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    key = key if scheme == "Bearer" else headers.get("api-key", "")
    return None if key and key != WRONG_KEY else refusal(*REFUSALS[Trouble.KEY])


def refusal(status: int, code: str, kind: str = "invalid_request_error") -> Response:
    """An answer."""
    headers = {"Retry-After": "0.1"} if code == "rate_limit_exceeded" else None
    return JSONResponse({"error": error(code, kind)}, status, headers)


def error(code: str, kind: str = "invalid_request_error") -> dict[str, Any]:
    """What is in it, or in a message."""
    return {"message": "simulated", "type": kind, "param": None, "code": code}
