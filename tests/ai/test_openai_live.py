"""Conversations with a simulated Live model, in real time, and what goes wrong in them."""

import asyncio
from itertools import product
from typing import Any

import pytest
from live_leg import Leg, quiet, tone
from openai_leg import Tap, on_the_line
from real_time import all_at_once
from voices import Noise

from trunkline.ai.events import (
    AgentFailed,
    CallerSaid,
    HangUpWanted,
    KeyPressed,
    ReplyAudio,
    ReplyEnded,
    ReplyInterrupted,
    SpeechStarted,
    SpeechStopped,
)
from trunkline.ai.manners import Manners
from trunkline.ai.providers._openai_live_pacing import Pacer
from trunkline.ai.standin import Answer, Place, Play, Trouble
from trunkline.ai.tools import tool
from trunkline.audio.format import MULAW_8K
from trunkline.testing.standins import play

FATAL = {Trouble.KEY: "refused", Trouble.QUOTA: "nothing left"}
ANSWER = "It is so, and so it stays."


def quick(mind: Any = None, *troubles: tuple[Place, Trouble]) -> Play:
    mind = mind or (lambda history, tools: Answer(ANSWER))
    return play(("What now?",), mind=mind, voice=Noise(), stt_ms=20, model_ms=10, voice_ms=10, troubles=troubles)


def live(game: Play, **more: Any) -> Any:
    return on_the_line(game, model="gpt-live-1", faster=1, **({"greeting": "Hello."} | more))


def words(leg: Leg) -> str:
    return "".join(leg.texts())


async def greeted(leg: Leg) -> None:
    await leg.until(lambda: leg.of(ReplyEnded))


async def a_turn_is_heard_and_answered() -> None:
    tap = Tap()
    async with live(quick(), tap=tap) as leg:
        await greeted(leg)
        before = leg.fed_ms
        await leg.say(tone(400), quiet(300))
        await leg.until(lambda: len(leg.of(ReplyEnded)) > 1)
        assert leg.texts() == ["Hello.", ANSWER]
        voice = await Noise().speak(ANSWER, MULAW_8K)
        spoken = leg.audio(2)
        assert voice in spoken, "bit for bit"
        assert len(spoken) - len(voice) < 8 * 800, "and not much more"
        assert leg.words() == ["What now?"]
        [began], [ended] = leg.of(SpeechStarted), leg.of(SpeechStopped)
        assert before - 100 <= began.at_ms <= ended.at_ms <= before + 600
    kinds = [message["type"] for _, is_ours, message in tap.said if is_ours]
    assert kinds[0] == "session.start"
    assert kinds[-1] == "session.close"
    first = next(at for at, (_, is_ours, m) in enumerate(tap.said) if is_ours and at)
    assert any(m["type"] == "session.started" for _, _, m in tap.said[:first])
    assert not tap.received("error")


async def a_call_that_gives_nothing_is_silence_without_holes_and_never_a_burst() -> None:
    tap = Tap()
    async with live(quick(), tap=tap) as leg:
        await greeted(leg)
        sent = len(tap.sent("session.input_audio.append"))
        await asyncio.sleep(0.5)
        filled = tap.sent("session.input_audio.append")[sent:]
        assert 20 <= len(filled) <= 28
        leg.feed(quiet(500) + tone(300))
        now = len(tap.sent("session.input_audio.append"))
        await asyncio.sleep(0.1)
        assert len(tap.sent("session.input_audio.append")) - now < 12
    assert not tap.received("error"), "the stand-in refuses what is faster than the clock"


async def an_interruption_is_the_models_own_affair() -> None:
    async with live(quick(lambda history, tools: Answer("Yes. " + ANSWER))) as leg:
        await leg.until(lambda: leg.of(ReplyAudio))
        await leg.say(tone(300), quiet(300))
        await leg.until(lambda: leg.of(CallerSaid))
        assert not leg.of(SpeechStarted), "the call would stop the agent"
        await leg.until(lambda: len(leg.of(ReplyEnded)) > 0)


async def a_key_is_told_and_what_it_cut_is_not_heard_on() -> None:
    def mind(history: Any, tools: Any) -> Answer:
        return Answer("Five it is.") if "pressed 5" in history[-1].text else Answer(ANSWER)

    async with live(quick(mind), greeting=ANSWER) as leg:
        await leg.until(lambda: len(leg.audio(1)) > 800)
        leg.session.tell(ReplyInterrupted(1, 60, "It"), 0)
        leg.session.tell(KeyPressed("5"), 0)
        before = len(leg.audio(1))
        await leg.until(lambda: leg.texts()[-1] == "Five it is.")
        assert len(leg.audio(1)) == before


@tool
async def weather(town: str) -> str:
    """What the weather is like."""
    return "fine"


async def functions_are_called_by_the_vendors_text_model() -> None:
    tap = Tap()

    def mind(history: Any, tools: Any) -> Answer:
        if history[-1].role == "tool":
            return Answer(f"It is {history[-1].text}.")
        assert "weather" in [tool.name for tool in tools]
        return Answer("", "weather", '{"town": "Rome"}')

    async with live(quick(mind), tap=tap, tools=(weather,)) as leg:
        await greeted(leg)
        await leg.say(tone(300), quiet(300))
        await leg.until(lambda: leg.texts()[-1] == 'It is "fine".')
    assert not tap.received("error")


async def a_model_that_hangs_up_says_goodbye_first() -> None:
    def mind(history: Any, tools: Any) -> Answer:
        return Answer("Bye.") if history[-1].role == "tool" else Answer("", "hang_up")

    async with live(quick(mind)) as leg:
        await greeted(leg)
        await leg.say(tone(300), quiet(300))
        await leg.until(lambda: leg.of(HangUpWanted))
        assert leg.texts()[-1] == "Bye."


async def a_session_is_renewed_while_nobody_speaks() -> None:
    tap = Tap()
    async with live(quick(), tap=tap, own={"session_minutes": 0.5 / 60}) as leg:
        await leg.until(lambda: tap.sockets > 1 and len(tap.received("session.started")) > 1)
        assert leg.texts()[:1] == ["Hello."]
    assert tap.sent("session.start")[1]["session"]["input"][0] == {"role": "assistant", "content": [{"text": "Hello."}]}


def test_conversations() -> None:
    stories = (
        a_turn_is_heard_and_answered,
        a_call_that_gives_nothing_is_silence_without_holes_and_never_a_burst,
        an_interruption_is_the_models_own_affair,
        a_key_is_told_and_what_it_cut_is_not_heard_on,
        functions_are_called_by_the_vendors_text_model,
        a_model_that_hangs_up_says_goodbye_first,
        a_session_is_renewed_while_nobody_speaks,
    )
    all_at_once({story.__name__: story() for story in stories})


async def a_trouble(place: Place, trouble: Trouble) -> None:
    game = quick()
    async with live(game, manners=Manners(no_input_s=0)) as leg:
        await greeted(leg)
        after = leg.fed_ms + 2300  # by then the stream has shown that it is continuous
        await leg.until(lambda: leg.fed_ms > after, 4)
        if place is Place.CONNECT:
            game.troubles.append((Place.HEARING, Trouble.CUT))
        game.troubles.append((place, trouble))
        loop = asyncio.get_running_loop()
        await leg.say(tone(400))
        fell_silent = loop.time()
        await leg.until(lambda: words(leg).endswith("stays."), 8)
        assert not leg.failure
        assert not game.troubles
        assert words(leg) == "Hello." + ANSWER
        assert leg.words() == ["What now?"]
        # Until its last word: 200 ms of silence for the ears, 1.2 s of voice, and what the trouble cost.
        limit = 3.0 if place is Place.CONNECT and trouble is Trouble.STALL else 0
        assert loop.time() - fell_silent < 0.25 + 1.2 + 1.5 + limit


def test_a_trouble_costs_the_caller_nothing_but_a_moment() -> None:
    passing = [trouble for trouble in Trouble if trouble not in FATAL]
    pairs = product(Place, passing)
    all_at_once({f"{trouble} while {place}": a_trouble(place, trouble) for place, trouble in pairs})


async def a_fatal_trouble(place: Place, trouble: Trouble) -> None:
    game = quick(None, *([(place, trouble)] if place is Place.CONNECT else []))
    async with live(game) as leg:
        if place is not Place.CONNECT:
            await greeted(leg)
            game.troubles.append((place, trouble))
            await leg.say(tone(400))
        await leg.until(lambda: leg.of(AgentFailed))
        assert FATAL[trouble] in leg.failure


def test_a_vendor_that_will_not_serve_us_is_given_up_at_once() -> None:
    pairs = product(Place, FATAL)
    all_at_once({f"{trouble} while {place}": a_fatal_trouble(place, trouble) for place, trouble in pairs})


def test_a_connection_that_was_replaced_leaves_no_timer_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: list[float] = []
    tick = Pacer.tick

    def counted(pacer: Pacer, now: float) -> list[bytes]:
        ticks.append(now)
        return tick(pacer, now)

    monkeypatch.setattr(Pacer, "tick", counted)

    async def story() -> None:
        tap = Tap()
        async with live(quick(), tap=tap, own={"session_minutes": 0.6 / 60}) as leg:
            await leg.until(lambda: len(tap.received("session.started")) > 1)
            await asyncio.sleep(0.1)
            ticks.clear()
            await asyncio.sleep(0.4)
            assert 12 <= len(ticks) <= 26, "one for each 20 ms that the call does not give"

    asyncio.run(story())
