"""Whole calls in real time: a telephone, the gateway, and a simulated model that hears and speaks; all that passes is
kept and compared. A back-channel, a long interruption and one of a single short word, a function, and the goodbye.
"""

import asyncio
import base64
from collections.abc import Callable, Sequence
from typing import Any

import gemini_leg
import msgspec
import openai_leg
import pytest
from live_leg import quiet, tone
from voices import Letters, Noise

from phoned import Done, hold
from trunkline.ai.agent import Agent
from trunkline.ai.base import Message, ToolSpec
from trunkline.ai.standin import Answer
from trunkline.ai.tools import tool
from trunkline.audio.format import MULAW_8K
from trunkline.testing.script import Action, HangUp, InterruptReply, Say, Wait, WaitForQuiet, WaitForReply
from trunkline.testing.standins import play, standing_in

ASKED, WAIT, STOP, BYE = "What are your opening hours?", "No, wait a moment.", "Stop.", "Goodbye."
GREETING = "Good morning."
HOURS = {"openai": "We are open from nine to five.", "gemini": "Let me see."}
MORE = "On Saturdays it is ten to four, on Sundays we are closed, and so we are on all the holidays of the year."
SORRY = "You said that I should wait a moment, so I am waiting, and waiting, and waiting for you."


@tool
async def hours(day: str) -> str:
    """When the shop is open on that day."""
    return "nine to five"


def mind_of(vendor: str) -> Any:
    def mind(history: Sequence[Message], tools: Sequence[ToolSpec]) -> Answer:
        last = history[-1]
        if last.role == "tool":
            return Answer(MORE) if last.text == '"nine to five"' else Answer("")
        match last.text:
            case "What are your opening hours?":
                return Answer(HOURS[vendor], "hours", '{"day": "Monday"}')
            case "No, wait a moment." if vendor == "gemini":
                return Answer(SORRY)
            case "Goodbye.":
                return Answer("Goodbye to you.", "hang_up")
            case text:
                return Answer(f"You said: {text}")

    return mind


class Case(msgspec.Struct, frozen=True):
    """A model, what the recogniser makes of the caller's sounds, and what the caller does after a question."""

    model: str
    lines: list[str]
    actions: list[Action]
    timing: dict[str, Any]
    tap: Callable[[], Any] = openai_leg.Tap
    config: dict[str, Any] = {}

    @property
    def vendor(self) -> str:
        return self.model.partition("/")[0]


GEMINI = Case(
    "gemini/live",
    [ASKED, "mm-hm", WAIT, STOP, BYE],
    [
        InterruptReply(1000, tone(300)),  # a back-channel
        Wait(1500),
        Say(tone(1000)),  # an interruption
        InterruptReply(600, tone(400)),  # one that only its words show to be one
        WaitForReply(400),
        Say(tone(600)),
        WaitForReply(400),
    ],
    {"voice": Letters(), "stt_ms": 100, "speed": 20},
    gemini_leg.Tap,
    {"vad": "energy"},
)
REALTIME = Case(
    "openai",
    [ASKED, "mm-hm", WAIT, BYE],
    [
        InterruptReply(600, tone(300)),  # a back-channel
        Wait(2400),
        Say(tone(1000)),  # an interruption
        WaitForReply(400),
        Say(tone(600)),
        WaitForReply(400),
    ],
    {"voice": Noise(), "stt_ms": 150, "speed": 20},
)
LIVE = Case(
    "openai/gpt-live-1",
    [ASKED, BYE],
    [InterruptReply(2500, tone(500)), WaitForReply(1200)],
    {"voice": Noise(), "stt_ms": 50},
)


class Tapped(Done, frozen=True):
    """And what went over the vendor's wire."""

    tap: Any


async def held(case: Case) -> Tapped:
    game, tap = play(case.lines, mind=mind_of(case.vendor), **case.timing), case.tap()
    async with (
        standing_in(game, names=[case.vendor]) as vendors,
        tap.between(vendors.settings(case.vendor)["base_url"]) as base_url,
    ):
        providers = {case.vendor: {"api_key": "simulated", "base_url": base_url}}
        script = [WaitForQuiet(300), Say(quiet(200) + tone(700)), *case.actions, HangUp()]
        agent = Agent("Be kind.", model=case.model, greeting=GREETING, tools=[hours])
        done = await hold(agent, script, providers=providers, **case.config)
        return Tapped(done.session, done.placed, tap)


@pytest.fixture(scope="module")
def calls() -> list[Tapped]:
    async def all_of_them() -> list[Tapped]:
        # Gemini apart: what its caller heard is judged by the clock, and the two others would be heard in it.
        return [await held(GEMINI), *await asyncio.gather(held(REALTIME), held(LIVE))]

    return asyncio.run(all_of_them())


@pytest.fixture
def gemini(calls: list[Tapped]) -> Tapped:
    return calls[0]


@pytest.fixture
def realtime(calls: list[Tapped]) -> Tapped:
    return calls[1]


@pytest.fixture
def live(calls: list[Tapped]) -> Tapped:
    return calls[2]


def voice_of(text: str) -> bytes:
    return asyncio.run(Noise().speak(text, MULAW_8K))


def heard_of(call: Tapped, text: str) -> list[bytes]:
    """The pieces of this text's voice the caller heard, each as long as it was heard without a break."""
    voice, heard = voice_of(text), call.placed.outcome.heard
    pieces, at = [], 0
    while at < len(voice):
        found = heard.find(voice[at : at + 80])
        if found < 0:
            break
        size = 0
        while at + size < len(voice) and found + size < len(heard) and heard[found + size] == voice[at + size]:
            size += 1
        pieces.append(voice[at : at + size])
        at += size
    return pieces


# --- all of them ---------------------------------------------------------------------------------------------------


def test_the_calls_go_through_and_every_ledger_balances(calls: list[Tapped]) -> None:
    for call in calls:
        call.went_well()
        assert call.session.end_reason == "agent finished"
        assert not call.tap.received("error")


def test_each_stage_of_a_reply_is_stamped(calls: list[Tapped]) -> None:
    for call in calls[:2]:  # one that speaks all the time makes no replies
        call.is_stamped()


# --- Gemini --------------------------------------------------------------------------------------------------------


def test_the_transcript_is_what_was_said_and_heard(gemini: Tapped) -> None:
    agent = [line for line in gemini.session.transcript if line.speaker == "agent"]
    assert gemini.session.agent == "gemini/gemini-3.8-live"
    assert gemini.session.ledger.agent.in_flight == 0
    assert gemini.said_by("caller") == GEMINI.lines
    assert [line.text for line in agent[:2]] == [GREETING, HOURS["gemini"]]
    assert [line.text for line in agent[4:]] == ["You said: Stop.", "Goodbye to you."]
    for line, whole in ((agent[2], MORE), (agent[3], SORRY)):
        assert line.interrupted
        assert 0 < len(line.text) < len(whole)
        assert whole.startswith(line.text)


def test_a_back_channel_is_not_answered_and_the_interruptions_are(gemini: Tapped) -> None:
    assert gemini.session.resumed == 1
    assert gemini.session.barge_ins == 2
    assert gemini.session.ledger.agent.cleared > 0
    # Each turn was heard by the vendor once, from beginning to end.
    assert gemini.tap.activities() == ["activityStart", "activityEnd"] * len(GEMINI.lines)


def test_what_was_heard_of_a_cut_reply_is_as_long_as_its_words(gemini: Tapped) -> None:
    ledger = gemini.session.ledger.agent
    heard_ms = 1000 * ledger.played / 8000
    said_ms = sum(40 * len(text) for text in gemini.said_by("agent"))
    assert heard_ms == pytest.approx(said_ms, abs=400)


# --- OpenAI --------------------------------------------------------------------------------------------------------


def test_the_vendors_voice_reaches_the_phone_unchanged(realtime: Tapped) -> None:
    for text in (GREETING, HOURS["openai"], "You said: No, wait a moment.", "Goodbye to you."):
        assert b"".join(heard_of(realtime, text)) == voice_of(text), text


def test_the_callers_voice_reaches_the_vendor_unchanged(realtime: Tapped) -> None:
    sent = b"".join(base64.b64decode(message["audio"]) for message in realtime.tap.sent("input_audio_buffer.append"))
    said = realtime.placed.outcome.said
    assert len(sent) > len(said) - 8 * 500
    assert sent in said


def test_a_back_channel_is_not_answered_and_the_reply_goes_on_at_the_sample(realtime: Tapped) -> None:
    assert realtime.session.resumed == 1
    assert not any("mm-hm" in line for line in realtime.said_by("agent"))
    assert len(heard_of(realtime, HOURS["openai"])) + len(heard_of(realtime, MORE)) >= 3, "it was held somewhere"


def test_the_vendor_is_told_what_the_caller_heard_to_within_60_ms(realtime: Tapped) -> None:
    assert realtime.session.barge_ins == 1
    heard_ms = MULAW_8K.ms(len(b"".join(heard_of(realtime, MORE))))
    [truncated] = realtime.tap.sent("conversation.item.truncate")
    assert 500 < heard_ms < MULAW_8K.ms(len(voice_of(MORE))) - 500
    assert abs(truncated["audio_end_ms"] - heard_ms) <= 60
    assert realtime.tap.received("conversation.item.truncated")


def test_the_function_was_called_and_the_transcript_is_what_was_said(realtime: Tapped) -> None:
    outputs = [message["item"] for message in realtime.tap.sent("conversation.item.create")]
    assert outputs[0]["output"] == '"nine to five"'
    assert realtime.session.ledger.agent.in_flight == 0
    assert realtime.said_by("caller") == REALTIME.lines
    agent = realtime.said_by("agent")
    assert agent[:2] == [GREETING, HOURS["openai"]]
    assert MORE.startswith(agent[2])
    assert agent[3:] == ["You said: No, wait a moment.", "Goodbye to you."]


# --- a model that speaks all the time ------------------------------------------------------------------------------


def test_a_live_goes_through_bit_for_bit_and_is_never_held(live: Tapped) -> None:
    assert not live.placed.outcome.clears
    assert live.session.barge_ins == live.session.resumed == 0
    for text in (GREETING, HOURS["openai"], "Goodbye to you."):
        assert len(heard_of(live, text)) == 1, text
    assert live.said_by("caller") == LIVE.lines


def test_a_live_model_yields_by_itself_and_the_callers_voice_reaches_it_unchanged(live: Tapped) -> None:
    heard = b"".join(heard_of(live, MORE))
    assert 0 < len(heard) < len(voice_of(MORE))
    sent = b"".join(base64.b64decode(m["audio"]) for m in live.tap.sent("session.input_audio.append"))
    said = live.placed.outcome.said
    voice = tone(700)
    assert voice in said
    assert voice in sent
    assert len(sent) / 8000 == pytest.approx(len(said) / 8000, abs=0.3)
