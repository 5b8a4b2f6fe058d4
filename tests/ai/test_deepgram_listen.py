"""Flux and Nova against the vendor's simulated end: turns, words, and what happens when something goes wrong."""

import asyncio

import pytest
import structlog
from real_time import in_real_time, together
from vendor_calls import FACTS, FORMATS, LINE, TURN, Endless, Kept, Vendor, listening, once, one_turn
from voices import hum, silence

from trunkline import logs
from trunkline.ai.events import CallerMayBeDone, CallerSaid, SpeechStopped
from trunkline.ai.standin import WRONG_KEY, Place, Play, Trouble
from trunkline.audio.format import MULAW_8K, AudioFormat
from trunkline.errors import ProviderError
from trunkline.testing.standins import play

DEEPGRAM = Vendor("deepgram")

FLUX, NOVA = "flux-general-en", "nova-3"


# --- when all goes well -----------------------------------------------------------------------------------------


@in_real_time
async def test_flux_knows_what_it_heard_last_and_how_sure_it_is() -> None:
    async def story(audio: AudioFormat) -> None:
        async with (
            DEEPGRAM.ears(play([LINE], stt_ms=230), FLUX) as stt,
            listening(stt, one_turn(audio), audio=audio) as (kept, _, session),
        ):
            await kept.until(lambda: bool(kept.finals))
        assert kept.events[-1].confidence == 0.97
        latest = session.latest  # type: ignore[attr-defined]
        assert (latest.text, latest.is_final, latest.speech_final) == (LINE, True, True)
        assert [word.text for word in latest.words] == LINE.split()
        assert latest.words[-1].end_ms == pytest.approx(kept.of(SpeechStopped)[0].at_ms)

    await together(story(audio) for audio in FORMATS)


@in_real_time
async def test_flux_without_a_threshold_does_not_speculate() -> None:
    async with (
        DEEPGRAM.ears(play([LINE], stt_ms=230), FLUX, eager_eot_threshold=0) as stt,
        listening(stt, one_turn()) as (kept, _, _),
    ):
        await kept.until(lambda: bool(kept.finals))
    once(kept)
    assert not kept.of(CallerMayBeDone)


@in_real_time
async def test_nova_knows_what_it_heard_last_and_how_sure_it_is() -> None:
    async def story(audio: AudioFormat) -> None:
        async with (
            DEEPGRAM.ears(play([LINE], stt_ms=400), NOVA) as stt,
            listening(stt, one_turn(audio), audio=audio, turns=[TURN]) as (kept, _, session),
        ):
            await kept.until(lambda: bool(kept.finals))
        latest = session.latest  # type: ignore[attr-defined]
        assert (latest.text, latest.is_final, latest.speech_final, latest.confidence) == (LINE, True, True, 0.97)
        assert abs(latest.words[-1].end_ms - TURN[1]) <= 20

    await together(story(audio) for audio in FORMATS)


@in_real_time
async def test_nova_is_not_waited_for_when_the_words_are_there() -> None:
    async with (
        DEEPGRAM.ears(play([LINE], stt_ms=210), NOVA) as stt,
        listening(stt, one_turn()) as (kept, speaking, session),
    ):
        session.turn_started(TURN[0])
        over = asyncio.Event()
        speaking.on_ms.append((TURN[1] + 500, over.set))
        await over.wait()
        assert not kept.finals
        session.turn_ended(TURN[1])
        assert kept.finals == [LINE], "in the same call"


@in_real_time
async def test_nova_finds_turns_itself_if_it_is_asked_to() -> None:
    pieces = [*one_turn(), silence(MULAW_8K, 600), hum(MULAW_8K, 720)]
    async with DEEPGRAM.ears(play([LINE], stt_ms=300), NOVA, nova_turns=True) as stt:
        assert stt.turns
        async with listening(stt, pieces) as (kept, _, _):
            await kept.until(lambda: len(kept.finals) == 2)
    assert kept.finals == [LINE, LINE]
    kinds = [type(event).__name__ for event in kept.events if not isinstance(event, CallerSaid) or event.final]
    assert kinds == ["SpeechStarted", "SpeechStopped", "CallerSaid"] * 2
    assert [abs(event.at_ms - at) <= 20 for event, at in zip(kept.of(SpeechStopped), (820, 2140), strict=True)]


# --- gaps, and turns that do not end -----------------------------------------------------------------------------


@in_real_time
async def test_a_turn_that_flux_forgets_is_ended() -> None:
    forgetful = play([LINE])
    forgetful.ears = Endless
    logs.configure()
    with structlog.testing.capture_logs() as lines:
        async with (
            DEEPGRAM.ears(forgetful, FLUX, eot_timeout_ms=500) as stt,
            listening(stt, one_turn(), speed=10) as (kept, speaking, _),
        ):
            await kept.until(lambda: bool(kept.finals))
            assert speaking.heard_ms - TURN[1] >= 1500
    assert not [line for line in lines if line["log_level"] == "warning"], "it did as it was told"
    once(kept)
    assert len(kept.of(SpeechStopped)) == 1


# --- when something goes wrong ------------------------------------------------------------------------------------


@in_real_time
async def test_a_wrong_key_stops_the_start() -> None:
    with pytest.raises(Exception, match="DEEPGRAM_API_KEY"):
        async with DEEPGRAM.ears(play([LINE]), FLUX, api_key=WRONG_KEY):
            raise AssertionError("it began")


@in_real_time
async def test_a_vendor_that_hears_and_never_answers_is_given_up() -> None:
    deaf: Play = play([LINE], troubles=[(Place.HEARING, Trouble.STALL)] * 20)
    async with DEEPGRAM.standing_in(deaf) as url:
        stt = DEEPGRAM.stt(url, FLUX, fallback=True)
        kept = Kept()
        session = stt.open(FACTS, hears=MULAW_8K, emit=kept)
        loop = asyncio.get_running_loop()
        running = asyncio.create_task(session.run())
        async with asyncio.timeout(8):
            while not running.done():
                session.hear(hum(MULAW_8K, 20), loop.time())
                await asyncio.sleep(0.02)
        with pytest.raises(ProviderError) as given_up:
            running.result()
    assert given_up.value.fault == "transient"
