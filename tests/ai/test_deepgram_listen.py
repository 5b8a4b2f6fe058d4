"""Flux and Nova against the vendor's simulated end: turns, words, and what happens when something goes wrong."""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

import pytest
import structlog
from vendor_calls import FACTS, LINE, Kept, Vendor, hum, listening, silence

from trunkline import logs
from trunkline.ai.base import Stt
from trunkline.ai.events import CallerMayBeDone, CallerSaid, CallerWentOn, SpeechStarted, SpeechStopped
from trunkline.ai.standin import WRONG_KEY, EarEvent, Place, Play, Trouble, TurnBegan, TurnText
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat
from trunkline.errors import ProviderError
from trunkline.testing.gate import Gate
from trunkline.testing.standins import play

DEEPGRAM = Vendor("deepgram")

FLUX, NOVA = "flux-general-en", "nova-3"
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
    made: Stt = DEEPGRAM.stt(url, model, **more)
    await made.warm_up()
    return made


def once(kept: Kept) -> None:
    """One turn was told of, as it should be."""
    assert kept.finals == [LINE]
    said = kept.of(CallerSaid)
    assert said[-1].final
    assert not any(event.final for event in said[:-1])


# --- when all goes well -----------------------------------------------------------------------------------------


def test_flux_tells_a_turn_from_beginning_to_end() -> None:
    async def story(audio: AudioFormat) -> None:
        async with DEEPGRAM.standing_in(play([LINE], stt_ms=230)) as url:
            stt = await part(url, FLUX)
            assert audio in stt.hears
            async with listening(stt, one_turn(audio), audio=audio) as (kept, _, session):
                await kept.until(lambda: bool(kept.finals))
        assert [type(event).__name__ for event in kept.events] == [
            "SpeechStarted", "CallerSaid", "CallerSaid", "CallerMayBeDone", "SpeechStopped", "CallerSaid",
        ]  # fmt: skip
        once(kept)
        began, ended = kept.of(SpeechStarted)[0].at_ms, kept.of(SpeechStopped)[0].at_ms
        assert abs(began - TURN[0]) <= 20
        assert abs(ended - TURN[1]) <= 20
        assert kept.of(CallerMayBeDone) == [CallerMayBeDone(LINE)]
        assert kept.events[-1].confidence == 0.97
        latest = session.latest  # type: ignore[attr-defined]
        assert (latest.text, latest.is_final, latest.speech_final) == (LINE, True, True)
        assert [word.text for word in latest.words] == LINE.split()
        assert latest.words[-1].end_ms == pytest.approx(ended)

    run(together(story(audio) for audio in FORMATS))


def test_flux_without_a_threshold_does_not_speculate() -> None:
    async def story() -> None:
        async with (
            DEEPGRAM.standing_in(play([LINE], stt_ms=230)) as url,
            listening(await part(url, FLUX, eager_eot_threshold=0), one_turn()) as (kept, _, _),
        ):
            await kept.until(lambda: bool(kept.finals))
        once(kept)
        assert not kept.of(CallerMayBeDone)

    run(story())


def test_a_caller_who_goes_on_is_not_answered_twice() -> None:
    async def story() -> None:
        pieces = [*one_turn(), silence(MULAW_8K, 300), hum(MULAW_8K, 400)]
        async with (
            DEEPGRAM.standing_in(play(["I would like", "a table"], stt_ms=700)) as url,
            listening(await part(url, FLUX), pieces) as (kept, _, _),
        ):
            await kept.until(lambda: bool(kept.finals))
        assert kept.finals == ["I would like a table"]
        speculation = kept.of(CallerMayBeDone, CallerWentOn)
        assert speculation == [
            CallerMayBeDone("I would like"), CallerWentOn(), CallerMayBeDone("I would like a table"),
        ]  # fmt: skip
        assert len(kept.of(SpeechStarted)) == len(kept.of(SpeechStopped)) == 1

    run(story())


def test_nova_has_the_words_of_a_turn_that_somebody_else_found() -> None:
    async def story(audio: AudioFormat) -> None:
        async with DEEPGRAM.standing_in(play([LINE], stt_ms=400)) as url:
            stt = await part(url, NOVA)
            assert not stt.turns
            async with listening(stt, one_turn(audio), audio=audio, turns=[TURN]) as (kept, _, session):
                await kept.until(lambda: bool(kept.finals))
        once(kept)
        assert kept.of(CallerSaid)[0] == CallerSaid("I", final=False)
        assert not kept.of(SpeechStarted, SpeechStopped)
        latest = session.latest  # type: ignore[attr-defined]
        assert (latest.text, latest.is_final, latest.speech_final, latest.confidence) == (LINE, True, True, 0.97)
        assert abs(latest.words[-1].end_ms - TURN[1]) <= 20

    run(together(story(audio) for audio in FORMATS))


def test_nova_is_not_waited_for_when_the_words_are_there() -> None:
    async def story() -> None:
        async with (
            DEEPGRAM.standing_in(play([LINE], stt_ms=210)) as url,
            listening(await part(url, NOVA), one_turn()) as (kept, speaking, session),
        ):
            session.turn_started(TURN[0])
            over = asyncio.Event()
            speaking.on_ms.append((TURN[1] + 500, over.set))
            await over.wait()
            assert not kept.finals
            session.turn_ended(TURN[1])
            assert kept.finals == [LINE], "in the same call"

    run(story())


def test_nova_finds_turns_itself_if_it_is_asked_to() -> None:
    async def story() -> None:
        pieces = [*one_turn(), silence(MULAW_8K, 600), hum(MULAW_8K, 720)]
        async with DEEPGRAM.standing_in(play([LINE], stt_ms=300)) as url:
            stt = await part(url, NOVA, nova_turns=True)
            assert stt.turns
            async with listening(stt, pieces) as (kept, _, _):
                await kept.until(lambda: len(kept.finals) == 2)
        assert kept.finals == [LINE, LINE]
        kinds = [type(event).__name__ for event in kept.events if not isinstance(event, CallerSaid) or event.final]
        assert kinds == ["SpeechStarted", "SpeechStopped", "CallerSaid"] * 2
        assert [abs(event.at_ms - at) <= 20 for event, at in zip(kept.of(SpeechStopped), (820, 2140), strict=True)]

    run(story())


@pytest.mark.parametrize("model", [FLUX, NOVA])
def test_a_turn_without_words_has_one_final_text_that_is_empty(model: str) -> None:
    async def story() -> None:
        async with (
            DEEPGRAM.standing_in(play([""], stt_ms=210)) as url,
            listening(await part(url, model), one_turn(), turns=[TURN] if model == NOVA else ()) as (kept, _, _),
        ):
            await kept.until(lambda: bool(kept.finals))
        assert kept.of(CallerSaid) == [CallerSaid("", final=True)]

    run(story())


# --- gaps, and turns that do not end -----------------------------------------------------------------------------


def test_a_gap_in_the_audio_does_not_keep_flux_from_ending_a_turn() -> None:
    async def story() -> None:
        async with DEEPGRAM.standing_in(play([LINE], stt_ms=210)) as url:
            kept = Kept()
            session = (await part(url, FLUX)).open(FACTS, hears=MULAW_8K, emit=kept)
            task = asyncio.create_task(session.run())
            now = asyncio.get_running_loop().time
            session.hear(hum(MULAW_8K, 720), now())
            await kept.until(lambda: len(kept.finals) == 1)  # though nothing more is heard
            session.hear(silence(MULAW_8K, 80) + hum(MULAW_8K, 720), now())
            await kept.until(lambda: len(kept.finals) == 2)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        # Our silence is no part of the call's time.
        assert [round(event.at_ms) for event in kept.of(SpeechStarted)] == [0, 800]
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


def test_a_turn_that_flux_forgets_is_ended() -> None:
    async def story() -> None:
        forgetful = play([LINE])
        forgetful.ears = Endless
        logs.configure()
        with structlog.testing.capture_logs() as lines:
            async with (
                DEEPGRAM.standing_in(forgetful) as url,
                listening(await part(url, FLUX, eot_timeout_ms=500), one_turn(), speed=10) as (kept, speaking, _),
            ):
                await kept.until(lambda: bool(kept.finals))
                assert speaking.heard_ms - TURN[1] >= 1500
        assert not [line for line in lines if line["log_level"] == "warning"], "it did as it was told"
        once(kept)
        assert len(kept.of(SpeechStopped)) == 1

    run(story())


# --- when something goes wrong ------------------------------------------------------------------------------------

TROUBLES = [trouble for trouble in Trouble if trouble not in (Trouble.KEY, Trouble.QUOTA)]


@pytest.mark.parametrize("model", [FLUX, NOVA])
@pytest.mark.parametrize("place", [Place.CONNECT, Place.HEARING, Place.ANSWERING])
def test_no_word_is_lost_and_none_is_doubled(model: str, place: Place) -> None:
    run(together(troubled(model, place, trouble) for trouble in TROUBLES))


async def troubled(model: str, place: Place, trouble: Trouble) -> None:
    # A connection that is not even opened is waited for as long as patience says: less where another one stands behind.
    fallback = place is Place.CONNECT and trouble is Trouble.STALL
    # Nova would not say a word for long, if it were not asked to.
    simulated = play([LINE], stt_ms=5000 if model == NOVA else 230, troubles=[(place, trouble)])
    turns: Sequence[tuple[float, float]] = [TURN] if model == NOVA else ()
    async with DEEPGRAM.standing_in(simulated) as url:
        stt = DEEPGRAM.stt(url, model, fallback=fallback)
        async with listening(stt, one_turn(), turns=turns, speed=3) as (kept, speaking, session):
            await kept.until(lambda: bool(kept.finals))
            assert not simulated.troubles, "it never happened"
            once(kept)
            assert kept.times[-1] - speaking.fell_silent_at <= 1.5
            if model == FLUX:
                assert len(kept.of(SpeechStarted)) == len(kept.of(SpeechStopped)) == 1
                assert abs(kept.of(SpeechStarted)[0].at_ms - TURN[0]) <= 20
                assert abs(kept.of(SpeechStopped)[0].at_ms - TURN[1]) <= 20
            # And life goes on.
            again_ms = speaking.heard_ms
            session.hear(hum(MULAW_8K, 720), asyncio.get_running_loop().time())
            if model == NOVA:
                session.turn_started(again_ms)
                await asyncio.sleep(0.1)
                session.turn_ended(again_ms + 720)
            await kept.until(lambda: len(kept.finals) == 2)
            assert kept.finals == [LINE, LINE]


@pytest.mark.parametrize("model", [FLUX, NOVA])
@pytest.mark.parametrize(("trouble", "fault"), [(Trouble.KEY, "bad key"), (Trouble.QUOTA, "quota")])
def test_what_no_other_try_would_mend_is_given_up_at_once(model: str, trouble: Trouble, fault: str) -> None:
    async def story() -> None:
        async with DEEPGRAM.standing_in(play([LINE], troubles=[(Place.CONNECT, trouble)])) as url:
            session = DEEPGRAM.stt(url, model).open(FACTS, hears=MULAW_8K, emit=Kept())
            with pytest.raises(ProviderError) as given_up:
                await asyncio.wait_for(session.run(), 1)
        assert given_up.value.fault == fault

    run(story())


def test_a_wrong_key_stops_the_start() -> None:
    async def story() -> None:
        async with DEEPGRAM.standing_in(play([LINE])) as url:
            with pytest.raises(Exception, match="DEEPGRAM_API_KEY"):
                await part(url, FLUX, api_key=WRONG_KEY)

    run(story())


def test_a_vendor_that_hears_and_never_answers_is_given_up() -> None:
    async def story() -> None:
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

    run(story())
