"""A reply begun while the recogniser only expects that the caller is done."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from stand_ins import OneCall, StandInLlm, StandInStt, StandInTts
from virtual_loop import timeless

from trunkline.ai.base import Message, TextDelta, ToolCall, ToolSpec
from trunkline.ai.cascade import Cascade
from trunkline.ai.events import (
    AgentFailed,
    CallerMayBeDone,
    CallerSaid,
    CallerWentOn,
    KeyPressed,
    ReplyAudio,
    ReplyEnded,
    ReplyHeard,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    SpeechStopped,
    Stage,
    StageReached,
    SttEvent,
)
from trunkline.ai.tools import tool
from trunkline.errors import AgentError

DONE: list[str] = []


@tool
async def book(day: str) -> str:
    """Book a table."""
    DONE.append(day)
    return day


class SlowLlm(StandInLlm):
    """Its first word takes 400 ms."""

    async def reply(
        self, history: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> AsyncIterator[TextDelta | ToolCall]:
        answer = super().reply(history, tools)
        await asyncio.sleep(0.4)
        async for delta in answer:
            yield delta


def cascade(llm: StandInLlm, tts: StandInTts | None = None) -> Cascade:
    return Cascade(stt=StandInStt(turns=True), llm=llm, tts=tts or StandInTts(), tools=[book])


class Speculating(OneCall):
    """A call whose recogniser guesses."""

    async def hears(self, *events: SttEvent) -> None:
        assert isinstance(self._stt, StandInStt)
        for event in events:
            self._stt.emit(event)
        await self.idle()

    async def is_done(self, text: str) -> None:
        await self.hears(SpeechStopped(1000), CallerSaid(text, final=True))


@timeless
async def test_what_was_made_on_trial_is_let_go_when_the_words_are_final() -> None:
    llm = StandInLlm(["We are open."])
    async with Speculating(cascade(llm)) as call:
        call.begins_to_speak()
        told = len(call.events)
        await call.hears(CallerMayBeDone("when are you open"))
        assert len(llm.asked) == 1
        assert call.events[told:] == []
        await call.is_done("When are you open?")  # with its marks, as final texts are
        assert call.of(ReplyStarted, ReplyText, ReplyAudio, ReplyEnded) == [
            ReplyStarted(1),
            ReplyText("We are open.", 1),
            ReplyAudio(b"We are open.", 1),
            ReplyEnded(1),
        ]
        assert len(llm.asked) == 1
        call.session.tell(ReplyHeard(1, "We are open."), 0)
        llm.replies.append(["Until five."])
        await call.says("until when")
    assert [line.text for line in llm.asked[1]] == ["When are you open?", "We are open.", "until when"]


@timeless
async def test_stamps_of_a_trial_say_when_it_really_happened() -> None:
    async with Speculating(cascade(SlowLlm(["Yes."]))) as call:
        call.begins_to_speak()
        await call.hears(CallerMayBeDone("are you there"))
        await asyncio.sleep(0.5)
        await call.is_done("are you there")
        ago = {event.stage: round(event.ago_ms) for event in call.events if isinstance(event, StageReached)}
        assert ago == {
            Stage.MODEL_STARTED: 500,
            Stage.MODEL_FIRST_TOKEN: 100,
            Stage.SYNTHESIS_STARTED: 100,
            Stage.MODEL_ENDED: 100,
        }


@timeless
async def test_a_trial_that_is_still_being_made_goes_on_in_the_open() -> None:
    async with Speculating(cascade(SlowLlm(["Yes."]))) as call:
        call.begins_to_speak()
        await call.hears(CallerMayBeDone("are you there"))
        await asyncio.sleep(0.3)
        await call.is_done("are you there")
        assert call.of(ReplyStarted, ReplyText) == [ReplyStarted(1)]
        await asyncio.sleep(0.2)
        assert call.of(ReplyText) == [ReplyText("Yes.", 1)]
        ago = [round(event.ago_ms) for event in call.events if isinstance(event, StageReached)]
        assert ago == [300, 0, 0, 0]


WRONG: list[tuple[str, list[SttEvent]]] = [
    ("other words", []),
    ("the caller went on", [CallerWentOn()]),
    ("another guess", [CallerMayBeDone("a table for four")]),
]


@pytest.mark.parametrize("between", [case[1] for case in WRONG], ids=[case[0] for case in WRONG])
def test_a_wrong_guess_never_was(between: list[SttEvent]) -> None:
    @timeless
    async def scene() -> None:
        llm, tts = (
            StandInLlm(["For one.", ToolCall("book", '{"day": "x"}')], ["For four."], ["For four."]),
            StandInTts(),
        )
        async with Speculating(cascade(llm, tts)) as call:
            call.begins_to_speak()
            await call.hears(CallerMayBeDone("a table"))
            await call.hears(*between)
            await call.is_done("a table for four")
            said = [event.text for event in call.of(ReplyText) if isinstance(event, ReplyText)]
            assert said == ["For four."]
            assert len(call.of(ReplyStarted)) == 1
            tts.emit(ReplyAudio(b"late", 1))
            assert ReplyAudio(b"late", 1) not in call.events
        assert tts.cancelled == [1]
        assert llm.asked[-1] == (Message("caller", "a table for four"),)
        assert DONE == []

    scene()


@timeless
async def test_the_same_guess_twice_is_one_trial() -> None:
    llm = StandInLlm(["Yes."])
    async with Speculating(cascade(llm)) as call:
        await call.hears(CallerMayBeDone("hello"), CallerMayBeDone("Hello!"))
        await call.is_done("hello")
        assert call.of(ReplyText) == [ReplyText("Yes.", 1)]
    assert len(llm.asked) == 1


@timeless
async def test_functions_wait_until_the_words_are_final() -> None:
    DONE.clear()
    llm = StandInLlm(["I book it.", ToolCall("book", '{"day": "Friday"}')], ["Booked."])
    async with Speculating(cascade(llm)) as call:
        call.begins_to_speak()
        await call.hears(CallerMayBeDone("Friday"))
        await asyncio.sleep(1)
        assert DONE == []
        await call.is_done("Friday")
        assert DONE == ["Friday"]
        assert call.of(ReplyText) == [ReplyText("I book it.", 1), ReplyText(" Booked.", 1)]


@timeless
async def test_a_trial_that_failed_is_made_again_if_it_is_wanted() -> None:
    llm = StandInLlm([AgentError("too slow")], ["Yes."])
    async with Speculating(cascade(llm)) as call:
        await call.hears(CallerMayBeDone("hello"))
        assert call.of(AgentFailed) == []
        await call.is_done("hello")
        assert call.of(ReplyText, AgentFailed) == [ReplyText("Yes.", 2)]


@timeless
async def test_an_interruption_while_it_is_let_go_stops_the_rest() -> None:
    async with Speculating(cascade(StandInLlm(["One. ", "Two."]))) as call:
        await call.hears(CallerMayBeDone("hello"))
        call.interrupts[ReplyAudio] = ReplyInterrupted(1, 10, "")
        await call.is_done("hello")
        assert call.of(ReplyAudio, ReplyEnded) == [ReplyAudio(b"One. ", 1)]


@timeless
async def test_there_is_no_trial_while_a_reply_waits_to_be_heard() -> None:
    llm = StandInLlm(["A long story."], ["Sorry."])
    async with Speculating(cascade(llm)) as call:
        await call.says("tell me")
        call.begins_to_speak()
        await call.hears(CallerMayBeDone("stop"))
        assert len(llm.asked) == 1


@timeless
async def test_a_key_makes_a_trial_worthless() -> None:
    llm, tts = StandInLlm(["Yes."], ["Key."]), StandInTts()
    async with Speculating(cascade(llm, tts)) as call:
        call.begins_to_speak()
        await call.hears(CallerMayBeDone("hello"))
        call.session.tell(KeyPressed("1"), 0)
        await call.idle()
        assert call.of(ReplyText) == [ReplyText("Key.", 2)]
    assert llm.asked[1] == (Message("key", "1"),)
    assert tts.cancelled == [1]


@timeless
async def test_what_comes_late_of_an_interrupted_reply_is_no_part_of_a_trial() -> None:
    llm, tts = StandInLlm(["A long story."], ["Sorry."]), StandInTts()
    async with Speculating(cascade(llm, tts)) as call:
        await call.says("tell me")
        call.session.tell(ReplyInterrupted(1, 10, "A"), 0)
        call.begins_to_speak()
        await call.hears(CallerMayBeDone("stop"))
        tts.emit(ReplyAudio(b"late", 1))
        told = len(call.events)
        await call.is_done("stop")
        assert ReplyAudio(b"late", 1) not in call.events[told:]
        assert call.of(ReplyText)[1:] == [ReplyText("Sorry.", 2)]
