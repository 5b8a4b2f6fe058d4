"""A conversation without a call around it: how the two part, and who lets whom finish before."""

from datetime import UTC, datetime

import pytest

from trunkline.ai.events import CallerSaid, HangUpWanted, ReplyStarted, SpeechStarted, TransferWanted
from trunkline.audio.format import MULAW_8K
from trunkline.call.conversation import AgentDid, CallerDid, Conversation
from trunkline.call.effects import Effect, Note
from trunkline.call.journal import Journal
from trunkline.call.latency import Budgets
from trunkline.call.session import CallSession
from trunkline.call.settings import BargeIn, CallSettings
from trunkline.call.state import CallState
from trunkline.call.stream import Stream
from trunkline.wire.base import WireSpec
from trunkline.wire.events import HangUp, StreamStarted, Transfer

START = 900.5
STARTED = StreamStarted("call", "stream", MULAW_8K, MULAW_8K)


class Talk:
    """A conversation on a stream that has just started, its agent having said a second of something."""

    def __init__(self, *, transfers: bool = True) -> None:
        spec = WireSpec("small", "Small", "/media/small", clears=True, transfers=transfers)
        self.session = CallSession("call", "small", "agent", datetime(2026, 1, 1, tzinfo=UTC), CallState.LISTENING)
        self.conversation = Conversation(self.session, Journal(self.session, Budgets()), spec, BargeIn())
        self.stream = Stream(STARTED, hears=MULAW_8K, speaks=MULAW_8K, spec=spec, settings=CallSettings(), now=START)
        self.out: list[Effect] = []
        self.stream.agent.push(bytes(8000), 1)
        self.stream.playout.pop(START)
        self.follow(START)

    def agent(self, event: AgentDid, now: float) -> None:
        self.conversation.agent_did(event, self.stream, now, self.out)

    def caller(self, event: CallerDid, now: float) -> None:
        self.conversation.caller_did(event, self.stream, now, self.out)

    def follow(self, now: float) -> bool:
        self.stream.playout.pop(now)
        self.stream.playout.settle(now)
        return self.conversation.follow(self.stream, now, self.out)

    def run(self, now: float, seconds: float) -> float:
        """Follow in small steps until the platform is asked for the end, or for so long. Gives the seconds it took."""
        for step in range(int(seconds * 100)):
            if self.follow(now + step / 100):
                return step / 100
        return seconds

    @property
    def farewells(self) -> list[Effect]:
        return [effect for effect in self.out if isinstance(effect, HangUp | Transfer)]


@pytest.mark.parametrize(
    ("wanted", "transfers", "asked", "reason"),
    [
        (HangUpWanted("all said"), True, HangUp("all said"), "all said"),
        (TransferWanted("desk"), True, Transfer("desk"), "transferred"),
        (TransferWanted("desk"), False, HangUp("the platform can't transfer"), "the platform can't transfer"),
    ],
)
def test_the_call_is_left_once_and_only_after_the_caller_has_heard_everything(
    wanted: AgentDid, transfers: bool, asked: Effect, reason: str
) -> None:
    talk = Talk(transfers=transfers)
    talk.agent(wanted, START)
    assert talk.conversation.end_reason("cut off") == "cut off", "nobody was asked for the end yet"
    assert talk.run(START, 2) == pytest.approx(1, abs=0.02)
    assert talk.session.state is CallState.ENDING
    assert talk.conversation.end_reason("cut off") == reason
    assert talk.run(START + 2, 1) == 1
    assert talk.farewells == [asked]


def test_a_caller_who_interrupts_the_goodbye_still_wants_something() -> None:
    talk = Talk()
    talk.agent(HangUpWanted("all said"), START)
    talk.caller(SpeechStarted(500), START + 0.5)
    talk.caller(CallerSaid("one more thing", final=True), START + 0.6)
    assert talk.run(START + 0.6, 3) == 3
    assert talk.session.barge_ins == 1
    assert talk.farewells == []


def test_the_goodbye_waits_while_the_caller_may_be_interrupting_it() -> None:
    talk = Talk()
    talk.agent(HangUpWanted("all said"), START)
    talk.caller(SpeechStarted(500), START + 0.5)
    assert talk.run(START + 0.5, 3) == 3
    talk.conversation.tick(talk.stream, START + 3.5, talk.out)
    assert talk.conversation.turn.deadline is None
    assert talk.session.barge_ins == 1, "so long a speech is more than a cough"


def test_an_answer_to_what_is_being_said_takes_it_for_a_turn() -> None:
    talk = Talk()
    talk.caller(SpeechStarted(500), START + 0.5)
    talk.agent(ReplyStarted(1), START + 0.6)
    assert talk.session.barge_ins == 0, "the reply that is on hold only goes on"
    talk.agent(ReplyStarted(2), START + 0.6)
    assert talk.session.barge_ins == 1


def test_the_platform_may_be_asked_for_the_end_in_mid_reply() -> None:
    talk = Talk()
    assert talk.conversation.leave(HangUp("stopping"), talk.out)
    assert not talk.conversation.leave(HangUp("again"), talk.out)
    assert talk.conversation.end_reason("cut off") == "stopping"


def test_a_caller_who_speaks_into_the_end_does_not_change_why_it_came() -> None:
    talk = Talk()
    talk.conversation.leave(HangUp("stopping"), talk.out)
    talk.caller(SpeechStarted(500), START + 0.5)
    talk.caller(CallerSaid("one more thing", final=True), START + 0.6)
    assert talk.session.barge_ins == 1
    assert talk.conversation.end_reason("cut off") == "stopping"


def test_a_transfer_that_is_not_possible_is_told_once_though_it_has_to_wait() -> None:
    talk = Talk(transfers=False)
    talk.agent(TransferWanted("desk"), START)
    talk.session.state = CallState.PARKED
    assert talk.run(START, 2) == 2
    talk.session.state = CallState.LISTENING
    assert talk.run(START + 2, 1) == 0
    assert [effect.event for effect in talk.out if isinstance(effect, Note) and effect.level == "warning"] == [
        "transfer not possible"
    ]
    assert talk.farewells == [HangUp("the platform can't transfer")]
