"""Sessions of VoiceAI Connect that lose their socket and go on over another, on virtual time."""

from collections.abc import Sequence

import numpy as np
import pytest
from audiocodes_calls import BASE, CALL, CALLEE, CALLER, TOKEN, door

from trunkline.ai.events import ReplyHeard, ReplyInterrupted
from trunkline.audio.format import PCM16_16K
from trunkline.call.settings import CallSettings
from trunkline.call.state import CallState
from trunkline.testing.agents import Answer, Reply, ScriptedAgent
from trunkline.testing.bridge import BridgeEnd, bridge_end
from trunkline.testing.facts import SocketBack, SocketLost
from trunkline.testing.link import Line
from trunkline.testing.network import Conditions
from trunkline.testing.outcome import Outcome
from trunkline.testing.phone import Phone
from trunkline.testing.scene import admit, play
from trunkline.testing.script import Action, HangUp, PressKey, Say, Wait, WaitForQuiet, WaitForReply
from trunkline.testing.sounds import murmur
from trunkline.wire._audiocodes_phone import AudioCodesPhone
from trunkline.wire.audiocodes import SPEC
from trunkline.wire.base import Output

STORY = murmur(PCM16_16K, 4000, seed=7)
AFTER_S = 0.5


def call(
    agent: ScriptedAgent,
    script: list[Action],
    line: Line,
    *,
    after_s: float | None = AFTER_S,
    settings: CallSettings | None = None,
    returns_as: str = CALL,
) -> tuple[Outcome, BridgeEnd]:
    """A call by a telephone that comes back as ``returns_as`` when its socket is lost."""
    entrance = door()
    entrance.prefer(agent.hears, agent.speaks)

    class Returning(AudioCodesPhone):
        def reopened(self) -> Sequence[Output]:
            self._id = returns_as
            return super().reopened()

    far = Returning(token=TOKEN, conversation_id=CALL, caller=CALLER, callee=CALLEE)
    codec = admit(far, entrance, base_url=BASE)
    ours = bridge_end(
        codec=codec, spec=SPEC, model=agent, settings=settings or CallSettings(record=True), again=entrance.codec
    )
    return play(Phone(far, script, wire=PCM16_16K, resumes_after_s=after_s), ours, line=line, also=[agent])


def storyteller() -> ScriptedAgent:
    return ScriptedAgent(greeting=Reply((("once upon a time there was a telephone", STORY),)), wire=PCM16_16K)


def sounding(audio: bytes) -> bytes:
    """What was heard, without the silence around it and in it."""
    samples = np.frombuffer(audio, "<i2")
    found: bytes = samples[samples != 0].tobytes()
    return found


@pytest.mark.parametrize("at_s", [0.3, 1.0, 1.777, 3.9])
def test_a_reply_goes_on_at_the_sample_where_the_socket_was_lost(at_s: float) -> None:
    agent = storyteller()
    outcome, gateway = call(agent, [WaitForQuiet(1500), HangUp()], Line(lost_at_s=at_s))
    assert outcome.ok, outcome.log
    assert sounding(outcome.heard) == sounding(STORY)
    (lost,) = [fact for fact in outcome.log if isinstance(fact, SocketLost)]
    (back,) = [fact for fact in outcome.log if isinstance(fact, SocketBack)]
    assert back.at_ms - lost.at_ms == pytest.approx(1000 * AFTER_S, abs=25)
    silent = outcome.heard[2 * 16 * int(lost.at_ms + 5) : 2 * 16 * int(back.at_ms - 5)]
    assert silent.strip(b"\0") == b""
    record = gateway.session
    assert record is not None
    assert (record.state, record.call_id, record.reconnects) == (CallState.ENDED, CALL, 1)
    assert record.ledger.balances
    # Nothing was thrown away: the story was heard once, whole, and the agent knows it.
    agent_books = record.ledger.agent
    assert (agent_books.played - agent_books.padding, agent_books.cleared) == (len(STORY) // 2, 0)
    told = [command for _, command in agent.sessions[0].told]
    assert len(agent.sessions) == 1
    assert any(isinstance(command, ReplyHeard) for command in told)
    assert not any(isinstance(command, ReplyInterrupted) for command in told)


def test_the_time_without_a_socket_is_in_the_call_and_in_its_recording() -> None:
    outcome, gateway = call(storyteller(), [WaitForQuiet(1500), HangUp()], Line(lost_at_s=1.0))
    record = gateway.session
    assert record is not None
    assert record.duration_s == pytest.approx(outcome.duration_ms / 1000, abs=0.05)
    assert len(gateway.recording) == 4 * record.samples
    assert record.ledger.caller.concealed == pytest.approx(AFTER_S * 16000, abs=16 * 25)


def test_the_caller_goes_on_in_the_midst_of_a_word_and_is_answered() -> None:
    agent = ScriptedAgent([Answer("a table please", Reply((("certainly", STORY[:32000]),)))], wire=PCM16_16K)
    script: list[Action] = [Wait(300), Say(murmur(PCM16_16K, 2000)), WaitForReply(500), PressKey("5"), HangUp()]
    outcome, gateway = call(agent, script, Line(lost_at_s=1.0), after_s=0.15)
    assert outcome.ok, outcome.log
    assert not outcome.replies_missing
    record = gateway.session
    assert record is not None
    assert [key.digit for key in record.keys] == ["5"]
    assert record.ledger.balances


BAD = [
    Line(lost_at_s=1.5, up=Conditions(latency_ms=120), down=Conditions(latency_ms=80)),
    Line(lost_at_s=1.5, up=Conditions(jitter_ms=60, seed=1), down=Conditions(jitter_ms=60, seed=2)),
]


@pytest.mark.parametrize("line", BAD, ids=["far away", "jitter"])
def test_on_a_bad_line_no_more_is_said_twice_than_was_on_its_way(line: Line) -> None:
    outcome, gateway = call(storyteller(), [WaitForQuiet(1500), HangUp()], line)
    assert outcome.ok, outcome.log
    assert gateway.session is not None
    assert gateway.session.ledger.balances
    # What was sent and not yet heard is taken for heard by the clock, which knows nothing of the way.
    missing = len(STORY) - len(sounding(outcome.heard))
    assert abs(missing) <= 2 * 16 * 200


def test_a_call_that_is_not_resumed_ends_when_its_time_is_up() -> None:
    settings = CallSettings(resume_timeout_s=3)
    outcome, gateway = call(storyteller(), [Wait(9000), HangUp()], Line(lost_at_s=1.0), after_s=None, settings=settings)
    record = gateway.session
    assert record is not None
    assert (record.state, record.reconnects) == (CallState.FAILED, 0)
    assert record.end_reason == "the connection was lost"
    assert record.ledger.balances
    assert record.ledger.agent.cleared > 0
    assert record.duration_s == pytest.approx(1.0, abs=0.05), "it is as long as the caller was heard"
    assert outcome.ended


def test_a_socket_that_comes_too_late_finds_no_conversation() -> None:
    settings = CallSettings(resume_timeout_s=1)
    outcome, gateway = call(storyteller(), [Wait(9000), HangUp()], Line(lost_at_s=1.0), after_s=2, settings=settings)
    assert gateway.session is not None
    assert gateway.session.state is CallState.FAILED
    assert [complaint.what for complaint in outcome.complaints] == ["the session was refused"]


def test_another_conversation_gets_nothing_of_the_parked_one() -> None:
    settings = CallSettings(resume_timeout_s=2)
    outcome, gateway = call(
        storyteller(), [Wait(9000), HangUp()], Line(lost_at_s=1.0), settings=settings, returns_as="another"
    )
    assert [complaint.what for complaint in outcome.complaints] == ["the session was refused"]
    assert gateway.session is not None
    assert (gateway.session.state, gateway.session.reconnects) == (CallState.FAILED, 0)
