"""Webhooks, and what an orchestrator asks."""

from typing import Any

import httpx
import pytest
import uvloop
from house import SPEC, FakeDoor
from structlog.testing import capture_logs

from trunkline.errors import Refused, RemoteError
from trunkline.server.app import MAX_WEBHOOK_BYTES, make_app
from trunkline.server.calls import Switchboard
from trunkline.server.routes import Route


def ask(
    method: str,
    path: str,
    *,
    door: Any = None,
    max_calls: Any = 1,
    base_url: Any = "https://gw.example.org/calls",
    drained: Any = False,
    **kwargs: Any,
) -> Any:
    """The answer to one request."""

    async def scenario() -> Any:
        async with Switchboard(max_calls=max_calls) as board:
            if drained:
                await board.drain(0)
            app = make_app(routes={"acme": Route(SPEC, door or FakeDoor())}, base_url=base_url, board=board)
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://evil.example.net") as http:
                return await http.request(method, path, **kwargs)

    return uvloop.run(scenario())


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_webhook_reaches_its_door_raw_and_under_the_public_address(method: str) -> None:
    door = FakeDoor()
    reply = ask(method, "/hooks/acme/voice?b=%2B1&a", door=door, content=b"\x00raw", headers={"X-Sign": "abc"})
    (request,) = door.asked
    assert (reply.status_code, reply.content, reply.headers["content-type"]) == (
        200,
        b"<answer/>",
        "text/xml; charset=utf-8",
    )
    assert (request.method, request.body) == (method, b"\x00raw")
    assert request.url == "https://gw.example.org/calls/hooks/acme/voice?b=%2B1&a"
    assert request.headers["x-sign"] == "abc"


@pytest.mark.parametrize(
    ("error", "status", "event"),
    [
        (Refused("ACME_TOKEN is not set"), 403, "webhook refused"),
        (Refused("ACME_TOKEN is not set", status=401), 401, "webhook refused"),
        (RemoteError("ACME_TOKEN is not set"), 400, "webhook malformed"),
    ],
)
def test_a_stranger_learns_the_status_and_the_log_the_reason(error: Any, status: int, event: str) -> None:
    with capture_logs() as lines:
        reply = ask("POST", "/hooks/acme/voice", door=FakeDoor(error))
    assert (reply.status_code, reply.content) == (status, b"")
    (line,) = [line for line in lines if line["event"] == event]
    assert "ACME_TOKEN is not set" in line["reason"]
    assert line["platform"] == "acme"


@pytest.mark.parametrize("path", ["/hooks/acme/other", "/hooks/nobody/voice", "/docs", "/openapi.json", "/redoc"])
def test_what_is_not_there_is_not_found(path: str) -> None:
    assert ask("GET", path).status_code == 404


def test_an_oversized_webhook_is_refused() -> None:
    door = FakeDoor()
    assert ask("POST", "/hooks/acme/voice", door=door, content=bytes(MAX_WEBHOOK_BYTES + 1)).status_code == 413
    assert door.asked == []


def test_a_full_house_refuses_the_webhook_that_announces_a_call_and_answers_the_others() -> None:
    assert ask("POST", "/hooks/acme/voice", max_calls=0).status_code == 503
    assert ask("POST", "/hooks/acme/status", max_calls=0).status_code == 200


def test_live_says_so_as_long_as_the_process_does() -> None:
    assert ask("GET", "/live", max_calls=0).status_code == 200


@pytest.mark.parametrize(
    ("house", "status", "state"),
    [
        ({}, 200, "ready"),
        ({"max_calls": 0}, 503, "full"),
        ({"drained": True}, 503, "draining"),
    ],
)
def test_ready_says_whether_another_call_may_come(house: Any, status: int, state: Any) -> None:
    reply = ask("GET", "/ready", **house)
    assert reply.status_code == status
    assert reply.json()["state"] == state
    assert reply.json()["active_calls"] == 0


def test_the_root_says_what_this_is() -> None:
    assert ask("GET", "/").json() == {"service": "trunkline"}
