"""Agents that hand a call to each other: to the call they are one."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from puppets import Puppet
from stand_ins import FACTS, OneCall, StandInLlm, StandInStt, StandInTts, StandInVad
from virtual_loop import timeless

from trunkline.ai.base import Message, ToolCall
from trunkline.ai.cascade import Cascade
from trunkline.ai.events import (
    AgentEvent,
    AgentFailed,
    CallAnswered,
    CallerSaid,
    HandOverWanted,
    KeyPressed,
    ReplyAudio,
    ReplyEnded,
    ReplyHeard,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
    Stage,
    StageReached,
)
from trunkline.ai.fallback_llm import GO_ON
from trunkline.ai.handover import HandedOver, HandingOver, TakesOver
from trunkline.ai.tools import tool
from trunkline.audio.format import MULAW_8K, PCM16_8K, PCM16_24K
from trunkline.errors import ConfigError


class Scene:
    """A call with a team of puppets, a and b."""

    def __init__(self, *, takes_over: bool = True) -> None:
        self.a, self.b = Puppet("model a"), Puppet("model b", takes_over=takes_over)
        self.team = HandingOver({"a": self.a, "b": self.b}, "a")
        self.events: list[AgentEvent] = []
        self.session = self.team.open(FACTS, hears=MULAW_8K, speaks=MULAW_8K, emit=self.events.append)

    def news(self) -> list[AgentEvent]:
        """What was emitted since."""
        new, self.events[:] = list(self.events), []
        return new

    async def idle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


def scene(test: Callable[[Scene], Awaitable[None]]) -> Callable[[], None]:
    @timeless
    async def run() -> None:
        stage = Scene()
        task = asyncio.create_task(stage.session.run())
        await stage.idle()
        await test(stage)
        task.cancel()
        await asyncio.wait([task])

    run.__name__ = test.__name__
    return run


@scene
async def test_before_a_hand_over_everything_passes_as_it_is(stage: Scene) -> None:
    (a,) = stage.a.sessions
    stage.session.tell(CallAnswered(), 0)
    stage.session.hear(b"audio", 0)
    a.reply("Hello.")
    assert stage.news() == [
        ReplyStarted(1),
        StageReached(Stage.MODEL_STARTED, 1, 5),
        ReplyText("Hello.", 1),
        ReplyAudio(b"Hello.", 1),
        ReplyEnded(1),
    ]
    stage.session.tell(ReplyHeard(1, "Hello."), 0)
    assert (a.told, a.heard, stage.b.sessions) == ([CallAnswered(), ReplyHeard(1, "Hello.")], b"audio", [])


@scene
async def test_the_next_agent_goes_on_where_the_other_stopped(stage: Scene) -> None:
    (a,) = stage.a.sessions
    stage.session.hear(bytes(8000), 0)
    a.emit(SpeechStarted(100))
    a.emit(SpeechStopped(900))
    a.emit(CallerSaid("my bill", final=True))
    a.reply("I pass you on.", 1)
    stage.news()
    a.emit(HandOverWanted("b", "It is about March."))
    await stage.idle()
    (b,) = stage.b.sessions
    lines = (Message("caller", "my bill"), Message("agent", "I pass you on."))
    assert b.told == [HandedOver("a", "It is about March.", lines)]
    assert (a.running, b.running) == (False, True)
    stage.session.hear(b"audio", 0)
    assert (len(a.heard), b.heard) == (8000, b"audio")
    assert stage.news() == []
    b.reply("Which bill?")
    b.emit(SpeechStarted(20))
    b.emit(SpeechStopped(40))
    assert stage.news() == [
        ReplyStarted(2),
        StageReached(Stage.MODEL_STARTED, 2, 5),
        ReplyText("Which bill?", 2),
        ReplyAudio(b"Which bill?", 2),
        ReplyEnded(2),
        SpeechStarted(1020),
        SpeechStopped(1040),
    ]
    stage.session.tell(ReplyHeard(1, "I pass you on."), 0)
    stage.session.tell(ReplyInterrupted(2, 30, "Which"), 0)
    assert b.told[1:] == [ReplyInterrupted(1, 30, "Which")]


@scene
async def test_they_may_hand_it_back_and_the_history_is_what_was_heard(stage: Scene) -> None:
    stage.a.sessions[0].reply("I pass you on to b.")
    stage.session.tell(ReplyInterrupted(1, 30, "I pass"), 0)
    stage.a.sessions[0].emit(HandOverWanted("b"))
    await stage.idle()
    b = stage.b.sessions[0]
    b.reply("b here.")
    stage.session.tell(ReplyHeard(2, "b here."), 0)
    b.emit(CallerSaid("back please", final=True))
    stage.session.tell(KeyPressed("1"), 0)
    b.reply("Back you go.", 2)
    b.emit(HandOverWanted("a"))
    await stage.idle()
    again = stage.a.sessions[1]
    [call] = again.told
    assert isinstance(call, HandedOver)
    assert [(line.role, line.text) for line in call.history] == [
        ("agent", "I pass"),
        ("agent", "b here."),
        ("caller", "back please"),
        ("key", "1"),
        ("agent", "Back you go."),
    ]
    again.reply("a again.")
    assert ReplyStarted(4) in stage.events


@pytest.mark.parametrize(
    ("broken", "speaks", "told", "said"),
    [
        ("", False, (), []),
        ("", True, (), ["Anything."]),
        ("We are open", True, (Message("system", GO_ON),), ["Anything."]),
        ("Hello, this", True, (), ["is Luigi's."]),
    ],
    ids=["the caller's turn", "an answer is due", "a reply broke off", "the greeting broke off"],
)
def test_a_cascade_goes_on_where_another_agent_left_the_call(
    broken: str, speaks: bool, told: tuple[Message, ...], said: list[str]
) -> None:
    @timeless
    async def story() -> None:
        llm = StandInLlm(["Anything."])
        model = Cascade(
            llm=llm, tts=StandInTts(), stt=StandInStt(), vad=StandInVad(), greeting="Hello, this is Luigi's."
        )
        history = (Message("caller", "Are you open?"),)
        async with OneCall(model) as call:
            session = call.session
            assert isinstance(session, TakesOver)
            session.take_over(HandedOver(history=history, broken=broken, speaks=speaks))
            await call.idle()
            assert call.of(ReplyText) == [ReplyText(text, 1) for text in said]
            assert llm.asked == ([(*history, *told)] if said == ["Anything."] else [])

    story()


@scene
async def test_what_a_former_agent_still_says_goes_nowhere(stage: Scene) -> None:
    a = stage.a.sessions[0]
    a.reply("I pass you", end=False)
    a.emit(HandOverWanted("b"))
    await stage.idle()
    assert stage.news()[-1] == ReplyEnded(1)  # somebody has to end it
    a.emit(ReplyAudio(b"late", 1))
    a.emit(SpeechStarted(5))
    a.emit(AgentFailed("late"))
    assert stage.news() == []


@scene
async def test_a_caller_who_is_speaking_is_let_finish(stage: Scene) -> None:
    a = stage.a.sessions[0]
    a.emit(SpeechStarted(0))
    a.emit(HandOverWanted("b"))
    await asyncio.sleep(5)
    assert stage.b.sessions == []
    a.emit(SpeechStopped(900))
    await asyncio.sleep(1)
    a.emit(CallerSaid("and my address", final=True))
    await stage.idle()
    [call] = stage.b.sessions[0].told
    assert isinstance(call, HandedOver)
    assert call.history == (Message("caller", "and my address"),)


@scene
async def test_words_that_never_come_are_not_waited_for(stage: Scene) -> None:
    a = stage.a.sessions[0]
    a.emit(SpeechStarted(0))
    a.emit(HandOverWanted("b"))
    a.emit(SpeechStopped(900))
    await asyncio.sleep(1.6)
    assert len(stage.b.sessions) == 1


@scene
async def test_a_caller_is_not_sent_round_in_a_circle(stage: Scene) -> None:
    for n in range(3):
        (stage.a if n % 2 == 0 else stage.b).sessions[-1].emit(HandOverWanted("b" if n % 2 == 0 else "a"))
        await stage.idle()
    stage.b.sessions[-1].emit(HandOverWanted("a"))
    await stage.idle()
    assert (len(stage.a.sessions), len(stage.b.sessions)) == (2, 2)
    stage.b.sessions[-1].emit(CallerSaid("what is going on", final=True))
    stage.b.sessions[-1].emit(HandOverWanted("a"))
    await stage.idle()
    assert len(stage.a.sessions) == 3


@scene
async def test_nobody_is_handed_over_to_a_stranger(stage: Scene) -> None:
    stage.a.sessions[0].emit(HandOverWanted("c"))
    await stage.idle()
    stage.a.sessions[0].reply("Still me.")
    assert ReplyStarted(1) in stage.events


def test_an_agent_that_cannot_take_over_answers_as_if_called() -> None:
    @timeless
    async def run() -> None:
        stage = Scene(takes_over=False)
        task = asyncio.create_task(stage.session.run())
        await stage.idle()
        stage.a.sessions[0].emit(HandOverWanted("b"))
        await stage.idle()
        assert stage.b.sessions[0].told == [CallAnswered()]
        task.cancel()
        await asyncio.wait([task])
        assert not stage.b.sessions[0].running

    run()


def test_agents_without_a_common_format_are_refused() -> None:
    a, b = Puppet("a"), Puppet("b")
    b.hears = (PCM16_8K, MULAW_8K)
    assert HandingOver({"a": a, "b": b}, "a").hears == (MULAW_8K, PCM16_8K)
    b.speaks = (PCM16_24K,)
    with pytest.raises(ConfigError, match="a, b speak no common audio format"):
        HandingOver({"a": a, "b": b}, "a")


@tool
async def pass_on() -> HandOverWanted:
    """To billing."""
    return HandOverWanted("billing", "They ask about March.")


@timeless
async def test_two_cascades_share_a_call() -> None:
    desk_llm, bill_llm = StandInLlm(["I pass you on.", ToolCall("pass_on")]), StandInLlm(["Which one?"], ["Ten."])
    desk_vad, bill_vad, desk_stt, bill_stt = StandInVad(), StandInVad(), StandInStt(), StandInStt()
    desk = Cascade(vad=desk_vad, stt=desk_stt, llm=desk_llm, tts=StandInTts(), tools=[pass_on], greeting="Hello.")
    billing = Cascade(vad=bill_vad, stt=bill_stt, llm=bill_llm, tts=StandInTts(), instructions="Bills.", greeting="Hi.")
    events: list[AgentEvent] = []
    team = HandingOver({"desk": desk, "billing": billing}, "desk")
    session = team.open(FACTS, hears=MULAW_8K, speaks=MULAW_8K, emit=events.append)
    task = asyncio.create_task(session.run())

    async def idle() -> None:
        for _ in range(30):
            await asyncio.sleep(0)

    await idle()
    session.tell(CallAnswered(), 0)
    await idle()
    session.tell(ReplyHeard(1, "Hello."), 0)
    desk_vad.emit(SpeechStarted(0))
    desk_vad.emit(SpeechStopped(800))
    desk_stt.emit(CallerSaid("my bill", final=True))
    await idle()
    said = [event for event in events if isinstance(event, ReplyText)]
    assert said == [ReplyText("Hello.", 1), ReplyText("I pass you on.", 2), ReplyText("Which one?", 3)]
    assert desk_vad.session_closed
    system, *lines = bill_llm.asked[0]
    assert system.text.startswith("Bills.\n\nYou take over a call from another agent, desk")
    assert system.text.endswith("They ask about March.")
    assert lines == [Message("agent", "Hello."), Message("caller", "my bill"), Message("agent", "I pass you on.")]
    session.tell(ReplyHeard(2, "I pass you on."), 0)
    session.tell(ReplyHeard(3, "Which one?"), 0)
    bill_vad.emit(SpeechStarted(0))
    bill_vad.emit(SpeechStopped(800))
    bill_stt.emit(CallerSaid("the last", final=True))
    await idle()
    assert [line.text for line in bill_llm.asked[1][-2:]] == ["Which one?", "the last"]
    task.cancel()
    await asyncio.wait([task])
