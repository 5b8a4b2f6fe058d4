"""TwiML and REST: the same as Twilio's package writes, and read the way Twilio reads it."""

from urllib.parse import parse_qs
from xml.etree import ElementTree

import pytest
from twilio.twiml.voice_response import Connect, Dial, VoiceResponse
from twilio_calls import ACCOUNT, CALL

from trunkline.errors import Refused, RemoteError
from trunkline.wire._twilio_http import Rest, connect_stream, dial, read_connect_stream
from trunkline.wire.base import HttpReply

URL = "wss://gw.example.org/media/twilio"


def tree(twiml: str | bytes) -> object:
    """An element and its children, without the white space between them."""

    def shape(e: ElementTree.Element) -> tuple[str, dict[str, str], str, list[object]]:
        return e.tag, dict(e.attrib), (e.text or "").strip(), [shape(child) for child in e]

    return shape(ElementTree.fromstring(twiml))  # noqa: S314 - the test wrote it itself


def answer(inside: str) -> HttpReply:
    return HttpReply(200, f"<Response>{inside}</Response>".encode(), "text/xml")


@pytest.mark.parametrize("ticket", ["9f2c", "<&\"'>é"])
def test_the_answer_is_what_twilios_package_would_write(ticket: str) -> None:
    theirs = VoiceResponse()
    connect = Connect()
    connect.stream(url=URL).parameter(name="ticket", value=ticket)
    theirs.append(connect)
    theirs.hangup()
    reply = connect_stream(URL, ticket)
    assert tree(reply.body) == tree(str(theirs))
    assert (reply.status, reply.content_type) == (200, "text/xml")
    assert read_connect_stream(reply) == (URL, {"ticket": ticket})


@pytest.mark.parametrize("target", ["+15005550009", "sip:a&b@example.org", "<evil/>"])
def test_a_transfer_is_what_twilios_package_would_write(target: str) -> None:
    theirs = VoiceResponse()
    if target.startswith("sip:"):
        inner = Dial()
        inner.sip(target)
        theirs.append(inner)
    else:
        theirs.dial(target)
    assert tree(dial(target)) == tree(str(theirs))


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (answer('<Reject reason="busy"/>'), "did not connect the call"),
        (answer("<Hangup/>"), "did not connect the call"),
        (answer(f'<Start><Stream url="{URL}"/></Start>'), "did not connect the call"),
        (HttpReply(403), "the webhook answered 403"),
        (HttpReply(503, b"full"), "the webhook answered 503"),
    ],
)
def test_a_call_that_was_turned_away_is_refused(reply: HttpReply, text: str) -> None:
    with pytest.raises(Refused, match=text) as caught:
        read_connect_stream(reply)
    assert caught.value.status == reply.status


ENTITIES = '<!DOCTYPE r [<!ENTITY a "aaaa">]><Response><Connect><Stream url="wss://h/&a;"/></Connect></Response>'


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (answer("<Connect>"), "12100 the webhook's answer is not well-formed XML"),
        (HttpReply(200, b"", "text/xml"), "12100 the webhook's answer is not well-formed XML"),
        (HttpReply(200, b"\xff\xfe<", "text/xml"), "12100 the webhook's answer is not well-formed XML"),
        (HttpReply(200, b"<Say/>", "text/xml"), "12100 the webhook's answer is not a Response"),
        (HttpReply(200, ENTITIES.encode(), "text/xml"), "12100 the webhook's answer has a document type"),
        (
            HttpReply(200, ENTITIES.encode("utf-16"), "text/xml"),
            "12100 the webhook's answer is not well-formed XML",
        ),
        (HttpReply(200, b" " * 70000, "text/xml"), "11750 the webhook's answer is too long"),
        (HttpReply(200, b"{}", "application/json"), "12300 the webhook's answer is not XML by its content type"),
        (answer("<Connect><Stream/></Connect>"), "31922 the stream's URL is not wss (at Stream.url)"),
        (
            answer('<Connect><Stream url="https://h/p"/></Connect>'),
            "31922 the stream's URL is not wss (at Stream.url)",
        ),
        (
            answer('<Connect><Stream url="ws://gw.example.org/p"/></Connect>'),
            "31922 the stream's URL is not wss (at Stream.url)",
        ),
        (
            answer('<Connect><Stream url="wss://h/p?q=1"/></Connect>'),
            "31920 the stream's URL has a query or no host (at Stream.url)",
        ),
        (
            answer('<Connect><Stream url="wss://[/p"/></Connect>'),
            "31920 the stream's URL is no URL (at Stream.url)",
        ),
    ],
)
def test_an_answer_twilio_can_not_follow(reply: HttpReply, text: str) -> None:
    with pytest.raises(RemoteError) as caught:
        read_connect_stream(reply)
    assert str(caught.value) == text


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "127.8.8.8", "localhost:1", "[::1]:8080"])
def test_a_gateway_on_this_machine_needs_no_certificate(host: str) -> None:
    url = f"ws://{host}/media/twilio"
    assert read_connect_stream(connect_stream(url, "t")) == (url, {"ticket": "t"})


def test_rest_requests_are_values_that_show_nothing_private() -> None:
    rest = Rest("api.dublin.ie1.twilio.com", "SK1", "secret")
    call = rest.transfer(ACCOUNT, CALL, "+15005550009")
    assert call is not None
    assert call.url == f"https://api.dublin.ie1.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json"
    assert parse_qs(call.body.decode()) == {"Twiml": ["<Response><Dial>+15005550009</Dial></Response>"]}
    assert (call.auth, call.ok) == (("SK1", "secret"), ())
    assert "secret" not in f"{rest!r}{call!r}"
    assert "555" not in f"{rest!r}{call!r}"


def test_what_stands_in_a_rest_url_can_not_leave_its_place() -> None:
    call = Rest("api.twilio.com", "a", "b").hang_up("../x", "y?z")
    assert call is not None
    assert call.url == "https://api.twilio.com/2010-04-01/Accounts/..%2Fx/Calls/y%3Fz.json"


def test_without_a_secret_there_is_no_request_and_without_a_user_it_is_the_calls_account() -> None:
    assert Rest("api.twilio.com", "SK1", "").hang_up(ACCOUNT, CALL) is None
    call = Rest("api.twilio.com", "", "secret").hang_up(ACCOUNT, CALL)
    assert call is not None
    assert call.auth == (ACCOUNT, "secret")
