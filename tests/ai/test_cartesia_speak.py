"""Sonic against the vendor's simulated end: contexts, times of words, interruptions, and trouble."""

import asyncio
from typing import Any

import pytest
import structlog
from real_time import in_real_time
from vendor_calls import Kept, Vendor, in_order, say, toned
from voices import tone

from trunkline import logs
from trunkline.ai.events import ReplyAudio, ReplyText
from trunkline.ai.providers._cartesia_mouth import Mouth
from trunkline.ai.providers._cartesia_speak import SpeakSession
from trunkline.ai.standin import WRONG_KEY
from trunkline.audio.format import MULAW_8K
from trunkline.call.replies import Reply
from trunkline.errors import ConfigError, ProviderError

CARTESIA = Vendor("cartesia")

HELLO, HOW, FINE = "Hello there. ", "How are you? ", "Fine, I hope."
WHOLE = HELLO + HOW + FINE
LETTER_MS = 40  # of Tone


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


@in_real_time
async def test_every_word_is_told_where_it_sounds() -> None:
    async with CARTESIA.voice(toned(speed=8), "sonic-3.5") as (kept, session, _):
        say(session, 1, HELLO, HOW, FINE)
        await kept.until(lambda: kept.ended(1))
    # A letter lasts as long as any other, and the vendor tells the times only after the audio.
    told = [(round(place), text.strip()) for place, text in places(kept, 1) if text.strip()]
    assert told == [(LETTER_MS * WHOLE.index(word), word) for word in WHOLE.split()]
    ends = [place for place, text in places(kept, 1) if text == " "]
    assert len(ends) >= len(told) - 2, "the pauses between them are nobody's"


@in_real_time
async def test_an_interruption_anywhere_knows_every_word_that_was_heard_whole_and_no_other() -> None:
    async with CARTESIA.voice(toned(speed=8), "sonic-3.5") as (kept, session, _):
        say(session, 1, HELLO, HOW, FINE)
        await kept.until(lambda: kept.ended(1))
    reply = Reply(1, 0)
    reply.texts = [(round(8 * place), text) for place, text in places(kept, 1)]
    ends = {word: 8 * LETTER_MS * (WHOLE.index(word) + len(word)) for word in WHOLE.split()}
    for position in range(0, len(kept.audio(1)) + 1, 8):
        heard = [word for word, end in ends.items() if end <= position]
        assert reply.text_up_to(position, len(kept.audio(1))) == " ".join(heard)


@in_real_time
async def test_the_first_sound_is_passed_on_at_once_and_the_rest_long_before_it_is_needed() -> None:
    async with CARTESIA.voice(toned(speed=8, voice_ms=60), "sonic-3.5") as (kept, session, _):
        begun = asyncio.get_running_loop().time()
        say(session, 1, HELLO, HOW, FINE)
        await kept.until(lambda: kept.ended(1))
    audio = [(at, event) for at, event in zip(kept.times, kept.events, strict=True) if isinstance(event, ReplyAudio)]
    assert audio[0][0] - begun <= 0.06 + 0.03
    assert len(audio[0][1].audio) == 320, "the vendor's first message"
    have_s = 0.0
    for at, event in audio:
        assert at - audio[0][0] <= have_s, "the caller would have heard a gap"
        have_s += len(event.audio) / 8000


@pytest.mark.parametrize("pieces", [(), (" ",), ("\n", " ")])
@in_real_time
async def test_a_reply_of_nothing_ends(pieces: tuple[str, ...]) -> None:
    async with CARTESIA.voice(toned(), "sonic-3.5") as (kept, session, _):
        say(session, 1, *pieces)
        say(session, 2, FINE)
        await kept.until(lambda: kept.ended(2))
    assert not kept.audio(1)
    assert kept.ended(1)
    assert kept.text(1) == "".join(pieces)
    assert kept.audio(2) == tone(FINE, MULAW_8K)


@in_real_time
async def test_text_may_come_in_any_pieces() -> None:
    async with CARTESIA.voice(toned(), "sonic-3.5") as (kept, session, _):
        say(session, 1, *WHOLE)
        await kept.until(lambda: kept.ended(1))
    assert kept.text(1) == WHOLE
    in_order(kept, 1)


@in_real_time
async def test_all_knobs_are_taken() -> None:
    knobs: dict[str, Any] = {
        "speed": 1.1,
        "volume": 0.9,
        "emotion": "calm",
        "max_buffer_delay_ms": 100,
        "pronunciation_dict_id": "p",
    }
    async with CARTESIA.voice(toned(), "sonic-3.5", **knobs) as (kept, session, _):
        say(session, 1, HELLO)
        await kept.until(lambda: kept.ended(1))
    assert kept.audio(1) == tone(HELLO, MULAW_8K)


# --- a model that takes its time ---------------------------------------------------------------------------------


@pytest.mark.parametrize("pause_s", [0.9, 1.3])
@in_real_time
async def test_a_model_that_pauses_for_longer_than_a_context_lives_is_heard_out(pause_s: float) -> None:
    async with CARTESIA.voice(toned(), "sonic-3.5") as (kept, session, task):
        session.say(HELLO, 1)
        await kept.until(lambda: len(kept.audio(1)) == len(tone(HELLO, MULAW_8K)))
        await asyncio.sleep(pause_s)
        say(session, 1, HOW, FINE)
        await kept.until(lambda: kept.ended(1) or task.done())
    in_order(kept, 1)
    assert kept.text(1) == WHOLE
    assert kept.audio(1) == tone(WHOLE, MULAW_8K)


@pytest.mark.parametrize(("pause_s", "refused"), [(0.1, True), (0.85, False)])
@in_real_time
async def test_text_that_meets_a_dead_context_goes_into_another(
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

    logs.configure(level="debug")
    with structlog.testing.capture_logs() as lines:
        async with CARTESIA.voice(toned(), "sonic-3.5") as (kept, session, task):
            session.say(HELLO, 1)
            await kept.until(lambda: len(kept.audio(1)) == len(tone(HELLO, MULAW_8K)))
            await asyncio.sleep(pause_s)
            monkeypatch.undo()
            say(session, 1, HOW, FINE)
            await kept.until(lambda: kept.ended(1) or task.done())
    assert kept.text(1) == WHOLE
    assert kept.audio(1) == tone(WHOLE, MULAW_8K)
    assert ("context was closed" in [line["event"] for line in lines]) == refused


# --- interrupted ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", [ReplyText(" b", 1), ReplyAudio(tone("a", MULAW_8K), 1)], ids=["text", "audio"])
@in_real_time
async def test_what_is_told_may_be_answered_by_cancelling(last: ReplyText | ReplyAudio) -> None:
    """A call interrupts from within the event: then nothing more of that reply is told."""

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


@in_real_time
async def test_nothing_is_told_after_the_session_is_over() -> None:
    async with CARTESIA.voice(toned(speed=4), "sonic-3.5") as (kept, session, task):
        say(session, 1, HELLO, HOW)
        await kept.until(lambda: len(kept.audio(1)) > 800)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        told = len(kept.events)
        await asyncio.sleep(0.15)
    assert len(kept.events) == told


# --- in trouble --------------------------------------------------------------------------------------------------


@in_real_time
async def test_a_request_the_vendor_does_not_take_is_our_fault() -> None:
    async with CARTESIA.voice(toned(), "sonic-3.5", speed=9.0) as (_, session, task):
        say(session, 1, HELLO)
        with pytest.raises(ProviderError) as given_up:
            await asyncio.wait_for(task, 1)
    assert given_up.value.fault == "our fault"


@in_real_time
async def test_a_wrong_key_stops_the_start_and_a_network_without_the_vendor_does_not() -> None:
    async with CARTESIA.standing_in(toned()) as url:
        with pytest.raises(ConfigError, match="CARTESIA_API_KEY"):
            await CARTESIA.tts(url, "sonic-3.5", api_key=WRONG_KEY).warm_up()
    await CARTESIA.tts("http://127.0.0.1:9", "sonic-3.5").warm_up()
