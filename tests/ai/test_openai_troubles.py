"""Whatever goes wrong at a simulated OpenAI, wherever in a call: the caller hears the answer, all of it, and once."""

import asyncio
from itertools import product

import pytest
from openai_leg import Leg, all_at_once, on_the_line, quiet, tone
from voices import Letters

from trunkline.ai.events import ReplyEnded, SpeechStarted, SpeechStopped
from trunkline.ai.standin import Place, Play, Trouble
from trunkline.testing.standins import play

LINES = ("What are your opening hours?", "Thank you, goodbye.")
ANSWER = "We are open from Monday to Friday, nine to five. Is there anything else?"
FATAL = {Trouble.KEY: "refused", Trouble.QUOTA: "nothing left"}


def quick(*troubles: tuple[Place, Trouble]) -> Play:
    return play(LINES, voice=Letters(), stt_ms=20, model_ms=10, voice_ms=5, speed=60, troubles=troubles)


async def ask(leg: Leg) -> None:
    """The greeting is heard, and the caller asks for the hours."""
    await leg.until(lambda: leg.of(ReplyEnded))
    await leg.until(lambda: not leg.pending)
    await leg.say(quiet(300), tone(700), quiet(300))
    await leg.until(lambda: leg.failure or len(leg.of(ReplyEnded)) > 1, seconds=6)


async def a_trouble(place: Place, trouble: Trouble) -> None:
    loop = asyncio.get_running_loop()
    # The first response is the greeting; a trouble after the upgrade is meant for the second.
    troubles = quick()
    async with on_the_line(troubles, greeting="Hello.") as leg:
        if place is Place.CONNECT:
            await leg.until(lambda: leg.of(ReplyEnded))
            troubles.troubles += [(Place.HEARING, Trouble.CUT), (place, trouble)]
        else:
            await leg.until(lambda: leg.of(ReplyEnded))
            troubles.troubles.append((place, trouble))
        await ask(leg)
        ended = loop.time()
        assert not troubles.troubles, "it happened"
        assert not leg.failure
        assert leg.words() == [LINES[0]]
        assert leg.texts() == ["Hello.", ANSWER]
        assert len(leg.of(SpeechStarted)) == len(leg.of(SpeechStopped)) == 1
        spoke = next(at for at, event in leg.events if isinstance(event, SpeechStopped))
        # A connection that is never accepted is given up after Patience.connect_s.
        limit = 4.5 if (place, trouble) == (Place.CONNECT, Trouble.STALL) else 1.5
        assert ended - spoke < limit


@pytest.mark.parametrize("place", Place, ids=str)
def test_a_trouble_costs_the_caller_nothing_but_a_moment(place: Place) -> None:
    passing = [trouble for trouble in Trouble if trouble not in FATAL]
    all_at_once({f"{trouble} while {place}": a_trouble(place, trouble) for trouble in passing})


async def a_fatal_trouble(place: Place, trouble: Trouble) -> None:
    troubles = quick(*([(place, trouble)] if place is Place.CONNECT else []))
    async with on_the_line(troubles, greeting="Hello.") as leg:
        if place is not Place.CONNECT:
            await leg.until(lambda: leg.of(ReplyEnded))
            troubles.troubles.append((place, trouble))
            await leg.say(quiet(300), tone(700), quiet(300))
        await leg.until(lambda: leg.failure)
        assert FATAL[trouble] in leg.failure


def test_a_vendor_that_will_not_serve_us_is_given_up_at_once() -> None:
    pairs = product(Place, FATAL)
    all_at_once({f"{trouble} while {place}": a_fatal_trouble(place, trouble) for place, trouble in pairs})
