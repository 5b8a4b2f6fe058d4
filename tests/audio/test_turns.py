"""Who waited for whom, on made-up stretches."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio.turns import CallerTurn, Stretch, caller_turns

Times = list[tuple[float, float]]


class Case(NamedTuple):
    why: str
    caller: Times
    agent: Times
    turns: list[CallerTurn]
    length: float = 20_000


CASES = [
    Case("nobody speaks", [], [], []),
    Case("the agent greets and nobody answers", [], [(0, 2000)], []),
    Case("an answer", [(1000, 2000)], [(2300, 4000)], [CallerTurn(1000, 2000, "answered", 300)]),
    Case(
        "an agent's breath is no answer of its own",
        [(1000, 2000), (6000, 7000)],
        [(2300, 4000), (4300, 5000), (7500, 8000)],
        [CallerTurn(1000, 2000, "answered", 300), CallerTurn(6000, 7000, "answered", 500)],
    ),
    Case(
        "a caller who pauses to think is in one turn, and waits from its end",
        [(1000, 2000), (3000, 3500)],
        [(3900, 5000)],
        [CallerTurn(1000, 3500, "answered", 400)],
    ),
    Case(
        "a caller who has to ask again was not answered",
        [(1000, 2000), (6000, 6500)],
        [(7000, 8000)],
        [CallerTurn(1000, 2000, "unanswered"), CallerTurn(6000, 6500, "answered", 500)],
    ),
    Case("an answer may take its time", [(1000, 2000)], [(9000, 9500)], [CallerTurn(1000, 2000, "answered", 7000)]),
    Case("the last word of a call wants no answer", [(18_500, 19_500)], [], [CallerTurn(18_500, 19_500, "call ended")]),
    Case("nobody answers for the rest of it", [(1000, 2000)], [], [CallerTurn(1000, 2000, "unanswered")]),
    Case(
        "an agent that speaks into the caller's turn didn't wait",
        [(1000, 3000)],
        [(2800, 5000)],
        [CallerTurn(1000, 3000, "answered", -200)],
    ),
    Case(
        "a barge-in: the agent falls silent, then answers",
        [(3000, 5000)],
        [(1000, 3250), (5400, 6000)],
        [CallerTurn(3000, 5000, "answered", 400, interrupts=True, silent_ms=250)],
    ),
    Case(
        "a barge-in during a breath: the agent began again, and then fell silent",
        [(3000, 5000)],
        [(1000, 2900), (3100, 3300), (5400, 6000)],
        [CallerTurn(3000, 5000, "answered", 400, interrupts=True, silent_ms=300)],
    ),
    Case(
        "an agent that finishes its sentence first gives way late",
        [(3000, 4000)],
        [(1000, 4300), (5000, 6000)],
        [CallerTurn(3000, 4000, "answered", 1000, interrupts=True, silent_ms=1300)],
    ),
    Case(
        "an agent that never gives way",
        [(3000, 4500)],
        [(1000, 9000)],
        [CallerTurn(3000, 4500, "talked over", interrupts=True)],
    ),
    Case(
        "a barge-in that is never answered",
        [(3000, 5000)],
        [(1000, 3250)],
        [CallerTurn(3000, 5000, "unanswered", interrupts=True, silent_ms=250)],
    ),
    Case(
        "a back-channel takes no turn, and what the agent says next is no answer to it",
        [(3000, 3300), (8000, 9000)],
        [(1000, 6000), (9400, 9900)],
        [CallerTurn(3000, 3300, "back-channel"), CallerTurn(8000, 9000, "answered", 400)],
    ),
    Case(
        "a back-channel that made the agent pause",
        [(3000, 3600)],
        [(1000, 3200), (3900, 6000)],
        [CallerTurn(3000, 3600, "back-channel", silent_ms=200)],
    ),
    Case(
        "a back-channel in a turn's wait for its answer does not take the answer",
        [(1000, 2000), (2500, 2700), (6000, 7000)],
        [(2300, 5000), (7300, 8000)],
        [
            CallerTurn(1000, 2000, "answered", 300),
            CallerTurn(2500, 2700, "back-channel"),
            CallerTurn(6000, 7000, "answered", 300),
        ],
    ),
    Case(
        "a caller so eager that both edges touch interrupts nobody",
        [(2980, 3500)],
        [(1000, 3000), (3900, 4500)],
        [CallerTurn(2980, 3500, "answered", 400)],
    ),
    Case(
        "a short answer between two sentences of a quick agent is a turn",
        [(2100, 2250)],
        [(1000, 2050), (2400, 4000)],
        [CallerTurn(2100, 2250, "answered", 150)],
    ),
    Case(
        "an agent that answers a pause, and is interrupted",
        [(1000, 2000), (2600, 4000)],
        [(2300, 2800), (4500, 6000)],
        [
            CallerTurn(1000, 2000, "answered", 300),
            CallerTurn(2600, 4000, "answered", 500, interrupts=True, silent_ms=200),
        ],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.why)
def test_turns(case: Case) -> None:
    caller, agent = ([Stretch(*times) for times in side] for side in (case.caller, case.agent))
    assert caller_turns(caller, agent, case.length) == case.turns


@st.composite
def sides(draw: st.DrawFn) -> list[Stretch]:
    edges = sorted(draw(st.lists(st.integers(0, 20_000), unique=True, max_size=30)))
    return [Stretch(float(begin), float(end)) for begin, end in zip(edges[::2], edges[1::2], strict=False)]


@given(sides(), sides())
def test_whatever_is_said_is_in_one_turn_and_no_answer_is_given_twice(
    caller: list[Stretch], agent: list[Stretch]
) -> None:
    turns = caller_turns(caller, agent, 20_000)
    for said in caller:
        assert sum(turn.begin_ms <= said.begin_ms and said.end_ms <= turn.end_ms for turn in turns) == 1
    answers = [turn.end_ms + turn.response_ms for turn in turns if turn.response_ms is not None]
    assert len(set(answers)) == len(answers)
    assert set(answers) <= {run.begin_ms for run in agent}
    assert all(turn.silent_ms is None or turn.silent_ms > 0 for turn in turns)
