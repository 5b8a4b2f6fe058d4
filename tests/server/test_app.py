"""Webhooks, and what an orchestrator asks."""

import httpx
import pytest
import uvloop
from structlog.testing import capture_logs

from trunkline.errors import Refused, RemoteError
from trunkline.server.app import MAX_WEBHOOK_BYTES, make_app
from trunkline.server.calls import Switchboard
from trunkline.server.routes import Route
from trunkline.wire.base import HttpReply, WireSpec

SPEC = WireSpec(name="acme", title="Acme", media_path="/media/acme", hooks=("voice", "status"))


class Door:
    """Answers, or raises what it was given."""

    def __init__(self, error=None):
        self.error = error
        self.asked = []

    def hook(self, name, request, now):
        self.asked.append((name, request))
        if self.error:
            raise self.error
        return HttpReply(200, b"<answer/>", "text/xml")


def ask(method, path, *, door=None, max_calls=1, base_url="https://gw.example.org/calls", drained=False, **kwargs):
    """The answer to one request."""

    async def scenario():
        async with Switchboard(max_calls=max_calls) as board:
            if drained:
                await board.drain(0)
            app = make_app(routes={"acme": Route(SPEC, door or Door())}, base_url=base_url, board=board)
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://evil.example.net") as http:
                return await http.request(method, path, **kwargs)

    return uvloop.run(scenario())


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_webhook_reaches_its_door_raw_and_under_the_public_address(method):
    door = Door()
    reply = ask(method, "/hooks/acme/voice?b=%2B1&a", door=door, content=b"\x00raw", headers={"X-Sign": "abc"})
    ((name, request),) = door.asked
    assert (reply.status_code, reply.content, reply.headers["content-type"]) == (
        200,
        b"<answer/>",
        "text/xml; charset=utf-8",
    )
    assert (name, request.method, request.body) == ("voice", method, b"\x00raw")
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
def test_a_stranger_learns_the_status_and_the_log_the_reason(error, status, event):
    with capture_logs() as lines:
        reply = ask("POST", "/hooks/acme/voice", door=Door(error))
    assert (reply.status_code, reply.content) == (status, b"")
    (line,) = [line for line in lines if line["event"] == event]
    assert "ACME_TOKEN is not set" in line["reason"]
    assert line["platform"] == "acme"


@pytest.mark.parametrize("path", ["/hooks/acme/other", "/hooks/nobody/voice", "/docs", "/openapi.json", "/redoc"])
def test_what_is_not_there_is_not_found(path):
    assert ask("GET", path).status_code == 404


def test_an_oversized_webhook_is_refused():
    door = Door()
    assert ask("POST", "/hooks/acme/voice", door=door, content=bytes(MAX_WEBHOOK_BYTES + 1)).status_code == 413
    assert door.asked == []


def test_a_full_house_refuses_the_webhook_that_announces_a_call_and_answers_the_others():
    assert ask("POST", "/hooks/acme/voice", max_calls=0).status_code == 503
    assert ask("POST", "/hooks/acme/status", max_calls=0).status_code == 200


def test_live_says_so_as_long_as_the_process_does():
    assert ask("GET", "/live", max_calls=0).status_code == 200


@pytest.mark.parametrize(
    ("house", "status", "state"),
    [
        ({}, 200, "ready"),
        ({"max_calls": 0}, 503, "full"),
        ({"drained": True}, 503, "draining"),
    ],
)
def test_ready_says_whether_another_call_may_come(house, status, state):
    reply = ask("GET", "/ready", **house)
    assert reply.status_code == status
    assert reply.json()["state"] == state
    assert reply.json()["active_calls"] == 0


def test_the_root_says_what_this_is():
    assert ask("GET", "/").json() == {"service": "trunkline"}
