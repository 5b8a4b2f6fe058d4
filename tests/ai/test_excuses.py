"""Nobody is left who could think, hear or speak for the agent: what the caller is told, and how the call ends."""

import asyncio

import pytest
from stand_ins import OneCall, StandInLlm, StandInStt, StandInTts, StandInVad
from structlog.testing import capture_logs
from virtual_loop import timeless

from trunkline.ai.base import Message, ToolCall
from trunkline.ai.cascade import Cascade
from trunkline.ai.events import (
    AgentFailed,
    CallAnswered,
    CallerMayBeDone,
    HangUpWanted,
    KeyPressed,
    ReplyEnded,
    ReplyHeard,
    ReplyInterrupted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
    TransferWanted,
)
from trunkline.ai.excuses import DEAF, LOST_FOR_WORDS
from trunkline.ai.manners import Manners
from trunkline.errors import ProviderError

DESK = "sip:desk@example.org"
SAYS = Manners()
GONE = ProviderError("vendor", "transient", "stopped in the middle of its reply", then="end turn")
LOST = ProviderError("vendor", "bad key", "the key was refused (HTTP 401 Unauthorized)")


class Failing:
    """Mixed into a part whose session fails when it is told to."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()

    async def run(self) -> None:
        await self.lost.wait()
        raise LOST


class FailingStt(Failing, StandInStt):
    def __init__(self, *, turns: bool = False) -> None:
        StandInStt.__init__(self, turns=turns)
        Failing.__init__(self)


class FailingTts(Failing, StandInTts):
    def __init__(self) -> None:
        StandInTts.__init__(self)
        Failing.__init__(self)


def cascade(
    llm: StandInLlm,
    *,
    stt: StandInStt | None = None,
    tts: StandInTts | None = None,
    transfer_to: str = "",
    language: str = "en",
    greeting: str = "",
) -> Cascade:
    stt = stt or StandInStt()
    return Cascade(
        vad=None if stt.turns else StandInVad(),
        stt=stt,
        llm=llm,
        tts=tts or StandInTts(),
        greeting=greeting,
        transfer_to=transfer_to,
        manners=Manners.in_language(language),
    )


def said(call: OneCall) -> list[str]:
    return [event.text.strip() for event in call.of(ReplyText) if isinstance(event, ReplyText)]


# --- nobody thinks -----------------------------------------------------------------------------------------------


@timeless
async def test_a_model_that_fails_without_a_word_is_excused_and_asked_again() -> None:
    llm = StandInLlm([GONE], ["Nine to five."])
    async with OneCall(cascade(llm)) as call:
        await call.says("when are you open")
        assert said(call) == [SAYS.trouble]
        assert call.of(ReplyEnded) == [ReplyEnded(1)]
        call.session.tell(ReplyHeard(1, SAYS.trouble), 0)
        await call.says("I said when are you open")
        assert said(call)[1:] == ["Nine to five."]
        assert not call.of(HangUpWanted, TransferWanted, AgentFailed)
    # The model knows nothing of what it never said.
    assert llm.asked[1] == (Message("caller", "when are you open"), Message("caller", "I said when are you open"))


@timeless
@pytest.mark.parametrize(
    ("transfer_to", "text", "then"),
    [
        (DESK, f"{SAYS.no_answers} {SAYS.connecting}", TransferWanted(DESK)),
        ("", f"{SAYS.no_answers} {SAYS.goodbye}", HangUpWanted(LOST_FOR_WORDS)),
    ],
)
async def test_the_second_time_in_a_row_the_agent_leaves(
    transfer_to: str, text: str, then: TransferWanted | HangUpWanted
) -> None:
    async with OneCall(cascade(StandInLlm([GONE], [GONE]), transfer_to=transfer_to)) as call:
        await call.says("hello")
        call.session.tell(ReplyHeard(1, SAYS.trouble), 0)
        await call.says("hello")
        assert said(call) == [SAYS.trouble, text]
        assert call.events[-2:] == [ReplyEnded(2), then]


@timeless
async def test_an_answer_in_between_makes_good_for_it() -> None:
    async with OneCall(cascade(StandInLlm([GONE], ["Yes."], [GONE]))) as call:
        for generation, text in enumerate((SAYS.trouble, "Yes.", SAYS.trouble), 1):
            await call.says("hello")
            assert said(call)[-1] == text
            call.session.tell(ReplyHeard(generation, text), 0)
        assert not call.of(HangUpWanted)


@timeless
async def test_a_reply_that_broke_off_after_some_words_needs_no_excuse() -> None:
    async with OneCall(cascade(StandInLlm(["We are open. Until ", GONE]))) as call:
        await call.says("hello")
        assert said(call) == ["We are open."]


@timeless
async def test_a_goodbye_that_was_asked_for_without_a_word_is_not_talked_over() -> None:
    async with OneCall(cascade(StandInLlm([ToolCall("hang_up")], [GONE]))) as call:
        await call.says("bye")
        assert said(call) == []
        assert len(call.of(HangUpWanted)) == 1


@timeless
async def test_a_reply_on_trial_that_fails_is_not_excused_but_made_again() -> None:
    stt = StandInStt(turns=True)
    async with OneCall(cascade(StandInLlm([GONE], ["Nine to five."]), stt=stt)) as call:
        call.begins_to_speak()
        stt.emit(CallerMayBeDone("when are you open"))
        await call.idle()
        call.falls_silent()
        call.words("when are you open")
        await call.idle()
        assert said(call) == ["Nine to five."]


@timeless
async def test_a_caller_who_interrupts_the_excuse_stays() -> None:
    async with OneCall(cascade(StandInLlm([GONE], [GONE], ["Here I am."]))) as call:
        await call.says("hello")
        call.session.tell(ReplyHeard(1, SAYS.trouble), 0)
        call.interrupts[ReplyEnded] = ReplyInterrupted(2, 300, "I'm")
        await call.says("hello")
        await call.says("wait")
        assert said(call)[-1] == "Here I am."
        assert not call.of(HangUpWanted)


@pytest.mark.parametrize("language", ["de", "es", "fr", "it"])
def test_excuses_are_made_in_the_agents_language(language: str) -> None:
    manners = Manners.in_language(language)
    for name in ("trouble", "no_answers", "deaf"):
        assert getattr(manners, name) not in ("", getattr(SAYS, name))


# --- nobody hears ------------------------------------------------------------------------------------------------


@timeless
@pytest.mark.parametrize("turns", [True, False])
@pytest.mark.parametrize(
    ("transfer_to", "text", "then"),
    [
        (DESK, f"{SAYS.deaf} {SAYS.connecting}", TransferWanted(DESK)),
        ("", f"{SAYS.deaf} {SAYS.goodbye}", HangUpWanted(DEAF)),
    ],
)
async def test_an_agent_that_is_deaf_says_so_and_leaves(
    turns: bool, transfer_to: str, text: str, then: TransferWanted | HangUpWanted
) -> None:
    stt = FailingStt(turns=turns)
    with capture_logs() as log:
        async with OneCall(cascade(StandInLlm(), stt=stt, transfer_to=transfer_to)) as call:
            stt.lost.set()
            await call.idle()
            assert said(call) == [text]
            assert call.events[-2:] == [ReplyEnded(1), then]
            call.session.tell(ReplyHeard(1, text), 0)
            await asyncio.sleep(60)
            assert said(call) == [text], "once"
    [line] = [line for line in log if line["event"] == "agent is deaf"]
    assert line["reason"] == str(LOST)


@timeless
async def test_what_is_being_said_is_said_to_its_end_first() -> None:
    stt = FailingStt()
    async with OneCall(cascade(StandInLlm(), stt=stt, greeting="Good day.")) as call:
        call.session.tell(CallAnswered(), 0)
        await call.idle()
        stt.lost.set()
        await call.idle()
        assert said(call) == ["Good day."]
        call.session.tell(ReplyHeard(1, "Good day."), 0)
        await call.idle()
        assert said(call)[1:] == [f"{SAYS.deaf} {SAYS.goodbye}"]


@timeless
async def test_a_caller_who_is_speaking_meanwhile_has_finished_for_the_call() -> None:
    stt = FailingStt()
    async with OneCall(cascade(StandInLlm(), stt=stt)) as call:
        call.session.hear(bytes(8000), 0)
        call.begins_to_speak()
        stt.lost.set()
        await call.idle()
        assert call.of(SpeechStarted, SpeechStopped) == [SpeechStarted(0), SpeechStopped(1000)]
        assert said(call) == [f"{SAYS.deaf} {SAYS.goodbye}"]
        assert call.of(HangUpWanted)


@timeless
async def test_a_key_only_makes_a_deaf_agent_say_it_again() -> None:
    stt = FailingStt()
    async with OneCall(cascade(StandInLlm(), stt=stt)) as call:
        stt.lost.set()
        await call.idle()
        call.session.tell(ReplyInterrupted(1, 500, "I'm sorry"), 0)
        call.session.tell(KeyPressed("1"), 0)
        await call.idle()
        assert set(said(call)) == {f"{SAYS.deaf} {SAYS.goodbye}"}
        assert isinstance(call.events[-1], HangUpWanted)


# --- nobody speaks -----------------------------------------------------------------------------------------------


@timeless
async def test_an_agent_without_a_voice_fails_and_the_log_says_why() -> None:
    tts = FailingTts()
    with capture_logs() as log:
        async with OneCall(cascade(StandInLlm(), tts=tts)) as call:
            tts.lost.set()
            await call.idle()
            assert call.events == [AgentFailed(str(LOST), LOST)]
    [line] = [line for line in log if line["log_level"] == "error"]
    assert (line["event"], line["reason"]) == ("agent can't go on", str(LOST))
