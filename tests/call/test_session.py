from datetime import UTC, datetime

import msgspec
import pytest

from trunkline.call.latency import TurnLatency
from trunkline.call.ledger import AgentLedger, CallerLedger, Ledger
from trunkline.call.session import CallSession, Key, Speech, Turn, Utterance
from trunkline.call.state import CallState, Trigger

STARTED = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)
FULL = CallSession(
    call_id="CA1",
    platform="twilio",
    agent="echo",
    started_at=STARTED,
    state=CallState.ENDED,
    caller="+1",
    callee="+2",
    parameters={"a": "é"},
    ended_at=STARTED,
    end_reason="done",
    rate=8000,
    samples=12345,
    transcript=[Utterance("caller", "hi", 1.5), Utterance("agent", "hello", 2.5, interrupted=True)],
    speech=[Speech(1, 2)],
    turns=[Turn(1, TurnLatency(total_ms=1.25), {"total": "OK"})],
    keys=[Key("1", 100.0), Key("#", 250.5)],
    ledger=Ledger(AgentLedger(generated=3, played=1, cleared=1, in_flight=1), CallerLedger(received=1, lost=1)),
    under_runs=1,
    under_run_ms=20.5,
    barge_ins=2,
    resumed=3,
    ignored={"x": 1},
    recording="a.wav",
)


@pytest.mark.parametrize("session", [FULL, CallSession("", "open", "echo", STARTED)], ids=["full", "bare"])
def test_a_session_survives_json(session: CallSession) -> None:
    back = CallSession.from_json(session.to_json())
    assert back == session
    assert back.started_at.tzinfo is not None


def test_a_field_that_does_not_fit_is_named() -> None:
    data = FULL.to_json().replace(b'"samples":12345', b'"samples":"many"')
    with pytest.raises(msgspec.ValidationError, match=r"\$\.samples"):
        CallSession.from_json(data)


def test_two_sessions_share_no_lists() -> None:
    first, second = (CallSession("", "open", "echo", STARTED) for _ in range(2))
    first.transcript.append(Utterance("caller", "hi", 0))
    first.ignored["x"] = 1
    assert (second.transcript, second.ignored) == ([], {})


@pytest.mark.parametrize(("samples", "rate", "seconds"), [(12000, 8000, 1.5), (0, 8000, 0), (0, 0, 0)])
def test_the_duration_is_counted_in_samples(samples: int, rate: int, seconds: float) -> None:
    assert CallSession("", "open", "echo", STARTED, samples=samples, rate=rate).duration_s == seconds


@pytest.mark.parametrize(
    ("agent", "caller", "balances"),
    [
        (AgentLedger(3, 1, 1, 1), CallerLedger(3, 1, 1, 1), True),
        (AgentLedger(4, 1, 1, 1), CallerLedger(3, 1, 1, 1), False),
        (AgentLedger(3, 1, 1, 1), CallerLedger(2, 1, 1, 1), False),
        (AgentLedger(3, 1, 1, 1, late=9, padding=1), CallerLedger(), True),
    ],
)
def test_a_ledger_balances_when_both_laws_hold(agent: AgentLedger, caller: CallerLedger, balances: bool) -> None:
    assert Ledger(agent, caller).balances is balances


@pytest.mark.parametrize(
    ("trigger", "allowed", "state"),
    [(Trigger.ANSWERED, True, CallState.CONNECTING), (Trigger.AGENT_SPOKE, False, CallState.RINGING)],
)
def test_a_step_goes_where_the_table_says_or_nowhere(trigger: Trigger, allowed: bool, state: CallState) -> None:
    session = CallSession("", "open", "echo", STARTED)
    assert session.step(trigger) is allowed
    assert session.state is state
