"""Our end of a Twilio stream: recorded conversations, good and bad, and what no conversation may do."""

import copy
import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio_calls import ACCOUNT, CALL, STREAM, announced, command, hear, named, phone, started, vectors

from trunkline.errors import Refused, RemoteError
from trunkline.wire._twilio_gateway import TwilioGateway
from trunkline.wire.base import CloseSocket, HttpCall, TextFrame
from trunkline.wire.events import (
    AudioHeard,
    AudioMissing,
    ClearAudio,
    DigitPressed,
    HangUp,
    MarkReached,
    PlayAudio,
    SendMark,
    StreamStopped,
    Transfer,
    WireEvent,
)

GOOD = vectors("twilio.jsonl")
BAD = vectors("twilio-bad.jsonl")
SAID = [json.dumps(line["message"]).encode() for line in GOOD if line["from"] == "phone"]


def receive(gateway: TwilioGateway, data: bytes) -> list[WireEvent]:
    return list(gateway.receive(data, binary=False, now=1.0))


# --- recorded ----------------------------------------------------------------------------------------------------


def test_the_recorded_conversation_goes_as_written() -> None:
    gateway = announced()
    for line in GOOD:
        if line["from"] == "phone":
            got = named(receive(gateway, json.dumps(line["message"]).encode()))
            assert got == line["events"], line["why"]
        else:
            sent = gateway.send(command(line["command"]))
            assert [json.loads(f.data) for f in sent if isinstance(f, TextFrame)] == line["messages"], line["why"]
    assert (gateway.lost, gateway.misnumbered, gateway.ignored) == (3, 2, 4)
    assert gateway.replies == []


@pytest.mark.parametrize("bad", BAD, ids=[b["name"] for b in BAD])
def test_a_bad_message_is_one_error_that_names_the_field(bad: dict[str, Any]) -> None:
    gateway = announced()
    before = {"connection": 0, "start": 2, "audio": 3}[bad["after"]]
    for data in SAID[:before]:
        receive(gateway, data)
    data = bad["text"].encode() + b" " * bad.get("padding", 0)
    with pytest.raises(RemoteError) as caught:
        gateway.receive(data, binary=bad.get("binary", False), now=1.0)
    assert str(caught.value) == bad["error"]
    assert (caught.value.where, caught.value.close_code) == (bad["where"], bad["close_code"])


@pytest.mark.parametrize(
    "data",
    [b"\xff\xfe", b'{"event":"media","sequenceNumber":"2","streamSid":"\xff"}', b'{"event":"\xff"}'],
)
def test_text_that_is_not_utf8_is_the_peers_fault(data: bytes) -> None:
    gateway = announced()
    with pytest.raises(RemoteError) as caught:
        receive(gateway, data)
    assert caught.value.close_code in (1002, 1007)


# --- attacked ----------------------------------------------------------------------------------------------------

SECRET = "s3cret-w0rd"
DAMAGE: dict[str, Any] = {
    "null": None,
    "a list": [SECRET],
    "an object": {SECRET: SECRET},
    "another string": SECRET,
    "another string in base64": "c2VjcmV0",
    "an empty string": "",
    "a huge number": 10**30,
    "a huge number as a string": "9" * 30,
    "a negative number": -1,
    "a fraction": 1.5,
    "true": True,
    "a long string": SECRET * 5000,
}


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of every leaf, and of every object and list on the way to it."""
    here = [path] if path else []
    if isinstance(value, dict):
        return here + [leaf for key in value for leaf in leaves(value[key], (*path, key))]
    if isinstance(value, list):
        return here + [leaf for n, item in enumerate(value) for leaf in leaves(item, (*path, n))]
    return here


def damaged(message: Any, path: tuple[str | int, ...], change: str) -> bytes:
    message = copy.deepcopy(message)
    parent = message
    for step in path[:-1]:
        parent = parent[step]
    if change == "removed":
        del parent[path[-1]]
    elif change == "nested":
        parent[path[-1]] = {"inner": parent[path[-1]]}
    else:
        parent[path[-1]] = DAMAGE[change]
    return json.dumps(message).encode()


PHONE_SAYS = [line["message"] for line in GOOD if line["from"] == "phone"]


def outcome(told: list[bytes]) -> tuple[list[WireEvent], str]:
    """The events of a conversation and, if it broke, all that its one documented error says."""
    gateway = announced()
    events: list[WireEvent] = []
    try:
        for data in told:
            events += receive(gateway, data)
    except (RemoteError, Refused) as fault:
        return events, f"{fault} {fault!r} {fault.__cause__} {'' if fault.__suppress_context__ else fault.__context__}"
    return events, ""


@pytest.mark.parametrize("change", ["removed", "nested", *DAMAGE])
def test_one_damaged_leaf_gives_events_or_the_peers_fault(change: str) -> None:
    for at, message in enumerate(PHONE_SAYS):
        for path in leaves(message):
            events, error = outcome([*SAID[:at], damaged(message, path, change), *SAID[at + 1 :]])
            for private in (SECRET, "c2VjcmV0", ACCOUNT, CALL, STREAM, "9f2c", "acme"):
                assert private not in error
            for event in events:  # what a clock gone wrong may claim is missing is bounded
                assert not isinstance(event, AudioMissing) or 0 < event.samples <= 600 * 8000


@given(st.binary(max_size=300), st.sampled_from([0, 2, 9]))
def test_any_bytes_give_events_or_the_peers_fault(data: bytes, after: int) -> None:
    outcome([*SAID[:after], data])


@given(st.sampled_from(SAID[1:12]), st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_any_bytes_in_a_message_give_events_or_the_peers_fault(message: bytes, at: int, noise: bytes) -> None:
    outcome([*SAID[:2], message[:at] + noise + message[at + len(noise) :]])
    outcome([SAID[0], message[:at] + noise + message[at + len(noise) :]])


# --- time and numbers ----------------------------------------------------------------------------------------------


def media(number: int, at_ms: int, samples: int = 160) -> bytes:
    return json.dumps(
        {
            "event": "media",
            "sequenceNumber": str(number),
            "streamSid": STREAM,
            "media": {
                "track": "inbound",
                "chunk": str(number),
                "timestamp": str(at_ms),
                "payload": b64encode(b"\xff" * samples).decode(),
            },
        }
    ).encode()


def test_a_lost_message_is_remembered_until_the_next_audio() -> None:
    gateway, _ = started()
    mark = f'{{"event":"mark","sequenceNumber":"4","streamSid":"{STREAM}","mark":{{"name":"m"}}}}'.encode()
    receive(gateway, media(2, 0))
    assert receive(gateway, mark) == [MarkReached("m")]  # number 3 was the audio that is missing
    assert receive(gateway, media(5, 40))[0] == AudioMissing(160, lost=True)
    assert receive(gateway, media(6, 80))[0] == AudioMissing(160, lost=False)


def test_a_lost_message_that_was_not_audio_is_counted_and_then_forgotten() -> None:
    gateway, _ = started()
    receive(gateway, media(2, 0))
    assert receive(gateway, media(4, 20)) == [AudioHeard(b"\xff" * 160)]
    assert gateway.lost == 1
    digit = f'{{"event":"dtmf","sequenceNumber":"6","streamSid":"{STREAM}","dtmf":{{"digit":"1"}}}}'.encode()
    assert receive(gateway, digit) == [DigitPressed("1")]
    assert gateway.lost == 2
    assert receive(gateway, media(7, 40)) == [AudioHeard(b"\xff" * 160)]
    assert receive(gateway, media(8, 80))[0] == AudioMissing(160, lost=False)


def test_small_steps_of_the_clock_add_up_to_a_hole() -> None:
    gateway, _ = started()
    missing = []
    for n in range(30):  # each message 21 ms after the last, with 20 ms of audio
        missing += [e for e in receive(gateway, media(2 + n, 21 * n)) if isinstance(e, AudioMissing)]
    assert missing == [AudioMissing(80, lost=False)] * 2


def test_the_first_audio_sets_the_clock() -> None:
    gateway, _ = started()
    assert [type(e) for e in receive(gateway, media(9, 5000))] == [AudioHeard]
    assert gateway.lost == 7


def test_an_unknown_events_name_is_made_safe_to_log() -> None:
    gateway = announced()
    (event,) = receive(gateway, json.dumps({"event": "new\nline " + "x" * 500}).encode())
    assert named([event]) == [{"type": "MessageIgnored", "kind": "new?line " + "x" * 31}]


# --- both ends ----------------------------------------------------------------------------------------------------

frames = st.binary(min_size=1, max_size=400)
said = st.one_of(
    frames.map(AudioHeard),
    st.sampled_from("0123456789*#ABCD").map(DigitPressed),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(MarkReached),
)


@given(st.lists(said, max_size=20))
def test_what_the_phone_says_is_what_the_gateway_hears(events: list[WireEvent]) -> None:
    gateway, far = started()
    assert [heard for event in events for heard in hear(gateway, far.send(event))] == events


@given(st.integers(1, 200), st.integers(1, 200), st.booleans())
def test_missing_audio_is_missed_exactly(frames_before: int, ms: int, lost: bool) -> None:
    gateway, far = started()
    for _ in range(frames_before):
        hear(gateway, far.send(AudioHeard(b"\xff" * 160)))
    hole = AudioMissing(8 * (ms + 9), lost=lost)
    assert hear(gateway, far.send(hole)) == []
    assert hear(gateway, far.send(AudioHeard(b"\x7f" * 160))) == [hole, AudioHeard(b"\x7f" * 160)]


commands = st.one_of(
    st.binary(max_size=400).map(PlayAudio).filter(lambda play: not play.audio.startswith(b"RIFF")),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(SendMark),
    st.just(ClearAudio()),
)


@given(commands)
def test_what_the_gateway_says_is_what_the_phone_does(wanted: PlayAudio | SendMark | ClearAudio) -> None:
    gateway, far = started()
    (frame,) = gateway.send(wanted)
    assert isinstance(frame, TextFrame)
    assert list(far.receive(frame.data, binary=False, now=0.0)) == [wanted]


# --- ends ----------------------------------------------------------------------------------------------------------


def test_hanging_up_ends_the_call_over_rest_and_closes_the_socket() -> None:
    gateway = announced()
    for data in SAID[:2]:
        receive(gateway, data)
    call, close = gateway.send(HangUp())
    assert isinstance(call, HttpCall)
    assert call.url == f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json"
    assert (call.method, call.body, call.ok) == ("POST", b"Status=completed", (404,))
    assert close == CloseSocket(1000)


def test_without_rest_credentials_closing_the_socket_ends_the_call() -> None:
    gateway, _ = started()
    assert gateway.send(HangUp()) == (CloseSocket(1000),)
    assert gateway.send(Transfer("+15005550009")) == ()


def test_a_stream_that_stopped_leaves_its_call_alone() -> None:
    gateway = announced()
    for data in SAID:
        receive(gateway, data)
    assert gateway.send(HangUp()) == (CloseSocket(1000),)  # it may have been transferred
    assert gateway.send(Transfer("+15005550009")) == ()
    assert receive(gateway, b"rubbish") == []


def test_before_start_there_is_nothing_to_send_to() -> None:
    gateway = announced()
    assert gateway.send(PlayAudio(b"\xff")) == ()
    assert gateway.send(SendMark("m")) == ()
    assert gateway.send(HangUp()) == (CloseSocket(1000),)


def test_the_phones_stop_is_the_streams_end() -> None:
    gateway, far = started()
    stop, close = far.send(StreamStopped("hung up"))
    assert hear(gateway, [stop]) == [StreamStopped("the platform stopped the stream")]
    assert close == CloseSocket(1000)
    assert phone().replies == []
