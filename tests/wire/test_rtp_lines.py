"""Whole calls over plain RTP on virtual time, on good and bad networks, with the product's own call in the middle."""

from typing import Any

import pytest
from rtp_calls import GOOD_LINE, held, phone

from conversations import books, conversation, receptionist, reply, voice, went_well
from trunkline.ai.events import DigitsWanted, HangUpWanted
from trunkline.ai.providers.echo import Echo
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_16K
from trunkline.call.state import CallState
from trunkline.testing import echo
from trunkline.testing.agents import ScriptedAgent
from trunkline.testing.link import LOST, Line
from trunkline.testing.network import Conditions
from trunkline.testing.script import Action, HangUp, Say, Wait
from trunkline.wire._rtp_messages import Law

WIRE = MULAW_8K
STALLS = tuple((at, at + 0.2) for at in (1.0, 2.5, 4.0, 5.5, 7.0))


def bad(**conditions: Any) -> Line:
    """The same trouble both ways, not at the same moments."""
    usual = {"datagrams": True, "latency_ms": 20}
    return Line(
        up=Conditions(**(usual | conditions | {"seed": 3})), down=Conditions(**(usual | conditions | {"seed": 4}))
    )


LINES: list[tuple[str, Line]] = [
    ("good", GOOD_LINE),
    ("5 percent lost", bad(loss=0.05)),
    ("10 percent lost and jitter", bad(loss=0.1, jitter_ms=40)),
    ("out of order", bad(reordering=0.1, jitter_ms=10)),
    ("doubled", bad(duplication=0.3, jitter_ms=30)),
    ("stalls of 200 ms", bad(stalls=STALLS)),
    ("all of it", bad(loss=0.05, duplication=0.05, reordering=0.05, jitter_ms=40, stalls=STALLS)),
    ("slow reader", Line(down=Conditions(bytes_per_s=12_000, datagrams=True))),
]


@pytest.mark.parametrize(("why", "line"), LINES, ids=[why for why, _ in LINES])
def test_a_conversation_with_barge_in_and_key_keeps_its_books_on_every_line(why: str, line: Line) -> None:
    outcome, ours = held(receptionist(WIRE), conversation(WIRE), line)
    session = went_well(outcome, ours.end)
    assert session.ledger.agent.in_flight == 0
    assert (session.call_id, session.caller, session.rate) == ("c1", "+15005550006", 8000)
    assert session.samples / 8 == pytest.approx(outcome.duration_ms, abs=600)
    received = ours.codec.figures().received
    in_buffer = received.packets - received.played - received.without_audio - received.duplicates
    assert 0 <= in_buffer - received.late - received.dropped <= 20, received


@pytest.mark.parametrize(("why", "line"), LINES[:-1], ids=[why for why, _ in LINES[:-1]])
def test_an_echo_comes_back_on_every_line(why: str, line: Line) -> None:
    script: list[Action] = [Wait(500), Say(voice(4000, WIRE)), Wait(1500), HangUp()]
    outcome, ours = held(Echo(PCM16_16K), script, line)
    assert outcome.ok, outcome.log
    books(ours.end)
    report = echo.compare(outcome.said, outcome.heard, outcome.wire)
    assert report.compared > 20_000
    # Both ways are as bad. What a buffer leaves out to follow the network is missing too, and so is what it concealed.
    assert report.missing <= {"good": 0.0, "doubled": 0.05}.get(why, 0.25) * report.compared


@pytest.mark.parametrize("law", ["PCMU", "PCMA"])
@pytest.mark.parametrize("ptime_ms", [10, 20, 30, 40, 60])
def test_both_laws_and_every_packet_time_give_back_what_was_said(law: Law, ptime_ms: int) -> None:
    wire = {"PCMU": MULAW_8K, "PCMA": ALAW_8K}[law]
    script: list[Action] = [Wait(500), Say(voice(2000, wire)), Wait(1000), HangUp()]
    outcome, ours = held(Echo(PCM16_16K), script, codec=phone(law=law, ptime_ms=ptime_ms))
    assert outcome.ok, outcome.log
    assert echo.compare(outcome.said, outcome.heard, wire).whole
    books(ours.end)


def test_a_call_that_ends_by_the_peers_goodbye_alone_has_ended_well() -> None:
    outcome, ours = held(Echo(PCM16_16K), [Say(voice(500, WIRE)), HangUp()], codec=phone(closes_session=False))
    assert outcome.ok
    session = books(ours.end)
    assert (session.state, session.end_reason) == (CallState.ENDED, "hung up")


def test_the_agents_hang_up_is_heard_as_a_goodbye() -> None:
    goodbye = reply("goodbye", 1000, WIRE, then=HangUpWanted("all said"))
    outcome, ours = held(ScriptedAgent([], greeting=goodbye, wire=MULAW_8K), [Wait(60_000), HangUp()])
    assert outcome.ended is not None
    assert (outcome.ended.by, outcome.ended.reason) == ("gateway", "the gateway said goodbye")
    session = books(ours.end)
    assert (session.state, session.end_reason) == (CallState.ENDED, "all said")


@pytest.mark.parametrize("loss", [0.0, 0.2])
def test_the_agents_keys_reach_the_peer_once_each(loss: float) -> None:
    agent = ScriptedAgent([], greeting=reply("one moment", 500, WIRE, then=DigitsWanted("12#A")), wire=MULAW_8K)
    codec = phone()
    digits: list[str] = []
    receive = codec.receive

    def noting(data: bytes, *, binary: bool, now: float) -> Any:
        commands = receive(data, binary=binary, now=now)
        digits.extend(command.digits for command in commands if hasattr(command, "digits"))
        return commands

    codec.receive = noting  # type: ignore[method-assign]
    held(agent, [Wait(4000), HangUp()], Line(down=Conditions(datagrams=True, loss=loss, seed=1)), codec=codec)
    assert "".join(digits) == "12#A"


def test_losing_the_network_in_the_middle_of_a_word_ends_the_call_on_both_sides() -> None:
    outcome, ours = held(receptionist(WIRE), conversation(WIRE), Line(lost_at_s=3.333))
    assert outcome.ended is not None
    assert (outcome.ended.by, outcome.ended.reason) == ("network", LOST)
    assert outcome.balanced
    session = books(ours.end)
    assert session.state is CallState.FAILED


def test_a_call_of_a_minute_is_a_minute_long() -> None:
    minute: list[Action] = [Say(voice(4000, WIRE)), Wait(1000)] * 12
    outcome, ours = held(Echo(PCM16_16K), [*minute, HangUp()])
    assert outcome.duration_ms == 60_000
    assert books(ours.end).samples / 8 == pytest.approx(60_000, abs=100)
    assert not outcome.underruns
