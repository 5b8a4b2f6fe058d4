"""Sonic against the vendor's simulated end: contexts, times of words, interruptions, and trouble."""

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
from trunkline.ai.providers._cartesia_mouth import Mouth
from trunkline.ai.providers._cartesia_speak import SpeakSession
from trunkline.ai.standin import WRONG_KEY, Place, Play, Trouble
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat
from trunkline.call.replies import Reply
from trunkline.errors import ConfigError, ProviderError
from trunkline.testing.standins import play

CARTESIA = Vendor("cartesia")

HELLO, HOW, FINE = "Hello there. ", "How are you? ", "Fine, I hope."
WHOLE = HELLO + HOW + FINE
LETTER_MS = 40  # of Tone


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
    there: Play, *, audio: AudioFormat = MULAW_8K, **more: Any
) -> AsyncIterator[tuple[Kept, TtsSession, "asyncio.Task[None]"]]:
    async with CARTESIA.standing_in(there) as url:
        part = CARTESIA.tts(url, "sonic-3.5", **more)
        assert audio in part.speaks
        async with talking(part, audio=audio) as call:
            yield call


def say(session: TtsSession, generation: int, *pieces: str) -> None:
    for piece in pieces:
        session.say(piece, generation)
    session.finish(generation)


def spoken(*pieces: str, audio: AudioFormat = MULAW_8K) -> bytes:
    """The vendor's voice begins each piece with its tone anew."""
    return b"".join(tone(piece, audio) for piece in pieces)


def in_order(kept: Kept, generation: int) -> None:
    """The order that every voice keeps."""
    mine = [event for event in kept.events if event.generation == generation]
    assert mine[0] == StageReached(Stage.SYNTHESIS_STARTED, generation)
    assert mine[1] == StageReached(Stage.SYNTHESIS_FIRST_BYTE, generation)
    assert isinstance(mine[2], ReplyText)
    assert mine[-1] == ReplyEnded(generation)
    assert [type(event) for event in mine].count(StageReached) == 2
    assert [type(event) for event in mine].count(ReplyEnded) == 1


def places(kept: Kept, generation: int) -> list[tuple[float, str]]:
    """Where each piece of text begins, in ms of the reply's audio."""
    at, found = 0.0, []
    for event in kept.of(ReplyText, ReplyAudio):
        if event.generation == generation:
            if isinstance(event, ReplyText):
                found.append((at, event.text))
            else:
                at += MULAW_8K.ms(len(event.audio))
    return found


# --- when all goes well ------------------------------------------------------------------------------------------


def test_a_reply_is_spoken_in_one_context_and_the_next_in_another() -> None:
    async def story() -> None:
        async with voice(simulated()) as (kept, session, _):
            say(session, 1, HELLO, HOW, FINE)
            await kept.until(lambda: kept.ended(1))
            say(session, 2, FINE)
            await kept.until(lambda: kept.ended(2))
        for generation, pieces in ((1, (HELLO, HOW, FINE)), (2, (FINE,))):
            in_order(kept, generation)
            assert kept.text(generation) == "".join(pieces)
            assert kept.audio(generation) == spoken(*pieces)

    run(story())


def test_every_word_is_told_where_it_sounds() -> None:
    async def story() -> None:
        async with voice(simulated(speed=8)) as (kept, session, _):
            say(session, 1, HELLO, HOW, FINE)
            await kept.until(lambda: kept.ended(1))
        # A letter lasts as long as any other, and the vendor tells the times only after the audio.
        told = [(round(place), text.strip()) for place, text in places(kept, 1) if text.strip()]
        assert told == [(LETTER_MS * WHOLE.index(word), word) for word in WHOLE.split()]
        ends = [place for place, text in places(kept, 1) if text == " "]
        assert len(ends) >= len(told) - 2, "the pauses between them are nobody's"

    run(story())


def test_an_interruption_anywhere_knows_every_word_that_was_heard_whole_and_no_other() -> None:
    async def story() -> None:
        async with voice(simulated(speed=8)) as (kept, session, _):
            say(session, 1, HELLO, HOW, FINE)
            await kept.until(lambda: kept.ended(1))
        reply = Reply(1, 0)
        reply.texts = [(round(8 * place), text) for place, text in places(kept, 1)]
        ends = {word: 8 * LETTER_MS * (WHOLE.index(word) + len(word)) for word in WHOLE.split()}
        for position in range(0, len(kept.audio(1)) + 1, 8):
            heard = [word for word, end in ends.items() if end <= position]
            assert reply.text_up_to(position, len(kept.audio(1))) == " ".join(heard)

    run(story())


def test_the_first_sound_is_passed_on_at_once_and_the_rest_long_before_it_is_needed() -> None:
    async def story() -> None:
        async with voice(simulated(speed=8, voice_ms=60)) as (kept, session, _):
            begun = asyncio.get_running_loop().time()
            say(session, 1, HELLO, HOW, FINE)
            await kept.until(lambda: kept.ended(1))
        audio = [
            (at, event) for at, event in zip(kept.times, kept.events, strict=True) if isinstance(event, ReplyAudio)
        ]
        assert audio[0][0] - begun <= 0.06 + 0.03
        assert len(audio[0][1].audio) == 320, "the vendor's first message"
        have_s = 0.0
        for at, event in audio:
            assert at - audio[0][0] <= have_s, "the caller would have heard a gap"
            have_s += len(event.audio) / 8000

    run(story())


def test_every_format_comes_as_it_is() -> None:
    async def story(audio: AudioFormat) -> None:
        async with voice(simulated(), audio=audio) as (kept, session, _):
            say(session, 1, HELLO)
            await kept.until(lambda: kept.ended(1))
        assert kept.audio(1) == tone(HELLO, audio)

    run(together(story(audio) for audio in (MULAW_8K, ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K)))


def test_silence_before_the_first_word_is_trimmed_and_told() -> None:
    async def story() -> None:
        logs.configure()
        with structlog.testing.capture_logs() as lines:
            async with voice(simulated(lead_ms=200)) as (kept, session, _):
                say(session, 1, HELLO)
                await kept.until(lambda: kept.ended(1))
                assert session.trimmed_ms == 120  # type: ignore[attr-defined]
        assert kept.audio(1) == silence(MULAW_8K, 80) + tone(HELLO, MULAW_8K)
        assert [line["ms"] for line in lines if line["event"] == "leading silence trimmed"] == [120]

    run(story())


@pytest.mark.parametrize("pieces", [(), (" ",), ("\n", " ")])
def test_a_reply_of_nothing_ends(pieces: tuple[str, ...]) -> None:
    async def story() -> None:
        async with voice(simulated()) as (kept, session, _):
            say(session, 1, *pieces)
            say(session, 2, FINE)
            await kept.until(lambda: kept.ended(2))
        assert not kept.audio(1)
        assert kept.ended(1)
        assert kept.text(1) == "".join(pieces)
        assert kept.audio(2) == tone(FINE, MULAW_8K)

    run(story())


def test_text_may_come_in_any_pieces() -> None:
    async def story() -> None:
        async with voice(simulated()) as (kept, session, _):
            say(session, 1, *WHOLE)
            await kept.until(lambda: kept.ended(1))
        assert kept.text(1) == WHOLE
        in_order(kept, 1)

    run(story())


def test_all_knobs_are_taken() -> None:
    async def story() -> None:
        knobs: dict[str, Any] = {
            "speed": 1.1,
            "volume": 0.9,
            "emotion": "calm",
            "max_buffer_delay_ms": 100,
            "pronunciation_dict_id": "p",
        }
        async with voice(simulated(), **knobs) as (kept, session, _):
            say(session, 1, HELLO)
            await kept.until(lambda: kept.ended(1))
        assert kept.audio(1) == tone(HELLO, MULAW_8K)

    run(story())


# --- a model that takes its time ---------------------------------------------------------------------------------


@pytest.mark.parametrize("pause_s", [0.9, 1.3])
def test_a_model_that_pauses_for_longer_than_a_context_lives_is_heard_out(pause_s: float) -> None:
    async def story() -> None:
        async with voice(simulated()) as (kept, session, task):
            session.say(HELLO, 1)
            await kept.until(lambda: len(kept.audio(1)) == len(spoken(HELLO)))
            await asyncio.sleep(pause_s)
            say(session, 1, HOW, FINE)
            await kept.until(lambda: kept.ended(1) or task.done())
        in_order(kept, 1)
        assert kept.text(1) == WHOLE
        assert kept.audio(1) == spoken(HELLO, HOW, FINE)

    run(story())


@pytest.mark.parametrize(("pause_s", "refused"), [(0.1, True), (0.85, False)])
def test_text_that_meets_a_dead_context_goes_into_another(
    monkeypatch: pytest.MonkeyPatch, pause_s: float, refused: bool
) -> None:
    """The vendor forgets sooner than it says, and its word of it is still on its way when we send more. After a longer
    pause nothing is sent into that context."""
    monkeypatch.setattr("trunkline.ai.providers._cartesia_standin_speak.EXPIRES_S", 0.05)
    received = SpeakSession.received

    def late(session: SpeakSession, data: bytes, binary: bool) -> None:
        if b'"type":"done"' not in data:
            received(session, data, binary)

    monkeypatch.setattr(SpeakSession, "received", late)

    async def story() -> None:
        logs.configure(level="debug")
        with structlog.testing.capture_logs() as lines:
            async with voice(simulated()) as (kept, session, task):
                session.say(HELLO, 1)
                await kept.until(lambda: len(kept.audio(1)) == len(spoken(HELLO)))
                await asyncio.sleep(pause_s)
                monkeypatch.undo()
                say(session, 1, HOW, FINE)
                await kept.until(lambda: kept.ended(1) or task.done())
        assert kept.text(1) == WHOLE
        assert kept.audio(1) in (spoken(HELLO, HOW + FINE), spoken(HELLO, HOW, FINE))
        assert ("context was closed" in [line["event"] for line in lines]) == refused

    run(story())


# --- interrupted ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["at once", "before audio", "in its audio"])
def test_nothing_of_a_cancelled_reply_is_heard_in_the_next(when: str) -> None:
    async def story() -> None:
        async with voice(simulated(speed=4, voice_ms=40)) as (kept, session, _):
            if when != "at once":
                say(session, 1, "Well. ")
                await kept.until(lambda: kept.ended(1))
            say(session, 2, HELLO, HOW, FINE)
            if when == "before audio":
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
        assert kept.audio(3) == spoken("Sorry? ", "What?")
        if when == "in its audio":
            assert tone(HELLO, MULAW_8K).startswith(kept.audio(2))

    run(story())


@pytest.mark.parametrize("last", [ReplyText(" b", 1), ReplyAudio(tone("a", MULAW_8K), 1)], ids=["text", "audio"])
def test_what_is_told_may_be_answered_by_cancelling(last: ReplyText | ReplyAudio) -> None:
    """A call interrupts from within the event: then nothing more of that reply is told."""

    async def story() -> None:
        told: list[Any] = []

        def emit(event: Any) -> None:
            told.append(event)
            if event == last:
                mouth.stop()

        mouth = Mouth(1, MULAW_8K, emit, logs.get("test"))
        mouth.words.say("a b c d")
        mouth.words.timed([("a", 0, 40), ("b", 40, 80), ("c", 80, 120), ("d", 120, 160)])
        mouth.audio(tone("abcd", MULAW_8K))
        mouth.pass_on()
        mouth.made()
        mouth.end()
        assert told[-1] == last

    run(story())


def test_a_caller_who_interrupts_again_and_again_is_served_in_the_end() -> None:
    async def story() -> None:
        async with voice(simulated(speed=4, voice_ms=5)) as (kept, session, _):
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


def test_nothing_is_told_after_the_session_is_over() -> None:
    async def story() -> None:
        async with voice(simulated(speed=4)) as (kept, session, task):
            say(session, 1, HELLO, HOW)
            await kept.until(lambda: len(kept.audio(1)) > 800)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            told = len(kept.events)
            await asyncio.sleep(0.15)
        assert len(kept.events) == told

    run(story())


# --- in trouble --------------------------------------------------------------------------------------------------

TROUBLES = [trouble for trouble in Trouble if trouble not in (Trouble.KEY, Trouble.QUOTA)]


@pytest.mark.parametrize("place", [Place.CONNECT, Place.ANSWERING, Place.SPEAKING])
def test_a_reply_goes_on_where_it_broke_off(place: Place) -> None:
    run(together(troubled(place, trouble) for trouble in TROUBLES))


async def troubled(place: Place, trouble: Trouble) -> None:
    there = simulated(troubles=[(place, trouble)])
    async with CARTESIA.standing_in(there) as url:
        # Where another voice stands behind, a connection that is not opened is waited for less.
        fallback = trouble is Trouble.STALL and place is Place.CONNECT
        part = CARTESIA.tts(url, "sonic-3.5", fallback=fallback)
        async with talking(part) as (kept, session, task):
            begun = asyncio.get_running_loop().time()
            say(session, 1, HELLO, HOW, FINE)
            await kept.until(lambda: kept.ended(1) or task.done())
            assert not there.troubles, "it never happened"
            in_order(kept, 1)
            assert kept.text(1) == WHOLE
            assert max(after - before for before, after in pairwise([begun, *kept.times])) <= 1.5
            if place is Place.SPEAKING and trouble not in (Trouble.GARBAGE, Trouble.UNKNOWN):
                # The word that broke off is said again, whole, and all the words after it.
                assert kept.audio(1).startswith(spoken("Hello"))
                assert kept.audio(1).endswith(spoken("there. How are you? Fine, I hope."))
                assert len(kept.audio(1)) <= len(spoken(WHOLE + "there."))
            else:
                assert kept.audio(1) in (spoken(HELLO, HOW, FINE), spoken(WHOLE))
            say(session, 2, FINE)  # and life goes on
            await kept.until(lambda: kept.ended(2))
            assert kept.audio(2) == tone(FINE, MULAW_8K)


@pytest.mark.parametrize("place", [Place.CONNECT, Place.ANSWERING])
@pytest.mark.parametrize(("trouble", "fault"), [(Trouble.KEY, "bad key"), (Trouble.QUOTA, "quota")])
def test_what_no_other_try_would_mend_is_given_up_at_once(place: Place, trouble: Trouble, fault: str) -> None:
    async def story() -> None:
        async with voice(simulated(troubles=[(place, trouble)])) as (_, session, task):
            say(session, 1, HELLO)
            with pytest.raises(ProviderError) as given_up:
                await asyncio.wait_for(task, 1)
        assert given_up.value.fault == fault

    run(story())


def test_a_request_the_vendor_does_not_take_is_our_fault() -> None:
    async def story() -> None:
        async with voice(simulated(), speed=9.0) as (_, session, task):
            say(session, 1, HELLO)
            with pytest.raises(ProviderError) as given_up:
                await asyncio.wait_for(task, 1)
        assert given_up.value.fault == "our fault"

    run(story())


def test_a_vendor_that_takes_text_and_never_speaks_is_given_up() -> None:
    async def story() -> None:
        there = simulated(troubles=[(Place.ANSWERING, Trouble.STALL)] * 20)
        async with voice(there, fallback=True) as (_, session, task):
            say(session, 1, HELLO)
            with pytest.raises(ProviderError) as given_up:
                await asyncio.wait_for(task, 6)
        assert given_up.value.fault == "transient"

    run(story())


def test_a_wrong_key_stops_the_start_and_a_network_without_the_vendor_does_not() -> None:
    async def story() -> None:
        async with CARTESIA.standing_in(simulated()) as url:
            with pytest.raises(ConfigError, match="CARTESIA_API_KEY"):
                await CARTESIA.tts(url, "sonic-3.5", api_key=WRONG_KEY).warm_up()
        await CARTESIA.tts("http://127.0.0.1:9", "sonic-3.5").warm_up()

    run(story())
