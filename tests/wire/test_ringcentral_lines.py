"""Whole calls over the contract on virtual time, on good and bad lines, with the product's call in the middle."""

from collections.abc import Sequence
from typing import Any

import pytest
from ringcentral_calls import BASE, CALL, CALLER, SETTINGS, TOKEN, door, phone

from conversations import books, conversation, drops, lines, receptionist, reply, voice, went_well
from trunkline.ai.base import AgentModel
from trunkline.ai.events import HangUpWanted, TransferWanted
from trunkline.ai.providers.echo import Echo
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_24K
from trunkline.call.settings import CallSettings
from trunkline.call.state import CallState
from trunkline.errors import Refused
from trunkline.testing.agents import ScriptedAgent
from trunkline.testing.bridge import BridgeEnd, bridge_end
from trunkline.testing.echo import compare
from trunkline.testing.facts import AgentStarted
from trunkline.testing.link import LOST, Line
from trunkline.testing.network import Conditions
from trunkline.testing.outcome import Outcome
from trunkline.testing.phone import Phone
from trunkline.testing.scene import admit, play
from trunkline.testing.script import Action, HangUp, Say, Wait, WaitForReply
from trunkline.wire._ringcentral_formats import Packets
from trunkline.wire._ringcentral_phone import RingCentralPhone
from trunkline.wire.base import BinaryFrame, Output, TextFrame
from trunkline.wire.events import AudioHeard, WireEvent
from trunkline.wire.ringcentral import PLATFORM, RingCentralSettings

WIRE = MULAW_8K
LINES = lines(
    slow_bytes_per_s=16_000,
    # What the peer took from a bad line of its own, and passed on as it came.
    reordered_and_doubled=Line(up=Conditions(datagrams=True, reordering=0.05, duplication=0.03, seed=2)),
)
PACKETS = [Packets(audio, channels) for audio in (MULAW_8K, ALAW_8K, PCM16_8K, PCM16_24K) for channels in (1, 2)]


def held(
    model: AgentModel,
    script: list[Action],
    line: Line = Line(),  # noqa: B008 - frozen
    *,
    far: RingCentralPhone | None = None,
    extensions: bool = False,
    loss: float = 0.0,
    settings: RingCentralSettings = SETTINGS,
) -> tuple[Outcome, BridgeEnd]:
    """A call that was let in: webhook with its token, socket with its ticket."""
    settings = RingCentralSettings(
        TOKEN, extensions=extensions, websocket_timeout=settings.websocket_timeout, max_errors=settings.max_errors
    )
    far = far or phone(extensions=extensions)
    codec = admit(far, door(settings), base_url=BASE)
    return play(
        Phone(far, script, wire=far.packets.audio, drops=drops(loss)),
        bridge_end(codec=codec, spec=PLATFORM.tuned(settings), model=model, settings=CallSettings(record=True)),
        line=line,
        also=[model] if isinstance(model, ScriptedAgent) else [],
    )


@pytest.mark.parametrize("extensions", [False, True], ids=["the contract alone", "with our extensions"])
@pytest.mark.parametrize(("line", "loss"), LINES)
def test_a_conversation_with_barge_in_and_key_keeps_its_books_on_every_line(
    line: Line, loss: float, extensions: bool
) -> None:
    outcome, gateway = held(receptionist(WIRE), conversation(WIRE), line, extensions=extensions, loss=loss)
    session = went_well(outcome, gateway, loss=loss)
    assert session.state is CallState.ENDED
    assert (session.call_id, session.caller) == (CALL, CALLER)
    assert (outcome.ear.cleared > 0) == extensions


@pytest.mark.parametrize("packets", PACKETS, ids=str)
def test_a_conversation_goes_in_every_format(packets: Packets) -> None:
    wire = packets.audio
    outcome, gateway = held(receptionist(wire), conversation(wire), far=phone(packets))
    assert outcome.ok, outcome.log
    assert books(gateway).barge_ins == 1


@pytest.mark.parametrize("packets", PACKETS, ids=str)
def test_an_echo_is_heard_whole_in_every_format(packets: Packets) -> None:
    wire = packets.audio
    outcome, gateway = held(Echo(wire), [Say(voice(2000, wire)), Wait(500), HangUp()], far=phone(packets))
    assert outcome.ok, outcome.log
    assert compare(outcome.said, outcome.heard, wire).whole
    session = books(gateway)
    assert session.under_runs == 0
    if packets.channels == 1:
        assert session.ledger.caller.delivered == outcome.said_samples


def test_without_a_word_for_clearing_an_interruption_takes_effect_a_tenth_of_a_second_late() -> None:
    quiet_after = []
    for extensions in (True, False):
        _, gateway = held(receptionist(WIRE), conversation(WIRE), extensions=extensions)
        quiet_after.append(books(gateway).ledger.agent.played)
    assert 0 <= quiet_after[1] - quiet_after[0] <= 8 * 120


@pytest.mark.parametrize("extensions", [False, True])
def test_a_socket_lost_in_the_midst_of_a_word_ends_the_call_with_its_books_in_order(extensions: bool) -> None:
    outcome, gateway = held(receptionist(WIRE), conversation(WIRE), Line(lost_at_s=2.51), extensions=extensions)
    assert outcome.ended
    assert (outcome.ended.by, outcome.ended.reason) == ("network", LOST)
    assert outcome.balanced
    assert books(gateway).state is CallState.FAILED


@pytest.mark.parametrize("extensions", [False, True])
def test_the_agent_hangs_up_when_its_last_word_was_heard(extensions: bool) -> None:
    agent = ScriptedAgent(greeting=reply("bye now", 1500, WIRE, then=HangUpWanted("done")))
    outcome, gateway = held(agent, [], extensions=extensions)
    assert outcome.ok, outcome.log
    assert outcome.ended
    assert outcome.ended.by == "gateway"
    assert voice(1500, WIRE)[:-800] in outcome.heard
    session = books(gateway)
    assert (session.state, session.end_reason) == (CallState.ENDED, "done")


def test_a_caller_who_can_not_be_passed_on_is_hung_up_on_at_once_and_the_record_says_so() -> None:
    agent = ScriptedAgent(greeting=reply("one moment", 500, WIRE, then=TransferWanted("+15005550002")))
    outcome, gateway = held(agent, [])
    assert outcome.ended
    assert outcome.ended.by == "gateway"
    assert outcome.ended.at_ms < 1500
    assert books(gateway).end_reason == "the platform can't transfer"
    assert "transfer not possible" in [note.event for note in gateway.notes]


# --- peers with manners of their own ---------------------------------------------------------------------------------


class Odd(RingCentralPhone):
    """Like ``phone()``, but what a test makes of it."""

    def __init__(self, **options: Any) -> None:
        self.__dict__.update(phone(**options).__dict__)


class Mute(Odd):
    """Says nothing at all until it has heard something."""

    def send(self, event: WireEvent) -> Sequence[Output]:
        return () if isinstance(event, AudioHeard) else super().send(event)


def test_a_peer_that_never_says_start_and_waits_is_greeted_after_two_seconds() -> None:
    outcome, gateway = held(receptionist(WIRE), [WaitForReply(500), HangUp()], far=Mute(prompt=False))
    assert not outcome.replies_missing
    (began, *_) = [fact.at_ms for fact in outcome.log if isinstance(fact, AgentStarted)]
    assert 2300 <= began <= 2420  # two seconds, the agent's 300 ms, and the gate's own
    assert books(gateway).state is CallState.ENDED
    assert voice(1510, WIRE)[:8000] in outcome.heard


def test_a_peer_that_never_says_start_and_speaks_is_heard_from_its_first_packet() -> None:
    outcome, gateway = held(Echo(MULAW_8K), [Say(voice(1000, WIRE)), Wait(500), HangUp()], far=phone(prompt=False))
    assert outcome.ok
    assert books(gateway).ledger.caller.delivered == outcome.said_samples


class Spoiling(Odd):
    """Spoils every ``nth`` packet."""

    nth = 10

    def send(self, event: WireEvent) -> Sequence[Output]:
        outputs = list(super().send(event))
        self.count = getattr(self, "count", 0) + 1
        if self.count % self.nth == 0 and isinstance(outputs[0], BinaryFrame):
            outputs[0] = TextFrame(b"{")
        return outputs


def test_nine_broken_messages_are_borne_and_the_tenth_ends_the_call() -> None:
    far = Spoiling()
    outcome, gateway = held(Echo(MULAW_8K), [Say(voice(9000, WIRE))], far=far)
    assert outcome.ended
    assert (outcome.ended.by, outcome.ended.reason) == ("network", "closed with 1007 not valid JSON")
    assert 2000 <= outcome.ended.at_ms <= 2100
    borne = [note for note in gateway.notes if note.event == "peer at fault, and borne"]
    assert [note.fields["errors"] for note in borne] == list(range(1, 10))
    assert {note.fields["limit"] for note in borne} == {10}
    assert books(gateway).state is CallState.FAILED


def test_the_operator_says_how_many_errors_are_borne() -> None:
    settings = RingCentralSettings(max_errors=1)
    outcome, _ = held(Echo(WIRE), [Say(voice(3000, WIRE))], far=Spoiling(), settings=settings)
    assert outcome.ended
    assert outcome.ended.at_ms <= 300


class Resting(Odd):
    """Sends no audio after a second; pings instead if ``pings``."""

    pings = False

    def send(self, event: WireEvent) -> Sequence[Output]:
        self.count = getattr(self, "count", 0) + 1
        if not isinstance(event, AudioHeard) or self.count < 50:
            return super().send(event)
        return (TextFrame(b'{"type":"ping"}'),) if self.pings and self.count % 250 == 0 else ()

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[Any]:
        return () if data == b'{"type":"pong"}' else super().receive(data, binary=binary, now=now)


@pytest.mark.parametrize(("timeout", "ends_at_s"), [(30, 31), (7.5, 8.5)])
def test_a_peer_that_falls_silent_altogether_is_given_up(timeout: float, ends_at_s: float) -> None:
    settings = RingCentralSettings(websocket_timeout=timeout)
    outcome, gateway = held(Echo(MULAW_8K), [Wait(90_000), HangUp()], far=Resting(), settings=settings)
    assert outcome.ended
    assert outcome.ended.reason == f"closed with 1008 no audio for {timeout:g} s"
    assert outcome.ended.at_ms == pytest.approx(1000 * ends_at_s, abs=500)
    books(gateway)


def test_a_peer_that_sends_no_silence_keeps_its_call_with_pings() -> None:
    far = Resting()
    far.pings = True
    outcome, gateway = held(Echo(MULAW_8K), [Wait(90_000), HangUp()], far=far)
    assert outcome.ended
    assert outcome.ended.by == "caller"
    assert books(gateway).state is CallState.ENDED


class Mistaken(Odd):
    """Announces 24 kHz and sends 8."""

    def send(self, event: WireEvent) -> Sequence[Output]:
        if isinstance(event, AudioHeard):
            event = AudioHeard(event.audio[: len(event.audio) // 6 * 2])
        return super().send(event)


def test_24_kilohertz_announced_and_8_sent_is_logged_and_ends_the_call() -> None:
    outcome, gateway = held(Echo(MULAW_8K), [Wait(60_000), HangUp()], far=Mistaken(packets=Packets(PCM16_24K)))
    said = [note for note in gateway.notes if note.event == "peer at fault, and borne"]
    assert said[0].level == "warning"
    assert said[0].fields["reason"].startswith("audio of 8000 samples a second, where 24000 were announced")
    assert len(said) == 9
    assert outcome.ended
    assert outcome.ended.at_ms == pytest.approx(22_000, abs=200)
    books(gateway)


@pytest.mark.parametrize("token", ["wrong", ""])
def test_a_phone_with_the_wrong_token_is_not_let_in(token: str) -> None:
    with pytest.raises(Refused, match="token"):
        admit(phone(token=token), door(), base_url=BASE)
