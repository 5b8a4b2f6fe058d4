"""Agents that fail in the middle of a call, and those who go on with it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from puppets import Puppet, PuppetSession
from stand_ins import FACTS
from virtual_loop import timeless

from trunkline.ai.base import Message
from trunkline.ai.events import (
    AgentEvent,
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
)
from trunkline.ai.fallback_agent import AGAIN_S, MARGIN_MS, SAME_MS, UNSURE_MS, FallbackAgent
from trunkline.ai.handover import HandedOver
from trunkline.audio.format import MULAW_8K, PCM16_24K
from trunkline.errors import ConfigError, Fault, ProviderError


class Line:
    """Calls answered by ``puppets``, with ``now`` for their breakers."""

    def __init__(self, *puppets: Puppet) -> None:
        self.puppets = puppets
        self.now = 0.0
        self.agent = FallbackAgent(self.puppets, lambda: self.now)
        self.open()

    def open(self) -> None:
        """A new call."""
        self.events: list[AgentEvent] = []
        self.session = self.agent.open(FACTS, hears=MULAW_8K, speaks=MULAW_8K, emit=self.events.append)

    def news(self) -> list[AgentEvent]:
        """What was emitted since."""
        new, self.events[:] = list(self.events), []
        return new

    def sessions(self, place: int) -> list[PuppetSession]:
        return self.puppets[place].sessions

    def hear(self, ms: int) -> None:
        """So much of the caller, each 20 ms told apart."""
        for _ in range(ms // 20):
            self.session.hear(bytes([round(self.now * 50) % 251]) * 160, self.now)
            self.now += 0.02

    async def fail(self, place: int = 0, fault: Fault = "transient") -> ProviderError:
        """The latest session of that agent gives up."""
        error = ProviderError(self.puppets[place].name, fault, "gave up")
        self.sessions(place)[-1].emit(AgentFailed(str(error), error))
        await self.idle()
        return error

    async def idle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


def line(test: Callable[[Line], Awaitable[None]], names: str = "ab") -> Callable[[], None]:
    @timeless
    async def run() -> None:
        call = Line(*map(Puppet, names))
        task = asyncio.create_task(call.session.run())
        await call.idle()
        await test(call)
        task.cancel()
        await asyncio.wait([task])

    run.__name__ = test.__name__
    return run


def words(session: PuppetSession, text: str = "Are you open?", *, begin_ms: float = 0, end_ms: float = 1000) -> None:
    session.emit(SpeechStarted(begin_ms))
    session.emit(SpeechStopped(end_ms))
    session.emit(CallerSaid(text, final=True))


def speaks(session: PuppetSession, generation: int, *pieces: tuple[str, int]) -> None:
    """A reply begins: so much of it in so many milliseconds."""
    session.emit(ReplyStarted(generation))
    for text, ms in pieces:
        session.emit(ReplyText(text, generation))
        session.emit(ReplyAudio(MULAW_8K.silence(8 * ms), generation))


def greeted(call: Line) -> PuppetSession:
    """The first agent has greeted, and was heard."""
    (a,) = call.sessions(0)
    call.session.tell(CallAnswered(), 0)
    speaks(a, 1, ("Hello.", 400))
    a.emit(ReplyEnded(1))
    call.session.tell(ReplyHeard(1, "Hello."), 0)
    call.news()
    return a


def handed(call: Line, place: int = 1) -> HandedOver:
    """What the agent that took over was told."""
    (told,) = call.sessions(place)[-1].told
    assert isinstance(told, HandedOver)
    return told


HELLO = Message("agent", "Hello.")
OPEN = Message("caller", "Are you open?")


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
