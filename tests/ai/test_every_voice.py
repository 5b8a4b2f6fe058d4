"""What every voice must pass, against its vendor's simulated end: whole replies, interrupted ones, and trouble."""

import asyncio
from contextlib import AbstractAsyncContextManager
from itertools import pairwise, product
from typing import Any

import msgspec
import pytest
import structlog
from real_time import all_at_once, in_real_time, together
from vendor_calls import FATAL, FORMATS, PASSING, Vendor, in_order, say, toned
from voices import silence, tone

from trunkline import logs
from trunkline.ai.events import ReplyEnded, Stage, StageReached
from trunkline.ai.standin import Place, Play, Trouble
from trunkline.audio.format import MULAW_8K, AudioFormat
from trunkline.errors import ProviderError

HELLO, HOW, FINE = "Hello there. ", "How are you? ", "Fine, I hope."
WHOLE = HELLO + HOW + FINE


class Voice(msgspec.Struct, frozen=True):
    """One of a vendor's models, and the way to it."""

    vendor: str
    model: str
    transport: str = ""
    repeats: bool = False  # a word that broke off is said again, whole

    def __str__(self) -> str:
        return "-".join(filter(None, (self.vendor, self.model, self.transport)))

    @property
    def settings(self) -> dict[str, Any]:
        return {"tts_transport": self.transport} if self.transport else {}

    def speaking(self, there: Play, **more: Any) -> AbstractAsyncContextManager[Any]:
        """A call in which it does: what is kept of it, its session, and the task that runs it."""
        return Vendor(self.vendor).voice(there, self.model, **self.settings, **more)


AURA, FLUX = "aura-2-thalia-en", "flux-alexis-en"
VOICES = [
    Voice("cartesia", "sonic-3.5", repeats=True),
    *(Voice("deepgram", model, transport) for transport in ("websocket", "rest") for model in (AURA, FLUX)),
]

every = pytest.mark.parametrize("voice", VOICES, ids=str)


# --- when all goes well ------------------------------------------------------------------------------------------


@every
@in_real_time
async def test_one_reply_is_spoken_and_then_the_next(voice: Voice) -> None:
    async with voice.speaking(toned()) as (kept, session, _):
        say(session, 1, HELLO, HOW, FINE)
        await kept.until(lambda: kept.ended(1))
        say(session, 2, FINE)
        await kept.until(lambda: kept.ended(2))
    for generation, text in ((1, WHOLE), (2, FINE)):
        in_order(kept, generation)
        assert kept.text(generation) == text
        assert kept.audio(generation) == tone(text, MULAW_8K)


@every
@in_real_time
async def test_every_format_comes_as_it_is(voice: Voice) -> None:
    async def story(audio: AudioFormat) -> None:
        async with voice.speaking(toned(), audio=audio) as (kept, session, _):
            say(session, 1, HELLO)
            await kept.until(lambda: kept.ended(1))
        assert kept.audio(1) == tone(HELLO, audio)

    await together(story(audio) for audio in FORMATS)


@every
@in_real_time
async def test_silence_before_the_first_word_is_trimmed_and_told(voice: Voice) -> None:
    logs.configure()
    with structlog.testing.capture_logs() as lines:
        async with voice.speaking(toned(lead_ms=200)) as (kept, session, _):
            say(session, 1, HELLO)
            await kept.until(lambda: kept.ended(1))
            assert getattr(session, "mouth", session).trimmed_ms == 120
    assert kept.audio(1) == silence(MULAW_8K, 80) + tone(HELLO, MULAW_8K)
    assert [line["ms"] for line in lines if line["event"] == "leading silence trimmed"] == [120]


# --- interrupted ------------------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("when", ["at once", "before audio", "in its audio"])
@in_real_time
async def test_nothing_of_a_cancelled_reply_is_heard_in_the_next(voice: Voice, when: str) -> None:
    async with voice.speaking(toned(speed=4, voice_ms=40)) as (kept, session, _):
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
        await asyncio.sleep(0.1)  # the vendor still sends what it was making of the other
    assert not [event for event in kept.events[told:] if event.generation == 2]
    assert not kept.ended(2)
    in_order(kept, 3)
    assert kept.audio(3) == tone("Sorry? What?", MULAW_8K)
    if when == "in its audio":
        assert tone(HELLO, MULAW_8K).startswith(kept.audio(2))


@every
@in_real_time
async def test_a_caller_who_interrupts_again_and_again_is_served_in_the_end(voice: Voice) -> None:
    async with voice.speaking(toned(speed=4, voice_ms=5)) as (kept, session, _):
        for generation in range(1, 7):
            say(session, generation, HELLO, HOW)
            await asyncio.sleep(0.004 * generation)
            session.cancel(generation)
            session.cancel(generation)  # the second time does nothing
        say(session, 7, FINE)
        await kept.until(lambda: kept.ended(7))
    assert kept.audio(7) == tone(FINE, MULAW_8K)
    assert [event.generation for event in kept.of(ReplyEnded)] == [7]


# --- in trouble --------------------------------------------------------------------------------------------------


@every
def test_a_reply_goes_on_where_it_broke_off(voice: Voice) -> None:
    cases = product([Place.CONNECT, Place.ANSWERING, Place.SPEAKING], PASSING)
    all_at_once({f"{trouble} while {place}": troubled(voice, place, trouble) for place, trouble in cases})


async def troubled(voice: Voice, place: Place, trouble: Trouble) -> None:
    there = toned(troubles=[(place, trouble)])
    # Where another voice stands behind, a connection that is not opened is waited for less.
    fallback = trouble is Trouble.STALL and (place is Place.CONNECT or voice.transport == "rest")
    async with voice.speaking(there, fallback=fallback) as (kept, session, task):
        begun = asyncio.get_running_loop().time()
        say(session, 1, HELLO, HOW, FINE)
        await kept.until(lambda: kept.ended(1) or task.done())
        assert not there.troubles, "it never happened"
        in_order(kept, 1)
        assert kept.text(1) == WHOLE
        assert max(after - before for before, after in pairwise([begun, *kept.times])) <= 1.5
        if voice.repeats and place is Place.SPEAKING and trouble not in (Trouble.GARBAGE, Trouble.UNKNOWN):
            # The word that broke off is said again, whole, and all the words after it.
            assert kept.audio(1).startswith(tone("Hello", MULAW_8K))
            assert kept.audio(1).endswith(tone("there. How are you? Fine, I hope.", MULAW_8K))
            assert len(kept.audio(1)) <= len(tone(WHOLE + "there.", MULAW_8K))
        else:
            assert kept.audio(1) == tone(WHOLE, MULAW_8K)
        say(session, 2, FINE)  # and life goes on
        await kept.until(lambda: kept.ended(2))
        assert kept.audio(2) == tone(FINE, MULAW_8K)


@every
def test_what_no_other_try_would_mend_is_given_up_at_once(voice: Voice) -> None:
    async def story(place: Place, trouble: Trouble) -> None:
        async with voice.speaking(toned(troubles=[(place, trouble)])) as (_, session, task):
            say(session, 1, HELLO)
            with pytest.raises(ProviderError) as given_up:
                await asyncio.wait_for(task, 1)
        assert given_up.value.fault == FATAL[trouble]

    cases = product([Place.CONNECT, Place.ANSWERING], FATAL)
    all_at_once({f"{trouble} while {place}": story(place, trouble) for place, trouble in cases})


@in_real_time
async def test_a_vendor_that_takes_text_and_never_speaks_is_given_up() -> None:
    async def story(voice: Voice) -> None:
        there = toned(troubles=[(Place.ANSWERING, Trouble.STALL)] * 20)
        async with voice.speaking(there, fallback=True) as (_, session, task):
            say(session, 1, HELLO)
            with pytest.raises(ProviderError) as given_up:
                await asyncio.wait_for(task, 6)
        assert given_up.value.fault == "transient"

    await together(story(voice) for voice in VOICES)
