"""Aura and Flux TTS against the vendor's simulated end, on sockets and by HTTP: their pieces, their limits, a stop."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import structlog
from real_time import in_real_time
from vendor_calls import Vendor, say, toned
from voices import tone

from trunkline import logs
from trunkline.ai.events import ReplyAudio, ReplyEnded, ReplyText
from trunkline.ai.providers._deepgram_aura import Budget
from trunkline.ai.providers._deepgram_mouth import Mouth
from trunkline.ai.standin import Place, Play, Trouble
from trunkline.audio.format import MULAW_8K, PCM16_8K

DEEPGRAM = Vendor("deepgram")

AURA, FLUX = "aura-2-thalia-en", "flux-alexis-en"
WAYS = [(AURA, "websocket"), (FLUX, "websocket"), (AURA, "rest"), (FLUX, "rest")]

HELLO, HOW, FINE = "Hello there. ", "How are you? ", "Fine, I hope."
WHOLE = HELLO + HOW + FINE


def spoken(there: Play, way: tuple[str, str]) -> AbstractAsyncContextManager[Any]:
    """A call in which one of them speaks: what is kept of it, its session, and the task that runs it."""
    model, transport = way
    return DEEPGRAM.voice(there, model, tts_transport=transport)


# --- when all goes well ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS, ids="-".join)
@in_real_time
async def test_a_reply_is_spoken_piece_by_piece(way: tuple[str, str]) -> None:
    async with spoken(toned(), way) as (kept, session, _):
        say(session, 1, HELLO, HOW, FINE)
        await kept.until(lambda: kept.ended(1))
    texts = [event.text for event in kept.of(ReplyText)]
    # The first sentence is not kept waiting for the others; those came while it was spoken.
    assert texts == ([HELLO, HOW, FINE] if way[1] == "rest" else [HELLO, HOW + FINE])
    for text in texts:  # and each piece's audio comes after its words
        at = kept.events.index(ReplyText(text, 1))
        assert isinstance(kept.events[at + 1], ReplyAudio)


@pytest.mark.parametrize("way", WAYS, ids="-".join)
@in_real_time
async def test_a_text_longer_than_the_vendor_takes_is_sent_in_pieces(way: tuple[str, str]) -> None:
    long = "la di da " * 400
    async with spoken(toned(speed=4000), way) as (kept, session, _):
        say(session, 1, long)
        await kept.until(lambda: kept.ended(1))
    assert kept.text(1) == long
    assert MULAW_8K.ms(len(kept.audio(1))) == 40 * len(long)


@pytest.mark.parametrize("way", WAYS, ids="-".join)
@in_real_time
async def test_a_reply_of_nothing_ends(way: tuple[str, str]) -> None:
    async with spoken(toned(), way) as (kept, session, _):
        say(session, 1)
        say(session, 2, " ", "\n")
        await kept.until(lambda: kept.ended(2))
    assert kept.events == [ReplyEnded(1), ReplyEnded(2)]


@in_real_time
async def test_many_short_replies_stay_within_the_vendors_limit() -> None:
    logs.configure()
    with structlog.testing.capture_logs() as lines:
        async with spoken(toned(speed=1000), (AURA, "websocket")) as (kept, session, _):
            for generation in range(1, 13):
                say(session, generation, "One. ", "Two. ", "Three.")
                await kept.until(lambda: kept.ended(generation))  # noqa: B023 - awaited here
    pieces = [sum(event.generation == g for event in kept.of(ReplyText)) for g in range(1, 13)]
    assert pieces == [2] * 6 + [1] * 6, "as long as there is plenty, the first sentence goes ahead"
    assert not [line for line in lines if line["log_level"] == "warning"]


def test_flushes_are_counted_by_the_minute() -> None:
    budget = Budget(20)
    for i in range(12):
        assert budget.wait_s(i, whole=False) == 0
        budget.spend(i)
    assert budget.wait_s(12, whole=False) == 48
    for i in range(12, 20):
        assert budget.wait_s(i, whole=True) == 0
        budget.spend(i)
    assert budget.wait_s(20, whole=True) == 40
    assert budget.wait_s(60, whole=True) == 0
    budget.spend(60)
    assert budget.wait_s(60.5, whole=True) == 0.5
    assert budget.wait_s(200, whole=False) == 0


# --- interrupted ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [(AURA, "websocket"), (FLUX, "websocket")], ids="-".join)
@in_real_time
async def test_a_vendor_that_does_not_say_that_it_stopped_is_not_waited_for_long(way: tuple[str, str]) -> None:
    async with spoken(toned(troubles=[(Place.SPEAKING, Trouble.STALL)]), way) as (kept, session, _):
        say(session, 1, WHOLE)
        await kept.until(lambda: len(kept.audio(1)) == 2400)
        session.cancel(1)
        say(session, 2, FINE)
        interrupted = asyncio.get_running_loop().time()
        await kept.until(lambda: kept.ended(2))
    assert kept.when(ReplyEnded) - interrupted <= 1.5
    assert kept.audio(1) == tone(WHOLE, MULAW_8K)[:2400]
    assert kept.audio(2) == tone(FINE, MULAW_8K)


@in_real_time
async def test_what_was_cancelled_before_it_began_is_never_asked_for() -> None:
    async with spoken(toned(), (AURA, "websocket")) as (kept, session, _):
        say(session, 1, HELLO)
        say(session, 2, HOW)
        session.cancel(2)
        say(session, 3, FINE)
        await kept.until(lambda: kept.ended(3))
    assert kept.audio(1) == tone(HELLO, MULAW_8K)
    assert not [event for event in kept.events if event.generation == 2]


# --- the mouth itself ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 3, 160, 999])
def test_a_piece_made_twice_is_heard_once(step: int) -> None:
    made = tone(HELLO, PCM16_8K)
    for broken_at in range(0, len(made), 1237):
        kept: list[Any] = []
        mouth = Mouth(PCM16_8K, kept.append, logs.get("test"))
        mouth.begin(HELLO, 1)
        for making in (made[:broken_at], made):
            for at in range(0, len(making), step):
                mouth.audio(making[at : at + step])
            mouth.again()
        mouth.end(1)
        heard = [event.audio for event in kept if isinstance(event, ReplyAudio)]
        assert b"".join(heard) == made
        assert all(len(audio) % 2 == 0 for audio in heard)
        assert [event for event in kept if isinstance(event, ReplyText)] == [ReplyText(HELLO, 1)]
