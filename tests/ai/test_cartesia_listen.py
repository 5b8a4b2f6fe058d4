"""Ink against the vendor's simulated end: turns, words, and what happens when something goes wrong."""

import asyncio
import time

import msgspec
import numpy as np
import pytest
import structlog
from real_time import in_real_time
from vendor_calls import FACTS, FORMATS, LINE, TURN, Endless, Kept, Vendor, listening, once, one_turn, placed
from voices import hum, silence

from trunkline import logs
from trunkline.ai.events import CallerSaid, SpeechStarted, SpeechStopped
from trunkline.ai.loudness import Loudness
from trunkline.ai.standin import EarEvent, Place, Trouble, TurnBegan, TurnEnded, TurnText
from trunkline.audio import g711
from trunkline.audio.format import MULAW_8K, AudioFormat
from trunkline.errors import ProviderError
from trunkline.testing.standins import play

CARTESIA = Vendor("cartesia")

TURNS, MANUAL = "ink-2", "ink-whisper"

# --- when all goes well -----------------------------------------------------------------------------------------


@in_real_time
async def test_two_turns_are_two() -> None:
    pieces = [*one_turn(), silence(MULAW_8K, 600), hum(MULAW_8K, 720)]
    async with (
        CARTESIA.ears(play(["One", "Two"], stt_ms=230), TURNS) as stt,
        listening(stt, pieces) as (kept, _, _),
    ):
        await kept.until(lambda: len(kept.finals) == 2)
    assert kept.finals == ["One", "Two"]
    assert [abs(event.at_ms - at) <= 20 for event, at in zip(kept.of(SpeechStarted), (100, 1420), strict=True)]
    assert [abs(event.at_ms - at) <= 20 for event, at in zip(kept.of(SpeechStopped), (820, 2140), strict=True)]


@in_real_time
async def test_words_between_turns_are_not_the_next_ones() -> None:
    pieces = [*one_turn(), silence(MULAW_8K, 2000), hum(MULAW_8K, 720)]
    async with (
        CARTESIA.ears(play(["Somebody in the background", LINE], stt_ms=230), MANUAL) as stt,
        listening(stt, pieces, turns=[(2820.0, 3540.0)]) as (kept, _, _),
    ):
        await kept.until(lambda: bool(kept.finals))
    once(kept)


@in_real_time
async def test_a_recogniser_that_knows_english_only_says_so_at_the_start() -> None:
    logs.configure()
    async with CARTESIA.standing_in(play([LINE])) as url:
        with structlog.testing.capture_logs() as lines:
            made = CARTESIA.settings(url, TURNS)
            await CARTESIA.provider.stt(made).warm_up()
            assert not lines
            await CARTESIA.provider.stt(msgspec.structs.replace(made, language="de-de")).warm_up()
            assert [line["language"] for line in lines] == ["de"]


# --- gaps, and turns that do not end -----------------------------------------------------------------------------


@in_real_time
async def test_a_turn_that_the_vendor_forgets_is_ended() -> None:
    forgetful = play([LINE])
    forgetful.ears = Endless
    async with (
        CARTESIA.ears(forgetful, TURNS, turn_end_timeout_ms=640) as stt,
        listening(stt, one_turn(), speed=10) as (kept, speaking, _),
    ):
        await kept.until(lambda: bool(kept.finals))
        assert speaking.heard_ms - TURN[1] >= 1600
    once(kept)
    placed(kept)


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


@in_real_time
async def test_a_vendor_that_thinks_for_long_is_asked_again_a_few_times_and_then_left_in_peace() -> None:
    logs.configure()
    thoughtful = play([LINE], stt_ms=0)
    thoughtful.ears = Thoughtful
    with structlog.testing.capture_logs() as lines:
        async with (
            CARTESIA.ears(thoughtful, TURNS, turn_end_timeout_ms=11200) as stt,
            listening(stt, one_turn(), speed=2) as (kept, _, _),
        ):
            await kept.until(lambda: bool(kept.finals), 6)
    once(kept)
    placed(kept)
    asked = [line for line in lines if line["event"] == "provider connection lost"]
    assert len(asked) == 2


class Deaf(Endless):
    """Ears that hear nothing, the first time they are asked."""

    asked = 0

    def __init__(self, audio: AudioFormat) -> None:
        super().__init__(audio)
        Deaf.asked += 1
        self._deaf = Deaf.asked == 1

    def push(self, audio: bytes) -> list[EarEvent]:
        return [] if self._deaf else super().push(audio)


@in_real_time
async def test_a_voice_that_the_vendor_does_not_notice_is_played_to_another_connection() -> None:
    Deaf.asked = 0
    deaf = play([LINE])
    deaf.ears = Deaf
    async with (
        CARTESIA.ears(deaf, TURNS) as stt,
        listening(stt, [silence(MULAW_8K, 100), hum(MULAW_8K, 3000)]) as (kept, _, _),
    ):
        await kept.until(lambda: bool(kept.of(CallerSaid)))
    assert Deaf.asked == 2
    assert abs(kept.of(SpeechStarted)[0].at_ms - 100) <= 20


@in_real_time
async def test_a_turn_longer_than_what_is_kept_does_not_lose_its_beginning() -> None:
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

    counting = play([LINE], troubles=[(Place.ANSWERING, Trouble.CUT)])
    counting.ears = Counting
    async with CARTESIA.ears(counting, TURNS) as stt:
        kept = Kept()
        session = stt.open(FACTS, hears=MULAW_8K, emit=kept)
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


# --- when something goes wrong ------------------------------------------------------------------------------------


@in_real_time
async def test_a_vendor_that_never_has_words_is_given_up_with_its_turn_where_another_stands_behind() -> None:
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


@in_real_time
async def test_a_turn_in_noise_is_where_its_news_is() -> None:
    dice = np.random.default_rng(1)
    # -36 dBFS: louder than it may be
    noise = g711.encode_mulaw(dice.normal(0, 500, 8 * 6000).astype("<i2").tobytes())
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
        CARTESIA.ears(quiet, TURNS) as stt,
        listening(stt, [noise, silence(MULAW_8K, 1000)], speed=8) as (kept, _, _),
    ):
        await kept.until(lambda: bool(kept.finals))
    assert kept.of(SpeechStarted)[0].at_ms == pytest.approx(4500, abs=300)
    assert kept.of(SpeechStopped)[0].at_ms == pytest.approx(5700, abs=400)


@in_real_time
async def test_hearing_costs_little() -> None:
    """So little that a loop with hundreds of calls does not notice: the bound is ten times what it takes."""

    async with CARTESIA.ears(play([LINE]), TURNS) as stt, listening(stt, []) as (_, _, session):
        frame, count = silence(MULAW_8K, 20), 3000
        begun = time.process_time()
        for _ in range(count):
            session.hear(frame, 0.0)
        each_us = 1e6 * (time.process_time() - begun) / count
    assert each_us < 50, f"{each_us:.1f} us"
