"""Agents that fail in the middle of a call: who takes over, and when nobody does."""

import asyncio

import pytest
from agents_line import HELLO, Line, greeted, handed, line
from puppets import Puppet
from stand_ins import FACTS
from virtual_loop import timeless

from trunkline.ai.base import Message, ToolCall
from trunkline.ai.events import (
    AgentFailed,
    CallAnswered,
    HangUpWanted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
)
from trunkline.ai.fallback_agent import UNSURE_MS, FallbackAgent
from trunkline.ai.handover import HandedOver
from trunkline.ai.standby import AGAIN_S
from trunkline.audio.format import MULAW_8K, PCM16_24K
from trunkline.errors import ConfigError, Fault


@line
async def test_one_that_never_stood_is_replaced_before_anybody_knows(call: Line) -> None:
    (a,) = call.sessions(0)
    call.session.tell(CallAnswered(), 0)
    call.hear(100)
    await call.fail()
    (b,) = call.sessions(1)
    assert b.told == [CallAnswered()]
    assert b.heard == a.heard
    assert (a.running, b.running) == (False, True)
    assert not call.news()
    b.reply("Hello.")
    assert [event for event in call.news() if isinstance(event, ReplyText)] == [ReplyText("Hello.", 1)]


@pytest.mark.parametrize("fault", ["bad key", "quota", "our fault"])
def test_when_nobody_is_left_the_call_is_told_why(fault: Fault) -> None:
    async def story(call: Line) -> None:
        greeted(call)
        await call.fail(0, fault)
        assert not call.news()
        error = await call.fail(1, fault)
        assert call.news() == [AgentFailed("b: gave up", error)]

    line(story)()


@pytest.mark.parametrize("fault", ["transient", "rate limit"])
def test_those_that_may_come_back_are_tried_again_before_the_call_is_given_up(fault: Fault) -> None:
    async def story(call: Line) -> None:
        greeted(call)
        await call.fail(0, "bad key")
        for rounds, pause_s in enumerate(AGAIN_S, 1):
            await call.fail(1, fault)
            await asyncio.sleep(pause_s - 0.01)
            assert len(call.sessions(1)) == rounds
            await asyncio.sleep(0.02)
            assert len(call.sessions(1)) == rounds + 1
            assert handed(call) == HandedOver(history=(HELLO,), speaks=False)
        assert not call.news()
        error = await call.fail(1, fault)
        await call.idle()
        assert (len(call.sessions(0)), call.news()) == (1, [AgentFailed("b: gave up", error)])

    line(story)()


@line
async def test_a_call_that_ends_while_nobody_is_there_is_over(call: Line) -> None:
    greeted(call)
    running = asyncio.create_task(call.session.run())
    await call.idle()
    await call.fail(0)
    await call.fail(1)
    running.cancel()
    await asyncio.wait([running])
    await asyncio.sleep(1)
    assert (len(call.sessions(0)), len(call.sessions(1))) == (1, 1)


@line
async def test_after_a_reply_it_may_be_the_others_turn_again(call: Line) -> None:
    greeted(call)
    await call.fail(0)
    call.sessions(1)[0].reply("Where were we?")
    call.news()
    await call.fail(1)
    assert len(call.sessions(0)) == 2
    assert not [event for event in call.news() if isinstance(event, AgentFailed)]


@line
async def test_an_agent_with_a_bug_is_one_that_failed(call: Line) -> None:
    (a,) = call.sessions(0)
    call.session.tell(CallAnswered(), 0)
    a.emit(AgentFailed("the session broke: KeyError"))
    await call.idle()
    assert call.sessions(1)[0].told == [CallAnswered()]


@line
async def test_what_the_former_agent_still_says_goes_nowhere(call: Line) -> None:
    a = greeted(call)
    a.emit(AgentFailed("no more"))
    a.emit(AgentFailed("no more at all"))
    await call.idle()
    assert len(call.sessions(1)) == 1
    a.reply("late", 2)
    a.emit(HangUpWanted())
    assert not call.news()


@line
async def test_a_call_that_is_over_goes_to_nobody(call: Line) -> None:
    (a,) = call.sessions(0)
    running = asyncio.create_task(call.session.run())
    await call.idle()
    running.cancel()
    await asyncio.wait([running])
    a.emit(AgentFailed("no more"))
    await call.idle()
    assert not call.sessions(1)


@line
async def test_a_call_that_was_handed_over_stays_handed_over(call: Line) -> None:
    given = HandedOver("desk", "About a bill.", (Message("caller", "My bill."),))
    call.session.take_over(given)  # type: ignore[attr-defined]
    assert call.sessions(0)[0].told == [given]
    await call.fail()
    assert handed(call) == given
    assert handed(call).told("").startswith("You take over a call from another agent, desk")


@line
async def test_a_provider_that_failed_is_left_alone_by_the_next_call(call: Line) -> None:
    call.session.tell(CallAnswered(), 0)
    await call.fail(fault="bad key")
    call.open()
    assert (len(call.sessions(0)), len(call.sessions(1))) == (1, 2)
    call.now += 301
    call.open()
    assert len(call.sessions(0)) == 2


def test_one_that_cannot_take_over_answers_as_if_called() -> None:
    @timeless
    async def story() -> None:
        call = Line(Puppet("a"), Puppet("b", takes_over=False))
        task = asyncio.create_task(call.session.run())
        await call.idle()
        greeted(call)
        await call.fail()
        assert call.sessions(1)[0].told == [CallAnswered()]
        task.cancel()
        await asyncio.wait([task])

    story()


def test_what_they_have_in_common_is_what_the_call_may_use() -> None:
    wide, narrow = Puppet("wide"), Puppet("narrow")
    wide.hears = (PCM16_24K, MULAW_8K)
    agent = FallbackAgent([wide, narrow], lambda: 0.0)
    assert (agent.name, agent.hears, agent.speaks) == ("wide|narrow", (MULAW_8K,), (MULAW_8K,))
    wide.speaks = (PCM16_24K,)
    with pytest.raises(ConfigError):
        FallbackAgent([wide, narrow], lambda: 0.0)


@line
async def test_what_a_function_did_is_told_though_nobody_has_said_a_word(call: Line) -> None:
    (a,) = call.sessions(0)
    a.emit(SpeechStarted(0))
    a.emit(SpeechStopped(800))
    call.agent.deeds.begin(FACTS.call_id, ToolCall("pay")).came_of_it = "paid"
    await call.fail()
    assert handed(call).done == ("pay {}: paid",)
    assert not handed(call).speaks


@line
async def test_speech_that_only_the_agent_that_failed_has_heard_comes_to_an_end(call: Line) -> None:
    a = greeted(call)
    call.hear(1000)
    a.emit(SpeechStarted(400))
    await call.fail()
    (b,) = call.sessions(1)
    call.hear(int(UNSURE_MS) - 20)
    assert call.news() == [SpeechStarted(400)]
    call.hear(60)
    assert call.news() == [SpeechStopped(400)]
    call.hear(20_000)
    b.emit(SpeechStarted(9000))
    assert [type(event) for event in call.news()] == [SpeechStarted]
    await call.fail(1)
    await asyncio.sleep(AGAIN_S[0] + 0.1)
    assert len(call.sessions(0)[1].heard) < 8 * 20_000  # not all that was heard since the first one's mistake


@line
async def test_speech_that_the_next_agent_hears_too_goes_on(call: Line) -> None:
    a = greeted(call)
    call.hear(1000)
    a.emit(SpeechStarted(400))
    await call.fail()
    (b,) = call.sessions(1)
    call.hear(100)
    b.emit(SpeechStarted(150))
    call.hear(10_000)
    assert call.news() == [SpeechStarted(400)]
    b.emit(SpeechStopped(9000))
    assert [type(event) for event in call.news()] == [SpeechStopped]
