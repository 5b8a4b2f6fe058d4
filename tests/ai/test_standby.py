"""All providers of a role fail at once: whether they are tried again, and what is kept for them meanwhile."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import pytest
from failing_parts import FACTS, FRAME, Clock, Ear, Mouth, Writer, broken, listen
from virtual_loop import timeless

from trunkline import logs
from trunkline.ai.base import Message, TextDelta, ToolCall
from trunkline.ai.events import CallerSaid, ReplyAudio, ReplyEnded, ReplyText, SttEvent
from trunkline.ai.fallback_llm import GO_ON, FallbackLlm
from trunkline.ai.fallback_stt import FallbackStt
from trunkline.ai.fallback_tts import FallbackTts
from trunkline.ai.patience import Silent
from trunkline.ai.standby import AGAIN_S, BEAR_S, STOOD_S, Duty, Standby
from trunkline.audio.format import MULAW_8K
from trunkline.errors import Fault, ProviderError

HELLO: Final = Message("caller", "Hello")


def duty(*names: str) -> Duty[Ear]:
    return Duty(Standby([Ear(name, turns=True) for name in names], Clock()), logs.get("test"))


async def gone(*parts: Ear | Mouth, fault: Fault = "transient") -> None:
    """All of them, one after another, as they take over."""
    for part in parts:
        await idle()
        part.sessions[-1].end.set_exception(broken(part.name, fault))
    await idle()


async def idle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


# --- who is tried again, and when ------------------------------------------------------------------------------


@timeless
async def test_all_of_them_get_another_try_after_each_pause() -> None:
    on_duty = duty("a", "b")
    for pause_s in AGAIN_S:
        assert (on_duty.part.name, on_duty.failed(broken("a"))) == ("a", 0.0)
        assert (on_duty.part.name, on_duty.failed(broken("b"))) == ("b", pause_s)
    assert on_duty.failed(broken("a")) == 0.0
    assert on_duty.failed(broken("b")) is None


@pytest.mark.parametrize(
    "error",
    [
        broken("a", "bad key"),
        broken("a", "quota"),
        broken("a", "our fault"),
        ProviderError("a", "rate limit", "later", retry_after_s=BEAR_S + 1),
    ],
    ids=lambda error: error.fault,
)
def test_one_that_no_second_try_mends_is_not_tried_again(error: ProviderError) -> None:
    @timeless
    async def story() -> None:
        on_duty = duty("a", "b")
        on_duty.failed(error)
        for pause_s in AGAIN_S:
            assert on_duty.failed(broken("b")) == pause_s
            assert on_duty.part.name == "b"
        assert on_duty.failed(broken("b")) is None
        alone = duty("a")
        assert alone.failed(error) is None

    story()


@timeless
async def test_a_caller_who_has_waited_long_is_not_kept_waiting() -> None:
    on_duty = duty("a", "b")
    on_duty.failed(broken("a"))
    await asyncio.sleep(BEAR_S + 0.1)
    assert on_duty.failed(broken("b")) is None


@timeless
async def test_an_outage_is_not_held_against_the_next_one() -> None:
    on_duty = duty("a")
    for _ in range(3):
        assert [on_duty.failed(broken("a")) for _ in AGAIN_S] == list(AGAIN_S)
        await asyncio.sleep(AGAIN_S[-1] + STOOD_S + 0.1)


@timeless
async def test_those_that_only_hang_are_given_up_however_long_each_of_them_hangs() -> None:
    on_duty, pauses = duty("a"), list[float | None]()
    for _ in (*AGAIN_S, None):
        await asyncio.sleep(AGAIN_S[-1] + STOOD_S + 0.1)
        pauses.append(on_duty.failed(Silent("a", "transient", "said nothing")))
    assert pauses == [*AGAIN_S, None]


@timeless
async def test_one_that_had_come_back_has_all_its_tries_again() -> None:
    on_duty = duty("a")
    for _ in range(3):
        assert [on_duty.failed(broken("a")) for _ in AGAIN_S] == list(AGAIN_S)
        await asyncio.sleep(BEAR_S + 0.1)
        on_duty.worked()


# --- what is kept meanwhile ------------------------------------------------------------------------------------


@timeless
async def test_what_the_caller_says_while_nobody_listens_is_heard_later() -> None:
    first, second, events = Ear("first", turns=False), Ear("second", turns=False), list[SttEvent]()
    session = FallbackStt([first, second], Clock()).open(FACTS, hears=MULAW_8K, emit=events.append)
    running = asyncio.create_task(session.run())
    await gone(first, second)
    heard_by_the_gone = [len(ear.sessions[0].heard) for ear in (first, second)]
    listen(session, 5)
    session.turn_started(20)
    listen(session, 10, 5)
    session.turn_ended(280)
    second.sessions[0].emit(CallerSaid("", final=True))
    assert not events, "one that is gone has nothing to say"
    assert [len(ear.sessions[0].heard) for ear in (first, second)] == heard_by_the_gone
    await asyncio.sleep(AGAIN_S[0] + 0.01)
    again = first.sessions[1]
    assert len(again.heard) == 15 * 160
    assert again.turns == [("started", 20), ("ended", 280)]
    again.emit(CallerSaid("here", final=True))
    assert events == [CallerSaid("here", final=True)]
    running.cancel()


@timeless
async def test_what_was_to_be_said_while_there_is_no_voice_is_said_later() -> None:
    first, second, events = Mouth("first"), Mouth("second"), list[object]()
    session = FallbackTts([first, second], Clock()).open(FACTS, speaks=MULAW_8K, emit=events.append)
    running = asyncio.create_task(session.run())
    session.say("Dropped.", 1)
    session.say("One", 2)
    await gone(first, second)
    session.say(" two.", 2)
    session.finish(2)
    session.cancel(1)
    await asyncio.sleep(AGAIN_S[0] + 0.01)
    assert first.sessions[1].said == [("One two.", 2)]
    assert first.sessions[1].finished == [2]
    running.cancel()


@pytest.mark.parametrize("rounds", range(1, len(AGAIN_S) + 1))
def test_words_are_told_once_and_none_is_lost_however_many_voices_fail(rounds: int) -> None:
    @timeless
    async def story() -> None:
        first, second, events = Mouth("first"), Mouth("second"), list[Any]()
        session = FallbackTts([first, second], Clock()).open(FACTS, speaks=MULAW_8K, emit=events.append)
        running = asyncio.create_task(session.run())
        text = "We are open from nine to five."
        session.say(text, 1)
        session.finish(1)
        await idle()
        first.sessions[0].emit(ReplyText(text, 1))
        first.sessions[0].emit(ReplyAudio(FRAME * 30, 1))
        for pause_s in AGAIN_S[:rounds]:
            await gone(first, second)
            await asyncio.sleep(pause_s + 0.01)
        ((rest, _),) = first.sessions[-1].said
        assert text.endswith(rest)
        assert 0 < len(rest) < len(text)
        assert [mouth.said for mouth in second.sessions] == [[(rest, 1)]] * rounds
        first.sessions[-1].emit(ReplyText(rest, 1))
        first.sessions[-1].emit(ReplyEnded(1))
        assert [event for event in events if isinstance(event, ReplyText)] == [ReplyText(text, 1)]
        running.cancel()

    story()


# --- models ----------------------------------------------------------------------------------------------------


class Flaky(Writer):
    """Its replies, in turn."""

    def __init__(self, name: str, *replies: Sequence[str | ToolCall | ProviderError | float]) -> None:
        super().__init__(name)
        self.replies = list(replies)

    async def reply(self, *asked: Any) -> Any:
        self.deltas = tuple(self.replies.pop(0))
        async for delta in super().reply(*asked):
            yield delta


async def written(*parts: Writer) -> tuple[str, float]:
    """And how long it took."""
    began = asyncio.get_running_loop().time()
    deltas = [delta async for delta in FallbackLlm(parts, Clock()).reply([HELLO])]
    took_s = asyncio.get_running_loop().time() - began
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)), took_s


@timeless
async def test_models_that_all_failed_are_asked_again() -> None:
    first = Flaky("first", [broken("first")], [broken("first")], ["Good day."])
    text, took_s = await written(first, Flaky("second", [broken("second")], [broken("second")]))
    assert (text, round(took_s, 2)) == ("Good day.", AGAIN_S[0] + AGAIN_S[1])


@timeless
async def test_a_model_that_stands_alone_goes_on_where_it_broke_off() -> None:
    only = Flaky("only", ["We are open ", broken("only")], [broken("only")], ["from nine to five."])
    assert (await written(only))[0] == "We are open from nine to five."
    assert only.asked == [HELLO, Message("agent", "We are open "), Message("system", GO_ON)]


@timeless
async def test_a_function_that_may_have_been_called_is_not_called_again() -> None:
    only = Flaky("only", [ToolCall("book"), broken("only")])
    with pytest.raises(ProviderError, match="only"):
        await written(only)


@timeless
async def test_models_that_say_nothing_for_long_are_not_asked_again() -> None:
    first, second = (Flaky(name, [BEAR_S, broken(name)]) for name in ("first", "second"))
    with pytest.raises(ProviderError, match="second"):
        await written(first, second)
