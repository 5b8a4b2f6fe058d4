"""Whole agents that stand in for each other, in whole calls in real time: a telephone, the gateway, simulated vendors.

Whatever happens to the first agent, and for good, the caller hears all that it owed, once, and the call goes on.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import groupby, pairwise
from typing import Any, Final

import msgspec
import numpy as np
import pytest
from survival import ANSWER, ASKED, LINES, SPOKEN, TWILIO, Survived, kept_lines, mind

from trunkline.ai.agent import Agent
from trunkline.ai.base import Message, ToolSpec
from trunkline.ai.handover import DONE
from trunkline.ai.standin import Answer, Mind, Place, Trouble
from trunkline.ai.tools import Tool, tool
from trunkline.audio import g711
from trunkline.audio.format import MULAW_8K, AudioFormat, Encoding
from trunkline.call.session import CallSession
from trunkline.config import Config
from trunkline.errors import Fault
from trunkline.server.run import running
from trunkline.testing.call import place
from trunkline.testing.phone import Phone
from trunkline.testing.script import Action, HangUp, Say, WaitForReply
from trunkline.testing.standins import play, standing_in

AGENTS: Final = {"openai": "openai/gpt-realtime-2.1", "gemini": "gemini/live", "live": "openai/gpt-live-1"}
GREETING: Final = "Good morning, how can I help?"
WORDS: Final = f"{GREETING} {ANSWER}".split()
AT_ONCE: Final = 10
FAILED_MS: Final = 1000
"""More than usual, until the next agent is heard."""
STALLED_MS: Final = 3500
"""The same, where a vendor says nothing, and has first to be known for one that won't."""
GREETED_S: Final = 1.0
"""By then the greeting was made, and is being heard."""
HOLE_MS: Final = 1500
"""Of silence in the middle of what is said."""

FAULTS: Final[dict[Trouble, Fault]] = {
    Trouble.CUT: "transient",
    Trouble.STALL: "transient",
    Trouble.KEY: "bad key",
}


def vendor_of(agent: str) -> str:
    """Whose it is."""
    return AGENTS[agent].partition("/")[0]


class Case(msgspec.Struct, frozen=True):
    """Who comes first, who stands behind, and what happens to the first, for good."""

    first: str
    second: str
    place: Place | None = None  # None: nothing happens
    trouble: Trouble = Trouble.CUT
    at_once: bool = False  # in the greeting; else in the answer

    def __str__(self) -> str:
        when = "at once " if self.at_once else ""
        return f"{self.first} before {self.second}, {when}{self.place}: {self.trouble}"

    @property
    def vendor(self) -> str:
        """Who it happens to."""
        return vendor_of(self.first)

    @property
    def troubles(self) -> list[tuple[Place, Trouble]]:
        """For the first's play."""
        if self.place is None:
            return []
        return [(self.place, self.trouble), *[(Place.CONNECT, self.trouble)] * 20]


PAIRS: Final = (("openai", "gemini"), ("gemini", "openai"))
CASES: Final = [
    *(
        Case(*pair, at, trouble)
        for pair in PAIRS
        for at in Place
        for trouble in FAULTS
        if trouble is not Trouble.KEY or at in (Place.CONNECT, Place.SPEAKING)
    ),
    *(
        Case(*pair, at, trouble)
        for pair in (("live", "gemini"), ("gemini", "live"))
        for at, trouble in (
            (Place.CONNECT, Trouble.KEY),
            (Place.HEARING, Trouble.CUT),
            (Place.SPEAKING, Trouble.CUT),
        )
    ),
    *(Case(*pair, Place.SPEAKING, Trouble.CUT, at_once=True) for pair in (*PAIRS, ("gemini", "live"))),
]
USUAL: Final = [Case(*pair) for pair in PAIRS]
SCRIPT: Final[list[Action]] = [
    WaitForReply(1000, timeout_ms=9000),
    Say(SPOKEN),
    WaitForReply(1600, timeout_ms=9000),
    HangUp(),
]

NEVER: Final = Case("openai", "gemini", Place.CONNECT, Trouble.KEY)
"""That agent is of no use to any call."""
BOOKS: Final = [Case(*pair, Place.SPEAKING) for pair in PAIRS]
"""The first agent has called a function before it is gone."""
OUTAGE: Final = Case("openai", "gemini", Place.SPEAKING)
OUT: Final = [(Place.SPEAKING, Trouble.CUT), *[(Place.CONNECT, Trouble.CUT)] * 2]
"""Neither is any for a moment."""

Calls = dict[Case | str, Survived]

NOTES: Final = {word: 320 + 120 * at for at, word in enumerate(dict.fromkeys(WORDS))}
"""In Hz. A word is known by its note, whatever was done to its audio on the way."""
LETTER_MS: Final = 50
"""A word's note is as long as its letters, and a pause is one of them."""
LONGEST_WORD_MS: Final = LETTER_MS * max(map(len, WORDS))
PAUSE_MS: Final = 30
LOUD: Final = 500


class Notes:
    """A voice that sings a note for each word."""

    async def speak(self, text: str, audio: AudioFormat) -> bytes:
        rate, pcm = audio.rate, []
        for word in text.split():
            at_s = np.arange(rate * LETTER_MS * len(word) // 1000) / rate
            pcm += [8000 * np.sin(2 * np.pi * NOTES[word] * at_s), np.zeros(rate * LETTER_MS // 1000)]
        plain = np.concatenate(pcm).astype("<i2").tobytes()
        return g711.encode_mulaw(plain) if audio.encoding is Encoding.MULAW else plain


async def survive(
    case: Case,
    *,
    calls: int = 1,
    for_both: Sequence[tuple[Place, Trouble]] = (),
    mind: Mind = mind,
    tools: Sequence[Tool] = (),
) -> list[Survived]:
    """A caller is greeted, asks, and is answered: so many calls of one gateway, one after another. ``for_both``: what
    happens to either agent instead, once."""
    lines: list[dict[str, Any]] = []
    LINES.set(lines)
    config = Config.load(host="127.0.0.1", port=0, vad="energy")
    config = config.with_platform(TWILIO.spec, auth_token="0123456789abcdef0123456789abcdef")
    agent = Agent("", model=[AGENTS[case.first], AGENTS[case.second]], greeting=GREETING, tools=tools)
    survived: list[Survived] = []
    over: asyncio.Queue[CallSession] = asyncio.Queue()
    async with AsyncExitStack() as stack:
        games = []
        for vendor in (vendor_of(case.first), vendor_of(case.second)):
            game = play([ASKED], mind=mind, voice=Notes(), stt_ms=230, model_ms=50, voice_ms=90, speed=2)
            games.append(game)
            there = await stack.enter_async_context(standing_in(game, names=[vendor]))
            config = config.with_provider(vendor, **there.settings(vendor))
        later = case.place is not Place.CONNECT and not case.at_once
        games[0].troubles += [] if later else case.troubles
        service = await stack.enter_async_context(running(config, agent, keep=over.put_nowait))
        for number in range(calls):
            wire = config.platform(TWILIO.spec)
            codec = TWILIO.phone(wire, call_id=f"CA{number}", caller="+15005550006", callee="+15005550001")
            calling = asyncio.create_task(place(Phone(codec, SCRIPT), service.gateway.base_url, limit_s=30))
            if later:
                await asyncio.sleep(GREETED_S)
                games[0].troubles += for_both or case.troubles
                games[1].troubles += for_both
            placed = await calling
            survived.append(Survived(await asyncio.wait_for(over.get(), 5), placed, lines.copy()))
            lines.clear()
    return survived


BOOKED: Final[list[str]] = []


@tool
async def book_table(day: str) -> str:
    """Book a table."""
    BOOKED.append(day)
    return "Booked."


def booking_mind(history: Sequence[Message], tools: Sequence[ToolSpec]) -> Answer:
    """Books a table, unless that is done, and then gives the answer."""
    done = any(line.role == "tool" or (line.role == "system" and DONE in line.text) for line in history)
    return Answer(ANSWER) if done or not tools else Answer(tool=book_table.name, arguments='{"day": "Friday"}')


@pytest.fixture(scope="module")
def calls() -> Calls:
    async def all_of_them() -> Calls:
        room = asyncio.Semaphore(AT_ONCE)

        async def one(case: Case) -> Survived:
            async with room:
                return (await survive(case))[0]

        cases = [*USUAL, *CASES]
        others = asyncio.gather(
            survive(NEVER, calls=2),
            survive(OUTAGE, for_both=OUT),
            *(survive(case, mind=booking_mind, tools=[book_table]) for case in BOOKS),
        )
        known: Calls = dict(zip(cases, await asyncio.gather(*map(one, cases)), strict=True))
        (known["first"], known["next"]), (known["outage"],), *booked = await others
        known |= {f"booked by {case.first}": call for case, (call,) in zip(BOOKS, booked, strict=True)}
        return known

    with kept_lines():
        return asyncio.run(all_of_them())


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


def heard(call: Survived) -> list[tuple[str, float, float]]:
    """Each word that was heard, or some of it: from and until when, in ms of the call."""
    pcm = np.frombuffer(g711.decode_mulaw(call.placed.outcome.heard), "<i2").astype(float)
    sounds = np.flatnonzero(np.abs(pcm) > LOUD)
    words = []
    for stretch in np.split(sounds, np.flatnonzero(np.diff(sounds) > 8 * PAUSE_MS) + 1):
        began, ended = int(stretch[0]), int(stretch[-1])
        if ended - began < 8 * PAUSE_MS:
            continue  # too short to tell
        hz = np.argmax(np.abs(np.fft.rfft(pcm[began:ended], 8000)))
        words.append((min(NOTES, key=lambda word: abs(NOTES[word] - hz)), began / 8, ended / 8))
    return words


def waited_ms(call: Survived) -> float:
    """From the caller's last sound to the next one of the agent's."""
    spoke_until = MULAW_8K.ms(len(call.placed.outcome.said.rstrip(b"\xff")))
    return next(began for _, began, _ in heard(call) if began > spoke_until) - spoke_until


def sounding_ms(call: Survived) -> float:
    """How long notes were heard."""
    return sum(ended - began for _, began, ended in heard(call))


def longest_hole_ms(call: Survived) -> float:
    """Of silence within the greeting or the answer."""
    words = heard(call)
    answer = next(at for at, (word, _, _) in enumerate(words) if word == ANSWER.split()[0])
    return max(after[1] - before[2] for said in (words[:answer], words[answer:]) for before, after in pairwise(said))


@pytest.mark.parametrize("usual", USUAL, ids=str)
def test_nobody_takes_over_while_nothing_is_wrong(calls: Calls, usual: Case) -> None:
    call = calls[usual]
    assert [word for word, _ in groupby(word for word, _, _ in heard(call))] == WORDS
    assert not call.complaints
    assert not call.take_overs


def test_the_caller_hears_everything_once_and_in_time(calls: Calls, case: Case) -> None:
    call = calls[case]
    assert [word for word, _ in groupby(word for word, _, _ in heard(call))] == WORDS
    # A word that is cut is said again, from its beginning; nothing else is.
    seam_ms = LONGEST_WORD_MS if case.place is Place.SPEAKING else 0
    assert sounding_ms(call) <= sounding_ms(calls[USUAL[0]]) + seam_ms + 50
    assert longest_hole_ms(call) <= HOLE_MS
    usual_ms = max(waited_ms(calls[usual]) for usual in USUAL)
    assert waited_ms(call) <= usual_ms + (STALLED_MS if case.trouble is Trouble.STALL else FAILED_MS)


def test_the_record_has_all_of_it_once(calls: Calls, case: Case) -> None:
    transcript = calls[case].session.transcript
    assert [line.text for line in transcript if line.speaker == "caller"] == [ASKED]
    words = " ".join(line.text for line in transcript if line.speaker == "agent").split()
    assert [word for word, _ in groupby(words)] == WORDS
    assert len(words) <= len(WORDS) + (case.place is Place.SPEAKING)


def test_the_call_lives_and_all_is_accounted_for(calls: Calls, case: Case) -> None:
    session, outcome = calls[case].session, calls[case].placed.outcome
    assert outcome.ok, outcome.complaints
    assert outcome.ended is not None
    assert outcome.ended.by == "caller"
    assert session.ledger.balances


def test_the_log_says_who_failed_and_who_stood_in(calls: Calls, case: Case) -> None:
    call = calls[case]
    (given_up,) = [line for line in call.complaints if line["event"] == "provider failed"]
    assert given_up["provider"].startswith(case.vendor)
    assert given_up["fault"] == FAULTS[case.trouble]
    assert [provider.partition("/")[0] for provider in call.take_overs] == [vendor_of(case.second)]
    for word in ("opening", "Sundays", "closed.", "morning", "simulated", "15005550006"):
        assert word not in repr(call.log)


def test_a_network_that_is_out_for_both_of_them_for_a_moment_ends_no_call(calls: Calls) -> None:
    call = calls["outage"]
    assert [word for word, _ in groupby(word for word, _, _ in heard(call))] == WORDS
    assert call.placed.outcome.ended is not None
    assert call.placed.outcome.ended.by == "caller"


@pytest.mark.parametrize("case", BOOKS, ids=str)
def test_what_the_first_has_done_the_next_does_not_do_again(calls: Calls, case: Case) -> None:
    call = calls[f"booked by {case.first}"]
    assert len(call.take_overs) == 1
    assert [word for word, _ in groupby(word for word, _, _ in heard(call))] == WORDS
    assert len(BOOKED) == len(BOOKS), "one table for each call"


def test_a_refused_key_is_not_shown_again_in_the_next_call(calls: Calls) -> None:
    assert len(calls["first"].take_overs) == 1
    second = calls["next"]
    assert not second.take_overs
    assert not second.complaints
    assert [word for word, _ in groupby(word for word, _, _ in heard(second))] == WORDS
