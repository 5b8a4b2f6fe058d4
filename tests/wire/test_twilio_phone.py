"""Twilio's end: as strict as the vendor, and honest about what it loses."""

import json
from typing import Any

import pytest
from both_ends import told
from twilio_calls import ACCOUNT, BASE, CALL, CALLEE, CALLER, STREAM, TOKEN, phone

from trunkline.errors import RemoteError
from trunkline.wire.base import CloseSocket, TextFrame
from trunkline.wire.events import (
    AudioHeard,
    AudioMissing,
    DigitPressed,
    MarkReached,
    MessageIgnored,
    StreamStopped,
    WireCommand,
    WireEvent,
)


def said(event: WireEvent, *before: WireEvent) -> dict[str, Any]:
    """The message ``event`` becomes after a start and ``before``."""
    far = phone()
    far.opened()
    for earlier in before:
        far.send(earlier)
    frame = far.send(event)[0]
    assert isinstance(frame, TextFrame)
    message: dict[str, Any] = json.loads(frame.data)
    return message


@pytest.mark.parametrize(("wanted", "data"), told("twilio"))
def test_the_recorded_commands_are_understood(wanted: WireCommand, data: bytes) -> None:
    assert list(phone().receive(data, binary=False, now=0.0)) == [wanted]


def test_a_stream_opens_with_connected_and_start() -> None:
    connected, start = (json.loads(f.data) for f in phone().opened() if isinstance(f, TextFrame))
    assert connected == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert (start["event"], start["sequenceNumber"], start["streamSid"]) == ("start", "1", STREAM)
    assert start["start"] == {
        "streamSid": STREAM,
        "accountSid": ACCOUNT,
        "callSid": CALL,
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {},
    }


def test_the_webhook_is_a_signed_form() -> None:
    call = phone().dial(BASE + "/")
    assert (call.method, call.url) == ("POST", f"{BASE}/hooks/twilio/voice")
    for part in (f"CallSid={CALL}", f"AccountSid={ACCOUNT}", "From=%2B1500", "To=%2B1500", "CallStatus=ringing"):
        assert part.encode() in call.body
    assert CALLER not in repr(call)
    assert CALLEE not in repr(call)
    assert TOKEN not in repr(call)


FRAME = AudioHeard(b"\xff" * 160)


@pytest.mark.parametrize(
    ("before", "number", "chunk", "timestamp"),
    [
        ([], "2", "1", "0"),
        ([FRAME], "3", "2", "20"),
        ([FRAME, DigitPressed("1"), FRAME], "5", "3", "40"),
        ([FRAME, AudioMissing(320, lost=True)], "5", "4", "60"),
        ([FRAME, AudioMissing(200, lost=True)], "5", "4", "45"),
        ([FRAME, AudioMissing(320, lost=False)], "3", "2", "60"),
        ([AudioHeard(b"\xff" * 12)], "3", "2", "1"),
        ([AudioHeard(b"")], "2", "1", "0"),
    ],
)
def test_audio_is_numbered_and_timed(before: list[WireEvent], number: str, chunk: str, timestamp: str) -> None:
    message = said(FRAME, *before)
    assert message["sequenceNumber"] == number
    assert (message["media"]["chunk"], message["media"]["timestamp"]) == (chunk, timestamp)
    assert message["media"]["track"] == "inbound"


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (DigitPressed("5"), {"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "5"}}),
        (MarkReached('a"b'), {"event": "mark", "mark": {"name": 'a"b'}}),
        (StreamStopped("x"), {"event": "stop", "stop": {"accountSid": ACCOUNT, "callSid": CALL}}),
        (MessageIgnored("weather"), {"event": "weather", "weather": {}}),
    ],
)
def test_other_events_are_the_pages_messages(event: WireEvent, message: dict[str, Any]) -> None:
    assert said(event) == message | {"sequenceNumber": "2", "streamSid": STREAM}


def test_after_stop_the_socket_is_closed() -> None:
    assert phone().send(StreamStopped("x"))[-1] == CloseSocket(1000)


def outbound(**changes: Any) -> str:
    return json.dumps({"event": "media", "streamSid": STREAM, "media": {"payload": "////"}} | changes)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "31951 not valid JSON"),
        ("{}", "31951 missing field (at $.event)"),
        (outbound(event="say"), "31951 not an allowed value (at $.event)"),
        (outbound(streamSid="MZ2"), "31951 a message for another stream (at $.streamSid)"),
        (outbound(sequenceNumber="1"), "31951 a field the protocol does not have"),
        (
            outbound(media={"payload": "////", "track": "outbound"}),
            "31951 a field the protocol does not have (at $.media)",
        ),
        (outbound(media={"payload": "///"}), "31951 invalid base64 (at $.media.payload)"),
        (outbound(media={}), "31951 missing field (at $.media.payload)"),
        (outbound(media={"payload": "UklGRiQA"}), "31924 audio with a file header (at $.media.payload)"),
        (outbound(event="mark", media=None), "31951 a field the protocol does not have"),
        (
            json.dumps({"event": "mark", "streamSid": STREAM, "mark": {"name": 1}}),
            "31951 expected str, got int (at $.mark.name)",
        ),
    ],
)
def test_what_twilio_would_refuse_is_raised_with_its_code(text: str, error: str) -> None:
    with pytest.raises(RemoteError) as caught:
        phone().receive(text.encode(), binary=False, now=0.0)
    assert str(caught.value) == error


def test_a_binary_message_is_refused_with_its_code() -> None:
    with pytest.raises(RemoteError, match="31950") as caught:
        phone().receive(b"\xff" * 160, binary=True, now=0.0)
    assert caught.value.close_code == 1003


def test_a_webhook_nobody_answered_is_the_gateways_fault() -> None:
    with pytest.raises(RemoteError, match="11200"):
        phone().media(BASE, None)
