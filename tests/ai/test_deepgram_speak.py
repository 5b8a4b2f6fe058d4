"""Aura and Flux TTS against the vendor's simulated end: on sockets and by HTTP, interrupted, and in trouble."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
import structlog
from vendor_calls import Kept, Tone, Vendor, silence, talking, tone

from trunkline import logs
from trunkline.ai.base import TtsSession
from trunkline.ai.events import ReplyAudio, ReplyEnded, ReplyText, Stage, StageReached
from trunkline.ai.providers._deepgram_aura import Budget
from trunkline.ai.providers._deepgram_mouth import Mouth
from trunkline.ai.standin import Place, Play, Trouble
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat
from trunkline.errors import ProviderError
from trunkline.testing.standins import play

DEEPGRAM = Vendor("deepgram")

AURA, FLUX = "aura-2-thalia-en", "flux-alexis-en"
WAYS = [(AURA, "websocket"), (FLUX, "websocket"), (AURA, "rest"), (FLUX, "rest")]
FORMATS = [MULAW_8K, ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K]

HELLO, HOW, FINE = "Hello there. ", "How are you? ", "Fine, I hope."
WHOLE = HELLO + HOW + FINE


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


async def together(stories: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Several at once: most of their time is waiting."""
    async with asyncio.TaskGroup() as group:
        for story in stories:
            group.create_task(story)


def simulated(*, lead_ms: int = 0, **timing: Any) -> Play:
    return play([""], voice=Tone(lead_ms), **{"voice_ms": 10, "speed": 40, **timing})


@asynccontextmanager
async def voice(
    there: Play, way: tuple[str, str], *, audio: AudioFormat = MULAW_8K, **more: Any
) -> AsyncIterator[tuple[Kept, TtsSession, "asyncio.Task[None]"]]:
    model, transport = way
    async with DEEPGRAM.standing_in(there) as url:
        part = DEEPGRAM.tts(url, model, tts_transport=transport, **more)
        assert audio in part.speaks
        async with talking(part, audio=audio) as call:
            yield call


def say(session: TtsSession, generation: int, *pieces: str) -> None:
    for piece in pieces:
        session.say(piece, generation)
    session.finish(generation)


def in_order(kept: Kept, generation: int) -> None:
    """The order that every voice keeps."""
    mine = [event for event in kept.events if event.generation == generation]
    assert mine[0] == StageReached(Stage.SYNTHESIS_STARTED, generation)
    assert mine[1] == StageReached(Stage.SYNTHESIS_FIRST_BYTE, generation)
    assert isinstance(mine[2], ReplyText)
    assert mine[-1] == ReplyEnded(generation)
    assert [type(event) for event in mine].count(StageReached) == 2
    assert [type(event) for event in mine].count(ReplyEnded) == 1


# --- when all goes well ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_a_reply_is_spoken_piece_by_piece(way: tuple[str, str]) -> None:
    async def story() -> None:
        async with voice(simulated(), way) as (kept, session, _):
            say(session, 1, HELLO, HOW, FINE)
            await kept.until(lambda: kept.ended(1))
            say(session, 2, FINE)
            await kept.until(lambda: kept.ended(2))
        for generation, text in ((1, WHOLE), (2, FINE)):
            in_order(kept, generation)
            assert kept.text(generation) == text
            assert kept.audio(generation) == tone(text, MULAW_8K)
        texts = [event.text for event in kept.of(ReplyText) if event.generation == 1]
        # The first sentence is not kept waiting for the others; those came while it was spoken.
        assert texts == ([HELLO, HOW, FINE] if way[1] == "rest" else [HELLO, HOW + FINE])
        for text in texts:  # and each piece's audio comes after its words
            at = kept.events.index(ReplyText(text, 1))
            assert isinstance(kept.events[at + 1], ReplyAudio)

    run(story())


@pytest.mark.parametrize("way", [(AURA, "websocket"), (AURA, "rest")], ids="-".join)
def test_every_format_comes_as_it_is(way: tuple[str, str]) -> None:
    async def story(audio: AudioFormat) -> None:
        async with voice(simulated(), way, audio=audio) as (kept, session, _):
            say(session, 1, HELLO)
            await kept.until(lambda: kept.ended(1))
        assert kept.audio(1) == tone(HELLO, audio)

    run(together(story(audio) for audio in FORMATS))


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_silence_before_the_first_word_is_trimmed_and_told(way: tuple[str, str]) -> None:
    async def story() -> None:
        logs.configure()
        with structlog.testing.capture_logs() as lines:
            async with voice(simulated(lead_ms=200), way) as (kept, session, _):
                say(session, 1, HELLO)
                await kept.until(lambda: kept.ended(1))
                assert session.mouth.trimmed_ms == 120  # type: ignore[attr-defined]
        assert kept.audio(1) == silence(MULAW_8K, 80) + tone(HELLO, MULAW_8K)
        assert [line["ms"] for line in lines if line["event"] == "leading silence trimmed"] == [120]

    run(story())


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_a_text_longer_than_the_vendor_takes_is_sent_in_pieces(way: tuple[str, str]) -> None:
    long = "la di da " * 400

    async def story() -> None:
        async with voice(simulated(speed=4000), way) as (kept, session, _):
            say(session, 1, long)
            await kept.until(lambda: kept.ended(1))
        assert kept.text(1) == long
        assert MULAW_8K.ms(len(kept.audio(1))) == 40 * len(long)

    run(story())


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_a_reply_of_nothing_ends(way: tuple[str, str]) -> None:
    async def story() -> None:
        async with voice(simulated(), way) as (kept, session, _):
            say(session, 1)
            say(session, 2, " ", "\n")
            await kept.until(lambda: kept.ended(2))
        assert kept.events == [ReplyEnded(1), ReplyEnded(2)]

    run(story())


def test_many_short_replies_stay_within_the_vendors_limit() -> None:
    async def story() -> None:
        logs.configure()
        with structlog.testing.capture_logs() as lines:
            async with voice(simulated(speed=1000), (AURA, "websocket")) as (kept, session, _):
                for generation in range(1, 13):
                    say(session, generation, "One. ", "Two. ", "Three.")
                    await kept.until(lambda: kept.ended(generation))  # noqa: B023 - awaited here
        pieces = [sum(event.generation == g for event in kept.of(ReplyText)) for g in range(1, 13)]
        assert pieces == [2] * 6 + [1] * 6, "as long as there is plenty, the first sentence goes ahead"
        assert not [line for line in lines if line["log_level"] == "warning"]

    run(story())


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


@pytest.mark.parametrize("way", WAYS, ids="-".join)
@pytest.mark.parametrize("when", ["at once", "before audio", "in its audio"])
def test_nothing_of_a_cancelled_reply_is_heard_in_the_next(way: tuple[str, str], when: str) -> None:
    async def story() -> None:
        async with voice(simulated(speed=4, voice_ms=40), way) as (kept, session, _):
            if when != "at once":
                say(session, 1, "Well. ")
                await kept.until(lambda: kept.ended(1))
            say(session, 2, HELLO, HOW, FINE)
            if when == "before audio":
                await kept.until(lambda: StageReached(Stage.SYNTHESIS_STARTED, 2) in kept.events)
                await asyncio.sleep(0.01)
            elif when == "in its audio":
                await kept.until(lambda: len(kept.audio(2)) > 800)
            session.cancel(2)
            told = len(kept.events)
            say(session, 3, "Sorry? ", "What?")
            await kept.until(lambda: kept.ended(3))
        assert not [event for event in kept.events[told:] if event.generation == 2]
        assert not kept.ended(2)
        in_order(kept, 3)
        assert kept.audio(3) == tone("Sorry? What?", MULAW_8K)
        if when == "in its audio":
            assert tone(HELLO, MULAW_8K).startswith(kept.audio(2))

    run(story())


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_a_caller_who_interrupts_again_and_again_is_served_in_the_end(way: tuple[str, str]) -> None:
    async def story() -> None:
        async with voice(simulated(speed=4, voice_ms=5), way) as (kept, session, _):
            for generation in range(1, 7):
                say(session, generation, HELLO, HOW)
                await asyncio.sleep(0.004 * generation)
                session.cancel(generation)
                session.cancel(generation)  # the second time does nothing
            say(session, 7, FINE)
            await kept.until(lambda: kept.ended(7))
        assert kept.audio(7) == tone(FINE, MULAW_8K)
        assert [event.generation for event in kept.of(ReplyEnded)] == [7]

    run(story())


@pytest.mark.parametrize("way", [(AURA, "websocket"), (FLUX, "websocket")], ids="-".join)
def test_a_vendor_that_does_not_say_that_it_stopped_is_not_waited_for_long(way: tuple[str, str]) -> None:
    async def story() -> None:
        async with voice(simulated(troubles=[(Place.SPEAKING, Trouble.STALL)]), way) as (kept, session, _):
            say(session, 1, WHOLE)
            await kept.until(lambda: len(kept.audio(1)) == 2400)
            session.cancel(1)
            say(session, 2, FINE)
            interrupted = asyncio.get_running_loop().time()
            await kept.until(lambda: kept.ended(2))
        assert kept.when(ReplyEnded) - interrupted <= 1.5
        assert kept.audio(1) == tone(WHOLE, MULAW_8K)[:2400]
        assert kept.audio(2) == tone(FINE, MULAW_8K)

    run(story())


def test_what_was_cancelled_before_it_began_is_never_asked_for() -> None:
    async def story() -> None:
        async with voice(simulated(), (AURA, "websocket")) as (kept, session, _):
            say(session, 1, HELLO)
            say(session, 2, HOW)
            session.cancel(2)
            say(session, 3, FINE)
            await kept.until(lambda: kept.ended(3))
        assert kept.audio(1) == tone(HELLO, MULAW_8K)
        assert not [event for event in kept.events if event.generation == 2]

    run(story())


# --- in trouble --------------------------------------------------------------------------------------------------

TROUBLES = [trouble for trouble in Trouble if trouble not in (Trouble.KEY, Trouble.QUOTA)]


@pytest.mark.parametrize("way", WAYS, ids="-".join)
@pytest.mark.parametrize("place", [Place.CONNECT, Place.ANSWERING, Place.SPEAKING])
def test_a_reply_goes_on_where_it_broke_off(way: tuple[str, str], place: Place) -> None:
    run(together(troubled(way, place, trouble) for trouble in TROUBLES))


async def troubled(way: tuple[str, str], place: Place, trouble: Trouble) -> None:
    there = simulated(troubles=[(place, trouble)])
    model, transport = way
    async with DEEPGRAM.standing_in(there) as url:
        # Where another voice stands behind, a connection that is not opened is waited for less.
        fallback = trouble is Trouble.STALL and (place is Place.CONNECT or transport == "rest")
        part = DEEPGRAM.tts(url, model, fallback=fallback, tts_transport=transport)
        async with talking(part) as (kept, session, task):
            begun = asyncio.get_running_loop().time()
            say(session, 1, HELLO, HOW, FINE)
            await kept.until(lambda: kept.ended(1) or task.done())
            assert not there.troubles, "it never happened"
            in_order(kept, 1)
            assert kept.text(1) == WHOLE
            assert kept.audio(1) == tone(WHOLE, MULAW_8K)
            assert max(after - before for before, after in pairwise([begun, *kept.times])) <= 1.5
            say(session, 2, FINE)  # and life goes on
            await kept.until(lambda: kept.ended(2))
            assert kept.audio(2) == tone(FINE, MULAW_8K)


@pytest.mark.parametrize(("trouble", "fault"), [(Trouble.KEY, "bad key"), (Trouble.QUOTA, "quota")])
def test_what_no_other_try_would_mend_is_given_up_at_once(trouble: Trouble, fault: str) -> None:
    async def story(way: tuple[str, str]) -> None:
        async with voice(simulated(troubles=[(Place.CONNECT, trouble)]), way) as (_, session, task):
            say(session, 1, HELLO)
            with pytest.raises(ProviderError) as given_up:
                await asyncio.wait_for(task, 1)
        assert given_up.value.fault == fault

    run(together(story(way) for way in WAYS))


def test_a_vendor_that_takes_text_and_never_speaks_is_given_up() -> None:
    async def story(way: tuple[str, str]) -> None:
        there = simulated(troubles=[(Place.ANSWERING, Trouble.STALL)] * 20)
        async with DEEPGRAM.standing_in(there) as url:
            model, transport = way
            part = DEEPGRAM.tts(url, model, fallback=True, tts_transport=transport)
            async with talking(part) as (_, session, task):
                say(session, 1, HELLO)
                with pytest.raises(ProviderError) as given_up:
                    await asyncio.wait_for(task, 6)
        assert given_up.value.fault == "transient"

    run(together(story(way) for way in WAYS))


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
