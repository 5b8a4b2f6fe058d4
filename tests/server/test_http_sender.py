import asyncio
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from trunkline.server.sender import ATTEMPTS, HttpSender
from trunkline.wire.base import HttpCall

HANG_UP = HttpCall(
    "POST",
    "https://api.example.org/Calls/CA123",
    {"x-one": "1"},
    b"Status=completed",
    ("AC1", "s3cret"),
    (404,),
    "hang up",
)


def send(*answers: Any) -> Any:
    """What reached the platform, which gives these answers in turn, and what was logged."""
    requests = []
    left = list(answers)

    def platform(request: Any) -> Any:
        requests.append(request)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer)

    async def scenario() -> None:
        async with HttpSender(httpx.MockTransport(platform), wait_s=0) as sender:
            await sender(HANG_UP)

    with capture_logs() as lines:
        asyncio.run(scenario())
    return requests, lines


def test_a_request_arrives_as_it_was_described() -> None:
    (request,), lines = send(200)
    assert (request.method, str(request.url), request.content) == ("POST", HANG_UP.url, HANG_UP.body)
    assert request.headers["x-one"] == "1"
    assert request.headers["authorization"].startswith("Basic ")
    assert lines == []


@pytest.mark.parametrize(
    ("answers", "attempts", "logged"),
    [
        ((204,), 1, None),
        ((404,), 1, None),  # listed as success: the call is gone already
        ((400,), 1, 400),
        ((401,), 1, 401),
        ((503, 200), 2, None),
        ((429, 500, 200), 3, None),
        ((httpx.ConnectError("no route to CA123"), 200), 2, None),
        ((503,) * ATTEMPTS, ATTEMPTS, 503),
        ((httpx.ReadTimeout("reading CA123"),) * ATTEMPTS, ATTEMPTS, "ReadTimeout"),
    ],
    ids=str,
)
def test_it_is_tried_again_where_that_may_help(answers: Any, attempts: Any, logged: Any) -> None:
    requests, lines = send(*answers)
    assert len(requests) == attempts
    assert [line["outcome"] for line in lines] == ([logged] if logged else [])


def test_neither_address_nor_content_nor_key_is_logged() -> None:
    _, lines = send(400)
    assert not any(secret in str(lines) for secret in ("CA123", "s3cret", "AC1", "completed"))
    assert lines[0]["purpose"] == "hang up"
