"""Every role of a cascade, and everything that can go wrong with its first provider, in whole calls in real time.

The caller must hear the whole answer, with no hole in it and no wait before it that is more than 1.5 s longer than
usual. All calls share one event loop, some at a time.
"""

import asyncio
from typing import Final

import pytest
from survival import ANSWER, ASKED, PARTS, SPOKEN, Case, Survived, kept_lines, survive
from voices import tone

from trunkline.ai.excuses import DEAF, LOST_FOR_WORDS
from trunkline.ai.manners import Manners
from trunkline.ai.standin import Place, Trouble
from trunkline.audio.format import MULAW_8K
from trunkline.errors import Fault
from trunkline.testing.script import Action, HangUp, Say, Wait, WaitForReply

AT_ONCE: Final = 20
HOLE_MS: Final = 1500
"""More than usual."""
PATIENT: Final = Manners(filler_after_s=2.1)
"""Nobody is told to wait while the answer can still come in time: with the usual manners a filler and an answer that a
loaded machine makes late meet, and either may be first. Whoever hears one here has waited for too long already."""

FAULTS: Final[dict[Trouble, Fault]] = {
    Trouble.CUT: "transient",
    Trouble.STALL: "transient",
    Trouble.FAULT: "transient",
    Trouble.KEY: "bad key",
    Trouble.QUOTA: "quota",
    Trouble.RATE_LIMIT: "rate limit",
}
"""What each is in the log. Garbage is no fault of a provider's yet, and a message nobody knows is none at all."""

REFUSALS: Final = (Trouble.KEY, Trouble.QUOTA, Trouble.RATE_LIMIT, Trouble.FAULT)
IN_THE_MIDDLE: Final = {
    "stt": (Place.HEARING, Place.ANSWERING),
    "llm": (Place.ANSWERING, Place.SPEAKING),
    "tts": (Place.ANSWERING, Place.SPEAKING),
}
CASES: Final = [
    *(
        Case(role, at, trouble)
        for role, places in IN_THE_MIDDLE.items()
        for at in places
        for trouble in Trouble
        if not (role == "llm" and trouble is Trouble.KEY)  # nobody refuses a key in the middle of an answer
    ),
    *(Case("llm", Place.CONNECT, trouble) for trouble in REFUSALS),
    *(
        Case(role, Place.CONNECT, trouble, for_good=True)
        for role in ("stt", "tts")
        for trouble in (*REFUSALS, Trouble.CUT, Trouble.STALL)
    ),
    *(
        Case(role, at, trouble, for_good=True)
        for role in ("stt", "tts")
        for at in IN_THE_MIDDLE[role]
        for trouble in (Trouble.CUT, Trouble.STALL)
    ),
]


Calls = dict[Case | str | None, Survived]
"""By what happens in them: nothing, a case, or a role that nobody is left in."""

ROLES: Final = ("stt", "llm", "tts")
ASKS_TWICE: Final[list[Action]] = [Say(SPOKEN), WaitForReply(1000), Say(SPOKEN), Wait(9000), HangUp()]


@pytest.fixture(scope="module")
def calls() -> Calls:
    async def all_of_them() -> Calls:
        room = asyncio.Semaphore(AT_ONCE)

        async def one(case: Case | str | None) -> Survived:
            async with room:
                if isinstance(case, str):
                    return await survive(None, gone=case, actions=ASKS_TWICE)
                return await survive(case, manners=PATIENT)

        cases: list[Case | str | None] = [None, *ROLES, *CASES]
        return dict(zip(cases, await asyncio.gather(*map(one, cases)), strict=True))

    with kept_lines():
        return asyncio.run(all_of_them())


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


def test_nothing_is_wrong_when_nothing_is_wrong(calls: Calls) -> None:
    call = calls[None]
    assert [word for word, _, _ in call.words] == ANSWER.split()
    assert call.longest_hole_ms < 200
    assert not call.complaints


def test_the_caller_hears_the_whole_answer_in_time(calls: Calls, case: Case) -> None:
    call, usual = calls[case], calls[None]
    assert [word for word, _, _ in call.words] == ANSWER.split()
    assert call.longest_hole_ms <= HOLE_MS
    assert call.waited_ms <= usual.waited_ms + HOLE_MS
    # Nor is it said twice: a word at the seam may be.
    assert len(call.voice) <= len(usual.voice) + 8000


def test_the_call_lives_and_all_is_accounted_for(calls: Calls, case: Case) -> None:
    session, outcome = calls[case].session, calls[case].placed.outcome
    assert outcome.ok, outcome.complaints
    assert outcome.ended is not None
    assert outcome.ended.by == "caller"
    assert session.ledger.balances
    assert [(line.speaker, line.text) for line in session.transcript] == [("caller", ASKED), ("agent", ANSWER)]


def test_the_log_says_plainly_who_failed_and_how(calls: Calls, case: Case) -> None:
    lines = calls[case].complaints
    if case.trouble is Trouble.UNKNOWN:
        assert not lines
        return
    assert not [line for line in calls[case].log if line["level"] == "error"], "there is somebody left"
    mine = [line for line in lines if line["provider"].partition("/")[0] == case.vendor]
    assert mine == lines, "nobody else is blamed"
    if case.trouble is Trouble.GARBAGE:
        assert mine
        return
    assert mine[0]["fault"] == FAULTS[case.trouble]
    for line in mine:
        assert line["reason"].startswith(case.vendor)
        assert "\n" not in line["reason"]
        assert len(line["reason"]) < 120
    given_up = [line for line in lines if line["event"] == "provider failed"]
    assert len(given_up) <= 1
    assert len(given_up) == len(calls[case].take_overs) or case.role == "llm"
    if case.for_good or case.trouble in (Trouble.KEY, Trouble.QUOTA):
        assert [line["provider"] for line in given_up] == [PARTS[case.role][0]]


@pytest.mark.parametrize("role", ROLES)
def test_each_line_about_a_provider_names_its_call_and_role(calls: Calls, role: str) -> None:
    told = {(line.get("call"), line.get("role")) for line in calls[role].complaints}
    assert told == {("CA1", role)}


def test_the_log_tells_nobodys_words(calls: Calls, case: Case) -> None:
    log = calls[case].log
    for line in log:
        for word in ("opening", "Sundays", "closed.", "simulated", "15005550006"):
            assert word not in repr(line), line["event"]


# --- when nobody is left -----------------------------------------------------------------------------------------

SAYS: Final = Manners()
LAST_WORDS: Final = {
    "stt": ([f"{SAYS.deaf} {SAYS.goodbye}"], DEAF),
    "llm": ([SAYS.trouble, f"{SAYS.no_answers} {SAYS.goodbye}"], LOST_FOR_WORDS),
}


@pytest.mark.parametrize("role", LAST_WORDS)
def test_a_caller_whom_nobody_can_serve_is_told_so_and_the_gateway_hangs_up(calls: Calls, role: str) -> None:
    call, (texts, reason) = calls[role], LAST_WORDS[role]
    assert [line.text for line in call.session.transcript if line.speaker == "agent"] == texts
    voice = call.voice
    for text in texts:
        for word in text.split():
            _, found, voice = voice.partition(tone(word, MULAW_8K).replace(b"\xff", b""))
            assert found, word
    outcome = call.placed.outcome
    assert outcome.ok, outcome.complaints
    assert outcome.ended is not None
    assert outcome.ended.by == "gateway"
    assert call.session.end_reason == reason
    assert call.session.ledger.balances


def test_without_a_voice_the_call_ends_and_the_log_says_why(calls: Calls) -> None:
    call = calls["tts"]
    assert call.placed.outcome.ended is not None
    assert call.placed.outcome.ended.by != "caller"
    assert call.session.end_reason.startswith("agent failed: deepgram: ")
    assert call.session.ledger.balances
    assert [line["event"] for line in call.log if line["event"] == "agent can't go on"]


@pytest.mark.parametrize("role", ROLES)
def test_each_that_failed_is_named(calls: Calls, role: str) -> None:
    failed = [line for line in calls[role].complaints if line["event"] == "provider failed"]
    assert [line["provider"] for line in failed][:2] == PARTS[role]
    assert {line["fault"] for line in failed} == {"bad key" if role == "stt" else "quota"}
    assert {line["level"] for line in calls[role].log if line["event"] == "no provider is left"} == {"error"}
    assert "opening" not in repr(calls[role].log)
