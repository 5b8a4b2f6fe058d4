"""Our end of the open protocol: recorded conversations, good and bad, and what no conversation may do."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from open_calls import CALL, CALLER, command, hear, named, obey, phone, started, vectors

from trunkline.audio.format import PCM16_16K
from trunkline.errors import RemoteError
from trunkline.wire._open_gateway import LATE_MS, OpenGateway
from trunkline.wire._open_messages import Carriage
from trunkline.wire.base import BinaryFrame, CloseSocket, TextFrame
from trunkline.wire.events import (
    AudioHeard,
    AudioMissing,
    ClearAudio,
    DigitPressed,
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

GOOD = vectors("open.jsonl")
BAD = vectors("open-bad.jsonl")
PHONE_SAYS = [line["message"] for line in GOOD if line["from"] == "phone"]
SAID = [json.dumps(message).encode() for message in PHONE_SAYS]


def receive(gateway: OpenGateway, data: bytes, now: float = 1.0) -> list[WireEvent]:
    return list(gateway.receive(data, binary=False, now=now))


# --- recorded ----------------------------------------------------------------------------------------------------


def test_the_recorded_conversation_goes_as_written() -> None:
    gateway = OpenGateway(CALL)
    for line in GOOD:
        if line["from"] == "phone":
            assert named(receive(gateway, json.dumps(line["message"]).encode())) == line["events"], line["why"]
        else:
            sent = gateway.send(command(line["command"]))
            assert [json.loads(f.data) for f in sent if isinstance(f, TextFrame)] == line["messages"], line["why"]
    assert (gateway.lost, gateway.misnumbered, gateway.ignored) == (2, 1, 5)


@pytest.mark.parametrize("bad", BAD, ids=[b["name"] for b in BAD])
def test_a_bad_message_is_one_error_that_names_the_field(bad: dict[str, Any]) -> None:
    gateway = OpenGateway(CALL)
    for data in SAID[: {"connection": 0, "start": 1, "audio": 2}[bad["after"]]]:
        receive(gateway, data)
    data = bad["text"].encode() + b" " * bad.get("padding", 0)
    with pytest.raises(RemoteError) as caught:
        gateway.receive(data, binary=bad.get("binary", False), now=1.0)
    assert str(caught.value) == bad["error"]
    assert (caught.value.where, caught.value.close_code) == (bad["where"], bad["close_code"])


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
    "a large number": 2**53,
    "a negative number": -1,
    "a fraction": 1.5,
    "true": True,
    "a long string": SECRET * 5000,
}


def leaves(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The path of every leaf, and of every object on the way to it."""
    here = [path] if path else []
    return here + ([leaf for key in value for leaf in leaves(value[key], (*path, key))] if type(value) is dict else [])


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


def outcome(told: list[bytes], *, binary: bool = False) -> tuple[list[WireEvent], str]:
    """The events of a conversation and, if it broke, all that its one documented error says."""
    gateway = OpenGateway(CALL)
    events: list[WireEvent] = []
    try:
        for data in told:
            events += gateway.receive(data, binary=binary and data == told[-1], now=1.0)
    except RemoteError as fault:
        return events, f"{fault} {fault!r} {fault.__cause__} {'' if fault.__suppress_context__ else fault.__context__}"
    return events, ""


@pytest.mark.parametrize("change", ["removed", "nested", *DAMAGE])
def test_one_damaged_leaf_gives_events_or_the_peers_fault(change: str) -> None:
    for at, message in enumerate(PHONE_SAYS):
        for path in leaves(message):
            events, error = outcome([*SAID[:at], damaged(message, path, change), *SAID[at + 1 :]])
            for private in (SECRET, "c2VjcmV0", CALL, CALLER, "acme"):
                assert private not in error
            for event in events:  # what a counter gone wrong may claim is missing is bounded
                assert not isinstance(event, AudioMissing) or 0 < event.samples <= 600 * 16000


@given(st.binary(max_size=300), st.sampled_from([0, 1, 9]), st.booleans())
def test_any_bytes_give_events_or_the_peers_fault(data: bytes, after: int, binary: bool) -> None:
    outcome([*SAID[:after], data], binary=binary)


@given(st.sampled_from(SAID), st.integers(0, 300), st.binary(min_size=1, max_size=3))
def test_any_bytes_in_a_message_give_events_or_the_peers_fault(message: bytes, at: int, noise: bytes) -> None:
    outcome([SAID[0], message[:at] + noise + message[at + len(noise) :]])
    outcome([message[:at] + noise + message[at + len(noise) :]])


# --- both ends ----------------------------------------------------------------------------------------------------

CARRIAGES: list[Carriage] = ["binary", "json"]
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
sound = st.binary(min_size=1, max_size=400).map(lambda half: half * 2)
said = st.one_of(sound.map(AudioHeard), st.sampled_from("0123456789*#ABCD").map(DigitPressed), text.map(MarkReached))
speaker = st.sampled_from(["caller", "agent"])
commands = st.one_of(
    sound.map(PlayAudio),
    text.map(SendMark),
    st.just(ClearAudio()),
    st.text("0123456789*#", min_size=1, max_size=32).map(SendDigits),
    text.map(Transfer),
    st.builds(TellTranscript, speaker, text, st.booleans()),
    st.builds(TellTurnEnd, speaker),
    text.map(HangUp),
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


def test_before_the_start_only_the_socket_can_be_closed() -> None:
    gateway = OpenGateway(CALL)
    assert gateway.send(PlayAudio(b"\x01\x00")) == ()
    assert gateway.send(HangUp()) == (CloseSocket(1000),)


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
