"""A model that calls functions: what is done, what is said, and what is remembered of it."""

import asyncio
from collections.abc import Sequence

import pytest
from stand_ins import OneCall, StandInLlm, StandInStt, StandInTts, StandInVad
from structlog.testing import capture_logs
from virtual_loop import timeless

from trunkline.ai.base import CallFacts, Message, ToolCall
from trunkline.ai.cascade import Cascade
from trunkline.ai.conversation import CUT_SHORT
from trunkline.ai.events import (
    DigitsWanted,
    HandOverWanted,
    HangUpWanted,
    ReplyEnded,
    ReplyHeard,
    ReplyInterrupted,
    ReplyText,
    Stage,
    StageReached,
    TransferWanted,
)
from trunkline.ai.manners import Manners
from trunkline.ai.reply import UNDONE
from trunkline.ai.reply_maker import ENOUGH, ROUNDS
from trunkline.ai.tools import tool
from trunkline.errors import AgentError, ConfigError, ToolError

DONE: list[str] = []


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    DONE.clear()


@tool
async def book(day: str) -> str:
    """Book a table."""
    DONE.append(day)
    return f"booked for {day}"


@tool
async def look(seconds: float) -> str:
    """Takes its time."""
    await asyncio.sleep(seconds)
    DONE.append(f"{seconds:g} s")
    return f"slept {seconds:g} s"


@tool
async def refuse() -> None:
    raise ToolError("Full on that day.")


@tool
async def whose(facts: CallFacts) -> str:
    return facts.call_id


@tool
async def pass_on() -> HandOverWanted:
    return HandOverWanted("billing")


def cascade(llm: StandInLlm, tts: StandInTts | None = None) -> Cascade:
    return Cascade(
        vad=StandInVad(),
        stt=StandInStt(),
        llm=llm,
        tts=tts or StandInTts(),
        tools=[book, look, refuse, whose, pass_on],
        transfer_to="sip:desk@example.org",
        manners=Manners(fillers=()),
    )


def well_formed(history: Sequence[Message]) -> bool:
    """What model servers insist on: after a line with calls their results, one each, and no result without a call."""
    due: list[str] = []
    for line in history:
        if line.role == "tool":
            if line.tool_call_id not in due:
                return False
            due.remove(line.tool_call_id)
        elif due:
            return False
        due += [call.id for call in line.tool_calls]
    return not due


FRIDAY = ToolCall("book", '{"day": "Friday"}', "a")
ASKED = Message("caller", "a table")


@timeless
async def test_a_result_goes_back_to_the_model_which_then_answers() -> None:
    llm = StandInLlm(["Let me see.", FRIDAY], ["It is booked."])
    async with OneCall(cascade(llm)) as call:
        await call.says("a table")
        assert call.of(ReplyText) == [ReplyText("Let me see.", 1), ReplyText(" It is booked.", 1)]
        assert len(call.of(ReplyEnded)) == 1
        stages = [event.stage for event in call.events if isinstance(event, StageReached)]
        assert [stages.count(stage) for stage in (Stage.MODEL_STARTED, Stage.MODEL_FIRST_TOKEN, Stage.MODEL_ENDED)] == [
            1,
            1,
            1,
        ]
        result = Message("tool", '"booked for Friday"', tool_call_id="a")
        assert llm.asked[1] == (ASKED, Message("agent", "Let me see.", (FRIDAY,)), result)
        call.session.tell(ReplyHeard(1, "Let me see. It is booked."), 0)
        await call.says("thanks")
    assert llm.asked[2] == (
        ASKED,
        Message("agent", "Let me see.", (FRIDAY,)),
        result,
        Message("agent", "It is booked."),
        Message("caller", "thanks"),
    )
    assert DONE == ["Friday"]


@timeless
async def test_functions_called_together_run_together() -> None:
    two = [ToolCall("look", '{"seconds": 2}', "a"), ToolCall("look", '{"seconds": 3}', "b")]
    llm = StandInLlm(two, ["There."])
    async with OneCall(cascade(llm)) as call:
        await call.says("look")
        await asyncio.sleep(3.1)
        assert call.of(ReplyEnded)
    assert [line.text for line in llm.asked[1][-2:]] == ['"slept 2 s"', '"slept 3 s"']


@timeless
async def test_an_interruption_stops_functions_and_keeps_what_is_done() -> None:
    two = [ToolCall("look", '{"seconds": 1}', "a"), ToolCall("look", '{"seconds": 3}', "b")]
    llm = StandInLlm(["One moment, I look. ", *two], ["Sorry."])
    async with OneCall(cascade(llm)) as call:
        await call.says("look")
        await asyncio.sleep(2)
        call.session.tell(ReplyInterrupted(1, 100, "One moment,"), 0)
        await asyncio.sleep(5)
        await call.says("never mind")
    assert DONE == ["1 s"]
    assert llm.asked[1] == (
        Message("caller", "look"),
        Message("agent", "One moment,", tuple(two)),
        Message("tool", '"slept 1 s"', tool_call_id="a"),
        Message("tool", CUT_SHORT, tool_call_id="b"),
        Message("caller", "never mind"),
    )


@pytest.mark.parametrize(
    ("heard", "before", "after"),
    [
        ("Let me see. It is", "Let me see.", ["It is"]),
        ("Let me see.", "Let me see.", []),
        ("Let me", "Let me", []),
        ("", "", []),
    ],
)
def test_what_was_heard_is_told_apart_at_the_call_which_stays(heard: str, before: str, after: list[str]) -> None:
    @timeless
    async def scene() -> None:
        llm = StandInLlm(["Let me see. ", FRIDAY], ["It is booked."], ["Yes?"])
        async with OneCall(cascade(llm)) as call:
            await call.says("a table")
            call.session.tell(ReplyInterrupted(1, 100, heard), 0)
            await call.says("wait")
        assert llm.asked[2] == (
            ASKED,
            Message("agent", before, (FRIDAY,)),
            Message("tool", '"booked for Friday"', tool_call_id="a"),
            *(Message("agent", text) for text in after),
            Message("caller", "wait"),
        )

    scene()


@timeless
async def test_an_interrupted_model_has_called_nothing() -> None:
    llm = StandInLlm(["One. ", FRIDAY, "Two."], ["Yes?"])
    async with OneCall(cascade(llm)) as call:
        llm.hold()
        await call.says("a table")
        llm.allow(2)
        await call.idle()
        call.session.tell(ReplyInterrupted(1, 100, "One."), 0)
        await call.says("wait")
    assert DONE == []
    assert llm.asked[1] == (ASKED, Message("agent", "One."), Message("caller", "wait"))


@timeless
async def test_a_reply_taken_back_before_it_sounded_keeps_what_it_did() -> None:
    llm, tts = StandInLlm([FRIDAY], ["Booked."], ["For four, booked."]), StandInTts(mute=True)
    async with OneCall(cascade(llm, tts)) as call:
        await call.says("a table")
        await call.says("for four")
    assert llm.asked[2] == (
        ASKED,
        Message("agent", "", (FRIDAY,)),
        Message("tool", '"booked for Friday"', tool_call_id="a"),
        Message("caller", "for four"),
    )


@timeless
async def test_a_model_that_calls_and_calls_is_made_to_speak() -> None:
    rounds = [[ToolCall("book", f'{{"day": "{n}"}}', f"id-{n}")] for n in range(ROUNDS + 2)]
    llm = StandInLlm(*rounds)
    with capture_logs() as lines:
        async with OneCall(cascade(llm)) as call:
            await call.says("a table")
            await call.idle()
            assert call.of(ReplyEnded) == [ReplyEnded(1)]
    assert DONE == ["0", "1", "2", "3", "4"]
    assert llm.asked[ROUNDS + 1][-1] == Message("tool", ENOUGH, tool_call_id=f"id-{ROUNDS}")
    assert len(llm.asked) == ROUNDS + 2
    assert "model only calls functions" in [line["event"] for line in lines]
    assert all(map(well_formed, llm.asked))


@timeless
async def test_a_model_that_hangs_up_without_a_word_is_asked_for_one() -> None:
    llm = StandInLlm([ToolCall("hang_up", id="a")], ["Goodbye!"])
    async with OneCall(cascade(llm)) as call:
        await call.says("bye")
        assert call.of(ReplyText, HangUpWanted) == [ReplyText("Goodbye!", 1), HangUpWanted()]
    assert "said goodbye" in llm.asked[1][-1].text


@timeless
async def test_one_that_does_something_else_besides_may_tell_what_came_of_it() -> None:
    llm = StandInLlm(["I book it.", FRIDAY, ToolCall("hang_up", id="h")], ["Booked. Goodbye!"])
    async with OneCall(cascade(llm)) as call:
        await call.says("a table, and that is all")
        assert call.of(ReplyText, HangUpWanted) == [
            ReplyText("I book it.", 1),
            ReplyText(" Booked. ", 1),
            ReplyText("Goodbye!", 1),
            HangUpWanted(),
        ]


@timeless
async def test_one_that_does_so_twice_hangs_up() -> None:
    llm = StandInLlm([ToolCall("hang_up", id="a")], [ToolCall("hang_up", id="b")])
    async with OneCall(cascade(llm)) as call:
        await call.says("bye")
        assert call.of(ReplyText, HangUpWanted) == [HangUpWanted()]


@timeless
async def test_a_goodbye_that_was_interrupted_is_remembered_as_undone() -> None:
    llm = StandInLlm(["I connect you.", ToolCall("transfer", id="a")], ["Yes?"])
    async with OneCall(cascade(llm)) as call:
        await call.says("a person")
        assert call.of(TransferWanted) == [TransferWanted("sip:desk@example.org")]
        call.session.tell(ReplyInterrupted(1, 100, "I connect"), 0)
        await call.says("no wait")
    assert llm.asked[1][1:3] == (
        Message("agent", "I connect", (ToolCall("transfer", id="a"),)),
        Message("tool", UNDONE, tool_call_id="a"),
    )


@timeless
async def test_keys_are_pressed_at_once_and_the_model_goes_on() -> None:
    llm = StandInLlm([ToolCall("send_digits", '{"digits": "1#"}', "a")], ["I pressed them."])
    async with OneCall(cascade(llm)) as call:
        await call.says("press one")
        assert call.of(DigitsWanted, ReplyText) == [DigitsWanted("1#"), ReplyText("I pressed them.", 1)]


@timeless
async def test_a_hand_over_is_the_last_thing_an_agent_does() -> None:
    llm = StandInLlm([ToolCall("pass_on", id="a")])
    async with OneCall(cascade(llm)) as call:
        await call.says("my bill")
        assert call.of(HandOverWanted, ReplyEnded) == [ReplyEnded(1), HandOverWanted("billing")]
    assert len(llm.asked) == 1


@timeless
async def test_a_refusal_is_told_to_the_model() -> None:
    llm = StandInLlm([ToolCall("refuse", id="a"), ToolCall("whose", id="b")], ["It is full."])
    async with OneCall(cascade(llm)) as call:
        await call.says("a table")
    assert [line.text for line in llm.asked[1][-2:]] == ["Full on that day.", '"call"']


@timeless
async def test_calls_without_an_id_get_one_each() -> None:
    nameless = ToolCall("book", '{"day": "Monday"}')
    llm = StandInLlm([nameless, FRIDAY, FRIDAY], [nameless], ["Booked."])
    async with OneCall(cascade(llm)) as call:
        await call.says("three tables")
    ids = [call.id for line in llm.asked[2] for call in line.tool_calls]
    assert len(set(ids)) == 4
    assert "a" in ids
    assert all(map(well_formed, llm.asked))


@timeless
async def test_a_model_that_fails_after_a_call_is_excused_after_what_was_said() -> None:
    llm = StandInLlm(["Let me see.", FRIDAY], [AgentError("gone", then="end turn")], ["Again."])
    async with OneCall(cascade(llm)) as call:
        await call.says("a table")
        excuse = ReplyText(f" {Manners().trouble}", 1)
        assert call.of(ReplyText, ReplyEnded) == [ReplyText("Let me see.", 1), excuse, ReplyEnded(1)]
        call.session.tell(ReplyHeard(1, f"Let me see. {Manners().trouble}"), 0)
        await call.says("and")
    assert all(map(well_formed, llm.asked))
    assert llm.asked[2][2] == Message("tool", '"booked for Friday"', tool_call_id="a")


def test_tools_that_cannot_work_stop_the_start() -> None:
    with pytest.raises(ConfigError, match="two tools 'book'"):
        Cascade(vad=StandInVad(), llm=StandInLlm(), tts=StandInTts(), tools=[book, book])
    deaf = StandInLlm()
    deaf.tools = False
    with pytest.raises(ConfigError, match="stand-in can't call functions"):
        Cascade(vad=StandInVad(), llm=deaf, tts=StandInTts(), tools=[book])
