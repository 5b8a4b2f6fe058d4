"""A whole call in real time: a telephone, the gateway, and a simulated OpenAI; all that passes is kept and compared."""

import asyncio
import base64
from collections.abc import Sequence

import msgspec
import pytest
from live_leg import quiet, tone
from openai_leg import Tap
from voices import Noise

from trunkline import registry
from trunkline.ai.agent import Agent
from trunkline.ai.base import Message, ToolSpec
from trunkline.ai.standin import Answer
from trunkline.ai.tools import tool
from trunkline.audio.format import MULAW_8K
from trunkline.call.session import CallSession
from trunkline.config import Config
from trunkline.server.run import running
from trunkline.testing.call import PlacedCall, place
from trunkline.testing.phone import Phone
from trunkline.testing.script import Action, HangUp, InterruptReply, Say, Wait, WaitForQuiet, WaitForReply
from trunkline.testing.standins import play, standing_in
from trunkline.wire.base import Platform

TWILIO: Platform = registry.load("wire", "twilio")
LINES = ["What are your opening hours?", "mm-hm", "No, wait a moment.", "Goodbye."]
GREETING = "Good morning."
HOURS = "We are open from nine to five."
MORE = "On Saturdays it is ten to four, on Sundays we are closed, and so we are on all the holidays of the year."


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
        case "Goodbye.":
            return Answer("Goodbye to you.", "hang_up")
        case text:
            return Answer(f"You said: {text}")


class Done(msgspec.Struct, frozen=True):
    """A call as all of its ends know it."""

    session: CallSession
    placed: PlacedCall
    tap: Tap


async def hold() -> Done:
    over: asyncio.Future[CallSession] = asyncio.get_running_loop().create_future()
    game = play(LINES, mind=mind, voice=Noise(), stt_ms=150, speed=20)
    tap = Tap()
    async with (
        standing_in(game, names=["openai"]) as vendors,
        tap.between(vendors.settings("openai")["base_url"]) as base_url,
    ):
        config = Config.load(host="127.0.0.1", port=0)
        config = config.with_platform(TWILIO.spec, auth_token="0123456789abcdef0123456789abcdef")
        config = config.with_provider("openai", api_key="simulated", base_url=base_url)
        codec = TWILIO.phone(config.platform(TWILIO.spec), call_id="CA1", caller="+15005550006", callee="+15005550001")
        actions: list[Action] = [
            WaitForQuiet(300),
            Say(quiet(200) + tone(700)),
            InterruptReply(600, tone(300)),  # a back-channel
            Wait(2400),
            Say(tone(1000)),  # an interruption
            WaitForReply(400),
            Say(tone(600)),
            WaitForReply(400),
            HangUp(),
        ]
        agent = Agent("Be kind.", model="openai", greeting=GREETING, tools=[hours])
        async with running(config, agent, keep=over.set_result) as service:
            placed = await place(Phone(codec, actions), service.gateway.base_url, limit_s=30)
            return Done(await asyncio.wait_for(over, 5), placed, tap)


@pytest.fixture(scope="module")
def calls() -> dict[str, Done]:
    async def both() -> dict[str, Done]:
        return dict(zip(("realtime", "live"), await asyncio.gather(hold(), hold_live()), strict=True))

    return asyncio.run(both())


@pytest.fixture
def call(calls: dict[str, Done]) -> Done:
    return calls["realtime"]


@pytest.fixture
def live_call(calls: dict[str, Done]) -> Done:
    return calls["live"]


def heard_of(call: Done, text: str) -> list[bytes]:
    """The pieces of this text's voice the caller heard, each as long as it was heard without a break."""
    voice, heard = asyncio.run(Noise().speak(text, MULAW_8K)), call.placed.outcome.heard
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


def test_the_call_goes_through_and_every_ledger_balances(call: Done) -> None:
    assert call.placed.outcome.ok, call.placed.outcome.complaints
    assert call.session.ledger.balances
    assert call.session.ledger.agent.in_flight == 0
    assert call.session.end_reason == "agent finished"
    assert not call.tap.received("error")


def test_the_vendors_voice_reaches_the_phone_unchanged(call: Done) -> None:
    for text in (GREETING, HOURS, "You said: No, wait a moment.", "Goodbye to you."):
        whole = asyncio.run(Noise().speak(text, MULAW_8K))
        assert b"".join(heard_of(call, text)) == whole, text


def test_the_callers_voice_reaches_the_vendor_unchanged(call: Done) -> None:
    sent = b"".join(base64.b64decode(message["audio"]) for message in call.tap.sent("input_audio_buffer.append"))
    said = call.placed.outcome.said
    assert len(sent) > len(said) - 8 * 500
    assert sent in said


def test_a_back_channel_is_not_answered_and_the_reply_goes_on_at_the_sample(call: Done) -> None:
    assert call.session.resumed == 1
    assert not any("mm-hm" in line.text for line in call.session.transcript if line.speaker == "agent")
    assert len(heard_of(call, HOURS)) + len(heard_of(call, MORE)) >= 3, "it was held somewhere"


def test_the_vendor_is_told_what_the_caller_heard_to_within_60_ms(call: Done) -> None:
    assert call.session.barge_ins == 1
    heard_ms = MULAW_8K.ms(len(b"".join(heard_of(call, MORE))))
    [truncated] = call.tap.sent("conversation.item.truncate")
    assert 500 < heard_ms < MULAW_8K.ms(len(asyncio.run(Noise().speak(MORE, MULAW_8K)))) - 500
    assert abs(truncated["audio_end_ms"] - heard_ms) <= 60
    assert call.tap.received("conversation.item.truncated")


def test_the_function_was_called_and_the_transcript_is_what_was_said(call: Done) -> None:
    outputs = [message["item"] for message in call.tap.sent("conversation.item.create")]
    assert outputs[0]["output"] == '"nine to five"'
    agent = [line.text for line in call.session.transcript if line.speaker == "agent"]
    caller = [line.text for line in call.session.transcript if line.speaker == "caller"]
    assert caller == LINES
    assert agent[:2] == [GREETING, HOURS]
    assert MORE.startswith(agent[2])
    assert agent[3:] == ["You said: No, wait a moment.", "Goodbye to you."]


# --- the same telephone, and a model that speaks all the time ---------------------------------------------------------


async def hold_live() -> Done:
    over: asyncio.Future[CallSession] = asyncio.get_running_loop().create_future()
    game = play(["What are your opening hours?", "Goodbye."], mind=mind, voice=Noise(), stt_ms=50)
    tap = Tap()
    async with (
        standing_in(game, names=["openai"]) as vendors,
        tap.between(vendors.settings("openai")["base_url"]) as base_url,
    ):
        config = Config.load(host="127.0.0.1", port=0)
        config = config.with_platform(TWILIO.spec, auth_token="0123456789abcdef0123456789abcdef")
        config = config.with_provider("openai", api_key="simulated", base_url=base_url)
        codec = TWILIO.phone(config.platform(TWILIO.spec), call_id="CA1", caller="+15005550006", callee="+15005550001")
        actions: list[Action] = [
            WaitForQuiet(300),
            Say(quiet(200) + tone(700)),
            InterruptReply(2500, tone(500)),
            WaitForReply(1200),
            HangUp(),
        ]
        agent = Agent("Be kind.", model="openai/gpt-live-1", greeting=GREETING, tools=[hours])
        async with running(config, agent, keep=over.set_result) as service:
            placed = await place(Phone(codec, actions), service.gateway.base_url, limit_s=30)
            return Done(await asyncio.wait_for(over, 5), placed, tap)


def test_a_live_call_goes_through_bit_for_bit_and_is_never_held(live_call: Done) -> None:
    outcome, session = live_call.placed.outcome, live_call.session
    assert outcome.ok, outcome.complaints
    assert session.ledger.balances
    assert session.end_reason == "agent finished"
    assert not outcome.clears
    assert session.barge_ins == session.resumed == 0
    for text in (GREETING, HOURS, "Goodbye to you."):
        assert len(heard_of(live_call, text)) == 1, text
    assert not live_call.tap.received("error")
    assert [line.text for line in session.transcript if line.speaker == "caller"] == [
        "What are your opening hours?",
        "Goodbye.",
    ]


def test_a_live_model_yields_by_itself_and_the_callers_voice_reaches_it_unchanged(live_call: Done) -> None:
    heard = b"".join(heard_of(live_call, MORE))
    assert 0 < len(heard) < len(asyncio.run(Noise().speak(MORE, MULAW_8K)))
    sent = b"".join(base64.b64decode(m["audio"]) for m in live_call.tap.sent("session.input_audio.append"))
    said = live_call.placed.outcome.said
    voice = tone(700)
    assert voice in said
    assert voice in sent
    assert len(sent) / 8000 == pytest.approx(len(said) / 8000, abs=0.3)
