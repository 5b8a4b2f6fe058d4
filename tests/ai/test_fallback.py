"""Providers that fail in mid-turn, and those who take over."""

import asyncio

import pytest
from failing_parts import FACTS, FRAME, Clock, Ear, Mouth, Writer, broken, listen
from virtual_loop import in_no_time, timeless

from trunkline.ai.base import Message, TextDelta, ToolCall
from trunkline.ai.events import CallerSaid, ReplyAudio, ReplyEnded, ReplyText, SpeechStarted, SpeechStopped, SttEvent
from trunkline.ai.fallback_llm import GO_ON, IMPATIENT_S, FallbackLlm
from trunkline.ai.fallback_stt import MARGIN_MS, UNSURE_MS, FallbackStt
from trunkline.ai.fallback_tts import FallbackTts
from trunkline.audio.format import MULAW_8K
from trunkline.errors import ConfigError, ProviderError

# --- recognisers -----------------------------------------------------------------------------------------------


def test_the_next_recogniser_hears_the_turn_from_its_beginning() -> None:
    async def story() -> None:
        first, second, events = Ear("first", turns=True), Ear("second", turns=True), list[SttEvent]()
        stt = FallbackStt([first, second], Clock())
        session = stt.open(FACTS, hears=MULAW_8K, emit=events.append)
        running = asyncio.create_task(session.run())
        listen(session, 100)
        first.sessions[0].emit(SpeechStarted(1900))
        listen(session, 50, 100)
        first.sessions[0].end.set_exception(broken("first"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ear = second.sessions[0]
        began_ms = 3000 - len(ear.heard) / 8
        assert began_ms == 1900 - MARGIN_MS, "the turn, and some more"
        assert ear.heard[-160:] == bytes([149]) * 160
        first.sessions[0].emit(CallerSaid("too late", final=True))
        ear.emit(SpeechStarted(1900 - began_ms))
        ear.emit(CallerSaid("half", final=False))
        ear.emit(SpeechStopped(2900 - began_ms))
        ear.emit(CallerSaid("all of it", final=True))
        assert events == [
            SpeechStarted(1900),
            CallerSaid("half", final=False),
            SpeechStopped(2900),
            CallerSaid("all of it", final=True),
        ]
        running.cancel()

    asyncio.run(story())


def test_one_that_told_of_no_turn_may_have_heard_none() -> None:
    async def story() -> None:
        first, second = Ear("first", turns=True), Ear("second", turns=True)
        session = FallbackStt([first, second], Clock()).open(FACTS, hears=MULAW_8K, emit=lambda event: None)
        running = asyncio.create_task(session.run())
        listen(session, 400)
        first.sessions[0].end.set_exception(broken("first"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(second.sessions[0].heard) == 8 * UNSURE_MS
        running.cancel()

    asyncio.run(story())


def test_a_turn_that_had_its_words_is_not_heard_again() -> None:
    async def story() -> None:
        first, second = Ear("first", turns=True), Ear("second", turns=True)
        session = FallbackStt([first, second], Clock()).open(FACTS, hears=MULAW_8K, emit=lambda event: None)
        running = asyncio.create_task(session.run())
        listen(session, 150)
        first.sessions[0].emit(SpeechStarted(900))
        first.sessions[0].emit(SpeechStopped(2400))
        first.sessions[0].emit(CallerSaid("so much", final=True))
        listen(session, 50, 150)
        first.sessions[0].end.set_exception(broken("first"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(second.sessions[0].heard) == 8 * (4000 - 2400)
        running.cancel()

    asyncio.run(story())


def test_a_turn_that_had_ended_is_told_again_to_one_who_is_told_turns() -> None:
    async def story() -> None:
        first, second, events = Ear("first", turns=False), Ear("second", turns=False), list[SttEvent]()
        session = FallbackStt([first, second], Clock()).open(FACTS, hears=MULAW_8K, emit=events.append)
        running = asyncio.create_task(session.run())
        listen(session, 50)
        session.turn_started(900)
        listen(session, 50, 50)
        session.turn_ended(1900)
        first.sessions[0].end.set_exception(broken("first", "bad key"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        offset_ms = 1000 - MARGIN_MS
        assert second.sessions[0].turns == [("started", 900 - offset_ms), ("ended", 1900 - offset_ms)]
        second.sessions[0].emit(CallerSaid("here", final=True))
        assert events == [CallerSaid("here", final=True)]
        running.cancel()
        # The refused key is remembered: the next call begins with the second.
        other = FallbackStt([first, second], Clock())
        assert other.standby.choose() == 0
        assert session._stt.standby.choose() == 1  # type: ignore[attr-defined]

    asyncio.run(story())


def test_when_all_have_failed_the_last_failure_is_told() -> None:
    async def story() -> None:
        parts = [Ear("first", turns=True), Ear("second", turns=True)]
        session = FallbackStt(parts, Clock()).open(FACTS, hears=MULAW_8K, emit=lambda event: None)
        running = asyncio.create_task(session.run())
        await asyncio.sleep(0)
        parts[0].sessions[0].end.set_exception(broken("first", "bad key"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        parts[1].sessions[0].end.set_exception(broken("second", "quota"))
        with pytest.raises(ProviderError, match="second"):
            await running

    asyncio.run(story())


def test_recognisers_of_two_kinds_are_refused() -> None:
    with pytest.raises(ConfigError, match="all know turns, or none"):
        FallbackStt([Ear("a", turns=True), Ear("b", turns=False)], Clock())


# --- voices ----------------------------------------------------------------------------------------------------


def test_the_next_voice_says_the_rest_and_no_word_is_told_twice() -> None:
    async def story() -> None:
        first, second, events = Mouth("first"), Mouth("second"), list[object]()
        session = FallbackTts([first, second], Clock()).open(FACTS, speaks=MULAW_8K, emit=events.append)
        running = asyncio.create_task(session.run())
        session.say("One sentence.", 1)
        session.say(" And a second one, which is longer.", 1)
        session.finish(1)
        await asyncio.sleep(0)
        voice = first.sessions[0]
        voice.emit(ReplyText("One sentence.", 1))
        voice.emit(ReplyAudio(FRAME * 65, 1))  # 1.3 s: ten letters a second
        voice.emit(ReplyText(" And a second one, which is longer.", 1))
        voice.emit(ReplyAudio(FRAME * 60, 1))  # 1.2 s: " And a secon"
        voice.end.set_exception(broken("first"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        other = second.sessions[0]
        assert other.said == [(" second one, which is longer.", 1)]
        assert other.finished == [1]
        other.emit(ReplyText(" second one, which is longer.", 1))
        other.emit(ReplyAudio(FRAME * 100, 1))
        other.emit(ReplyEnded(1))
        assert [event for event in events if isinstance(event, ReplyText)] == [
            ReplyText("One sentence.", 1),
            ReplyText(" And a second one, which is longer.", 1),
        ]
        assert events[-1] == ReplyEnded(1)
        running.cancel()

    asyncio.run(story())


def test_a_voice_that_said_nothing_yet_is_replaced_from_the_start() -> None:
    async def story() -> None:
        first, second, events = Mouth("first"), Mouth("second"), list[object]()
        session = FallbackTts([first, second], Clock()).open(FACTS, speaks=MULAW_8K, emit=events.append)
        running = asyncio.create_task(session.run())
        session.say("Cancelled.", 1)
        session.cancel(1)
        session.say("Whole.", 2)
        await asyncio.sleep(0)
        first.sessions[0].end.set_exception(broken("first", "quota"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert second.sessions[0].said == [("Whole.", 2)]
        session.say(" More.", 2)
        session.finish(2)
        assert second.sessions[0].said == [("Whole.", 2), (" More.", 2)]
        assert second.sessions[0].finished == [2]
        first.sessions[0].emit(ReplyAudio(FRAME, 2))
        assert events == [], "the voice that was given up is not heard any more"
        running.cancel()

    asyncio.run(story())


# --- models ----------------------------------------------------------------------------------------------------


def written(*parts: Writer) -> tuple[str, list[ToolCall]]:
    async def read() -> tuple[str, list[ToolCall]]:
        text, calls = "", []
        async for delta in FallbackLlm(parts, Clock()).reply([Message("caller", "Hello")]):
            if isinstance(delta, TextDelta):
                text += delta.text
            else:
                calls.append(delta)
        return text, calls

    return in_no_time(read())


def test_the_next_model_goes_on_where_the_first_broke_off() -> None:
    second = Writer("second", "nine to ", "five.")
    assert written(Writer("first", "We are open from ", broken("first")), second)[0] == "We are open from nine to five."
    assert second.asked[-2:] == [Message("agent", "We are open from "), Message("system", GO_ON)]


@pytest.mark.parametrize("cuts", [(5, 30), (1, 2, 3, 40), (60,)])
def test_a_model_that_begins_anew_is_not_heard_twice(cuts: tuple[int, ...]) -> None:
    whole = "We are open from nine to five, Monday to Friday, all year."
    pieces = [whole[a:b] for a, b in zip((0, *cuts), (*cuts, None), strict=True)]
    assert written(Writer("first", "We are open from ", broken("first")), Writer("second", *pieces))[0] == whole


def test_a_first_model_that_never_answers_is_replaced_whole() -> None:
    second = Writer("second", "Good day.", ToolCall("hang_up"))
    assert written(Writer("first", broken("first", "bad key")), second) == ("Good day.", [ToolCall("hang_up")])
    assert second.asked == [Message("caller", "Hello")]


def test_a_model_that_fails_after_it_called_a_function_is_not_replaced() -> None:
    second = Writer("second", "never asked")
    with pytest.raises(ProviderError, match="first"):
        written(Writer("first", ToolCall("book"), broken("first")), second)
    assert second.asked == []


def test_when_no_model_is_left_the_failure_is_told() -> None:
    with pytest.raises(ProviderError, match="second"):
        written(Writer("first", broken("first")), Writer("second", broken("second")))


# --- models that are silent ------------------------------------------------------------------------------------

LATE = IMPATIENT_S + 0.2


@pytest.mark.parametrize("said", ["", "We are open from "])
def test_a_silent_model_is_not_waited_for(said: str) -> None:
    first, second = Writer("first", *([said] if said else []), 60.0, "never"), Writer("second", "nine to five.")
    assert written(first, second)[0] == said + "nine to five."
    assert first.stopped


def test_a_slow_model_that_is_there_first_after_all_goes_on() -> None:
    second = Writer("second", 5.0, "never")
    assert written(Writer("first", "We are open ", LATE, "from nine", " to five."), second)[0] == (
        "We are open from nine to five."
    )
    assert second.stopped


@timeless
async def test_silence_counts_as_a_failure_of_the_one_and_not_of_the_other() -> None:
    model = FallbackLlm([Writer("first", LATE, "late"), Writer("second", 5.0, "later")], Clock())
    for _ in range(4):
        assert [delta async for delta in model.reply([Message("caller", "Hello")])] == [TextDelta("late")]
    assert model.standby.choose() == 0
    model = FallbackLlm([Writer("first", 60.0), Writer("second", "here")], Clock())
    for _ in range(3):
        assert [delta async for delta in model.reply([Message("caller", "Hello")])] == [TextDelta("here")]
    assert model.standby.choose() == 1


def test_one_that_lost_a_race_may_still_be_wanted() -> None:
    whole = written(Writer("first", LATE, "Good ", 60.0), Writer("second", 5.0 * IMPATIENT_S, "day."))
    assert whole[0] == "Good day."


def test_the_last_one_is_given_its_time() -> None:
    assert written(Writer("first", broken("first")), Writer("second", 10.0, "Good day."))[0] == "Good day."
    assert written(Writer("only", 10.0, "Good day."))[0] == "Good day."


def test_nobody_is_asked_while_a_function_may_be_called() -> None:
    second = Writer("second", "never asked")
    assert written(Writer("first", ToolCall("book"), LATE, "Booked."), second) == ("Booked.", [ToolCall("book")])
    assert second.asked == []


def test_a_caller_who_interrupts_stops_both() -> None:
    async def story() -> None:
        writers = [Writer("first", 60.0), Writer("second", 60.0)]

        async def read() -> None:
            async for _ in FallbackLlm(writers, Clock()).reply([]):
                pass

        reading = asyncio.create_task(read())
        await asyncio.sleep(LATE)
        reading.cancel()
        await asyncio.wait([reading])
        assert reading.cancelled()
        assert all(writer.stopped for writer in writers)

    in_no_time(story())
