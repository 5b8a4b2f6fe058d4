"""Whatever goes wrong at a simulated vendor whose model hears and speaks, wherever in a call: the caller hears the
answer, all of it, and once.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from functools import partial
from itertools import product
from typing import Any

import gemini_leg
import openai_leg
import pytest
from live_leg import Leg, quick, quiet, tone
from real_time import all_at_once

from trunkline.ai.events import ReplyEnded, SpeechStarted, SpeechStopped
from trunkline.ai.standin import Place, Play, Trouble

LINES = ("What are your opening hours?", "Thank you, goodbye.")
ANSWER = "We are open from Monday to Friday, nine to five. Is there anything else?"
FATAL = {Trouble.KEY: "refused", Trouble.QUOTA: "nothing left"}
PASSING = [trouble for trouble in Trouble if trouble not in FATAL]
MISSED_S = 0.6  # a vendor that answers as soon as the simulated one does is missed this soon
CALLS = {
    "openai": openai_leg.on_the_line,
    "gemini": partial(gemini_leg.on_the_line, own={"answer_s": MISSED_S, "turns": "ours"}),
    "gemini, whose turns are its own": partial(gemini_leg.on_the_line, own={"answer_s": MISSED_S, "turns": "server"}),
}
"""How to hold a call with each."""


def greeting(who: str, game: Play) -> AbstractAsyncContextManager[Leg]:
    call: Any = CALLS[who]
    held: AbstractAsyncContextManager[Leg] = call(game, greeting="Hello.")
    return held


async def a_trouble(who: str, place: Place, trouble: Trouble) -> None:
    # The first reply is the greeting; the trouble is meant for the second.
    game = quick(lines=LINES)
    async with greeting(who, game) as leg:
        await leg.greeted()
        if place is Place.CONNECT:
            game.troubles.append((Place.HEARING, Trouble.CUT))
        game.troubles.append((place, trouble))
        await leg.say(quiet(300), tone(700), quiet(300))
        await leg.until(lambda: leg.failure or len(leg.of(ReplyEnded)) > 1, seconds=6)
        ended = asyncio.get_running_loop().time()
        assert not game.troubles, "it happened"
        assert not leg.failure
        await leg.until(leg.words)
        assert leg.words() == [LINES[0]]
        assert leg.texts() == ["Hello.", ANSWER]
        assert len(leg.of(SpeechStarted)) == len(leg.of(SpeechStopped)) == 1
        spoke = next(at for at, event in leg.events if isinstance(event, SpeechStopped))
        # A connection that is never accepted is given up after Patience.connect_s.
        limit = 4.5 if (place, trouble) == (Place.CONNECT, Trouble.STALL) else 1.5
        assert ended - spoke < limit


@pytest.mark.parametrize("place", Place, ids=str)
@pytest.mark.parametrize("who", CALLS)
def test_a_trouble_costs_the_caller_nothing_but_a_moment(who: str, place: Place) -> None:
    all_at_once({f"{trouble} while {place}": a_trouble(who, place, trouble) for trouble in PASSING})


async def a_fatal_trouble(who: str, place: Place, trouble: Trouble) -> None:
    game = quick(lines=LINES, troubles=[(place, trouble)] if place is Place.CONNECT else [])
    async with greeting(who, game) as leg:
        if place is not Place.CONNECT:
            await leg.greeted()
            game.troubles.append((place, trouble))
            await leg.say(quiet(300), tone(700), quiet(300))
        await leg.until(lambda: leg.failure)
        assert FATAL[trouble] in leg.failure


@pytest.mark.parametrize("who", CALLS)
def test_a_vendor_that_will_not_serve_us_is_given_up_at_once(who: str) -> None:
    pairs = product(Place, FATAL)
    all_at_once({f"{trouble} while {place}": a_fatal_trouble(who, place, trouble) for place, trouble in pairs})
