"""A word for a caller who waits."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from stand_ins import OneCall, StandInLlm, StandInStt, StandInTts, StandInVad
from virtual_loop import timeless

from trunkline.ai.base import Message, TextDelta, ToolCall, ToolSpec
from trunkline.ai.cascade import Cascade
from trunkline.ai.events import CallerMayBeDone, ReplyHeard, ReplyText
from trunkline.ai.manners import Manners
from trunkline.ai.tools import tool
from trunkline.audio.format import MULAW_8K


class SlowLlm(StandInLlm):
    """Each reply takes its time before the first word."""

    def __init__(self, *replies: Sequence[str | ToolCall | Exception], after_s: Sequence[float]) -> None:
        super().__init__(*replies)
        self.after_s = list(after_s)

    async def reply(
        self, history: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> AsyncIterator[TextDelta | ToolCall]:
        answer = super().reply(history, tools)
        await asyncio.sleep(self.after_s.pop(0))
        async for delta in answer:
            yield delta


@tool
async def look(seconds: float) -> str:
    """Takes its time."""
    await asyncio.sleep(seconds)
    return "seen"


def look_for(seconds: float) -> ToolCall:
    return ToolCall("look", f'{{"seconds": {seconds}}}', "a")


def cascade(llm: StandInLlm, manners: Manners | None = None, *, turns: bool = False) -> Cascade:
    return Cascade(
        vad=StandInVad(),
        stt=StandInStt(turns=turns),
        llm=llm,
        tts=StandInTts(),
        tools=[look],
        manners=manners or Manners(fillers=("Moment.", "Still here.")),
    )


async def texts_over_time(call: OneCall, seconds: float) -> list[tuple[float, str]]:
    """What is said in the next seconds, and when."""
    said: list[tuple[float, str]] = []
    for tenth in range(round(seconds * 10) + 1):
        new = call.of(ReplyText)[len(said) :]
        said += [(tenth / 10, event.text) for event in new if isinstance(event, ReplyText)]
        await asyncio.sleep(0.1)
    return said


CASES = [
    ("a quick model needs none", [0.5], [(0.6, "Yes.")]),
    ("a slow one gets one", [2.0], [(1.2, "Moment."), (2.0, " Yes.")]),
    ("but never two", [5.0], [(1.2, "Moment."), (5.0, " Yes.")]),
]


@pytest.mark.parametrize(("after_s", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_caller_does_not_wait_in_silence(after_s: list[float], said: list[tuple[float, str]]) -> None:
    @timeless
    async def scene() -> None:
        async with OneCall(cascade(SlowLlm(["Yes."], after_s=after_s))) as call:
            await call.says("hello")
            for (at, text), (expected_at, expected) in zip(await texts_over_time(call, 6), said, strict=True):
                assert text == expected
                assert at == pytest.approx(expected_at, abs=0.15)

    scene()


@timeless
async def test_a_slow_function_is_covered_from_when_the_last_word_was_heard() -> None:
    words = "I look that up for you now, it will not take long at all."
    async with OneCall(cascade(StandInLlm([words, look_for(9)], ["Found."]))) as call:
        await call.says("look")
        said = await texts_over_time(call, 10)
        assert [text for _, text in said][-2:] == [" Moment.", " Found."]
        spoken_s = MULAW_8K.ms(len(words)) / 1000
        assert said[-2][0] == pytest.approx(1.2 + spoken_s, abs=0.15)


@timeless
async def test_a_filler_over_a_function_does_not_hide_what_was_called() -> None:
    both = [look_for(4), ToolCall("hang_up", id="h")]
    async with OneCall(cascade(StandInLlm(["I look.", *both], ["Found, goodbye."]))) as call:
        await call.says("look")
        said = await texts_over_time(call, 5)
        assert [text for _, text in said] == ["I look.", " Moment.", " Found, goodbye."]


@timeless
async def test_a_filler_is_heard_but_the_model_never_said_it() -> None:
    llm = SlowLlm(["Yes."], ["Sure."], after_s=[2, 0])
    async with OneCall(cascade(llm)) as call:
        await call.says("hello")
        await asyncio.sleep(3)
        call.session.tell(ReplyHeard(1, "Moment. Yes."), 0)
        await call.says("and")
    assert [line.text for line in llm.asked[1]] == ["hello", "Yes.", "and"]


@timeless
async def test_fillers_take_turns() -> None:
    llm = SlowLlm(["One."], ["Two."], ["Three."], after_s=[2, 2, 2])
    async with OneCall(cascade(llm)) as call:
        for n in range(3):
            await call.says("hello")
            await asyncio.sleep(3)
            call.session.tell(ReplyHeard(n + 1, "x"), 0)
        said = [event.text.strip() for event in call.of(ReplyText) if isinstance(event, ReplyText)]
        assert said == ["Moment.", "One.", "Still here.", "Two.", "Moment.", "Three."]


@timeless
async def test_no_filler_into_what_the_caller_is_saying() -> None:
    async with OneCall(cascade(SlowLlm(["For four."], after_s=[3, 0.1]))) as call:
        await call.says("a table")
        await asyncio.sleep(1)
        call.begins_to_speak()
        await asyncio.sleep(1.5)
        assert call.of(ReplyText) == []
        call.falls_silent()
        call.words("for four")
        await asyncio.sleep(0.5)
        assert call.of(ReplyText) == [ReplyText("For four.", 2)]


@timeless
async def test_no_filler_of_a_reply_on_trial() -> None:
    agent = cascade(SlowLlm(["Yes."], after_s=[4]), turns=True)
    async with OneCall(agent) as call:
        call.begins_to_speak()
        assert isinstance(agent.stt, StandInStt)
        agent.stt.emit(CallerMayBeDone("hello"))
        await asyncio.sleep(2)
        assert call.events[1:] == []
        call.falls_silent()
        call.words("hello")
        await asyncio.sleep(0.5)
        assert call.of(ReplyText) == []
        await asyncio.sleep(0.8)
        assert call.of(ReplyText) == [ReplyText("Moment.", 1)]


@timeless
async def test_a_recogniser_that_took_all_the_time_does_not_cost_the_model_its_chance() -> None:
    async with OneCall(cascade(SlowLlm(["Yes."], after_s=[0.2]))) as call:
        call.begins_to_speak()
        call.falls_silent()
        await asyncio.sleep(3)
        call.words("hello")
        await asyncio.sleep(0.5)
        assert call.of(ReplyText) == [ReplyText("Yes.", 1)]


@timeless
async def test_without_phrases_nothing_is_said() -> None:
    async with OneCall(cascade(SlowLlm(["Yes."], after_s=[5]), Manners(fillers=()))) as call:
        await call.says("hello")
        await asyncio.sleep(6)
        assert call.of(ReplyText) == [ReplyText("Yes.", 1)]


@timeless
async def test_a_filler_says_when_the_silence_really_began() -> None:
    """The detector is sure of the end only a while after it."""
    async with OneCall(cascade(SlowLlm(["Yes."], after_s=[5]))) as call:
        await asyncio.sleep(2)
        call.session.hear(bytes(8000 + 4800), 0)  # 1.6 s, of which the caller speaks the first
        call.begins_to_speak()
        call.falls_silent()
        call.words("hello")
        await asyncio.sleep(0.65)
        assert call.of(ReplyText) == [ReplyText("Moment.", 1)]
