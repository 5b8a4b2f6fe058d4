"""Our end of a Vonage stream: its ticket and its format, both ends against each other, and what is asked over REST."""

import json

import jwt
import pytest
from both_ends import DIGITS, NAMES, hear
from hypothesis import given
from hypothesis import strategies as st
from vonage_calls import APPLICATION, CALL, CALLEE, SAID, WALL, announced, key_pair, phone, started, with_key

from trunkline.audio.format import PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat
from trunkline.errors import Refused, RemoteError
from trunkline.wire._vonage_gateway import VonageGateway
from trunkline.wire.base import BinaryFrame, CloseSocket, HttpCall, TextFrame
from trunkline.wire.events import (
    AudioHeard,
    AudioMissing,
    ClearAudio,
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

CONNECTED = SAID[0][0]


def receive(gateway: VonageGateway, data: bytes, binary: bool = False) -> list[WireEvent]:
    return list(gateway.receive(data, binary=binary, now=1.0))


@pytest.mark.parametrize("data", [b"\xff\xfe", b'{"event":"websocket:notify","payload":{"name":"\xff"}}'])
def test_text_that_is_not_utf8_is_the_peers_fault(data: bytes) -> None:
    with pytest.raises(RemoteError) as caught:
        receive(announced(), data)
    assert caught.value.close_code == 1007


def test_audio_before_the_start_is_not_heard_and_does_no_harm() -> None:
    gateway = announced()
    assert receive(gateway, bytes(640), True) == [MessageIgnored("audio before start")]
    assert receive(gateway, b"", True) == [MessageIgnored("audio before start")]
    assert gateway.early == 2
    (began,) = receive(gateway, CONNECTED)
    assert isinstance(began, StreamStarted)


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
    DIGITS,
    NAMES.map(MarkReached),
)


@given(st.lists(heard, max_size=20))
def test_what_the_phone_says_is_what_the_gateway_hears(events: list[WireEvent]) -> None:
    gateway, far = started()
    assert [got for event in events for got in hear(gateway, far.send(event))] == events


def test_audio_that_was_lost_on_the_callers_leg_is_silence_in_the_mix() -> None:
    gateway, far = started()
    assert hear(gateway, far.send(AudioMissing(640, lost=True))) == [AudioHeard(bytes(640))] * 2


@given(st.one_of(NAMES.map(SendMark), st.just(ClearAudio())))
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
