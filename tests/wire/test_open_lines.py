"""Whole calls over the open protocol on virtual time, on good and bad lines, with the product's call in the middle."""

from collections.abc import Sequence

import pytest
from open_calls import BASE, door, phone

from conversations import EchoGateway, books, conversation, drops, lines, receptionist, reply, voice, went_well
from trunkline.ai.events import DigitsWanted, HangUpWanted, TransferWanted
from trunkline.audio.format import PCM16_16K
from trunkline.call.settings import CallSettings
from trunkline.errors import Refused
from trunkline.testing.agents import ScriptedAgent
from trunkline.testing.bridge import BridgeEnd, bridge_end
from trunkline.testing.echo import compare
from trunkline.testing.link import Line
from trunkline.testing.outcome import Outcome
from trunkline.testing.phone import Phone
from trunkline.testing.scene import admit, play
from trunkline.testing.script import Action, HangUp, Say, Wait
from trunkline.wire._open_messages import Carriage
from trunkline.wire._open_phone import OpenPhone
from trunkline.wire.base import GatewayCodec, Output
from trunkline.wire.events import (
    MarkReached,
    TellTranscript,
    TellTurnEnd,
    WireCommand,
    WireEvent,
)
from trunkline.wire.open import SPEC

CARRIAGES: list[Carriage] = ["binary", "json"]
WIRE = PCM16_16K


class Noting(OpenPhone):
    """Remembers what it was told about the conversation."""

    def __init__(self, like: OpenPhone) -> None:
        self.__dict__.update(like.__dict__)
        self.told: list[WireCommand] = []

    def receive(self, data: bytes, *, binary: bool, now: float) -> list[WireCommand]:
        commands = [*super().receive(data, binary=binary, now=now)]
        self.told += [command for command in commands if isinstance(command, TellTranscript | TellTurnEnd)]
        return commands


def let_in(carriage: Carriage, script: list[Action], loss: float = 0.0) -> tuple[Phone, Noting, GatewayCodec]:
    """A telephone that showed its token, and the gateway's codec for it."""
    far = Noting(phone(carriage))
    return Phone(far, script, wire=WIRE, drops=drops(loss)), far, admit(far, door(), base_url=BASE)


def bridged(
    carriage: Carriage, agent: ScriptedAgent, script: list[Action], line: Line, loss: float = 0.0
) -> tuple[Outcome, BridgeEnd, Noting]:
    telephone, far, codec = let_in(carriage, script, loss)
    ours = bridge_end(codec=codec, spec=SPEC, model=agent, settings=CallSettings(record=True))
    return *play(telephone, ours, line=line, also=[agent]), far


@pytest.mark.parametrize("carriage", CARRIAGES)
@pytest.mark.parametrize(("line", "loss"), lines(slow_bytes_per_s=60_000))
def test_a_conversation_with_barge_in_and_key_keeps_its_books_on_every_line(
    line: Line, loss: float, carriage: Carriage
) -> None:
    outcome, gateway, _ = bridged(carriage, receptionist(WIRE), conversation(WIRE), line, loss)
    went_well(outcome, gateway, loss=loss)
    assert outcome.ear.cleared > 0


@pytest.mark.parametrize("carriage", CARRIAGES)
def test_the_client_is_told_what_was_said_and_heard_in_order(carriage: Carriage) -> None:
    _, _, far = bridged(carriage, receptionist(WIRE), conversation(WIRE), Line())
    assert far.told == [
        TellTranscript("agent", "good morning", final=True),
        TellTurnEnd("agent"),
        TellTranscript("caller", "a ta", final=False),
        TellTurnEnd("caller"),
        TellTranscript("caller", "a table please", final=True),
        TellTranscript("agent", "certainly, for", final=True),  # as far as it was heard before the caller cut in
        TellTurnEnd("agent"),
        TellTurnEnd("caller"),
        TellTranscript("caller", "no wait", final=True),
        TellTranscript("agent", "yes?", final=True),
        TellTurnEnd("agent"),
        TellTranscript("agent", "five", final=True),
        TellTurnEnd("agent"),
    ]


@pytest.mark.parametrize("carriage", CARRIAGES)
def test_a_socket_lost_in_the_midst_of_a_word_ends_the_call_with_its_books_in_order(carriage: Carriage) -> None:
    outcome, gateway, _ = bridged(carriage, receptionist(WIRE), conversation(WIRE), Line(lost_at_s=2.51))
    assert outcome.ended
    assert outcome.ended.by == "network"
    assert outcome.balanced
    books(gateway)


def test_lost_chunks_are_heard_of_and_silence_stands_in_for_them() -> None:
    outcome, gateway, _ = bridged("json", receptionist(WIRE), conversation(WIRE), Line(), 0.05)
    session = books(gateway)
    assert session.ledger.caller.concealed == 320 * outcome.frames_lost
    assert session.samples == len(outcome.said) // 2


def test_the_agent_may_press_keys_and_pass_the_caller_on() -> None:
    agent = ScriptedAgent(
        cues=[(200, DigitsWanted("12#"))],
        greeting=reply("one moment", 500, WIRE, then=TransferWanted("+15005550002")),
        wire=WIRE,
    )
    outcome, gateway, _ = bridged("binary", agent, [], Line())
    assert outcome.ok
    assert outcome.ended
    assert (outcome.ended.by, outcome.ended.reason) == ("gateway", "transferred")
    assert books(gateway).end_reason == "transferred"


class Markless(Noting):
    """Never sends a mark back."""

    def send(self, event: WireEvent) -> Sequence[Output]:
        return () if isinstance(event, MarkReached) else super().send(event)


def test_a_client_that_sends_no_marks_back_is_hung_up_on_a_little_later() -> None:
    ended = []
    for kind in (Noting, Markless):
        far = kind(phone())
        agent = ScriptedAgent(greeting=reply("bye now", 1500, WIRE, then=HangUpWanted("done")), wire=WIRE)
        ours = bridge_end(codec=admit(far, door(), base_url=BASE), spec=SPEC, model=agent, settings=CallSettings())
        outcome, gateway = play(Phone(far, [], wire=WIRE), ours, also=[agent])
        assert outcome.ok
        assert far.told == [TellTranscript("agent", "bye now", final=True), TellTurnEnd("agent")]
        books(gateway)
        assert outcome.ended
        ended.append(outcome.ended.at_ms)
    assert 0 < ended[1] - ended[0] <= 2000


@pytest.mark.parametrize("carriage", CARRIAGES)
def test_an_echo_gives_back_the_speech_bit_for_bit(carriage: Carriage) -> None:
    telephone, _, codec = let_in(carriage, [Say(voice(3000, WIRE)), Wait(500), HangUp()])
    outcome, _ = play(telephone, lambda link, clock: EchoGateway(codec, link))
    assert outcome.ok
    report = compare(outcome.said, outcome.heard, WIRE)
    assert (report.missing, report.inserted) == (0, 0)
    assert voice(3000, WIRE) in outcome.heard


def test_a_phone_with_the_wrong_token_is_not_let_in() -> None:
    with pytest.raises(Refused, match="not OPEN_TOKEN"):
        admit(phone(token="wrong"), door(), base_url=BASE)
