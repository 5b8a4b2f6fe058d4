"""Our end of the open protocol: its answers, what it counts, both ends against each other, and how a call is over."""

import json

import pytest
from both_ends import DIGITS, NAMES, hear, obey
from hypothesis import given
from hypothesis import strategies as st
from open_calls import CALL, CALLER, phone, started

from trunkline.audio.format import PCM16_16K
from trunkline.wire._open_gateway import LATE_MS, OpenGateway
from trunkline.wire._open_messages import Carriage
from trunkline.wire.base import BinaryFrame, CloseSocket, TextFrame
from trunkline.wire.events import (
    AudioHeard,
    AudioMissing,
    ClearAudio,
    HangUp,
    MarkReached,
    PlayAudio,
    SendDigits,
    SendMark,
    StreamStarted,
    StreamStopped,
    TellTranscript,
    TellTurnEnd,
    Transfer,
    WireCommand,
    WireEvent,
)


def receive(gateway: OpenGateway, data: bytes, now: float = 1.0) -> list[WireEvent]:
    return list(gateway.receive(data, binary=False, now=now))


# --- one way ----------------------------------------------------------------------------------------------------


def test_the_shortest_start_is_answered_in_full() -> None:
    gateway = OpenGateway(CALL)
    (start,) = receive(gateway, b'{"type":"session_start"}')
    assert start == StreamStarted(CALL, CALL, PCM16_16K, PCM16_16K)
    (answer,) = gateway.replies
    assert isinstance(answer, TextFrame)
    assert json.loads(answer.data) == {
        "type": "session_start",
        "call_id": CALL,
        "audio": "binary",
        "encoding": "pcm16",
        "sample_rate": 16000,
    }


def test_what_is_private_is_not_said_back() -> None:
    gateway = OpenGateway(CALL)
    hear(gateway, phone().opened())
    assert CALLER.encode() not in b"".join(f.data for f in gateway.replies if isinstance(f, TextFrame))


def test_lateness_is_counted_against_the_quickest_message_whatever_the_clients_clock() -> None:
    gateway, _ = started("json")
    for n, (timestamp, arrives) in enumerate([(5e9, 10.0), (5e9 + 20, 10.005), (5e9 + 40, 10.2), (5e9 + 60, 10.06)]):
        chunk = {"type": "audio_chunk", "direction": "inbound", "sequence": n, "timestamp": timestamp, "audio": "AAA="}
        receive(gateway, json.dumps(chunk).encode(), arrives)
    assert gateway.late == 1
    assert gateway.latest_ms == pytest.approx(175)
    assert gateway.latest_ms > LATE_MS


# --- both ends ----------------------------------------------------------------------------------------------------

CARRIAGES: list[Carriage] = ["binary", "json"]
sound = st.binary(min_size=1, max_size=400).map(lambda half: half * 2)
said = st.one_of(sound.map(AudioHeard), DIGITS, NAMES.map(MarkReached))
speaker = st.sampled_from(["caller", "agent"])
commands = st.one_of(
    sound.map(PlayAudio),
    NAMES.map(SendMark),
    st.just(ClearAudio()),
    st.text("0123456789*#", min_size=1, max_size=32).map(SendDigits),
    NAMES.map(Transfer),
    st.builds(TellTranscript, speaker, NAMES, st.booleans()),
    st.builds(TellTurnEnd, speaker),
    NAMES.map(HangUp),
)


@pytest.mark.parametrize("carriage", CARRIAGES)
@given(st.lists(said, max_size=20))
def test_what_the_phone_says_is_what_the_gateway_hears(carriage: Carriage, events: list[WireEvent]) -> None:
    gateway, far = started(carriage)
    assert [heard for event in events for heard in hear(gateway, far.send(event))] == events


@pytest.mark.parametrize("carriage", CARRIAGES)
@given(st.lists(commands, max_size=20))
def test_what_the_gateway_says_is_what_the_phone_does(carriage: Carriage, wanted: list[WireCommand]) -> None:
    gateway, far = started(carriage)
    assert [done for one in wanted for done in obey(far, gateway.send(one))] == wanted


@given(st.integers(1, 500), st.integers(1, 200))
def test_lost_chunks_are_missed_exactly(before: int, lost: int) -> None:
    gateway, far = started("json")
    for _ in range(before):
        hear(gateway, far.send(AudioHeard(bytes(640))))
    assert hear(gateway, far.send(AudioMissing(320 * lost, lost=True))) == []
    heard = hear(gateway, far.send(AudioHeard(bytes(640))))
    assert heard == [AudioMissing(320 * lost, lost=True), AudioHeard(bytes(640))]
    assert gateway.lost == lost


def test_audio_that_was_never_sent_takes_time_and_no_number() -> None:
    gateway, far = started("json")
    hear(gateway, far.send(AudioHeard(bytes(640))))
    hear(gateway, far.send(AudioMissing(320, lost=False)))
    (frame,) = far.send(AudioHeard(bytes(640)))
    assert isinstance(frame, TextFrame)
    chunk = json.loads(frame.data)
    assert (chunk["sequence"], chunk["timestamp"]) == (1, 40)


# --- ends ----------------------------------------------------------------------------------------------------------


def test_hanging_up_says_so_and_closes() -> None:
    gateway, _ = started()
    assert gateway.send(HangUp("done")) == (TextFrame(b'{"type":"session_end","reason":"done"}'), CloseSocket(1000))


def test_a_client_that_has_left_is_told_nothing_more() -> None:
    gateway, far = started()
    end, close = far.send(StreamStopped("bye"))
    assert close == CloseSocket()
    (stopped,) = hear(gateway, [end])
    assert isinstance(stopped, StreamStopped)
    assert gateway.send(PlayAudio(b"\x01\x00")) == ()
    assert gateway.send(HangUp()) == (CloseSocket(1000),)
    assert gateway.receive(b"\x01", binary=True, now=1.0) == ()


def test_audio_is_binary_unless_json_was_asked_for() -> None:
    gateway, _ = started()
    assert gateway.send(PlayAudio(b"\x01\x00")) == (BinaryFrame(b"\x01\x00"),)
