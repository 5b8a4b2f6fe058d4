"""Our end of a Twilio stream: its time and its numbers, both ends against each other, and how a call is over."""

import json
from base64 import b64encode

import pytest
from both_ends import DIGITS, NAMES, hear, received
from hypothesis import given
from hypothesis import strategies as st
from twilio_calls import ACCOUNT, CALL, SAID, STREAM, announced, phone, started

from trunkline.errors import RemoteError
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


def receive(gateway: TwilioGateway, data: bytes) -> list[WireEvent]:
    return list(gateway.receive(data, binary=False, now=1.0))


# --- recorded ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [b"\xff\xfe", b'{"event":"media","sequenceNumber":"2","streamSid":"\xff"}', b'{"event":"\xff"}'],
)
def test_text_that_is_not_utf8_is_the_peers_fault(data: bytes) -> None:
    gateway = announced()
    with pytest.raises(RemoteError) as caught:
        receive(gateway, data)
    assert caught.value.close_code in (1002, 1007)


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


# --- both ends ----------------------------------------------------------------------------------------------------

frames = st.binary(min_size=1, max_size=400)
said = st.one_of(
    frames.map(AudioHeard),
    DIGITS,
    NAMES.map(MarkReached),
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
    NAMES.map(SendMark),
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
    received(gateway, *SAID[:2])
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
    received(gateway, *SAID)
    assert gateway.send(HangUp()) == (CloseSocket(1000),)  # it may have been transferred
    assert gateway.send(Transfer("+15005550009")) == ()
    assert receive(gateway, b"rubbish") == []


def test_the_phones_stop_is_the_streams_end() -> None:
    gateway, far = started()
    stop, close = far.send(StreamStopped("hung up"))
    assert hear(gateway, [stop]) == [StreamStopped("the platform stopped the stream")]
    assert close == CloseSocket(1000)
    assert phone().replies == []
