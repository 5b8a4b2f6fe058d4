"""Turn latencies from a log."""

import pytest

from trunkline.testing.facts import (
    AgentStarted,
    AgentStopped,
    CallerStarted,
    CallerStopped,
    Fact,
    KeySent,
    Turn,
    turns,
)

CASES: dict[str, tuple[list[Fact], list[Turn]]] = {
    "a greeting answers nothing": ([AgentStarted(0), AgentStopped(500)], []),
    "an answer is measured from where the caller stopped": (
        [CallerStarted(0), CallerStopped(1000), AgentStarted(1400), AgentStopped(2000)],
        [Turn(1000, 1400)],
    ),
    "edges are written down late and sorted": (
        [CallerStarted(0), AgentStarted(1100), CallerStopped(1000)],
        [Turn(1000, 1100)],
    ),
    "only the first voice after the question is its answer": (
        [CallerStopped(0), AgentStarted(300), AgentStopped(500), AgentStarted(800)],
        [Turn(0, 300)],
    ),
    "a caller who goes on after a pause is answered after the last word": (
        [CallerStopped(0), CallerStarted(400), CallerStopped(900), AgentStarted(1300)],
        [Turn(900, 1300)],
    ),
    "an agent that talks into the caller's speech answers nothing": ([CallerStarted(0), AgentStarted(300)], []),
    "a key is a question too": ([KeySent(100), AgentStarted(350)], [Turn(100, 350)]),
}


@pytest.mark.parametrize(("log", "expected"), CASES.values(), ids=CASES)
def test_turns_are_read_from_the_log(log: list[Fact], expected: list[Turn]) -> None:
    assert turns(log) == expected
