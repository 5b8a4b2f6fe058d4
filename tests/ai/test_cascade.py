"""The cascade's logic, on parts that do what the test says."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec

import pytest
from stand_ins import OneCall, StandInLlm, StandInStt, StandInTts, StandInVad
from virtual_loop import timeless

from trunkline.ai.base import Message, ToolCall
from trunkline.ai.cascade import Cascade
from trunkline.ai.events import (
    AgentFailed,
    CallAnswered,
    CallerSaid,
    HangUpWanted,
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
    TransferWanted,
)
from trunkline.audio.format import MULAW_8K, PCM16_8K, PCM16_16K
from trunkline.errors import AgentError, ConfigError

P = ParamSpec("P")


def on_a_loop(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def body() -> None:
            await test(*args, **kwargs)

        asyncio.run(body())

    return run


def cascade(llm: StandInLlm, tts: StandInTts | None = None, *, greeting: str = "", transfer_to: str = "") -> Cascade:
    return Cascade(
        vad=StandInVad(),
        stt=StandInStt(),
        llm=llm,
        tts=tts or StandInTts(),
        instructions="Be brief.",
        greeting=greeting,
        transfer_to=transfer_to,
    )


SYSTEM = Message("system", "Be brief.")


@on_a_loop
async def test_a_turn_goes_from_speech_to_speech() -> None:
    llm = StandInLlm(["We are", " open. Until", " five."])
    async with OneCall(cascade(llm)) as call:
        await call.says("when are you open")
        assert call.events == [
            SpeechStarted(0),
            SpeechStopped(1000),
            CallerSaid("when are you open", final=True),
            ReplyStarted(1),
            StageReached(Stage.MODEL_STARTED, 1),
            StageReached(Stage.MODEL_FIRST_TOKEN, 1),
            StageReached(Stage.SYNTHESIS_STARTED, 1),
            ReplyText("We are open. ", 1),
            ReplyAudio(b"We are open. ", 1),
            StageReached(Stage.SYNTHESIS_STARTED, 1),
            ReplyText("Until five.", 1),
            ReplyAudio(b"Until five.", 1),
            StageReached(Stage.MODEL_ENDED, 1),
            ReplyEnded(1),
        ]
    assert llm.asked == [(SYSTEM, Message("caller", "when are you open"))]
    assert llm.offered == ["hang_up", "send_digits"]


@on_a_loop
async def test_a_sentence_is_spoken_while_the_model_still_thinks() -> None:
    llm = StandInLlm(["One. ", "Two."])
    async with OneCall(cascade(llm)) as call:
        llm.hold()
        await call.says("go on")
        assert call.of(ReplyAudio) == []
        llm.allow(1)
        await call.idle()
        assert call.of(ReplyAudio) == [ReplyAudio(b"One. ", 1)]


@on_a_loop
async def test_the_greeting_is_word_for_word_and_in_the_history_as_heard() -> None:
    llm = StandInLlm(["Yes."])
    async with OneCall(cascade(llm, greeting="Hello. This is Luigi's.")) as call:
        call.session.tell(CallAnswered(), 0)
        await call.idle()
        assert call.of(ReplyText, ReplyEnded) == [ReplyText("Hello. This is Luigi's.", 1), ReplyEnded(1)]
        call.session.tell(ReplyHeard(1, "Hello. This is Luigi's."), 0)
        await call.says("are you there")
    assert llm.asked == [(SYSTEM, Message("agent", "Hello. This is Luigi's."), Message("caller", "are you there"))]


@on_a_loop
async def test_a_call_answered_before_the_session_runs_is_greeted_when_it_does() -> None:
    call = OneCall(cascade(StandInLlm(), greeting="Hello."))
    call.session.tell(CallAnswered(), 0)
    async with call:
        assert call.of(ReplyStarted, ReplyEnded) == [ReplyStarted(1), ReplyEnded(1)]


@on_a_loop
async def test_without_a_greeting_the_caller_speaks_first() -> None:
    async with OneCall(cascade(StandInLlm())) as call:
        call.session.tell(CallAnswered(), 0)
        await call.idle()
        assert call.events == []


@on_a_loop
async def test_an_interruption_told_with_the_words_is_answered_and_history_holds_what_was_heard() -> None:
    llm = StandInLlm(["We are open on Mondays and on Tuesdays."], ["Until five."])
    async with OneCall(cascade(llm)) as call:
        await call.says("when are you open")
        call.begins_to_speak()
        call.falls_silent()
        call.interrupts[CallerSaid] = ReplyInterrupted(1, 300, "We are open")
        call.words("until when")
        await call.idle()
        assert call.of(ReplyStarted) == [ReplyStarted(1), ReplyStarted(2)]
    assert llm.asked[1] == (
        SYSTEM,
        Message("caller", "when are you open"),
        Message("agent", "We are open"),
        Message("caller", "until when"),
    )


@on_a_loop
async def test_an_interruption_stops_the_model_and_the_voice_at_once() -> None:
    llm, tts = StandInLlm(["One. ", "Two."], ["Yes."]), StandInTts()
    async with OneCall(cascade(llm, tts)) as call:
        llm.hold()
        await call.says("go on")
        llm.allow(1)
        await call.idle()
        call.begins_to_speak()
        call.session.tell(ReplyInterrupted(1, 100, "One."), 0)
        assert tts.cancelled == [1]
        await call.idle()
        assert llm.cancelled == 1
        told = len(call.events)
        tts.emit(ReplyAudio(b"late", 1))
        tts.emit(ReplyText("late", 1))
        tts.emit(ReplyEnded(1))
        assert call.events[told:] == []
        assert call.of(ReplyStarted) == [ReplyStarted(1)]  # no answer while the caller speaks


@on_a_loop
async def test_a_back_channel_into_a_reply_is_not_answered() -> None:
    llm = StandInLlm(["A long story."], ["Sure."])
    async with OneCall(cascade(llm)) as call:
        await call.says("tell me")
        await call.says("mm-hm")  # the call resumes the reply: nothing is told
        assert call.of(ReplyStarted) == [ReplyStarted(1)]
        call.session.tell(ReplyHeard(1, "A long story."), 0)
        await call.idle()
        assert call.of(ReplyStarted) == [ReplyStarted(1)]
        await call.says("thanks")
    assert [(line.role, line.text) for line in llm.asked[1][1:]] == [
        ("caller", "tell me"),
        ("agent", "A long story."),
        ("caller", "mm-hm"),
        ("caller", "thanks"),
    ]


@pytest.mark.parametrize(
    ("reply", "wait_s", "answered"),
    [("Shall I?", 1.0, True), ("Shall I?", 3.0, False), ("I shall.", 1.0, False)],
    ids=["yes, at the end of a question", "long before it", "into a statement"],
)
def test_a_back_channel_is_the_answer_to_a_question(reply: str, wait_s: float, answered: bool) -> None:
    @timeless
    async def scene() -> None:
        llm = StandInLlm([reply], ["Done."])
        async with OneCall(cascade(llm)) as call:
            await call.says("can you")
            await call.says("yes")
            await asyncio.sleep(wait_s)
            call.session.tell(ReplyHeard(1, reply), 0)
            await call.idle()
            assert (call.of(ReplyText)[1:] == [ReplyText("Done.", 2)]) is answered

    scene()


@on_a_loop
async def test_words_are_answered_when_the_call_decides_late_that_they_interrupted() -> None:
    llm = StandInLlm(["A long story."], ["Sorry."])
    async with OneCall(cascade(llm)) as call:
        await call.says("tell me")
        await call.says("stop it")
        assert call.of(ReplyStarted) == [ReplyStarted(1)]
        call.session.tell(ReplyInterrupted(1, 50, "A"), 0)
        await call.idle()
        assert call.of(ReplyStarted) == [ReplyStarted(1), ReplyStarted(2)]


@on_a_loop
async def test_a_caller_who_goes_on_before_the_reply_sounded_is_answered_as_a_whole() -> None:
    llm, tts = StandInLlm(["For one."], ["For four."]), StandInTts(mute=True)
    async with OneCall(cascade(llm, tts)) as call:
        await call.says("a table")
        await call.says("for four")
        tts.release()
        await call.idle()
        assert call.of(ReplyStarted, ReplyEnded) == [ReplyStarted(1), ReplyEnded(1), ReplyStarted(2), ReplyEnded(2)]
        assert call.of(ReplyText) == [ReplyText("For four.", 2)]
    assert tts.cancelled == [1]
    assert llm.asked[1] == (SYSTEM, Message("caller", "a table"), Message("caller", "for four"))


@on_a_loop
async def test_no_answer_while_the_final_words_are_due() -> None:
    llm = StandInLlm(["A long story."], ["Yes?"])
    async with OneCall(cascade(llm)) as call:
        await call.says("tell me")
        call.begins_to_speak()
        call.falls_silent()
        call.words("wait", final=False)
        call.session.tell(ReplyInterrupted(1, 50, "A"), 0)
        await call.idle()
        assert len(llm.asked) == 1
        call.words("wait a minute")
        await call.idle()
        assert llm.asked[1][-1] == Message("caller", "wait a minute")


@on_a_loop
async def test_a_key_is_answered_at_once_even_while_the_caller_speaks() -> None:
    llm = StandInLlm(["Hours."])
    async with OneCall(cascade(llm)) as call:
        call.begins_to_speak()
        call.session.tell(KeyPressed("1"), 0)
        await call.idle()
        assert call.of(ReplyStarted) == [ReplyStarted(1)]
    assert llm.asked[0][-1] == Message("key", "1")


@on_a_loop
async def test_a_key_into_a_reply_is_answered_after_the_interruption() -> None:
    llm = StandInLlm(["A long story."], ["Hours."])
    async with OneCall(cascade(llm)) as call:
        await call.says("tell me")
        call.session.tell(ReplyInterrupted(1, 50, "A long"), 0)
        call.session.tell(KeyPressed("1"), 0)
        await call.idle()
        assert call.of(ReplyStarted) == [ReplyStarted(1), ReplyStarted(2)]
    assert llm.asked[1][-2:] == (Message("agent", "A long"), Message("key", "1"))


@on_a_loop
async def test_a_goodbye_hangs_up_after_its_last_sound() -> None:
    async with OneCall(cascade(StandInLlm(["Good", "bye!", ToolCall("hang_up")]))) as call:
        await call.says("bye")
        assert call.of(ReplyAudio, ReplyEnded, HangUpWanted) == [
            ReplyAudio(b"Goodbye!", 1),
            ReplyEnded(1),
            HangUpWanted(),
        ]


@on_a_loop
async def test_a_goodbye_that_is_interrupted_while_it_ends_does_not_hang_up() -> None:
    async with OneCall(cascade(StandInLlm(["Goodbye!", ToolCall("hang_up")]))) as call:
        call.interrupts[ReplyEnded] = ReplyInterrupted(1, 10, "")
        await call.says("bye")
        assert call.of(HangUpWanted) == []


@on_a_loop
async def test_a_transfer_goes_where_the_settings_say_and_only_if_they_do() -> None:
    connecting: list[str | ToolCall] = ["Moment.", ToolCall("transfer", '{"target": "elsewhere"}')]
    llm = StandInLlm(connecting)
    async with OneCall(cascade(llm, transfer_to="sip:desk@example.org")) as call:
        await call.says("a person please")
        assert llm.offered == ["hang_up", "send_digits", "transfer"]
        assert call.events[-1] == TransferWanted("sip:desk@example.org")
    llm = StandInLlm(connecting, ["I can't reach them."])
    async with OneCall(cascade(llm)) as call:
        await call.says("a person please")
        assert call.of(TransferWanted) == []
        assert call.of(ReplyText) == [ReplyText("Moment.", 1), ReplyText(" I can't reach them.", 1)]
    assert llm.asked[1][-1].text.startswith("There is no such function.")


@on_a_loop
async def test_a_reply_without_words_ends_by_itself() -> None:
    llm = StandInLlm([], ["Yes."])
    async with OneCall(cascade(llm)) as call:
        await call.says("hm")
        assert call.of(ReplyStarted, ReplyEnded) == [ReplyStarted(1), ReplyEnded(1)]
        await call.says("hello")
        assert call.of(ReplyText) == [ReplyText("Yes.", 2)]
    assert llm.asked[1] == (SYSTEM, Message("caller", "hm"), Message("caller", "hello"))


@pytest.mark.parametrize(("ms", "roles"), [(200, []), (800, ["voice"])])
def test_speech_without_words_is_answered_unless_it_was_a_cough(ms: float, roles: list[str]) -> None:
    async def scene() -> None:
        llm = StandInLlm(["Pardon?"])
        async with OneCall(cascade(llm)) as call:
            await call.says("", ms=ms)
        assert [history[-1].role for history in llm.asked] == roles

    asyncio.run(scene())


@on_a_loop
async def test_without_a_recogniser_the_model_is_told_that_the_caller_spoke() -> None:
    llm = StandInLlm(["Press a key."])
    async with OneCall(Cascade(vad=StandInVad(), llm=llm, tts=StandInTts())) as call:
        call.begins_to_speak()
        call.falls_silent()
        await call.idle()
        assert call.of(CallerSaid) == []
    assert llm.asked == [(Message("voice"),)]


@on_a_loop
async def test_a_recogniser_that_knows_turns_needs_no_detector() -> None:
    stt = StandInStt(turns=True)
    agent = Cascade(vad=StandInVad(), stt=stt, llm=StandInLlm(["Yes."]), tts=StandInTts())
    assert agent.vad is None
    async with OneCall(agent) as call:
        await call.says("hello")
        assert call.of(SpeechStarted, SpeechStopped, ReplyText) == [
            SpeechStarted(0),
            SpeechStopped(1000),
            ReplyText("Yes.", 1),
        ]
    assert stt.told == []


@on_a_loop
async def test_the_detectors_turns_are_the_recognisers() -> None:
    agent = cascade(StandInLlm(["Yes."]))
    async with OneCall(agent) as call:
        call.session.hear(b"audio", 0)
        await call.says("hello")
    assert isinstance(agent.stt, StandInStt)
    assert isinstance(agent.vad, StandInVad)
    assert agent.stt.told == [("started", 0), ("ended", 1000)]
    assert agent.stt.heard == agent.vad.heard == b"audio"
    assert agent.vad.session_closed


FAILURES = [
    ("the call ends with its agent", AgentError("the model is gone"), [AgentFailed("the model is gone")]),
    ("a turn ends, with what was said", AgentError("too slow", then="end turn"), [ReplyEnded(1)]),
    ("a bug is a failure too", ZeroDivisionError(), [AgentFailed("the cascade broke: ZeroDivisionError")]),
]


@pytest.mark.parametrize(("error", "expected"), [c[1:] for c in FAILURES], ids=[c[0] for c in FAILURES])
def test_failures_are_told_not_raised(error: Exception, expected: list[AgentFailed | ReplyEnded]) -> None:
    async def scene() -> None:
        async with OneCall(cascade(StandInLlm(["One. ", error]))) as call:
            await call.says("hello")
            assert call.of(ReplyEnded, AgentFailed) == expected

    asyncio.run(scene())


@on_a_loop
async def test_parts_are_warmed_up_and_closed() -> None:
    llm = StandInLlm()
    agent = cascade(llm)
    await agent.warm_up()
    await agent.close()
    assert llm.lifetime == ["warm", "closed"]


def test_it_hears_what_all_its_ears_hear_and_speaks_what_its_voice_speaks() -> None:
    agent = cascade(StandInLlm())
    assert agent.hears == (MULAW_8K, PCM16_8K)
    assert agent.speaks == (PCM16_8K, MULAW_8K)


def test_ears_without_a_common_format_are_refused() -> None:
    stt = StandInStt()
    stt.hears = (PCM16_16K,)
    with pytest.raises(ConfigError, match="no audio format in common"):
        Cascade(vad=StandInVad(), stt=stt, llm=StandInLlm(), tts=StandInTts())


def test_a_cascade_without_ears_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a voice activity detector"):
        Cascade(llm=StandInLlm(), tts=StandInTts())
