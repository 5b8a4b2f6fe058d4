"""A caller who says nothing."""

import asyncio

import pytest
from stand_ins import OneCall, StandInLlm, StandInStt, StandInTts, StandInVad
from virtual_loop import timeless

from trunkline.ai.cascade import Cascade
from trunkline.ai.events import CallAnswered, HangUpWanted, ReplyEnded, ReplyHeard, ReplyInterrupted, ReplyText
from trunkline.ai.manners import Manners

MANNERS = Manners(no_input_prompts=("Are you there?", "Hello?"), goodbye="Goodbye!")


def cascade(llm: StandInLlm, *, greeting: str = "Hello.", manners: Manners = MANNERS) -> Cascade:
    return Cascade(vad=StandInVad(), stt=StandInStt(), llm=llm, tts=StandInTts(), greeting=greeting, manners=manners)


class Listened(OneCall):
    """A call whose caller hears every reply to its end as soon as it is made."""

    def __init__(self, agent: Cascade) -> None:
        super().__init__(agent)
        self._heard = 0

    async def goes_on(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            for event in self.of(ReplyEnded)[self._heard :]:
                assert isinstance(event, ReplyEnded)
                self._heard += 1
                said = [e.text for e in self.of(ReplyText) if isinstance(e, ReplyText)]
                self.session.tell(ReplyHeard(event.generation, said[-1]), 0)
            await asyncio.sleep(0.1)

    @property
    def said(self) -> list[str]:
        return [event.text for event in self.of(ReplyText) if isinstance(event, ReplyText)]


@timeless
async def test_a_silent_caller_is_asked_twice_and_then_told_goodbye() -> None:
    async with Listened(cascade(StandInLlm())) as call:
        call.session.tell(CallAnswered(), 0)
        await call.goes_on(7.9)
        assert call.said == ["Hello."]
        await call.goes_on(0.4)
        assert call.said == ["Hello.", "Are you there?"]
        await call.goes_on(8.2)
        assert call.said == ["Hello.", "Are you there?", "Hello?"]
        assert call.of(HangUpWanted) == []
        await call.goes_on(8.2)
        assert call.said[-1] == "Goodbye!"
        assert call.of(HangUpWanted) == [HangUpWanted("no input")]


@timeless
async def test_time_counts_from_when_the_agent_was_heard() -> None:
    async with OneCall(cascade(StandInLlm(["A very long story."]))) as call:
        await call.says("tell me")
        await asyncio.sleep(20)  # all that time it is playing
        assert len(call.of(ReplyText)) == 1
        call.session.tell(ReplyHeard(1, "A very long story."), 0)
        await asyncio.sleep(7.9)
        assert len(call.of(ReplyText)) == 1
        await asyncio.sleep(0.2)
        assert call.of(ReplyText)[1:] == [ReplyText("Are you there?", 2)]


@timeless
async def test_a_caller_who_is_there_is_not_asked() -> None:
    async with Listened(cascade(StandInLlm(["Yes."], ["Yes."]))) as call:
        call.session.tell(CallAnswered(), 0)
        for _ in range(2):
            await call.goes_on(7)
            await call.says("are you there")
        await call.goes_on(7)
        assert call.said == ["Hello.", "Yes.", "Yes."]


@timeless
async def test_an_answer_begins_the_count_anew_and_is_in_the_history() -> None:
    llm = StandInLlm(["Fine."])
    async with Listened(cascade(llm)) as call:
        call.session.tell(CallAnswered(), 0)
        await call.goes_on(17)
        await call.says("yes")
        await call.goes_on(17)
        assert call.said == ["Hello.", "Are you there?", "Hello?", "Fine.", "Are you there?", "Hello?"]
    assert [line.text for line in llm.asked[0]] == ["Hello.", "Are you there?", "Hello?", "yes"]


@timeless
async def test_a_caller_who_is_speaking_is_not_asked() -> None:
    async with Listened(cascade(StandInLlm(["Yes."]))) as call:
        call.session.tell(CallAnswered(), 0)
        await call.goes_on(5)
        call.begins_to_speak()
        await call.goes_on(30)
        assert call.said == ["Hello."]
        call.falls_silent(30_000)
        call.words("so that was it")
        await call.goes_on(1)
        assert call.said == ["Hello.", "Yes."]


@timeless
async def test_a_cough_only_puts_the_question_off() -> None:
    async with Listened(cascade(StandInLlm())) as call:
        call.session.tell(CallAnswered(), 0)
        await call.goes_on(9)
        await call.goes_on(4)
        await call.says("", ms=200)
        await call.goes_on(7.5)
        assert call.said == ["Hello.", "Are you there?"]
        await call.goes_on(1)
        assert call.said == ["Hello.", "Are you there?", "Hello?"]


@timeless
async def test_an_interruption_that_was_none_does_not_silence_the_agent_for_good() -> None:
    async with Listened(cascade(StandInLlm())) as call:
        call.session.tell(CallAnswered(), 0)
        await call.idle()
        call.session.tell(ReplyInterrupted(1, 10, "Hel"), 0)
        await asyncio.sleep(8.1)
        assert call.said == ["Hello.", "Are you there?"]


@timeless
async def test_a_goodbye_that_is_answered_does_not_hang_up_later() -> None:
    async with Listened(cascade(StandInLlm(["Good."]), manners=Manners(no_input_prompts=(), goodbye="Bye."))) as call:
        call.session.tell(CallAnswered(), 0)
        await call.goes_on(7.9)
        await call.goes_on(0.1)
        await asyncio.sleep(0.2)
        assert call.said == ["Hello.", "Bye."]
        call.session.tell(ReplyInterrupted(2, 10, "B"), 0)
        await call.says("wait")
        await call.goes_on(1)
        assert call.said == ["Hello.", "Bye.", "Good."]


@pytest.mark.parametrize("greeting", ["", "Hello."])
def test_it_can_be_left_out_and_works_without_a_greeting(greeting: str) -> None:
    @timeless
    async def scene() -> None:
        async with Listened(cascade(StandInLlm(), greeting=greeting, manners=Manners(no_input_s=0))) as call:
            call.session.tell(CallAnswered(), 0)
            await call.goes_on(60)
            assert len(call.said) == bool(greeting)
        async with Listened(cascade(StandInLlm(), greeting=greeting)) as call:
            call.session.tell(CallAnswered(), 0)
            await call.goes_on(9)
            assert call.said[-1] == "Are you there?"

    scene()


def test_manners_are_known_in_a_few_languages() -> None:
    assert Manners.in_language("de-AT").goodbye.endswith("Auf Wiederhören!")
    assert Manners.in_language("EN-us") == Manners() == Manners.in_language("tlh")
    for language in ("de", "es", "fr", "it"):
        mine, english = Manners.in_language(language), Manners()
        assert mine.filler_after_s == english.filler_after_s
        assert not {mine.goodbye, mine.connecting, *mine.fillers, *mine.no_input_prompts} & {
            english.goodbye, english.connecting, *english.fillers, *english.no_input_prompts,
        }  # fmt: skip
