"""Vonage's end: as strict as the vendor, about the NCCO and about the frames."""

import json
from typing import Any

import pytest
from both_ends import hear, told
from vonage_calls import ACCOUNT, BASE, CALL, CALLEE, CALLER, SECRET, door, phone, started

from trunkline.errors import Refused, RemoteError
from trunkline.wire.base import BinaryFrame, CloseSocket, HttpCall, HttpReply, HttpRequest, TextFrame
from trunkline.wire.events import (
    AudioHeard,
    DigitPressed,
    MarkReached,
    MessageIgnored,
    PlayAudio,
    StreamStopped,
    WireCommand,
    WireEvent,
)

ENDPOINT: dict[str, Any] = {
    "type": "websocket",
    "uri": "wss://gw.example.org/v1/vonage/media",
    "content-type": "audio/l16;rate=16000",
    "headers": {"ticket": "9f2c", "caller": "15005550006"},
    "authorization": {"type": "vonage"},
}


def ncco(*after: Any, action: str = "connect", **changes: Any) -> HttpReply:
    """The page's NCCO, with its endpoint changed."""
    connect = {"action": action, "from": "15005550001", "endpoint": [{**ENDPOINT, **changes}]}
    return HttpReply(200, json.dumps([connect, *after]).encode(), "application/json; charset=utf-8")


@pytest.mark.parametrize(("wanted", "data"), told("vonage"))
def test_the_recorded_commands_are_understood(wanted: WireCommand, data: bytes) -> None:
    assert list(phone().receive(data, binary=False, now=0.0)) == [wanted]


def test_the_answer_webhook_is_a_get_with_numbers_without_plus() -> None:
    call = phone().dial(f"{BASE}/")
    assert (call.method, call.body) == ("GET", b"")
    query = f"to={CALLEE}&from={CALLER}&conversation_uuid=CON-{CALL}&uuid={CALL}"
    assert call.url == f"{BASE}/hooks/vonage/answer?{query}"


def test_the_pages_ncco_is_followed_and_its_headers_come_in_the_first_message() -> None:
    far = phone()
    address = far.media(BASE, ncco())
    assert (address.url, address.headers) == ("wss://gw.example.org/v1/vonage/media", {})
    (frame,) = far.opened()
    assert isinstance(frame, TextFrame)
    assert json.loads(frame.data) == {
        "event": "websocket:connected",
        "content-type": "audio/l16;rate=16000",
        "ticket": "9f2c",
        "caller": "15005550006",
    }


BAD_ANSWERS = [
    ("no JSON by its type", HttpReply(200, b"[]", "text/plain"), "not JSON by its content type"),
    ("no JSON", HttpReply(200, b"[", "application/json"), "not an NCCO"),
    ("no UTF-8", HttpReply(200, b'[{"action":"\xff"}]', "application/json"), "not an NCCO"),
    ("no list", HttpReply(200, b"{}", "application/json"), "not an NCCO"),
    ("no action", HttpReply(200, b"[{}]", "application/json"), "not an NCCO"),
    ("another endpoint", ncco(type="phone"), "not an NCCO"),
    ("a header that is an object", ncco(headers={"a": {}}), "not an NCCO"),
    ("an action after it", ncco({"action": "talk"}), r"mixed into the call \(at \$\[1\]\)"),
    ("plain ws", ncco(uri="ws://gw.example.org/"), "not wss"),
    ("no host", ncco(uri="wss://"), "not wss"),
    ("no URI", ncco(uri="wss://[1"), "no URI"),
    ("long headers", ncco(headers={"a": "x" * 512}), "too long"),
    ("another encoding", ncco(**{"content-type": "audio/g711"}), "encoding"),
    ("another rate", ncco(**{"content-type": "audio/l16;rate=44100"}), "sample rate"),
    ("no answer", None, "was not answered"),
]


@pytest.mark.parametrize(("why", "reply", "text"), BAD_ANSWERS, ids=[why for why, *_ in BAD_ANSWERS])
def test_an_answer_that_can_not_be_followed(why: str, reply: HttpReply | None, text: str) -> None:
    with pytest.raises(RemoteError, match=text):
        phone().media(BASE, reply)


@pytest.mark.parametrize(
    ("reply", "status"),
    [(HttpReply(503), 503), (ncco(action="talk"), 200), (HttpReply(200, b"[]", "application/json"), 200)],
)
def test_an_answer_that_turns_the_call_away(reply: HttpReply, status: int) -> None:
    with pytest.raises(Refused) as caught:
        phone().media(BASE, reply)
    assert caught.value.status == status


@pytest.mark.parametrize("size", [0, 320, 639, 641, 1280])
def test_a_frame_of_any_other_size_ends_the_leg(size: int) -> None:
    with pytest.raises(RemoteError, match=f"unexpected frame size {size} when required 640") as caught:
        phone().receive(bytes(size), binary=True, now=0.0)
    assert caught.value.close_code == 1006


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b'{"action":"stop"}', "not an allowed value (at $.action)"),
        (b'{"action":"clear","id":1}', "a field the protocol does not have"),
        (b'{"action":"notify"}', "missing field (at $.payload)"),
        (b"clear", "not valid JSON"),
    ],
)
def test_a_message_vonage_does_not_know_is_the_gateways_fault(message: bytes, error: str) -> None:
    with pytest.raises(RemoteError) as caught:
        phone().receive(message, binary=False, now=0.0)
    assert str(caught.value) == error


def test_a_clear_is_answered() -> None:
    far = phone()
    far.receive(b'{"action":"clear"}', binary=False, now=0.0)
    assert far.replies == [TextFrame(b'{"event":"websocket:cleared"}')]


def test_what_the_phone_says() -> None:
    far = phone()
    assert far.send(AudioHeard(bytes(640))) == (BinaryFrame(bytes(640)),)
    assert far.send(AudioHeard(b"")) == ()
    said: list[WireEvent] = [DigitPressed("5"), MarkReached("t1"), MessageIgnored("weather")]
    assert [json.loads(frame.data) for event in said for frame in far.send(event) if isinstance(frame, TextFrame)] == [
        {"event": "websocket:dtmf", "digit": "5", "duration": 260},
        {"event": "websocket:notify", "payload": {"name": "t1"}},
        {"event": "weather"},
    ]


def test_the_end_of_a_call_is_a_signed_webhook_and_a_closed_socket() -> None:
    far, entrance = phone(), door()
    call = far.dial(BASE)
    answer = HttpRequest(call.method, call.url, call.headers_at(100.0), at=100.0)
    far.media(BASE, entrance.hook("answer", answer, 0.0))
    codec = entrance.codec()
    hear(codec, far.opened())
    report, close = far.send(StreamStopped("hung up"))
    assert isinstance(report, HttpCall)
    assert close == CloseSocket(1000)
    assert (report.method, report.url, report.purpose) == ("POST", f"{BASE}/hooks/vonage/event", "event webhook")
    assert SECRET not in repr(report)
    assert ACCOUNT not in repr(report)
    ended = HttpRequest("POST", report.url, report.headers_at(101.0), report.body, 101.0)
    assert entrance.hook("event", ended, 1.0) == HttpReply(204)
    assert codec.receive(bytes(640), binary=True, now=1.0) == (StreamStopped("hung up"),)


def test_both_ends_understand_each_other_insecurely() -> None:
    gateway, far = started()
    (frame,) = gateway.send(PlayAudio(bytes(640)))
    assert isinstance(frame, BinaryFrame)
    assert list(far.receive(frame.data, binary=True, now=0.0)) == [PlayAudio(bytes(640))]
