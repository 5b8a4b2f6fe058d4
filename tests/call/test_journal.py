from datetime import UTC, datetime

import pytest

from trunkline.ai.events import ReplyHeard, ReplyInterrupted, Stage
from trunkline.call.effects import Effect, Note, Tell
from trunkline.call.journal import MAX_IGNORED_KINDS, MAX_PARAMETERS, Journal
from trunkline.call.latency import Budgets, TurnStamps
from trunkline.call.replies import Heard, Interruption
from trunkline.call.session import CallSession, Speech, Utterance
from trunkline.wire.events import CallDescribed, TellTranscript, TellTurnEnd


@pytest.fixture
def session() -> CallSession:
    return CallSession("CA1", "twilio", "echo", datetime(2026, 1, 2, tzinfo=UTC))


@pytest.fixture
def journal(session: CallSession) -> Journal:
    return Journal(session, Budgets())


def notes(out: list[Effect]) -> list[str]:
    return [effect.event for effect in out if isinstance(effect, Note)]


def test_a_turn_is_written_down_with_its_latency_and_verdict(session: CallSession, journal: Journal) -> None:
    out: list[Effect] = []
    journal.speech_started(1000)
    journal.speech_stopped(2000, 12.0)
    journal.caller_said("a table please", 2100, 12.2, out)
    journal.reply_began(1)
    journal.first_audio(1, 13.0)
    journal.heard(Heard(1, "of course", 3100), out)
    assert session.speech == [Speech(1000, 2000)]
    assert session.transcript == [Utterance("caller", "a table please", 1000), Utterance("agent", "of course", 3100)]
    assert session.turns[0].verdicts == {"stt": "OK", "total": "SLOW"}
    assert notes(out) == ["caller said", "turn", "agent said"]
    assert out[-1] == Tell(ReplyHeard(1, "of course"))


def test_an_interrupted_reply_is_written_down_as_far_as_it_was_heard(session: CallSession, journal: Journal) -> None:
    out: list[Effect] = []
    journal.interrupted([Interruption(1, 500, "so I", 200), Interruption(2, 0, "", None)], out)
    assert session.transcript == [Utterance("agent", "so I", 200, interrupted=True)]
    assert [effect for effect in out if isinstance(effect, Tell)] == [
        Tell(ReplyInterrupted(1, 500, "so I")),
        Tell(ReplyInterrupted(2, 0, "")),
    ]


def test_every_stage_of_an_agent_has_its_stamp(session: CallSession, journal: Journal) -> None:
    for stage in Stage:
        assert hasattr(TurnStamps(), stage.replace(" ", "_"))
        journal.stage(stage, 1, 1.0)


def test_kinds_of_unknown_messages_are_counted_and_bounded(session: CallSession, journal: Journal) -> None:
    out: list[Effect] = []
    for i in range(1000):
        journal.ignored(f"kind {i}", out)
    journal.ignored("kind 0", out)
    assert session.ignored["kind 0"] == 2
    assert sum(session.ignored.values()) == 1001
    assert len(session.ignored) == MAX_IGNORED_KINDS + 1
    assert len(out) == MAX_IGNORED_KINDS + 1, "each kind is noted once"


def test_nothing_understood_is_nothing_said(session: CallSession, journal: Journal) -> None:
    out: list[Effect] = []
    journal.caller_said("", 0, 1.0, out)
    assert session.transcript == []
    assert out == []


def test_private_values_are_in_fields_and_never_in_the_event(journal: Journal) -> None:
    out: list[Effect] = []
    journal.key_pressed("7", 40.0, out)
    journal.caller_said("my number is secret", 0, 1.0, out)
    journal.heard(Heard(1, "secret", 0), out)
    journal.interrupted([Interruption(2, 500, "secret", 200)], out)
    assert all("7" not in event and "secret" not in event for event in notes(out))


def test_a_platform_that_wants_transcripts_is_told_what_is_said_and_whose_turn_is_over(session: CallSession) -> None:
    journal = Journal(session, Budgets(), transcripts=True)
    out: list[Effect] = []
    journal.caller_may_have_said("a ta", out)
    journal.turn_ended("caller", out)
    journal.caller_said("a table please", 2100, 12.2, out)
    journal.heard(Heard(1, "of course", 3100), out)
    journal.interrupted([Interruption(2, 500, "so I", 200), Interruption(3, 0, "", None)], out)
    assert [effect for effect in out if isinstance(effect, TellTranscript | TellTurnEnd)] == [
        TellTranscript("caller", "a ta", final=False),
        TellTurnEnd("caller"),
        TellTranscript("caller", "a table please", final=True),
        TellTranscript("agent", "of course", final=True),
        TellTurnEnd("agent"),
        TellTranscript("agent", "so I", final=True),
        TellTurnEnd("agent"),
    ]


def test_a_platform_that_does_not_is_told_nothing(journal: Journal) -> None:
    out: list[Effect] = []
    journal.caller_may_have_said("a ta", out)
    journal.turn_ended("caller", out)
    journal.caller_said("a table please", 2100, 12.2, out)
    journal.heard(Heard(1, "of course", 3100), out)
    assert not [effect for effect in out if isinstance(effect, TellTranscript | TellTurnEnd)]


def test_facts_that_come_late_complete_the_record_and_do_not_wipe_it(session: CallSession, journal: Journal) -> None:
    out: list[Effect] = []
    session.caller, session.parameters = "+1", {"a": "1"}
    journal.described(CallDescribed(callee="+2", parameters={"b": "2"}), out)
    assert (session.caller, session.callee, session.parameters) == ("+1", "+2", {"a": "1", "b": "2"})
    journal.described(CallDescribed(caller="+3", parameters={"a": "one"}), out)
    assert (session.caller, session.callee, session.parameters) == ("+3", "+2", {"a": "one", "b": "2"})
    assert notes(out) == ["call described"] * 2


def test_a_platform_can_not_fill_the_record_with_facts(session: CallSession, journal: Journal) -> None:
    for n in range(1000):
        journal.described(CallDescribed(parameters={f"p{n}": "v"}), [])
    assert len(session.parameters) == MAX_PARAMETERS
