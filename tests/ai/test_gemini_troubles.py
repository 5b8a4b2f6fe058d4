"""Whatever goes wrong at a simulated Gemini, wherever in a call: the caller hears the answer, all of it, and once."""

import asyncio
from itertools import product

import pytest
from gemini_leg import Leg, Tap, on_the_line, quiet, tone
from voices import Letters

from trunkline.ai.events import ReplyEnded, SpeechStarted, SpeechStopped
from trunkline.ai.manners import Manners
from trunkline.ai.standin import Answer, Place, Play, Trouble
from trunkline.testing.standins import play

LINES = ("What are your opening hours?", "Thank you, goodbye.")
ANSWER = "We are open from Monday to Friday, nine to five. Is there anything else?"
FATAL = {Trouble.KEY: "refused", Trouble.QUOTA: "nothing left"}
OWN = {"answer_s": 0.6}  # a vendor that answers this soon, as the simulated one does, is missed this soon


def quick(*troubles: tuple[Place, Trouble]) -> Play:
    return play(LINES, voice=Letters(), stt_ms=20, model_ms=10, voice_ms=5, speed=60, troubles=troubles)


async def ask(leg: Leg) -> None:
    """The caller asks for the hours."""
    await leg.say(quiet(300), tone(700), quiet(300))
    await leg.until(lambda: leg.failure or len(leg.of(ReplyEnded)) > 1, seconds=6)


PASSING = [pair for pair in product(Place, Trouble) if pair[1] not in FATAL]
CASES = [(*pair, "ours") for pair in PASSING] + [
    (place, trouble, "server")
    for place, trouble in PASSING
    if place is not Place.CONNECT and trouble in (Trouble.CUT, Trouble.STALL)
]


@pytest.mark.parametrize(("place", "trouble", "turns"), CASES, ids=str)
def test_a_trouble_costs_the_caller_nothing_but_a_moment(place: Place, trouble: Trouble, turns: str) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        troubles = quick()
        async with on_the_line(troubles, greeting="Hello.", own={**OWN, "turns": turns}) as leg:
            await leg.greeted()
            if place is Place.CONNECT:
                troubles.troubles += [(Place.HEARING, Trouble.CUT), (place, trouble)]
            else:
                troubles.troubles.append((place, trouble))
            await ask(leg)
            ended = loop.time()
            assert not troubles.troubles, "it happened"
            assert not leg.failure
            await leg.until(leg.words)
            assert leg.words() == [LINES[0]]
            assert leg.texts() == ["Hello.", ANSWER]
            assert len(leg.of(SpeechStarted)) == len(leg.of(SpeechStopped)) == 1
            spoke = next(at for at, event in leg.events if isinstance(event, SpeechStopped))
            # A connection that is never accepted is given up after Patience.connect_s.
            limit = 4.5 if (place, trouble) == (Place.CONNECT, Trouble.STALL) else 1.5
            assert ended - spoke < limit

    asyncio.run(story())


@pytest.mark.parametrize(("place", "trouble"), list(product(Place, FATAL)), ids=lambda value: value.value)
def test_a_vendor_that_will_not_serve_us_is_given_up_at_once(place: Place, trouble: Trouble) -> None:
    async def story() -> None:
        troubles = quick(*([(place, trouble)] if place is Place.CONNECT else []))
        async with on_the_line(troubles, greeting="Hello.", own=OWN) as leg:
            if place is not Place.CONNECT:
                await leg.greeted()
                troubles.troubles.append((place, trouble))
                await leg.say(quiet(300), tone(700), quiet(300))
            await leg.until(lambda: leg.failure)
            assert FATAL[trouble] in leg.failure

    asyncio.run(story())


def test_a_vendor_that_has_nothing_to_say_to_a_turn_keeps_its_connection() -> None:
    async def story() -> None:
        game = play(LINES, mind=lambda history, tools: Answer(""), voice=Letters(), stt_ms=5, model_ms=60_000, speed=60)
        tap, own = Tap(), {"answer_s": 0.2}
        async with on_the_line(game, tap=tap, own=own, manners=Manners(no_input_s=0)) as leg:
            await leg.until(lambda: tap.sockets == 2)
            await leg.say(quiet(8 * 800))
            # Missed once, asked once more, and left alone after that: the vendor may mean it.
            assert tap.sockets == 2
            assert not leg.failure

    asyncio.run(story())
