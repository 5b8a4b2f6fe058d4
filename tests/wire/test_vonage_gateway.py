"""Our end of a Vonage stream: recorded conversations, good and bad, and what no conversation may do."""

import copy
import json
from base64 import b64decode, b64encode
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vonage_calls import (
    APPLICATION,
    CALL,
    CALLEE,
    CALLER,
    WALL,
    announced,
    command,
    hear,
    key_pair,
    named,
    phone,
    started,
    vectors,
    with_key,
)

from trunkline.audio.format import PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat
from trunkline.errors import Refused, RemoteError
from trunkline.wire._vonage_gateway import VonageGateway
from trunkline.wire.base import BinaryFrame, CloseSocket, HttpCall, TextFrame
from trunkline.wire.events import (
    AudioHeard,
    AudioMissing,
    ClearAudio,
    DigitPressed,
    EndUtterance,
    HangUp,
    MarkReached,
    MessageIgnored,
    PlayAudio,
    SendDigits,
    SendMark,
    StreamStarted,
    StreamStopped,
    Transfer,
    WireEvent,
)

GOOD = vectors("vonage.jsonl")
BAD = vectors("vonage-bad.jsonl")
CONNECTED = json.dumps(GOOD[0]["message"]).encode()


def said(line: dict[str, Any]) -> tuple[bytes, bool]:
    """A message of the platform, and whether it is binary."""
    return (b64decode(line["audio"]), True) if "audio" in line else (json.dumps(line["message"]).encode(), False)


SAID = [said(line) for line in GOOD if line["from"] == "phone"]


def receive(gateway: VonageGateway, data: bytes, binary: bool = False) -> list[WireEvent]:
    return list(gateway.receive(data, binary=binary, now=1.0))


# --- recorded ----------------------------------------------------------------------------------------------------


def test_the_recorded_conversation_goes_as_written() -> None:
    gateway = announced()
    for line in GOOD:
        if line["from"] == "phone":
            assert named(receive(gateway, *said(line))) == line["events"], line["why"]
        else:
            sent = gateway.send(command(line["command"]))
            audio = [b64encode(f.data).decode() for f in sent if isinstance(f, BinaryFrame)]
            assert audio == line.get("audio", []), line["why"]
            text = [json.loads(f.data) for f in sent if isinstance(f, TextFrame)]
            assert text == line.get("messages", []), line["why"]
    assert (gateway.early, gateway.ignored, gateway.replies) == (0, 1, [])


@pytest.mark.parametrize("bad", BAD, ids=[b["name"] for b in BAD])
def test_a_bad_message_is_one_error_that_names_the_field(bad: dict[str, Any]) -> None:
    gateway = announced()
    if bad["after"] == "start":
        receive(gateway, CONNECTED)
    data = bad["text"].encode() + b" " * bad.get("padding", 0)
    with pytest.raises(RemoteError) as caught:
        receive(gateway, data, bad.get("binary", False))
    assert str(caught.value) == bad["error"]
    assert (caught.value.where, caught.value.close_code) == (bad["where"], bad["close_code"])


@pytest.mark.parametrize("data", [b"\xff\xfe", b'{"event":"websocket:notify","payload":{"name":"\xff"}}'])
def test_text_that_is_not_utf8_is_the_peers_fault(data: bytes) -> None:
    with pytest.raises(RemoteError) as caught:
        receive(announced(), data)
    assert caught.value.close_code == 1007


# --- attacked ----------------------------------------------------------------------------------------------------

SECRET = "s3cret-w0rd"
DAMAGE: dict[str, Any] = {
    "null": None,
    "a list": [SECRET],
    "an object": {SECRET: SECRET},
    "another string": SECRET,
    "an empty string": "",
    "a huge number": 10**30,
    "a negative number": -1,
    "a fraction": 1.5,
    "true": True,
    "a long string": SECRET * 5000,
}
PHONE_SAYS = [line for line in GOOD if line["from"] == "phone"]


def leaves(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The path of every leaf, and of every object on the way to it."""
    here = [path] if path else []
    if isinstance(value, dict):
        return here + [leaf for key in value for leaf in leaves(value[key], (*path, key))]
    return here


def damaged(message: Any, path: tuple[str, ...], change: str) -> bytes:
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


def outcome(told: list[tuple[bytes, bool]]) -> str:
    """All that the one documented error of a conversation says, if it broke."""
    gateway = announced()
    try:
        for data, binary in told:
            receive(gateway, data, binary)
    except (RemoteError, Refused) as fault:
        return f"{fault} {fault!r} {fault.__cause__} {'' if fault.__suppress_context__ else fault.__context__}"
    return ""


@pytest.mark.parametrize("change", ["removed", "nested", *DAMAGE])
def test_one_damaged_leaf_gives_events_or_the_peers_fault(change: str) -> None:
    for at, line in enumerate(PHONE_SAYS):
        for path in leaves(line.get("message", {})):
            error = outcome([*SAID[:at], (damaged(line["message"], path, change), False), *SAID[at + 1 :]])
            for private in (SECRET, CALL, CALLER, CALLEE, "9f2c"):
                assert private not in error


@given(st.binary(max_size=700), st.booleans(), st.sampled_from([0, 1, 4]))
def test_any_bytes_give_events_or_the_peers_fault(data: bytes, binary: bool, after: int) -> None:
    outcome([*SAID[:after], (data, binary)])


TEXTS = [data for data, binary in SAID if not binary]


@given(st.sampled_from(TEXTS), st.integers(0, 120), st.binary(min_size=1, max_size=3), st.booleans())
def test_any_bytes_in_a_message_give_events_or_the_peers_fault(
    message: bytes, at: int, noise: bytes, started: bool
) -> None:
    outcome([*SAID[: int(started)], (message[:at] + noise + message[at + len(noise) :], False)])


def test_audio_before_the_start_is_not_heard_and_does_no_harm() -> None:
    gateway = announced()
    assert receive(gateway, bytes(640), True) == [MessageIgnored("audio before start")]
    assert receive(gateway, b"", True) == [MessageIgnored("audio before start")]
    assert gateway.early == 2
    (began,) = receive(gateway, CONNECTED)
    assert isinstance(began, StreamStarted)


def test_an_unknown_events_name_is_made_safe_to_log() -> None:
    (event,) = receive(announced(), json.dumps({"event": "new\nline " + "x" * 500}).encode())
    assert event == MessageIgnored("new?line " + "x" * 31)


def test_a_stream_is_let_in_by_its_ticket_once() -> None:
    gateway = announced()
    with pytest.raises(Refused, match="ticket") as caught:
        receive(gateway, CONNECTED.replace(b"9f2c", b"9f2d"))
    assert caught.value.close_code == 1008
    with pytest.raises(Refused):
        receive(gateway, b'{"event":"websocket:connected","content-type":"audio/l16;rate=8000"}')
    assert len(receive(gateway, CONNECTED)) == 1


@pytest.mark.parametrize(
    ("name", "audio"),
    [
        ("audio/l16;rate=8000", PCM16_8K),
        ("audio/l16; rate=16000", PCM16_16K),
        ("AUDIO/L16;rate=24000", PCM16_24K),
    ],
)
def test_the_format_is_the_one_announced(name: str, audio: AudioFormat) -> None:
    gateway = announced()
    (began,) = receive(gateway, CONNECTED.replace(b"audio/l16;rate=16000", name.encode()))
    assert isinstance(began, StreamStarted)
    assert began.hears == began.speaks == audio
    frame = bytes(audio.bytes_for(20))
    assert receive(gateway, frame, True) == [AudioHeard(frame)]
    assert gateway.send(PlayAudio(frame)) == (BinaryFrame(frame),)


# --- both ends ----------------------------------------------------------------------------------------------------

heard = st.one_of(
    st.binary(min_size=640, max_size=640).map(AudioHeard),
    st.sampled_from("0123456789*#ABCD").map(DigitPressed),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(MarkReached),
)


@given(st.lists(heard, max_size=20))
def test_what_the_phone_says_is_what_the_gateway_hears(events: list[WireEvent]) -> None:
    gateway, far = started()
    assert [got for event in events for got in hear(gateway, far.send(event))] == events


def test_audio_that_was_lost_on_the_callers_leg_is_silence_in_the_mix() -> None:
    gateway, far = started()
    assert hear(gateway, far.send(AudioMissing(640, lost=True))) == [AudioHeard(bytes(640))] * 2


@given(st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(SendMark), st.just(ClearAudio())))
def test_what_the_gateway_says_is_what_the_phone_does(wanted: SendMark | ClearAudio) -> None:
    gateway, far = started()
    (frame,) = gateway.send(wanted)
    assert isinstance(frame, TextFrame)
    assert list(far.receive(frame.data, binary=False, now=0.0)) == [wanted]


@given(st.lists(st.binary(max_size=2000), max_size=6))
def test_however_the_audio_is_cut_every_frame_is_20_ms_and_none_is_missing(pieces: list[bytes]) -> None:
    gateway, far = started()
    sent = [f for piece in pieces for f in gateway.send(PlayAudio(piece))] + [*gateway.send(EndUtterance())]
    played = b""
    for frame in sent:
        assert isinstance(frame, BinaryFrame)
        (play,) = far.receive(frame.data, binary=True, now=0.0)
        assert isinstance(play, PlayAudio)
        played += play.audio
    whole = b"".join(pieces)
    assert played == whole + bytes(-len(whole) % 640)


def test_a_clear_drops_what_waits_for_the_rest_of_its_frame() -> None:
    gateway, _ = started()
    gateway.send(PlayAudio(b"\x01\x00"))
    gateway.send(ClearAudio())
    assert gateway.send(EndUtterance()) == ()


# --- ends ----------------------------------------------------------------------------------------------------------


def on_the_line() -> VonageGateway:
    gateway = announced(with_key())
    receive(gateway, CONNECTED)
    return gateway


def test_hanging_up_is_asked_for_over_rest_and_leaves_the_socket_alone() -> None:
    (call,) = on_the_line().send(HangUp())
    assert isinstance(call, HttpCall)
    assert (call.method, call.url) == ("PUT", f"https://api.nexmo.com/v1/calls/{CALL}")
    assert (call.body, call.ok) == (b'{"action":"hangup"}', (404,))
    headers = call.headers_at(WALL)
    assert headers["content-type"] == "application/json"
    token = headers["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, key_pair()[1], algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False})
    assert (claims["application_id"], claims["iat"], claims["exp"]) == (APPLICATION, WALL, WALL + 900)


def test_no_two_requests_have_the_same_number() -> None:
    gateway = on_the_line()
    calls = [c for keys in "12" for c in gateway.send(SendDigits(keys)) if isinstance(c, HttpCall)]
    again = [c for c in on_the_line().send(SendDigits("1")) if isinstance(c, HttpCall)]
    assert len(calls) == 2
    tokens = [call.headers_at(at)["authorization"] for call in calls for at in (WALL, WALL + 0.25)]
    numbers = {jwt.decode(t[7:], options={"verify_signature": False})["jti"] for t in tokens}
    assert len(numbers) == 4
    assert again  # another stream: its ticket, and with it its numbers, would be others outside this test


@pytest.mark.parametrize(
    ("target", "endpoint"),
    [
        ("+15005550009", {"type": "phone", "number": "15005550009"}),
        ("sip:desk@example.org", {"type": "sip", "uri": "sip:desk@example.org"}),
    ],
)
def test_a_transfer_is_an_ncco_of_its_own(target: str, endpoint: dict[str, str]) -> None:
    (call,) = on_the_line().send(Transfer(target))
    assert isinstance(call, HttpCall)
    assert json.loads(call.body) == {
        "action": "transfer",
        "destination": {
            "type": "ncco",
            "ncco": [{"action": "connect", "endpoint": [endpoint], "from": CALLEE}],
        },
    }
    assert "5005550009" not in repr(call)


def test_digits_are_sent_to_the_callers_leg() -> None:
    (call,) = on_the_line().send(SendDigits("12#"))
    assert isinstance(call, HttpCall)
    assert (call.url, call.body) == (f"https://api.nexmo.com/v1/calls/{CALL}/dtmf", b'{"digits":"12#"}')


def test_without_a_private_key_closing_the_socket_ends_the_call() -> None:
    gateway = announced()
    receive(gateway, CONNECTED)
    assert gateway.send(HangUp()) == (CloseSocket(1000),)
    assert gateway.send(Transfer("+15005550009")) == ()
    assert gateway.send(SendDigits("1")) == ()


def test_before_the_start_and_after_the_end_there_is_nothing_to_send_to() -> None:
    gateway = announced(with_key())
    for _ in range(2):
        assert gateway.send(PlayAudio(bytes(640))) == ()
        assert gateway.send(SendMark("m")) == ()
        assert gateway.send(HangUp()) == (CloseSocket(1000),)
        receive(gateway, CONNECTED)
        gateway.hung_up("hung up")


def test_a_call_whose_end_came_by_webhook_stops_at_the_next_message() -> None:
    gateway = on_the_line()
    gateway.hung_up("hung up")
    gateway.hung_up("again")
    assert receive(gateway, bytes(640), True) == [StreamStopped("hung up")]
    assert receive(gateway, b"rubbish") == []


def test_the_phones_stop_closes_the_socket_without_a_word() -> None:
    assert phone().send(StreamStopped("hung up")) == (CloseSocket(1000),)
