"""What errors in OpenAI's form mean."""

import json
from typing import Any

import pytest

from trunkline.ai.chat.faults import Failure, TooLong, failed, named, refused

TOO_LONG = "context_length_exceeded"


def body(code: Any, kind: str | None = "invalid_request_error") -> bytes:
    return json.dumps({"error": {"message": "secret words", "type": kind, "param": None, "code": code}}).encode()


@pytest.mark.parametrize(
    ("status", "code", "kind", "fault"),
    [
        (401, "invalid_api_key", "invalid_request_error", "bad key"),
        (401, None, "invalid_request_error", "bad key"),
        (403, "model_not_found", "invalid_request_error", "our fault"),
        (400, TOO_LONG, "invalid_request_error", "our fault"),
        (413, None, "invalid_request_error", "our fault"),
        (413, "rate_limit_exceeded", "tokens", "rate limit"),  # Groq: more tokens than a minute allows
        (429, "rate_limit_exceeded", "requests", "rate limit"),
        (429, "insufficient_quota", "insufficient_quota", "quota"),
        (429, None, "insufficient_quota", "quota"),
        (429, 429, None, "rate limit"),
        (429, "billing_hard_limit_reached", None, "quota"),
        (500, None, "invalid_request_error", "transient"),
        (503, 503, "server_error", "transient"),
    ],
)
def test_an_answer_means_what_its_status_says_unless_its_code_knows_better(
    status: int, code: Any, kind: str | None, fault: str
) -> None:
    error = refused("acme", status, {"retry-after": "2"}, body(code, kind))
    assert (error.provider, error.fault, error.retry_after_s) == ("acme", fault, 2.0)
    assert str(status) in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    "nonsense", [b"", b"<html>", b"\xff", b"[" * 5000, b"[]", b'{"error":"no"}', b'{"error":{"code":[1]}}']
)
def test_an_answer_in_no_known_form_means_what_its_status_says(nonsense: bytes) -> None:
    assert refused("acme", 429, {}, nonsense).fault == "rate limit"


@pytest.mark.parametrize(
    ("code", "kind", "fault", "text"),
    [
        ("insufficient_quota", None, "quota", "acme: the account has nothing left to spend (insufficient_quota)"),
        ("other", "insufficient_quota", "quota", "acme: the account has nothing left to spend (insufficient_quota)"),
        ("other", "server_error", "transient", "acme: the service failed (other)"),
        (None, "authentication_error", "bad key", "acme: the key was refused (authentication_error)"),
        (
            None,
            "invalid_request_error",
            "our fault",
            "acme: can't make anything of our message (invalid_request_error)",
        ),
        (500, None, "transient", "acme: failed (500)"),
        ("a\nb", "c", "transient", "acme: failed (a?b)"),
        (None, None, "transient", "acme: failed (unnamed)"),
    ],
)
def test_an_error_without_a_status_means_what_it_is_called(
    code: str | int | None, kind: str | None, fault: str, text: str
) -> None:
    error = failed("acme", Failure(code, kind))
    assert (error.fault, str(error)) == (fault, text)


def test_too_long_a_conversation_is_told_apart() -> None:
    assert isinstance(refused("acme", 400, {}, body(TOO_LONG)), TooLong)
    assert isinstance(failed("acme", Failure(TOO_LONG)), TooLong)
    assert not isinstance(refused("acme", 400, {}, body("invalid_value")), TooLong)


def test_a_vendors_name_for_something_is_safe_to_log() -> None:
    assert named("rate_limit.v1-b") == "rate_limit.v1-b"
    assert named("x" * 99) == "x" * 60
    assert named("\x1b[31m‹é›\n") == "??31m????"
    assert named(None) == named("") == "unnamed"
