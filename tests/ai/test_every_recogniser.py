"""What every recogniser that hears as the caller speaks must pass, against its vendor's simulated end: turns, words,
and what happens when something goes wrong. Those that find no turns themselves are told of them.
"""

import asyncio
from itertools import product

import msgspec
import pytest
from real_time import all_at_once, in_real_time, together
from vendor_calls import FACTS, FATAL, FORMATS, LINE, PASSING, TURN, Kept, Vendor, listening, once, one_turn, placed
from voices import hum, silence

from trunkline.ai.events import CallerMayBeDone, CallerSaid, CallerWentOn, SpeechStarted, SpeechStopped
from trunkline.ai.standin import Place, Trouble
from trunkline.audio.format import MULAW_8K, AudioFormat
from trunkline.errors import ProviderError
from trunkline.testing.standins import play


class Ears(msgspec.Struct, frozen=True):
    """One of a vendor's models."""

    vendor: str
    model: str
    turns: bool = True  # it finds them itself
    goes_on_at_ms: float = 800.0  # when it takes a voice to begin that is heard 80 ms after another
    stt_ms: float = 230.0  # what it takes to say its words

    def __str__(self) -> str:
        return f"{self.vendor}-{self.model}"

    @property
    def told(self) -> list[tuple[float, float]]:
        """Of which turns it must be told."""
        return [] if self.turns else [TURN]


INK = Ears("cartesia", "ink-2", goes_on_at_ms=720.0)  # so soon after another it is taken for its continuation
WHISPER = Ears("cartesia", "ink-whisper", turns=False)
FLUX = Ears("deepgram", "flux-general-en")
NOVA = Ears("deepgram", "nova-3", turns=False, stt_ms=5000.0)  # not a word for long, were it not asked for them

every = pytest.mark.parametrize("ears", [INK, WHISPER, FLUX, NOVA], ids=str)
every_that_finds_turns = pytest.mark.parametrize("ears", [INK, FLUX], ids=str)


# --- when all goes well -----------------------------------------------------------------------------------------


@every_that_finds_turns
@in_real_time
async def test_a_turn_is_told_from_beginning_to_end(ears: Ears) -> None:
    async def story(audio: AudioFormat) -> None:
        async with Vendor(ears.vendor).ears(play([LINE], stt_ms=230), ears.model) as stt:
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

    await together(story(audio) for audio in FORMATS)


@every_that_finds_turns
@in_real_time
async def test_a_caller_who_goes_on_is_not_answered_twice(ears: Ears) -> None:
    pieces = [*one_turn(), silence(MULAW_8K, 300), hum(MULAW_8K, 400)]
    async with (
        Vendor(ears.vendor).ears(play(["I would like", "a table"], stt_ms=700), ears.model) as stt,
        listening(stt, pieces) as (kept, _, _),
    ):
        await kept.until(lambda: bool(kept.finals))
    assert kept.finals == ["I would like a table"]
    assert kept.of(CallerMayBeDone, CallerWentOn) == [
        CallerMayBeDone("I would like"), CallerWentOn(), CallerMayBeDone("I would like a table"),
    ]  # fmt: skip
    assert len(kept.of(SpeechStarted)) == len(kept.of(SpeechStopped)) == 1


@pytest.mark.parametrize(("ears", "asked"), [(WHISPER, {}), (INK, {"turns": False}), (NOVA, {})], ids=str)
@in_real_time
async def test_a_turn_that_somebody_else_found_has_its_words(ears: Ears, asked: dict[str, bool]) -> None:
    async def story(audio: AudioFormat) -> None:
        async with Vendor(ears.vendor).ears(play([LINE], stt_ms=400), ears.model, **asked) as stt:
            assert audio in stt.hears
            assert not stt.turns
            async with listening(stt, one_turn(audio), audio=audio, turns=[TURN]) as (kept, speaking, _):
                await kept.until(lambda: bool(kept.finals))
                assert kept.times[-1] - speaking.fell_silent_at <= 0.4
        once(kept)
        assert kept.of(CallerSaid)[0] == CallerSaid("I", final=False)
        assert not kept.of(SpeechStarted, SpeechStopped)

    await together(story(audio) for audio in FORMATS)


@every
@in_real_time
async def test_a_turn_without_words_has_one_final_text_that_is_empty(ears: Ears) -> None:
    async with (
        Vendor(ears.vendor).ears(play([""], stt_ms=210), ears.model) as stt,
        listening(stt, one_turn(), turns=ears.told) as (kept, _, _),
    ):
        await kept.until(lambda: bool(kept.finals))
    assert kept.of(CallerSaid) == [CallerSaid("", final=True)]


@every_that_finds_turns
@in_real_time
async def test_a_gap_in_the_audio_does_not_keep_a_turn_from_ending(ears: Ears) -> None:
    async with Vendor(ears.vendor).ears(play([LINE], stt_ms=210), ears.model) as stt:
        kept = Kept()
        session = stt.open(FACTS, hears=MULAW_8K, emit=kept)
        task = asyncio.create_task(session.run())
        now = asyncio.get_running_loop().time
        session.hear(hum(MULAW_8K, 720), now())
        await kept.until(lambda: len(kept.finals) == 1)  # though nothing more is heard
        session.hear(silence(MULAW_8K, 80) + hum(MULAW_8K, 720), now())
        await kept.until(lambda: len(kept.finals) == 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    # Our silence is no part of the call's time.
    assert [round(event.at_ms) for event in kept.of(SpeechStarted)] == [0, ears.goes_on_at_ms]
    assert [abs(event.at_ms - at) <= 20 for event, at in zip(kept.of(SpeechStopped), (720, 1520), strict=True)]


# --- when something goes wrong ------------------------------------------------------------------------------------


@every
def test_no_word_is_lost_and_none_is_doubled(ears: Ears) -> None:
    cases = product([Place.CONNECT, Place.HEARING, Place.ANSWERING], PASSING)
    all_at_once({f"{trouble} while {place}": troubled(ears, place, trouble) for place, trouble in cases})


async def troubled(ears: Ears, place: Place, trouble: Trouble) -> None:
    # A connection that is not even opened is waited for as long as patience says: less where another one stands behind.
    fallback = place is Place.CONNECT and trouble is Trouble.STALL
    simulated, vendor = play([LINE], stt_ms=ears.stt_ms, troubles=[(place, trouble)]), Vendor(ears.vendor)
    async with (
        vendor.standing_in(simulated) as url,
        listening(vendor.stt(url, ears.model, fallback=fallback), one_turn(), turns=ears.told, speed=3) as call,
    ):
        kept, speaking, session = call
        await kept.until(lambda: bool(kept.finals))
        assert not simulated.troubles, "it never happened"
        once(kept)
        assert kept.times[-1] - speaking.fell_silent_at <= 1.5
        if ears.turns:
            placed(kept)
        # And life goes on.
        again_ms = speaking.heard_ms
        session.hear(hum(MULAW_8K, 720), asyncio.get_running_loop().time())
        if not ears.turns:
            session.turn_started(again_ms)
            await asyncio.sleep(0.1)
            session.turn_ended(again_ms + 720)
        await kept.until(lambda: len(kept.finals) == 2)
        assert kept.finals == [LINE, LINE]


@every
@pytest.mark.parametrize("trouble", FATAL)
@in_real_time
async def test_what_no_other_try_would_mend_is_given_up_at_once(ears: Ears, trouble: Trouble) -> None:
    vendor = Vendor(ears.vendor)
    async with vendor.standing_in(play([LINE], troubles=[(Place.CONNECT, trouble)])) as url:
        session = vendor.stt(url, ears.model).open(FACTS, hears=MULAW_8K, emit=Kept())
        with pytest.raises(ProviderError) as given_up:
            await asyncio.wait_for(session.run(), 1)
    assert given_up.value.fault == FATAL[trouble]
