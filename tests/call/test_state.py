import pytest

from trunkline.call.state import TRANSITIONS, CallState, Trigger, after

S, T = CallState, Trigger

ALLOWED = {
    (S.RINGING, T.ANSWERED): S.CONNECTING,
    (S.CONNECTING, T.STREAM_STARTED): S.LISTENING,
    (S.CONNECTING, T.HANGING_UP): S.ENDING,
    (S.LISTENING, T.CALLER_FINISHED): S.PROCESSING,
    (S.LISTENING, T.AGENT_SPOKE): S.SPEAKING,
    (S.LISTENING, T.HANGING_UP): S.ENDING,
    (S.PROCESSING, T.CALLER_SPOKE): S.LISTENING,
    (S.PROCESSING, T.AGENT_SPOKE): S.SPEAKING,
    (S.PROCESSING, T.AGENT_FINISHED): S.LISTENING,
    (S.PROCESSING, T.HANGING_UP): S.ENDING,
    (S.SPEAKING, T.AGENT_FINISHED): S.LISTENING,
    (S.SPEAKING, T.INTERRUPTED): S.LISTENING,
    (S.SPEAKING, T.HANGING_UP): S.ENDING,
    **{(state, T.LINK_LOST): S.PARKED for state in (S.LISTENING, S.PROCESSING, S.SPEAKING)},
    (S.PARKED, T.LINK_BACK): S.LISTENING,
    **{(state, T.OVER): S.ENDED for state in S if state.is_active},
    **{(state, T.BROKE): S.FAILED for state in S if state.is_active},
}


@pytest.mark.parametrize("trigger", T)
@pytest.mark.parametrize("state", S)
def test_every_trigger_in_every_state_does_what_the_table_says_and_nothing_else(
    state: CallState, trigger: Trigger
) -> None:
    assert after(state, trigger) is ALLOWED.get((state, trigger))


@pytest.mark.parametrize("state", S)
def test_a_call_is_active_until_it_has_ended_or_failed(state: CallState) -> None:
    assert state.is_active is (state not in (S.ENDED, S.FAILED))


def test_every_state_has_its_row() -> None:
    assert set(TRANSITIONS) == set(S)


@pytest.mark.parametrize("state", S)
def test_every_active_state_can_be_reached_from_ringing(state: CallState) -> None:
    reached, frontier = {S.RINGING}, [S.RINGING]
    while frontier:
        for to in TRANSITIONS[frontier.pop()].values():
            if to not in reached:
                reached.add(to)
                frontier.append(to)
    assert state in reached


@pytest.mark.parametrize("state", [S.ENDED, S.FAILED])
def test_nothing_leads_out_of_the_end(state: CallState) -> None:
    assert TRANSITIONS[state] == {}
