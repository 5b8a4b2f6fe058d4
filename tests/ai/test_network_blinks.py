"""A network that is out for a moment: all that could fill a role is gone at once, and back before the caller has gone.

Whole calls in real time. The caller hears the whole answer, each word of it once, a little later.
"""

import asyncio
from typing import Any, Final

import pytest
from survival import ANSWER, ASKED, PARTS, SPOKEN, Blink, Survived, kept_lines, survive

from trunkline.ai.manners import Manners
from trunkline.ai.standin import Place
from trunkline.testing.script import Action, HangUp, Say, WaitForReply

OUT_S: Final = 1.0
LATE_MS: Final = 2600
"""More than usual, or in the middle of the answer: the network is out for a second, and then the next try is due."""

BLINKS: Final = [
    ("stt", Place.HEARING),
    ("stt", Place.ANSWERING),
    ("llm", Place.CONNECT),
    ("llm", Place.SPEAKING),
    ("tts", Place.ANSWERING),
    ("tts", Place.SPEAKING),
    ("stt llm tts", Place.HEARING),
    ("stt llm tts", Place.SPEAKING),
]
CASES: Final = [(roles, place, alone) for roles, place in BLINKS for alone in (False, True)]
SCRIPT: Final[list[Action]] = [Say(SPOKEN), WaitForReply(3000, timeout_ms=6000), HangUp()]
QUIET: Final = Manners(fillers=())
TOLD_TO_WAIT: Final = ("llm", Place.CONNECT, False)

Case = tuple[str, Place, bool]
Calls = dict[Case | str | None, Survived]


@pytest.fixture(scope="module")
def calls() -> Calls:
    async def one(case: Case | None, manners: Manners = QUIET) -> Survived:
        if case is None:
            return await survive(None, actions=SCRIPT, manners=manners)
        roles, place, alone = case
        parts: dict[str, Any] = {role: PARTS[role][:1] for role in roles.split()} if alone else {}
        return await survive(None, actions=SCRIPT, blink=Blink(roles.split(), place, OUT_S), manners=manners, **parts)

    async def all_of_them() -> Calls:
        cases: list[Case | None] = [None, *CASES]
        told, *others = await asyncio.gather(one(TOLD_TO_WAIT, Manners()), *map(one, cases))
        return {"told to wait": told, **dict(zip(cases, others, strict=True))}

    with kept_lines():
        return asyncio.run(all_of_them())


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]} {case[1]}, {'alone' if case[2] else 'all of them'}")
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


def test_the_caller_hears_the_whole_answer_once_and_a_little_later(calls: Calls, case: Case) -> None:
    call, usual = calls[case], calls[None]
    assert [word for word, _, _ in call.words] == ANSWER.split()
    assert len(call.voice) <= len(usual.voice) + 8000, "a word at the seam may be said twice"
    assert call.waited_ms <= usual.waited_ms + LATE_MS
    assert call.longest_hole_ms <= LATE_MS


def test_the_call_lives_and_all_is_accounted_for(calls: Calls, case: Case) -> None:
    session, outcome = calls[case].session, calls[case].placed.outcome
    assert outcome.ok, outcome.complaints
    assert outcome.ended is not None
    assert outcome.ended.by == "caller"
    assert session.ledger.balances
    assert [(line.speaker, line.text) for line in session.transcript] == [("caller", ASKED), ("agent", ANSWER)]


def test_the_log_has_no_error_where_nobody_was_given_up_for_good(calls: Calls, case: Case) -> None:
    call = calls[case]
    assert call.complaints
    assert not [line for line in call.log if line["level"] == "error"]
    assert {line.get("call") for line in call.complaints} == {"CA1"}


def test_a_caller_who_waits_for_a_model_is_told_so(calls: Calls) -> None:
    call = calls["told to wait"]
    assert [line.text for line in call.session.transcript if line.speaker == "agent"] == [
        f"{Manners().fillers[0]} {ANSWER}"
    ]
    assert [word for word, _, _ in call.words] == ANSWER.split()
