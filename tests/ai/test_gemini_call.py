"""A whole call in real time: a telephone, the gateway, and a simulated Gemini; a back-channel, a long interruption and
one of a single short word, a function, and the goodbye.
"""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from gemini_leg import Tap
from live_leg import quiet, tone
from voices import Letters

from trunkline import registry
from trunkline.ai.agent import Agent
from trunkline.ai.base import Message, ToolSpec
from trunkline.ai.standin import Answer
from trunkline.ai.tools import tool
from trunkline.call.session import CallSession
from trunkline.config import Config
from trunkline.server.run import running
from trunkline.testing.call import PlacedCall, place
from trunkline.testing.phone import Phone
from trunkline.testing.script import Action, HangUp, InterruptReply, Say, Wait, WaitForQuiet, WaitForReply
from trunkline.testing.standins import play, standing_in
from trunkline.wire.base import Platform

TWILIO: Platform = registry.load("wire", "twilio")
LINES = ["What are your opening hours?", "mm-hm", "No, wait a moment.", "Stop.", "Goodbye."]
GREETING = "Good morning."
HOURS = "Let me see."
MORE = "On Saturdays it is ten to four, on Sundays we are closed, and so we are on all the holidays of the year."
SORRY = "You said that I should wait a moment, so I am waiting, and waiting, and waiting for you."


@tool
async def hours(day: str) -> str:
    """When the shop is open on that day."""
    return "nine to five"


def mind(history: Sequence[Message], tools: Sequence[ToolSpec]) -> Answer:
    last = history[-1]
    if last.role == "tool":
        return Answer(MORE) if last.text == '"nine to five"' else Answer("")
    match last.text:
        case "What are your opening hours?":
            return Answer(HOURS, "hours", '{"day": "Monday"}')
        case "No, wait a moment.":
            return Answer(SORRY)
        case "Goodbye.":
            return Answer("Goodbye to you.", "hang_up")
        case text:
            return Answer(f"You said: {text}")


class Done(msgspec.Struct, frozen=True):
    """A call as all of its ends know it."""

    session: CallSession
    placed: PlacedCall
    tap: Tap


@pytest.fixture(scope="module")
def call() -> Done:
    return asyncio.run(hold())


async def hold() -> Done:
    over: asyncio.Future[CallSession] = asyncio.get_running_loop().create_future()
    game = play(LINES, mind=mind, voice=Letters(), stt_ms=100, speed=20)
    tap = Tap()
    async with (
        standing_in(game, names=["gemini"]) as vendors,
        tap.between(vendors.settings("gemini")["base_url"]) as base_url,
    ):
        config = Config.load(host="127.0.0.1", port=0, vad="energy")
        config = config.with_platform(TWILIO.spec, auth_token="0123456789abcdef0123456789abcdef")
        config = config.with_provider("gemini", api_key="simulated", base_url=base_url)
        codec = TWILIO.phone(config.platform(TWILIO.spec), call_id="CA1", caller="+15005550006", callee="+15005550001")
        actions: list[Action] = [
            WaitForQuiet(300),
            Say(quiet(200) + tone(700)),
            InterruptReply(1000, tone(300)),  # a back-channel
            Wait(1500),
            Say(tone(1000)),  # an interruption
            InterruptReply(600, tone(400)),  # one that only its words show to be one
            WaitForReply(400),
            Say(tone(600)),
            WaitForReply(400),
            HangUp(),
        ]
        agent = Agent("Be kind.", model="gemini/live", greeting=GREETING, tools=[hours])
        async with running(config, agent, keep=over.set_result) as service:
            placed = await place(Phone(codec, actions), service.gateway.base_url, limit_s=30)
            return Done(await asyncio.wait_for(over, 5), placed, tap)


def test_the_call_goes_through_and_every_ledger_balances(call: Done) -> None:
    assert call.placed.outcome.ok, call.placed.outcome.complaints
    assert call.session.ledger.balances
    assert call.session.ledger.agent.in_flight == 0
    assert call.session.end_reason == "agent finished"
    assert call.session.agent == "gemini/gemini-3.8-live"


def test_the_transcript_is_what_was_said_and_heard(call: Done) -> None:
    agent = [line for line in call.session.transcript if line.speaker == "agent"]
    caller = [line.text for line in call.session.transcript if line.speaker == "caller"]
    assert caller == LINES
    assert [line.text for line in agent[:2]] == [GREETING, HOURS]
    assert [line.text for line in agent[4:]] == ["You said: Stop.", "Goodbye to you."]
    for line, whole in ((agent[2], MORE), (agent[3], SORRY)):
        assert line.interrupted
        assert 0 < len(line.text) < len(whole)
        assert whole.startswith(line.text)


def test_a_back_channel_is_not_answered_and_the_interruptions_are(call: Done) -> None:
    assert call.session.resumed == 1
    assert call.session.barge_ins == 2
    assert call.session.ledger.agent.cleared > 0
    # Each turn was heard by the vendor once, from beginning to end.
    assert call.tap.activities() == ["activityStart", "activityEnd"] * len(LINES)


def test_what_was_heard_of_a_cut_reply_is_as_long_as_its_words(call: Done) -> None:
    agent = [line.text for line in call.session.transcript if line.speaker == "agent"]
    ledger = call.session.ledger.agent
    heard_ms = 1000 * ledger.played / 8000
    said_ms = sum(40 * len(text) for text in agent)
    assert heard_ms == pytest.approx(said_ms, abs=400)


def test_each_stage_of_a_reply_is_stamped(call: Done) -> None:
    assert call.session.turns
    for turn in call.session.turns:
        assert any(msgspec.to_builtins(turn.latency).values())
