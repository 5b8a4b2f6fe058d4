"""What our end of every platform's stream must pass: recorded conversations, good and bad, and what none may do."""

import importlib
from typing import Any, Final

import pytest
from both_ends import Gateway, Message, command, named, received, said, spoken, text, written
from hypothesis import given
from hypothesis import strategies as st

from recorded import CHANGES, SECRETS, VECTORS, damaged, leaves, vectors
from trunkline import registry
from trunkline.errors import Refused, RemoteError
from trunkline.wire.base import CloseSocket
from trunkline.wire.events import (
    AudioMissing,
    ClearAudio,
    EndUtterance,
    HangUp,
    MessageIgnored,
    PlayAudio,
    SendMark,
    StreamStarted,
    TellSpeech,
    WireEvent,
)

NAMES: Final = [name for name in registry.names("wire") if (VECTORS / "wire" / f"{name}.jsonl").exists()]
GATEWAYS: Final[dict[str, Gateway]] = {name: importlib.import_module(f"{name}_calls").GATEWAY for name in NAMES}
BAD: Final = [(name, bad) for name in NAMES for bad in vectors(f"{name}-bad")]

every = pytest.mark.parametrize("name", NAMES)


# --- recorded ----------------------------------------------------------------------------------------------------


@every
def test_the_recorded_conversation_goes_as_written(name: str) -> None:
    gateway, now = GATEWAYS[name].fresh(), 1.0
    for line in vectors(name):
        if line["from"] == "phone":
            now += line.get("later_s", 0)
            assert named(received(gateway, said(line), now=now)) == line["events"], line["why"]
            if "replies" in line:
                assert written(gateway.replies) == line["replies"], line["why"]
                gateway.replies.clear()
        else:
            assert written(gateway.send(command(line["command"]))) == line["messages"], line["why"]
    counted = GATEWAYS[name].counted
    assert {what: getattr(gateway, what) for what in counted} == counted


@pytest.mark.parametrize(("name", "bad"), BAD, ids=[f"{name}-{bad['name']}" for name, bad in BAD])
def test_a_bad_message_is_one_error_that_says_what_is_wrong(name: str, bad: dict[str, Any]) -> None:
    gateway = GATEWAYS[name].fresh()
    received(gateway, *GATEWAYS[name].before[bad["after"]])
    data = bad["text"].encode() + b" " * bad.get("padding", 0)
    with pytest.raises((RemoteError, Refused)) as caught:
        gateway.receive(data, binary=bad.get("binary", False), now=1.0)
    fault = caught.value
    assert isinstance(fault, RemoteError | Refused)
    assert (type(fault).__name__, str(fault)) == (bad.get("kind", "RemoteError"), bad["error"])
    assert fault.close_code == bad["close_code"]
    if "where" in bad:
        assert isinstance(fault, RemoteError)
        assert fault.where == bad["where"]


# --- attacked ----------------------------------------------------------------------------------------------------


def outcome(ours: Gateway, told: list[Message]) -> tuple[list[WireEvent], str]:
    """The events of a conversation and, if it broke, all that its one documented error says."""
    gateway = ours.fresh()
    events: list[WireEvent] = []
    try:
        for message in told:
            events += received(gateway, message)
            written(gateway.replies)
            gateway.replies.clear()
            gateway.send(PlayAudio(b"\0\0"))
    except ours.faults as fault:
        return events, f"{fault} {fault!r} {fault.__cause__} {'' if fault.__suppress_context__ else fault.__context__}"
    return events, ""


@every
@pytest.mark.parametrize("change", CHANGES)
def test_one_damaged_leaf_gives_events_or_the_peers_fault(name: str, change: str) -> None:
    whole = spoken(name)
    for at, line in enumerate(line for line in vectors(name) if line["from"] == "phone"):
        for path in leaves(line.get("message")):
            harmed = text(damaged(line["message"], path, change))
            events, error = outcome(GATEWAYS[name], [*whole[:at], harmed, *whole[at + 1 :]])
            for private in (*SECRETS, *GATEWAYS[name].private):
                assert private not in error
            # What a clock or a counter gone wrong may claim is missing is bounded.
            rate = max((event.hears.rate for event in events if isinstance(event, StreamStarted)), default=0)
            for event in events:
                assert not isinstance(event, AudioMissing) or 0 < event.samples <= 600 * rate


@every
@given(st.data(), st.binary(max_size=700), st.booleans())
def test_any_bytes_give_events_or_the_peers_fault(name: str, dice: st.DataObject, data: bytes, binary: bool) -> None:
    depth = dice.draw(st.sampled_from(GATEWAYS[name].depths))
    outcome(GATEWAYS[name], [*spoken(name)[:depth], (data, binary)])


@every
@given(st.data(), st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_any_bytes_in_a_message_give_events_or_the_peers_fault(
    name: str, dice: st.DataObject, at: int, noise: bytes
) -> None:
    whole = spoken(name)
    message, binary = dice.draw(st.sampled_from(whole))
    for depth in GATEWAYS[name].depths:
        outcome(GATEWAYS[name], [*whole[:depth], (message[:at] + noise + message[at + len(noise) :], binary)])


@every
def test_the_name_of_an_unknown_kind_is_made_safe_to_log(name: str) -> None:
    gateway = GATEWAYS[name].fresh()
    (event,) = received(gateway, text({GATEWAYS[name].kind: "new\nline " + "x" * 500}))
    assert event == MessageIgnored("new?line " + "x" * 31)


# --- before anything was said --------------------------------------------------------------------------------------


@every
def test_before_the_start_only_the_socket_can_be_closed(name: str) -> None:
    gateway = GATEWAYS[name].fresh()
    for nothing in (SendMark("m"), ClearAudio(), EndUtterance(), TellSpeech(True)):
        assert gateway.send(nothing) == ()
    assert bool(gateway.send(PlayAudio(b"\1\0"))) == GATEWAYS[name].speaks_first
    assert gateway.send(HangUp("done")) == (CloseSocket(1000),)
