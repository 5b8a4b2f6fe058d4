"""Whole calls on virtual time, over good and bad lines: an echo of our own, and the product's call in the middle."""

from typing import Any

import numpy as np
import pytest

from conversations import EchoGateway, conversation, drops, lines, receptionist, voice, went_well
from trunkline.audio.format import MULAW_8K
from trunkline.call.settings import CallSettings
from trunkline.errors import Refused
from trunkline.testing.agents import ScriptedAgent
from trunkline.testing.bridge import BridgeEnd, bridge_end
from trunkline.testing.clock import VirtualClock
from trunkline.testing.echo import compare
from trunkline.testing.facts import CallEnded
from trunkline.testing.gate import linear
from trunkline.testing.link import LOST, Line, VirtualLink
from trunkline.testing.network import Conditions
from trunkline.testing.outcome import Outcome
from trunkline.testing.phone import Phone
from trunkline.testing.scene import admit, play
from trunkline.testing.script import Action, HangUp, Say, Wait
from trunkline.wire.base import GatewayCodec
from trunkline.wire.twilio import PLATFORM, TwilioSettings

BASE = "https://gw.example.org"
WIRE = MULAW_8K
SETTINGS = TwilioSettings(auth_token="0123456789abcdef0123456789abcdef")


class Tickets:
    """One ticket, good once, for the call it was issued to."""

    def __init__(self) -> None:
        self.open: set[tuple[str, str]] = set()

    def issue(self, call_id: str, now: float) -> str:
        self.open.add(("ticket", call_id))
        return "ticket"

    def redeem(self, ticket: str, call_id: str, now: float) -> bool:
        known = (ticket, call_id) in self.open
        self.open.discard((ticket, call_id))
        return known


def phone_and_codec(script: list[Action], **options: Any) -> tuple[Phone, GatewayCodec]:
    """A phone that was let in: signed webhook, ticket, signed upgrade."""
    codec = PLATFORM.phone(SETTINGS, call_id="CA01", caller="+15005550006", callee="+15005550001")
    door = PLATFORM.door(SETTINGS, base_url=BASE, tickets=Tickets(), insecure=False)
    return Phone(codec, script, **options), admit(codec, door, base_url=BASE)


def echo_call(script: list[Action], line: Line, **options: Any) -> tuple[Outcome, EchoGateway]:
    phone, codec = phone_and_codec(script, **options)
    return play(phone, lambda link, clock: EchoGateway(codec, link), line=line)


HOLES = Line(up=Conditions(stalls=((1, 1.4),)), down=Conditions(stalls=((2, 2.3), (3, 3.1))))
LINES = lines(slow_bytes_per_s=20_000, long_stalls=HOLES)


@pytest.mark.parametrize(("line", "loss"), [case for case in LINES if not case.values[1]])
def test_over_a_line_that_lives_no_sample_is_lost(line: Line, loss: float) -> None:
    outcome, gateway = echo_call([Wait(500), Say(voice(4000, WIRE)), Wait(2000), HangUp()], line)
    assert outcome.ok
    assert bytes(gateway.heard) == outcome.said
    assert compare(outcome.said, outcome.heard, MULAW_8K).missing == 0
    assert gateway.gone == ["closed with 1000"]


def test_a_stall_is_heard_as_an_under_run_as_long_as_it_was() -> None:
    outcome, _ = echo_call(
        [Say(voice(4000, WIRE)), Wait(1000), HangUp()], Line(down=Conditions(stalls=((1.001, 1.501),)))
    )
    (dry,) = outcome.underruns
    assert dry.ms == pytest.approx(1501 - 1020, abs=20)
    assert compare(outcome.said, outcome.heard, MULAW_8K).inserted == pytest.approx(8 * dry.ms, abs=1)


def test_a_call_of_a_minute_is_a_minute_long_to_the_sample() -> None:
    minute: list[Action] = [Say(voice(4000, WIRE)), Wait(1000)] * 12
    outcome, _ = echo_call([*minute, HangUp()], Line())
    assert outcome.duration_ms == 60_000
    assert len(outcome.said) == len(outcome.heard) == 480_000


def test_the_same_scene_plays_the_same_way_each_time() -> None:
    line = Line(up=Conditions(jitter_ms=80, seed=7), down=Conditions(jitter_ms=80, seed=8))
    script: list[Action] = [Say(voice(2000, WIRE)), Wait(500), HangUp()]
    assert echo_call(script, line)[0] == echo_call(script, line)[0]


def test_losing_the_socket_ends_the_call_on_both_sides() -> None:
    outcome, gateway = echo_call([Say(voice(4000, WIRE)), HangUp()], Line(lost_at_s=1.5))
    assert not outcome.ok
    assert outcome.ended == CallEnded(1500.0, "network", LOST)
    assert outcome.balanced
    assert len(outcome.said) == len(outcome.heard) == 12_000
    assert gateway.gone == [LOST]


def test_a_call_without_end_is_ended_by_the_limit() -> None:
    phone, codec = phone_and_codec([])
    outcome, _ = play(phone, lambda link, clock: EchoGateway(codec, link), limit_s=3)
    assert outcome.ended == CallEnded(3000.0, "time limit", "hung up")


def test_a_gateway_that_closes_ends_the_call() -> None:
    class Closing(EchoGateway):
        def received(self, data: bytes, binary: bool, now: float) -> None:
            super().received(data, binary, now)
            if len(self.heard) > 8000:
                self._link.close(1000, "enough")

    phone, codec = phone_and_codec([Say(voice(4000, WIRE))])
    outcome, _ = play(phone, lambda link, clock: Closing(codec, link))
    assert outcome.ended
    assert (outcome.ended.by, outcome.ended.reason, outcome.ok) == ("gateway", "closed with 1000 enough", True)


def test_a_gateway_that_never_gets_on_is_found_out() -> None:
    class Spinning(EchoGateway):
        def tick(self, now: float) -> None:
            self.deadline = now

    phone, codec = phone_and_codec([Wait(100), HangUp()])

    def awake(link: VirtualLink, clock: VirtualClock) -> Spinning:
        gateway = Spinning(codec, link)
        gateway.deadline = clock.now
        return gateway

    with pytest.raises(RuntimeError, match="Spinning"):
        play(phone, awake)


def test_a_phone_with_the_wrong_secret_is_not_let_in() -> None:
    codec = PLATFORM.phone(TwilioSettings(auth_token="wrong"), call_id="CA01", caller="", callee="")
    door = PLATFORM.door(SETTINGS, base_url=BASE, tickets=Tickets(), insecure=False)
    with pytest.raises(Refused, match="does not match"):
        admit(codec, door, base_url=BASE)


# --- with the product's own call in the middle -----------------------------------------------------------------------


def bridged(agent: ScriptedAgent, script: list[Action], line: Line, **options: Any) -> tuple[Outcome, BridgeEnd]:
    phone, codec = phone_and_codec(script, **options)
    settings = CallSettings(record=True)
    return play(
        phone,
        bridge_end(codec=codec, spec=PLATFORM.spec, model=agent, settings=settings),
        line=line,
        also=[agent],
    )


@pytest.mark.parametrize(("line", "loss"), LINES)
def test_a_conversation_with_barge_in_and_key_keeps_its_books_on_every_line(line: Line, loss: float) -> None:
    outcome, gateway = bridged(receptionist(WIRE), conversation(WIRE), line, drops=drops(loss))
    went_well(outcome, gateway, loss=loss)
    assert len(outcome.clears) == 1
    assert outcome.ear.cleared > 0


def test_on_a_good_line_the_call_knows_what_the_telephone_knows() -> None:
    outcome, gateway = bridged(receptionist(WIRE), conversation(WIRE), Line())
    session = gateway.session
    assert session is not None
    assert session.caller == "+15005550006"
    assert session.samples == len(outcome.said)
    assert not outcome.underruns
    recorded = np.frombuffer(bytes(gateway.recording), dtype="<i2").reshape(-1, 2)
    assert (recorded[:, 0] == linear(outcome.said, MULAW_8K)).all()
    # Where the caller cut in, the call rounds down what was heard: a sample at most.
    assert np.count_nonzero(recorded[:, 1] != linear(outcome.heard, MULAW_8K)) <= 1
    (turn, *_) = outcome.turns
    assert turn.latency_ms == pytest.approx(200 + 300, abs=20)  # the agent's hang-over and its thinking
