"""Ink against the vendor's simulated end: turns, words, and what happens when something goes wrong."""

import asyncio
import time
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
import structlog
from vendor_calls import FACTS, Kept, Vendor, hum, listening, silence

from trunkline import logs
from trunkline.ai.base import Stt
from trunkline.ai.events import CallerMayBeDone, CallerSaid, CallerWentOn, SpeechStarted, SpeechStopped
from trunkline.ai.loudness import Loudness
from trunkline.ai.standin import EarEvent, Place, Trouble, TurnBegan, TurnEnded, TurnText
from trunkline.audio import g711
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat
from trunkline.errors import ProviderError
from trunkline.testing.gate import Gate
from trunkline.testing.standins import play

CARTESIA = Vendor("cartesia")

LINE = "I would like a table for two on Friday"
TURNS, MANUAL = "ink-2", "ink-whisper"
FORMATS = [MULAW_8K, ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K]

TURN = (100.0, 820.0)
"""Where ``one_turn`` has its speech, in ms."""


def one_turn(audio: AudioFormat = MULAW_8K) -> list[bytes]:
    return [silence(audio, 100), hum(audio, 720)]


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


async def together(stories: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Several at once: most of their time is waiting."""
    async with asyncio.TaskGroup() as group:
        for story in stories:
            group.create_task(story)


async def part(url: str, model: str, **more: Any) -> Stt:
    made: Stt = CARTESIA.stt(url, model, **more)
    await made.warm_up()
    return made


def once(kept: Kept, line: str = LINE) -> None:
    """One turn was told of, as it should be."""
    assert kept.finals == [line]
    said = kept.of(CallerSaid)
    assert said[-1].final
    assert not any(event.final for event in said[:-1])


def placed(kept: Kept) -> None:
    assert len(kept.of(SpeechStarted)) == len(kept.of(SpeechStopped)) == 1
    assert abs(kept.of(SpeechStarted)[0].at_ms - TURN[0]) <= 20
    assert abs(kept.of(SpeechStopped)[0].at_ms - TURN[1]) <= 20


# --- when all goes well -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("audio", FORMATS, ids=str)
def test_a_turn_is_told_from_beginning_to_end(audio: AudioFormat) -> None:
    async def story() -> None:
        async with CARTESIA.standing_in(play([LINE], stt_ms=230)) as url:
            stt = await part(url, TURNS)
            assert audio in stt.hears
            assert stt.turns
            async with listening(stt, one_turn(audio), audio=audio) as (kept, _, _):
                await kept.until(lambda: bool(kept.finals))
        assert [type(event).__name__ for event in kept.events] == [
            "SpeechStarted", "CallerSaid", "CallerSaid", "CallerMayBeDone", "SpeechStopped", "CallerSaid",
        ]  # fmt: skip
        once(kept)
        placed(kept)
        assert kept.of(CallerMayBeDone) == [CallerMayBeDone(LINE)]

    run(story())


def test_a_caller_who_goes_on_is_not_answered_twice() -> None:
    async def story() -> None:
        pieces = [*one_turn(), silence(MULAW_8K, 300), hum(MULAW_8K, 400)]
        async with (
            CARTESIA.standing_in(play(["I would like", "a table"], stt_ms=700)) as url,
            listening(await part(url, TURNS), pieces) as (kept, _, _),
        ):
            await kept.until(lambda: bool(kept.finals))
        assert kept.finals == ["I would like a table"]
        assert kept.of(CallerMayBeDone, CallerWentOn) == [
            CallerMayBeDone("I would like"), CallerWentOn(), CallerMayBeDone("I would like a table"),
        ]  # fmt: skip
        assert len(kept.of(SpeechStarted)) == len(kept.of(SpeechStopped)) == 1

    run(story())


def test_two_turns_are_two() -> None:
    async def story() -> None:
        pieces = [*one_turn(), silence(MULAW_8K, 600), hum(MULAW_8K, 720)]
        async with (
            CARTESIA.standing_in(play(["One", "Two"], stt_ms=230)) as url,
            listening(await part(url, TURNS), pieces) as (kept, _, _),
        ):
            await kept.until(lambda: len(kept.finals) == 2)
        assert kept.finals == ["One", "Two"]
        assert [abs(event.at_ms - at) <= 20 for event, at in zip(kept.of(SpeechStarted), (100, 1420), strict=True)]
        assert [abs(event.at_ms - at) <= 20 for event, at in zip(kept.of(SpeechStopped), (820, 2140), strict=True)]

    run(story())


@pytest.mark.parametrize("audio", FORMATS, ids=str)
@pytest.mark.parametrize("model", [MANUAL, TURNS])
def test_a_turn_that_somebody_else_found_has_its_words(model: str, audio: AudioFormat) -> None:
    async def story() -> None:
        async with CARTESIA.standing_in(play([LINE], stt_ms=400)) as url:
            stt = await part(url, model, turns=False)
            assert not stt.turns
            async with listening(stt, one_turn(audio), audio=audio, turns=[TURN]) as (kept, speaking, _):
                await kept.until(lambda: bool(kept.finals))
                assert kept.times[-1] - speaking.fell_silent_at <= 0.4
        once(kept)
        assert kept.of(CallerSaid)[0] == CallerSaid("I", final=False)
        assert not kept.of(SpeechStarted, SpeechStopped)

    run(story())


def test_words_between_turns_are_not_the_next_ones() -> None:
    async def story() -> None:
        pieces = [*one_turn(), silence(MULAW_8K, 2000), hum(MULAW_8K, 720)]
        async with (
            CARTESIA.standing_in(play(["Somebody in the background", LINE], stt_ms=230)) as url,
            listening(await part(url, MANUAL), pieces, turns=[(2820.0, 3540.0)]) as (kept, _, _),
        ):
            await kept.until(lambda: bool(kept.finals))
        once(kept)

    run(story())


@pytest.mark.parametrize("model", [TURNS, MANUAL])
def test_a_turn_without_words_has_one_final_text_that_is_empty(model: str) -> None:
    async def story() -> None:
        async with (
            CARTESIA.standing_in(play([""], stt_ms=210)) as url,
            listening(await part(url, model), one_turn(), turns=[TURN] if model == MANUAL else ()) as (kept, _, _),
        ):
            await kept.until(lambda: bool(kept.finals))
        assert kept.of(CallerSaid) == [CallerSaid("", final=True)]

    run(story())


def test_a_recogniser_that_knows_english_only_says_so_at_the_start() -> None:
    async def story() -> None:
        logs.configure()
        async with CARTESIA.standing_in(play([LINE])) as url:
            with structlog.testing.capture_logs() as lines:
                made = CARTESIA.settings(url, TURNS)
                await CARTESIA.provider.stt(made).warm_up()
                assert not lines
                await CARTESIA.provider.stt(msgspec.structs.replace(made, language="de-de")).warm_up()
                assert [line["language"] for line in lines] == ["de"]

    run(story())


# --- gaps, and turns that do not end -----------------------------------------------------------------------------


def test_a_gap_in_the_audio_does_not_keep_a_turn_from_ending() -> None:
    async def story() -> None:
        async with CARTESIA.standing_in(play([LINE], stt_ms=210)) as url:
            kept = Kept()
            session = (await part(url, TURNS)).open(FACTS, hears=MULAW_8K, emit=kept)
            task = asyncio.create_task(session.run())
            now = asyncio.get_running_loop().time
            session.hear(hum(MULAW_8K, 720), now())
            await kept.until(lambda: len(kept.finals) == 1)  # though nothing more is heard
            session.hear(silence(MULAW_8K, 80) + hum(MULAW_8K, 720), now())
            await kept.until(lambda: len(kept.finals) == 2)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        # Our silence is no part of the call's time. A voice so soon after another is taken for its continuation.
        assert [round(event.at_ms) for event in kept.of(SpeechStarted)] == [0, 720]
        assert [abs(event.at_ms - at) <= 20 for event, at in zip(kept.of(SpeechStopped), (720, 1520), strict=True)]

    run(story())


class Endless:
    """Ears that hear turns begin, and never end."""

    def __init__(self, audio: AudioFormat) -> None:
        self._gate = Gate(audio)

    def push(self, audio: bytes) -> list[EarEvent]:
        edges = [edge for edge in self._gate.push(audio) if edge.began]
        return [event for edge in edges for event in (TurnBegan(edge.sample / 8), TurnText(LINE))]

    def flush(self) -> list[EarEvent]:
        return []


def test_a_turn_that_the_vendor_forgets_is_ended() -> None:
    async def story() -> None:
        forgetful = play([LINE])
        forgetful.ears = Endless
        async with (
            CARTESIA.standing_in(forgetful) as url,
            listening(await part(url, TURNS, turn_end_timeout_ms=640), one_turn(), speed=10) as (kept, speaking, _),
        ):
            await kept.until(lambda: bool(kept.finals))
            assert speaking.heard_ms - TURN[1] >= 1600
        once(kept)
        placed(kept)

    run(story())


class Thoughtful(Endless):
    """Ears that are silent for ``seconds`` of audio after the words, and then say that it is over."""

    seconds = 8.0

    def __init__(self, audio: AudioFormat) -> None:
        super().__init__(audio)
        self._left_ms = 0.0
        self._audio = audio

    def push(self, audio: bytes) -> list[EarEvent]:
        events = super().push(audio)
        if events:
            self._left_ms = 1000 * self.seconds
        elif self._left_ms:
            self._left_ms -= self._audio.ms(len(audio))
            if self._left_ms <= 0:
                self._left_ms = 0.0
                events.append(TurnEnded(0.0, LINE))
        return events


def test_a_vendor_that_thinks_for_long_is_asked_again_a_few_times_and_then_left_in_peace() -> None:
    async def story() -> None:
        logs.configure()
        thoughtful = play([LINE], stt_ms=0)
        thoughtful.ears = Thoughtful
        with structlog.testing.capture_logs() as lines:
            async with (
                CARTESIA.standing_in(thoughtful) as url,
                listening(await part(url, TURNS, turn_end_timeout_ms=11200), one_turn(), speed=2) as (kept, _, _),
            ):
                await kept.until(lambda: bool(kept.finals), 6)
        once(kept)
        placed(kept)
        asked = [line for line in lines if line["event"] == "provider connection lost"]
        assert len(asked) == 2

    run(story())


class Deaf(Endless):
    """Ears that hear nothing, the first time they are asked."""

    asked = 0

    def __init__(self, audio: AudioFormat) -> None:
        super().__init__(audio)
        Deaf.asked += 1
        self._deaf = Deaf.asked == 1

    def push(self, audio: bytes) -> list[EarEvent]:
        return [] if self._deaf else super().push(audio)


def test_a_voice_that_the_vendor_does_not_notice_is_played_to_another_connection() -> None:
    async def story() -> None:
        Deaf.asked = 0
        deaf = play([LINE])
        deaf.ears = Deaf
        async with (
            CARTESIA.standing_in(deaf) as url,
            listening(await part(url, TURNS), [silence(MULAW_8K, 100), hum(MULAW_8K, 3000)]) as (kept, _, _),
        ):
            await kept.until(lambda: bool(kept.of(CallerSaid)))
        assert Deaf.asked == 2
        assert abs(kept.of(SpeechStarted)[0].at_ms - 100) <= 20

    run(story())


def test_a_turn_longer_than_what_is_kept_does_not_lose_its_beginning() -> None:
    """Ten seconds are kept. The words known when the older audio was let go are put before what is heard again."""

    class Counting:
        """Hears a word each second; after fifteen it is cut off."""

        def __init__(self, audio: AudioFormat) -> None:
            self._audio, self._bytes, self._words = audio, 0, 0

        def push(self, audio: bytes) -> list[EarEvent]:
            events: list[EarEvent] = [] if self._bytes else [TurnBegan(0.0)]
            self._bytes += len(audio)
            while self._audio.ms(self._bytes) >= 1000 * (self._words + 1):
                self._words += 1
                events.append(TurnText(" ".join(["word"] * self._words)))
                if self._words == 15:
                    events.append(TurnEnded(15_000, ""))
            return events

        def flush(self) -> list[EarEvent]:
            return []

    async def story() -> None:
        counting = play([LINE], troubles=[(Place.ANSWERING, Trouble.CUT)])
        counting.ears = Counting
        async with CARTESIA.standing_in(counting) as url:
            kept = Kept()
            session = (await part(url, TURNS)).open(FACTS, hears=MULAW_8K, emit=kept)
            task = asyncio.create_task(session.run())
            for _ in range(250):
                session.hear(hum(MULAW_8K, 60), asyncio.get_running_loop().time())
                await asyncio.sleep(0.003)
            # Fifteen words, and then those of the last ten seconds again, one by one.
            await kept.until(lambda: len(kept.events) >= 20 and len(kept.events[-1].text.split()) >= 13, 1.5)
            assert not counting.troubles
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert 13 <= len(kept.events[-1].text.split()) <= 16
        assert len(kept.of(SpeechStarted)) == 1

    run(story())


# --- when something goes wrong ------------------------------------------------------------------------------------

TROUBLES = [trouble for trouble in Trouble if trouble not in (Trouble.KEY, Trouble.QUOTA)]


@pytest.mark.parametrize("model", [TURNS, MANUAL])
@pytest.mark.parametrize("place", [Place.CONNECT, Place.HEARING, Place.ANSWERING])
def test_no_word_is_lost_and_none_is_doubled(model: str, place: Place) -> None:
    run(together(troubled(model, place, trouble) for trouble in TROUBLES))


async def troubled(model: str, place: Place, trouble: Trouble) -> None:
    # A connection that is not even opened is waited for as long as patience says: less where another one stands behind.
    fallback = place is Place.CONNECT and trouble is Trouble.STALL
    simulated = play([LINE], stt_ms=230, troubles=[(place, trouble)])
    turns: Sequence[tuple[float, float]] = [TURN] if model == MANUAL else ()
    async with CARTESIA.standing_in(simulated) as url:
        stt = CARTESIA.stt(url, model, fallback=fallback)
        async with listening(stt, one_turn(), turns=turns, speed=3) as (kept, speaking, session):
            await kept.until(lambda: bool(kept.finals))
            assert not simulated.troubles, "it never happened"
            once(kept)
            assert kept.times[-1] - speaking.fell_silent_at <= 1.5
            if model == TURNS:
                placed(kept)
            # And life goes on.
            again_ms = speaking.heard_ms
            session.hear(hum(MULAW_8K, 720), asyncio.get_running_loop().time())
            if model == MANUAL:
                session.turn_started(again_ms)
                await asyncio.sleep(0.1)
                session.turn_ended(again_ms + 720)
            await kept.until(lambda: len(kept.finals) == 2)
            assert kept.finals == [LINE, LINE]


@pytest.mark.parametrize("model", [TURNS, MANUAL])
@pytest.mark.parametrize(("trouble", "fault"), [(Trouble.KEY, "bad key"), (Trouble.QUOTA, "quota")])
def test_what_no_other_try_would_mend_is_given_up_at_once(model: str, trouble: Trouble, fault: str) -> None:
    async def story() -> None:
        async with CARTESIA.standing_in(play([LINE], troubles=[(Place.CONNECT, trouble)])) as url:
            session = CARTESIA.stt(url, model).open(FACTS, hears=MULAW_8K, emit=Kept())
            with pytest.raises(ProviderError) as given_up:
                await asyncio.wait_for(session.run(), 1)
        assert given_up.value.fault == fault

    run(story())


def test_a_vendor_that_never_has_words_is_given_up_with_its_turn_where_another_stands_behind() -> None:
    async def story() -> None:
        async with CARTESIA.standing_in(play([LINE], troubles=[(Place.HEARING, Trouble.STALL)] * 20)) as url:
            kept = Kept()
            session = CARTESIA.stt(url, MANUAL, fallback=True).open(FACTS, hears=MULAW_8K, emit=kept)
            task = asyncio.create_task(session.run())
            session.turn_started(0)
            session.hear(hum(MULAW_8K, 720), 0)
            session.turn_ended(720)
            with pytest.raises(ProviderError) as given_up:
                await asyncio.wait_for(task, 3)
        assert given_up.value.fault == "transient"
        assert kept.finals == [], "the turn is the other one's"

    run(story())


# --- where it was loud --------------------------------------------------------------------------------------------


def test_loudness_finds_where_a_voice_was() -> None:
    for audio in FORMATS:
        loud = Loudness(audio)
        sound = silence(audio, 300) + hum(audio, 500) + silence(audio, 200) + hum(audio, 300) + silence(audio, 700)
        for at in range(0, len(sound), audio.bytes_for(60)):
            loud.push(sound[at : at + audio.bytes_for(60)])
        assert loud.began_ms == pytest.approx(300, abs=20)
        assert loud.until_ms == pytest.approx(1300, abs=20)
        loud.push(hum(audio, 100))
        assert loud.began_ms == pytest.approx(2000, abs=20)


def test_a_turn_in_noise_is_where_its_news_is() -> None:
    async def story() -> None:
        dice = np.random.default_rng(1)
        noise = g711.encode_mulaw(
            dice.normal(0, 500, 8 * 6000).astype("<i2").tobytes()
        )  # -36 dBFS: louder than it may be
        quiet = play([LINE], stt_ms=230)

        class Late(Endless):
            def push(self, audio: bytes) -> list[EarEvent]:
                self.heard = getattr(self, "heard", 0) + len(audio)
                before = self.heard - len(audio)
                if before < 8 * 4500 <= self.heard:
                    return [TurnBegan(4000), TurnText(LINE)]
                return [TurnEnded(5500, LINE)] if before < 8 * 5700 <= self.heard else []

        quiet.ears = Late
        async with (
            CARTESIA.standing_in(quiet) as url,
            listening(await part(url, TURNS), [noise, silence(MULAW_8K, 1000)], speed=8) as (kept, _, _),
        ):
            await kept.until(lambda: bool(kept.finals))
        assert kept.of(SpeechStarted)[0].at_ms == pytest.approx(4500, abs=300)
        assert kept.of(SpeechStopped)[0].at_ms == pytest.approx(5700, abs=400)

    run(story())


def test_hearing_costs_little() -> None:
    """So little that a loop with hundreds of calls does not notice: the bound is ten times what it takes."""

    async def story() -> None:
        async with CARTESIA.standing_in(play([LINE])) as url:
            stt = await part(url, TURNS)
            async with listening(stt, []) as (_, _, session):
                frame, count = silence(MULAW_8K, 20), 3000
                begun = time.process_time()
                for _ in range(count):
                    session.hear(frame, 0.0)
                each_us = 1e6 * (time.process_time() - begun) / count
        assert each_us < 50, f"{each_us:.1f} us"

    run(story())
