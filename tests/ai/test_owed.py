"""What an agent that fails still owed its caller, and what the next one does about it."""

import pytest
from agents_line import HELLO, OPEN, Line, greeted, handed, line, speaks, words
from stand_ins import FACTS

from trunkline.ai.base import Message, ToolCall
from trunkline.ai.deeds import UNKNOWN
from trunkline.ai.events import (
    CallerSaid,
    KeyPressed,
    ReplyAudio,
    ReplyEnded,
    ReplyHeard,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
)
from trunkline.ai.fallback_agent import MARGIN_MS, SAME_MS, UNSURE_MS
from trunkline.ai.handover import DONE, HandedOver


@line
async def test_the_next_goes_on_with_a_reply_that_broke_off(call: Line) -> None:
    a = greeted(call)
    words(a)
    speaks(a, 2, ("We are open ", 1000), ("from nine to five", 700))
    call.news()
    await call.fail()
    # At the pace of all before it 700 ms are nine letters: "to" has begun, and is to be said again.
    said = "We are open from nine"
    assert handed(call) == HandedOver(history=(HELLO, OPEN, Message("agent", said)), broken=said)
    assert handed(call).told("Be kind.") == "Be kind."
    assert call.news() == [ReplyEnded(2)], "what there is of it is heard to its end"
    (b,) = call.sessions(1)
    b.reply("to five.", end=False)
    assert [event for event in call.news() if isinstance(event, ReplyAudio)] == [ReplyAudio(b"to five.", 3)]
    b.told.clear()
    call.session.tell(ReplyHeard(2, "We are open from nine"), 0)
    call.session.tell(ReplyInterrupted(3, 100, "to"), 0)
    assert b.told == [ReplyInterrupted(1, 100, "to")]


@line
async def test_words_that_nobody_answered_are_answered(call: Line) -> None:
    a = greeted(call)
    call.hear(3000)
    words(a, begin_ms=500, end_ms=1500)
    a.emit(ReplyStarted(2))
    a.emit(ReplyText("We", 2))  # of which nobody heard anything
    await call.fail()
    assert handed(call) == HandedOver(history=(HELLO, OPEN))
    assert len(call.sessions(1)[0].heard) == 8 * 1500, "words were made of what came before"


@line
async def test_a_key_that_nobody_answered_is_answered(call: Line) -> None:
    greeted(call)
    call.session.tell(KeyPressed("5"), 0)
    await call.fail()
    assert handed(call) == HandedOver(history=(HELLO, Message("key", "5")))


@line
async def test_where_it_was_the_callers_turn_it_still_is(call: Line) -> None:
    greeted(call)
    call.hear(10_000)
    await call.fail()
    assert handed(call) == HandedOver(history=(HELLO,), speaks=False)
    assert len(call.sessions(1)[0].heard) == 8 * UNSURE_MS, "they may have said what nobody noticed"


@line
async def test_speech_without_words_is_heard_again_and_told_once(call: Line) -> None:
    a = greeted(call)
    call.hear(2000)
    a.emit(SpeechStarted(1000))
    call.hear(1000)
    call.news()
    await call.fail()
    (b,) = call.sessions(1)
    assert not handed(call).speaks, "they are speaking"
    again_ms = 2000 + MARGIN_MS
    assert b.heard == a.heard[-int(8 * again_ms) :]
    b.emit(SpeechStarted(MARGIN_MS + 20))
    assert not call.news()
    call.hear(500)
    b.emit(SpeechStopped(MARGIN_MS + 2100))
    assert call.news() == [SpeechStopped(3100)]
    b.emit(SpeechStarted(MARGIN_MS + 2300))
    assert call.news() == [SpeechStarted(3300)]


@pytest.mark.parametrize("later_ms", [-50, SAME_MS + 100])
def test_a_turn_that_was_over_is_not_told_again_unless_the_caller_went_on(later_ms: float) -> None:
    @line
    async def story(call: Line) -> None:
        a = greeted(call)
        call.hear(3000)
        a.emit(SpeechStarted(1000))
        a.emit(SpeechStopped(2000))
        call.news()
        await call.fail()
        (b,) = call.sessions(1)
        assert not handed(call).speaks, "it has to hear them first"
        b.emit(SpeechStarted(MARGIN_MS))
        b.emit(SpeechStopped(MARGIN_MS + 1000 + later_ms))
        went_on = [SpeechStarted(2000), SpeechStopped(2000 + later_ms)] if later_ms > 0 else []
        assert call.news() == went_on
        b.emit(CallerSaid("Are you open?", final=True))
        assert call.news() == [CallerSaid("Are you open?", final=True)]

    story()


@line
async def test_an_answer_settles_a_turn_whose_words_come_later(call: Line) -> None:
    a = greeted(call)
    call.hear(3000)
    a.emit(SpeechStarted(1000))
    a.emit(SpeechStopped(2000))
    a.reply("Yes.", 2)
    a.emit(CallerSaid("Are you open?", final=True))
    call.session.tell(ReplyHeard(2, "Yes."), 0)
    await call.fail()
    assert not handed(call).speaks
    assert len(call.sessions(1)[0].heard) == 8 * 1000


@pytest.mark.parametrize("interrupts", [True, False])
def test_whether_words_into_a_reply_want_an_answer_is_for_the_call_to_say(interrupts: bool) -> None:
    @line
    async def story(call: Line) -> None:
        a = greeted(call)
        words(a)
        a.reply("We are.", 2)
        words(a, "Yes", begin_ms=2000, end_ms=2300)
        call.session.tell(ReplyInterrupted(2, 100, "We") if interrupts else ReplyHeard(2, "We are."), 0)
        await call.fail()
        assert handed(call).speaks is interrupts

    story()


@line
async def test_a_reply_the_caller_cut_is_not_gone_on_with(call: Line) -> None:
    a = greeted(call)
    a.reply("There is much to say.", 2, end=False)
    call.session.tell(ReplyInterrupted(2, 100, "There"), 0)
    await call.fail()
    assert handed(call) == HandedOver(history=(HELLO, Message("agent", "There")), speaks=False)


@pytest.mark.parametrize("cut", [False, True])
def test_a_broken_reply_is_owed_until_the_caller_cuts_it(cut: bool) -> None:
    async def story(call: Line) -> None:
        a = greeted(call)
        speaks(a, 2, ("One two three", 400))
        await call.fail(0)
        (b,) = call.sessions(1)
        b.emit(ReplyStarted(1))
        if cut:
            call.session.tell(ReplyInterrupted(2, 100, "One"), 0)
        assert len(b.told) == 1, "that was not its own reply"
        await call.fail(1)
        assert (handed(call, 2).broken, handed(call, 2).speaks) == (("", False) if cut else ("One", True))
        assert handed(call, 2).history == (HELLO, Message("agent", "One"))

    line(story, "abc")()


def test_a_reply_that_breaks_off_twice_is_gone_on_with_as_one() -> None:
    async def story(call: Line) -> None:
        a = greeted(call)
        speaks(a, 2, ("One two ", 550), ("three", 400))
        await call.fail(0)
        (b,) = call.sessions(1)
        speaks(b, 1, ("four five ", 650), ("six", 50))
        await call.fail(1)
        assert handed(call, 2).broken == "One two three four five"
        call.sessions(2)[0].reply("six seven.")
        await call.fail(2)
        told = call.sessions(0)[-1].told[0]
        assert isinstance(told, HandedOver)
        assert (told.broken, told.speaks) == ("", False)

    line(story, "abc")()


def test_words_that_the_former_agent_still_owed_are_not_taken_for_those_of_the_next_one() -> None:
    async def story(call: Line) -> None:
        a = greeted(call)
        a.emit(SpeechStarted(500))
        a.emit(SpeechStopped(1500))
        speaks(a, 2, ("Yes.", 200))  # before it had words for what it answers
        a.emit(ReplyEnded(2))
        call.session.tell(ReplyHeard(2, "Yes."), 0)
        await call.fail()
        call.sessions(1)[0].emit(CallerSaid("Are you open?", final=True))  # some agents tell of words alone
        await call.fail(1)
        assert handed(call, 2) == HandedOver(history=(HELLO, Message("agent", "Yes."), OPEN))

    line(story, "abc")()


@line
async def test_what_was_done_is_not_done_again(call: Line) -> None:
    a = greeted(call)
    words(a)
    call.agent.deeds.begin(FACTS.call_id, ToolCall("book_table", '{"day":"Friday"}')).came_of_it = '"Booked."'
    call.agent.deeds.begin(FACTS.call_id, ToolCall("pay"))
    call.agent.deeds.begin(FACTS.call_id, ToolCall("hang_up")).came_of_it = ""
    call.agent.deeds.begin("another call", ToolCall("book_table"))
    await call.fail()
    done = ('book_table {"day":"Friday"}: "Booked."', f"pay {{}}: {UNKNOWN}")
    assert handed(call) == HandedOver(history=(HELLO, OPEN), done=done)
    assert handed(call).told("Be kind.") == "\n".join(["Be kind.", "", DONE, *done])


def test_what_was_done_in_a_call_is_forgotten_with_it() -> None:
    calls: list[Line] = []

    async def story(call: Line) -> None:
        calls.append(call)
        call.agent.deeds.begin(FACTS.call_id, ToolCall("pay"))

    line(story)()
    assert not calls[0].agent.deeds.of(FACTS.call_id)
