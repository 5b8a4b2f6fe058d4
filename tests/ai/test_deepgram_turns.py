"""How Flux's and Nova's messages become turns, one message at a time, on virtual time and without a connection."""

import asyncio
from typing import Any

import msgspec
from vendor_calls import FACTS, Kept, Vendor
from virtual_loop import timeless
from voices import hum, silence

from trunkline.ai.events import CallerMayBeDone, CallerSaid, CallerWentOn, SpeechStarted, SpeechStopped
from trunkline.audio.format import MULAW_8K

DEEPGRAM = Vendor("deepgram")

Spoken = tuple[str, float, float]


class OneEar:
    """A session without a vendor: the test is the vendor."""

    def __init__(self, model: str, **own: Any) -> None:
        self.kept = Kept()
        part = DEEPGRAM.stt("http://127.0.0.1:9", model, **own)
        self.session: Any = part.open(FACTS, hears=MULAW_8K, emit=self.kept)
        self._turn = 0

    def hear(self, ms: int, *, speech: bool = True) -> None:
        audio = hum(MULAW_8K, ms) if speech else silence(MULAW_8K, ms)
        for at in range(0, len(audio), 160):
            self.session.hear(audio[at : at + 160], asyncio.get_running_loop().time())

    def says(self, **message: Any) -> None:
        self.session.received(msgspec.json.encode(message), False)

    def turn(self, event: str, until_s: float, *words: Spoken, text: str | None = None, number: int = 0) -> None:
        each = [{"word": word, "confidence": 0.9, "start": start, "end": end} for word, start, end in words]
        transcript = " ".join(word for word, _, _ in words) if text is None else text
        window = {"audio_window_start": 0.0, "audio_window_end": until_s}
        self.says(
            type="TurnInfo", event=event, turn_index=number, transcript=transcript, words=each,
            end_of_turn_confidence=0.5, **window,
        )  # fmt: skip

    def results(self, start: float, duration: float, *words: Spoken, **flags: bool) -> None:
        each = [{"word": word, "confidence": 0.9, "start": begin, "end": end} for word, begin, end in words]
        best = {"transcript": " ".join(word for word, _, _ in words), "confidence": 0.9, "words": each}
        self.says(type="Results", start=start, duration=duration, channel={"alternatives": [best]}, **flags)

    def reconnect(self) -> None:
        self.session.lost()
        self.session.opened()


ME, WANT, PIZZA = ("I", 0.1, 0.2), ("want", 0.2, 0.5), ("pizza", 0.5, 1.0)


# --- Flux --------------------------------------------------------------------------------------------------------


@timeless
async def test_a_transcript_is_that_of_the_turn_so_far() -> None:
    ear = OneEar("flux-general-en")
    ear.hear(1500)
    ear.turn("Update", 0.1)
    ear.turn("StartOfTurn", 0.3, ME)
    ear.turn("Update", 0.5, ME)
    ear.turn("Update", 0.8, ME, WANT)
    ear.turn("TurnPostponed", 1.0, ME, WANT, PIZZA)
    ear.turn("EndOfTurn", 1.4, ME, WANT, PIZZA)
    assert ear.kept.events == [
        SpeechStarted(100),
        CallerSaid("I", False),
        CallerSaid("I want", False),
        CallerSaid("I want pizza", False),
        SpeechStopped(1000),
        CallerSaid("I want pizza", True, 0.9),
    ]


@timeless
async def test_a_turn_that_only_ends_has_begun_too() -> None:
    ear = OneEar("flux-general-en")
    ear.hear(1500)
    ear.turn("EndOfTurn", 1.4, ME, WANT)
    ear.turn("EndOfTurn", 1.4, number=1)  # of nothing
    assert [type(event) for event in ear.kept.events] == [SpeechStarted, SpeechStopped, CallerSaid]


@timeless
async def test_words_that_were_sure_outlive_their_connection() -> None:
    ear = OneEar("flux-general-en")
    ear.hear(1500)
    ear.turn("StartOfTurn", 0.3, ME)
    ear.turn("Update", 0.8, ME, WANT, PIZZA)
    ear.reconnect()
    # It hears again from the end of "want", which lies at 500 ms of the call.
    ear.turn("StartOfTurn", 0.3, ("Pizza", 0.0, 0.5))
    ear.turn("EndOfTurn", 1.0, ("Pizza", 0.0, 0.5), ("please", 0.5, 0.9))
    assert ear.kept.finals == ["I want Pizza please"]
    assert ear.kept.of(SpeechStarted) == [SpeechStarted(100)]
    assert ear.kept.of(SpeechStopped) == [SpeechStopped(1400)]


@timeless
async def test_words_without_a_place_outlive_it_too() -> None:
    ear = OneEar("flux-general-en")
    ear.hear(1500)
    ear.turn("StartOfTurn", 0.5, text="I")
    ear.turn("Update", 0.8, text="I want")
    ear.reconnect()
    ear.turn("StartOfTurn", 0.3, text="pizza")
    ear.turn("EndOfTurn", 0.6, text="pizza")
    assert ear.kept.finals == ["I want pizza"]
    assert ear.kept.of(SpeechStarted) == [SpeechStarted(100)], "400 ms before the message"


@timeless
async def test_a_turn_that_had_ended_with_its_connection_is_not_waited_for() -> None:
    ear = OneEar("flux-general-en")
    ear.hear(1500)
    ear.turn("StartOfTurn", 0.3, ME)
    ear.turn("EagerEndOfTurn", 1.2, ME, WANT, PIZZA)
    ear.reconnect()
    assert ear.kept.events[-1] == CallerWentOn()
    for i in range(1, 9):
        ear.turn("Update", 0.25 * i)
    assert ear.kept.finals == ["I want pizza"]
    # The next turn of this connection has the same number.
    ear.hear(1000)
    ear.turn("StartOfTurn", 2.2, ("No", 2.0, 2.2))
    ear.turn("EndOfTurn", 2.5, ("No", 2.0, 2.2))
    assert ear.kept.finals == ["I want pizza", "No"]


@timeless
async def test_each_end_that_is_expected_is_settled() -> None:
    ear = OneEar("flux-general-en")
    ear.hear(1500)
    ear.turn("StartOfTurn", 0.3, ME)
    ear.turn("EagerEndOfTurn", 0.5, ME)
    ear.turn("TurnResumed", 0.8, ME, WANT)
    ear.turn("EagerEndOfTurn", 1.2, ME, WANT)
    ear.turn("EndOfTurn", 1.4, ME, WANT)
    speculation = ear.kept.of(CallerMayBeDone, CallerWentOn)
    assert speculation == [CallerMayBeDone("I"), CallerWentOn(), CallerMayBeDone("I want")]
    assert ear.kept.finals == ["I want"]


@timeless
async def test_a_vendor_that_can_not_end_a_turn_is_not_waited_for() -> None:
    ear = OneEar("flux-general-en", eot_timeout_ms=1000)
    ear.hear(800)
    ear.turn("StartOfTurn", 0.8, ME)
    ear.hear(2080, speech=False)  # the time-out and a second: it is told to end the turn …
    assert not ear.kept.finals
    ear.hear(1080, speech=False)  # … and does not
    assert ear.kept.finals == ["I"]
    ear.turn("Update", 3.9, ME)  # it still thinks that the turn goes on
    ear.turn("EndOfTurn", 4.0, ME)
    ear.turn("StartOfTurn", 4.5, ("Hello", 4.2, 4.5), number=1)
    assert ear.kept.finals == ["I"]
    assert len(ear.kept.of(SpeechStarted)) == 2


@timeless
async def test_a_vendor_that_knows_of_no_turn_ends_it() -> None:
    ear = OneEar("flux-general-en")
    ear.hear(800)
    ear.turn("StartOfTurn", 0.8, ME)
    ear.says(type="Warning", code="FORCE_END_TURN_NO_ACTIVE_TURN", description="")
    ear.says(type="Warning", code="FORCE_END_TURN_NO_ACTIVE_TURN", description="")
    assert ear.kept.finals == ["I"]


# --- Nova --------------------------------------------------------------------------------------------------------


@timeless
async def test_interim_words_are_replaced_and_final_ones_kept() -> None:
    ear = OneEar("nova-3")
    ear.hear(1600)
    ear.session.turn_started(100)
    ear.results(0, 0.3, ME)
    ear.results(0, 0.5, ME, ("won't", 0.2, 0.5))
    ear.results(0, 0.6, ME, WANT, is_final=True)
    ear.results(0.6, 0.4, PIZZA)
    ear.session.turn_ended(1000)
    assert not ear.kept.finals
    ear.results(0.6, 0.6, PIZZA, is_final=True, from_finalize=True)
    partial = ["I", "I won't", "I want", "I want pizza"]
    assert ear.kept.events == [
        *(CallerSaid(text, False) for text in partial),
        CallerSaid("I want pizza", True, 0.9),
    ]


@timeless
async def test_an_answer_to_finalize_that_never_comes_is_not_waited_for_long() -> None:
    ear = OneEar("nova-3")
    ear.hear(1600)
    ear.session.turn_started(100)
    ear.results(0, 0.6, ME, WANT, is_final=True)
    ear.results(0.6, 0.4, PIZZA)
    ear.session.turn_ended(1000)
    await asyncio.sleep(1.2)
    assert not ear.kept.finals
    await asyncio.sleep(0.2)
    assert ear.kept.finals == ["I want pizza"], "interim words are better than none"


@timeless
async def test_words_that_come_too_late_for_their_turn_are_given_with_the_next() -> None:
    ear = OneEar("nova-3")
    ear.hear(3000)
    ear.session.turn_started(100)
    ear.results(0, 0.6, ME, WANT, is_final=True)
    ear.session.turn_ended(1000)
    ear.session.turn_started(2000)  # before the last word was there
    assert ear.kept.finals == ["I want"]
    ear.results(0.6, 0.6, PIZZA, is_final=True, from_finalize=True)
    ear.results(1.2, 1.6, ("Thanks", 2.1, 2.4), is_final=True)
    ear.session.turn_ended(2400)
    assert ear.kept.finals == ["I want", "pizza Thanks"]


@timeless
async def test_words_that_begin_after_a_turn_was_found_to_be_over_are_the_next_ones() -> None:
    ear = OneEar("nova-3")
    ear.hear(900)
    ear.session.turn_started(100)
    ear.session.turn_ended(500)  # a detector may miss the end of a word
    ear.hear(1100)
    ear.results(0, 2.0, ME, WANT, ("pie", 0.55, 0.7), ("Hello", 1.4, 1.8), is_final=True)
    assert ear.kept.finals == ["I want pie"]
    ear.session.turn_started(1400)
    ear.session.turn_ended(1800)
    assert ear.kept.finals == ["I want pie", "Hello"]


@timeless
async def test_somebody_in_the_background_is_not_answered() -> None:
    ear = OneEar("nova-3")
    ear.hear(6000)
    ear.results(0, 2.0, ME, WANT, is_final=True)  # no voice was found there
    ear.session.turn_started(4000)
    ear.results(2.0, 3.0, ("Hello", 4.1, 4.4), is_final=True)
    ear.session.turn_ended(4400)
    assert ear.kept.finals == ["Hello"]


@timeless
async def test_a_new_connection_doubles_no_word() -> None:
    ear = OneEar("nova-3")
    ear.hear(1600)
    ear.session.turn_started(100)
    ear.results(0, 0.5, ME, WANT, is_final=True)
    ear.results(0.5, 0.6, PIZZA)
    ear.reconnect()  # it hears again from 500 ms on
    ear.results(0, 0.6, ("pizza", 0.0, 0.5))
    assert ear.session.latest.words[0].start_ms == 500
    ear.session.turn_ended(1000)
    ear.results(0, 0.6, ("pizza", 0.0, 0.5), is_final=True, from_finalize=True)
    assert ear.kept.finals == ["I want pizza"]


@timeless
async def test_a_turn_that_was_not_begun_is_not_ended() -> None:
    ear = OneEar("nova-3")
    ear.session.turn_ended(1000)
    await asyncio.sleep(2)
    assert not ear.kept.events


@timeless
async def test_noise_that_hides_the_pause_is_overcome_by_the_gap_between_words() -> None:
    ear = OneEar("nova-3", nova_turns=True)
    ear.hear(3000)
    ear.results(0, 0.6, ME, WANT, is_final=True)  # and no speech_final
    ear.says(type="UtteranceEnd", channel=[0, 1], last_word_end=0.5)
    ear.says(type="UtteranceEnd", channel=[0, 1], last_word_end=0.5)
    assert ear.kept.events == [
        SpeechStarted(100),
        CallerSaid("I want", False),
        SpeechStopped(500),
        CallerSaid("I want", True, 0.9),
    ]
