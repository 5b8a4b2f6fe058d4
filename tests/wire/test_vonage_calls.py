"""Whole Vonage calls on virtual time, over good and bad lines, with the product's own call in the middle."""

from typing import Any

import pytest
from vonage_calls import BASE, CALL, CALLER, SETTINGS, door

from conversations import books, conversation, drops, lines, receptionist, voice, went_well
from trunkline.ai.base import AgentModel
from trunkline.ai.providers.echo import Echo
from trunkline.audio.convert import Converter
from trunkline.audio.format import PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat
from trunkline.call.settings import CallSettings
from trunkline.call.state import CallState
from trunkline.testing.agents import ScriptedAgent
from trunkline.testing.bridge import BridgeEnd, bridge_end
from trunkline.testing.link import LOST, Line
from trunkline.testing.network import Conditions
from trunkline.testing.outcome import Outcome
from trunkline.testing.phone import Phone
from trunkline.testing.scene import admit, play
from trunkline.testing.script import Action, HangUp, Say, Wait
from trunkline.wire.vonage import PLATFORM, VonageSettings

WIRE = PCM16_16K
RATES = [PCM16_8K, PCM16_16K, PCM16_24K]


def held(
    model: AgentModel, script: list[Action], line: Line, *, wire: AudioFormat = PCM16_16K, **options: Any
) -> tuple[Outcome, BridgeEnd]:
    """A call that was let in: signed webhook, tickets in the URL and in the headers."""
    settings = VonageSettings(SETTINGS.signature_secret, SETTINGS.api_key, SETTINGS.application_id, rate=wire.rate)
    codec = PLATFORM.phone(settings, call_id=CALL, caller=f"+{CALLER}", callee="+15005550001")
    ours = admit(codec, door(settings), base_url=BASE)
    return play(
        Phone(codec, script, wire=wire, **options),
        bridge_end(codec=ours, spec=PLATFORM.spec, model=model, settings=CallSettings(record=True)),
        line=line,
        also=[model] if isinstance(model, ScriptedAgent) else [],
    )


def converted(audio: bytes, wire: AudioFormat, agent: AudioFormat) -> bytes:
    """What the converters there and back alone make of ``audio``, to the sample."""
    there, back = Converter(wire, agent), Converter(agent, wire)
    return back.process(there.process(audio))


FAR_AND_UNSTEADY = Line(up=Conditions(latency_ms=90, jitter_ms=60), down=Conditions(jitter_ms=60))


@pytest.mark.parametrize(("line", "loss"), lines(slow_bytes_per_s=64_000, far_and_unsteady=FAR_AND_UNSTEADY))
def test_a_conversation_with_barge_in_and_key_keeps_its_books_on_every_line(line: Line, loss: float) -> None:
    outcome, gateway = held(receptionist(WIRE), conversation(WIRE), line, drops=drops(loss))
    session = went_well(outcome, gateway, loss=loss)
    assert outcome.ear.cleared > 0
    assert session.ledger.agent.in_flight == 0
    assert (session.call_id, session.caller, session.rate) == (CALL, CALLER, 16000)


def test_on_a_good_line_the_call_knows_what_the_telephone_knows() -> None:
    outcome, gateway = held(receptionist(WIRE), conversation(WIRE), Line())
    session = gateway.session
    assert session is not None
    assert session.samples == len(outcome.said) // 2
    assert not outcome.underruns
    assert outcome.marks_played > 0
    assert outcome.marks_pending == 0
    assert len(outcome.turns) == 3
    assert [len(outcome.clears), session.barge_ins] == [1, 1]
    # Vonage says no goodbye but by closing: that is a call that ended as calls do, not one that broke.
    assert (session.state, session.end_reason) == (CallState.ENDED, "hung up")


@pytest.mark.parametrize("wire", RATES, ids=str)
@pytest.mark.parametrize("agent", RATES, ids=str)
def test_an_echo_gives_back_the_speech_at_every_rate(wire: AudioFormat, agent: AudioFormat) -> None:
    script: list[Action] = [Wait(500), Say(voice(3000, wire)), Wait(1500), HangUp()]
    outcome, gateway = held(Echo(agent), script, Line(), wire=wire)
    assert outcome.ok, outcome.complaints
    books(gateway)
    # The very samples the converters make; where nothing is to be converted, the very samples that were said.
    spoken = slice(wire.bytes_for(500), wire.bytes_for(3500))
    assert converted(outcome.said, wire, agent)[spoken] in outcome.heard
    assert any(outcome.said[spoken])


def test_a_slow_reader_is_cut_off_before_he_costs_much() -> None:
    outcome, gateway = held(
        Echo(PCM16_16K), [Say(voice(20_000, WIRE)), HangUp()], Line(down=Conditions(bytes_per_s=8_000))
    )
    session = books(gateway)
    assert outcome.balanced
    assert session.state is CallState.FAILED
    assert "unread" in session.end_reason


def test_losing_the_socket_in_the_middle_of_a_word_ends_the_call_on_both_sides() -> None:
    outcome, gateway = held(receptionist(WIRE), conversation(WIRE), Line(lost_at_s=3.333))
    assert outcome.ended is not None
    assert (outcome.ended.by, outcome.ended.reason) == ("network", LOST)
    assert outcome.ended.at_ms == pytest.approx(3333, abs=1)
    assert outcome.balanced
    session = books(gateway)
    assert (session.state, session.end_reason) == (CallState.FAILED, LOST)


def test_a_call_of_a_minute_is_a_minute_long_to_the_sample() -> None:
    minute: list[Action] = [Say(voice(4000, WIRE)), Wait(1000)] * 12
    outcome, gateway = held(Echo(PCM16_16K), [*minute, HangUp()], Line())
    assert outcome.duration_ms == 60_000
    assert books(gateway).ledger.caller.received == 960_000
