"""Conversations with a simulated Gemini: who speaks when, what the vendor hears of the caller, and what it is told."""

import asyncio
import base64
from typing import Any

import pytest
from gemini_leg import PROVIDER, Tap, on_the_line
from live_leg import Leg, always, quick, quiet, tone
from real_time import in_real_time
from voices import Letters

from trunkline.ai.base import AgentSettings, Message
from trunkline.ai.events import (
    AgentEvent,
    CallerSaid,
    DigitsWanted,
    HangUpWanted,
    KeyPressed,
    ReplyAudio,
    ReplyEnded,
    ReplyStarted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
    Stage,
    StageReached,
    TransferWanted,
)
from trunkline.ai.handover import HandedOver, TakesOver
from trunkline.ai.manners import Manners
from trunkline.ai.standin import Answer, Place, Trouble
from trunkline.ai.tools import tool
from trunkline.audio.convert import Converter
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K
from trunkline.errors import ConfigError
from trunkline.testing.standins import standing_in

LONG = "This is a rather long answer to a short question, and the caller will not wait until it is over."
SILENT = Manners(no_input_s=0)


def run(story: Any) -> None:
    asyncio.run(story())


async def speaking(leg: Leg) -> None:
    """A long reply has been made, and is being heard."""
    await leg.until(lambda: leg.of(ReplyEnded))
    await leg.say(quiet(100))


@in_real_time
async def test_nothing_is_said_or_heard_before_the_session_stands() -> None:
    tap = Tap()
    async with on_the_line(quick(), tap=tap, greeting="Hello.") as leg:
        leg.session.hear(quiet(100), 0.0)
        await leg.greeted()
    keys = [(ours, next(iter(message))) for _, ours, message in tap.said]
    assert keys[0] == (True, "setup")
    stands = keys.index((False, "setupComplete"))
    assert not [key for key in keys[1:stands] if key[0]], "it waited"
    assert leg.texts() == ["Hello."]


@in_real_time
async def test_what_was_said_before_the_session_stood_is_heard() -> None:
    async with on_the_line(quick(always("Yes.")), greeting="Hello.", hears_replies=False) as leg:
        for _ in range(30):
            leg.feed(tone(20))
        await leg.until(lambda: "Yes." in leg.texts() and leg.words())
        assert leg.words() == ["What now?"]


@pytest.mark.parametrize("turns", ["ours", "server"])
@in_real_time
async def test_a_turn_is_answered_and_its_stages_are_told(turns: str) -> None:
    async with on_the_line(quick(always("So it is.")), greeting="Hello.", own={"turns": turns}) as leg:
        await leg.greeted()
        start = leg.fed_ms
        await leg.say(quiet(300), tone(800), quiet(300))
        await leg.until(lambda: len(leg.of(ReplyEnded)) > 1 and leg.words())
        [began], [ended] = leg.of(SpeechStarted), leg.of(SpeechStopped)
        assert abs(began.at_ms - (start + 300)) <= 40
        assert abs(ended.at_ms - (start + 1100)) <= 40
        assert leg.texts() == ["Hello.", "So it is."]
        assert leg.words() == ["What now?"]
        stages = [event for event in leg.of(StageReached) if event.generation == 2]
        assert [event.stage for event in stages] == [
            Stage.MODEL_STARTED,
            Stage.MODEL_FIRST_TOKEN,
            Stage.SYNTHESIS_FIRST_BYTE,
            Stage.MODEL_ENDED,
        ]
        asked, first = (event.ago_ms for event in stages[:2])
        assert asked >= (20 if turns == "ours" else 0)
        assert asked >= first


@pytest.mark.parametrize(("wire", "rate"), [(MULAW_8K, 16000), (MULAW_8K, 8000), (ALAW_8K, 16000), (PCM16_16K, 16000)])
@in_real_time
async def test_the_vendor_hears_the_turn_from_before_its_beginning(wire: Any, rate: int) -> None:
    tap = Tap()
    said = Converter(MULAW_8K, wire).process(quiet(500) + tone(600) + quiet(300))
    async with on_the_line(quick(always("Yes.")), tap=tap, wire=wire, own={"input_rate": rate}) as leg:
        await leg.greeted()
        start = leg.fed_ms
        await leg.say(said)
        await leg.until(lambda: "Yes." in leg.texts())
        began = leg.of(SpeechStarted)[0].at_ms - start
    audio = [realtime["audio"] for realtime in tap.sent("realtimeInput") if "audio" in realtime]
    assert {piece["mimeType"] for piece in audio} == {f"audio/pcm;rate={rate}"}
    heard = b"".join(base64.b64decode(piece["data"]) for piece in audio)
    assert tap.activities() == ["activityStart", "activityEnd"]
    ms = len(heard) / 2 / rate * 1000
    assert 600 + 200 <= ms <= 600 + 200 + 300
    pcm = Converter(wire, PCM16_16K if rate == 16000 else PCM16_8K).process(said)
    at = int((began - 200) * rate / 1000) * 2
    assert heard[4000:12000] == pcm[at + 4000 : at + 12000], "every sample of it, once"


@in_real_time
async def test_an_interruption_is_heard_from_its_beginning_once_it_is_one() -> None:
    tap = Tap()
    told: list[list[str]] = []

    def mind(history: Any, tools: Any) -> Answer:
        told.append([message.text for message in history])
        return Answer(LONG if len(told) == 1 else "Yes.")

    async with on_the_line(quick(mind), tap=tap, greeting="Hello.", hears_replies=False) as leg:
        await leg.until(lambda: leg.of(ReplyEnded))
        leg.heard(1)
        await leg.say(quiet(300), tone(600), quiet(300))
        await leg.until(lambda: len(leg.of(ReplyEnded)) > 1)
        before = len(tap.activities())
        await leg.say(tone(600))
        assert len(tap.activities()) == before, "it is not for us to say that this is an interruption"
        leg.interrupt(2, 730, "This is a rather")
        await leg.say(tone(200), quiet(400))
        await leg.until(lambda: len(leg.of(ReplyEnded)) > 2)
        assert leg.texts()[2] == "Yes."
        await leg.until(lambda: len(leg.words()) > 1)
        assert leg.words() == ["What now?", "And then?"]
    assert tap.activities()[before:] == ["activityStart", "activityEnd"]


@in_real_time
async def test_what_is_still_being_made_when_it_is_interrupted_goes_nowhere() -> None:
    tap = Tap()
    game = quick(always("Yes."), speed=6)
    async with on_the_line(game, tap=tap, greeting=LONG, hears_replies=False) as leg:
        await leg.until(lambda: len(leg.audio(1)) > 24 * 2 * 400)
        await leg.say(tone(300))
        leg.interrupt(1, 300, "This is")
        audio = len(leg.audio(1))
        await leg.say(tone(200), quiet(400))
        await leg.until(lambda: ReplyEnded(2) in leg.of(ReplyEnded))
        assert len(leg.audio(1)) == audio, "late audio of a dead reply goes nowhere"
        assert leg.audio(2) == await Letters().speak("Yes.", PCM16_24K)
    assert [content for content in tap.received("serverContent") if content.get("interrupted")]


def call_like(leg: Leg, agrees: str, heard: str) -> None:
    """Judge words as the call does: a back-channel lets the agent go on."""

    def judge(event: AgentEvent) -> None:
        if isinstance(event, CallerSaid) and event.final and event.text not in ("", agrees):
            leg.interrupt(1, 200, heard)

    leg.answers = judge


@in_real_time
async def test_a_back_channel_is_judged_by_its_words_and_its_answer_is_never_heard() -> None:
    tap = Tap()
    mind = always("That was no question.")
    async with on_the_line(quick(mind, ("mm-hm",)), tap=tap, greeting=LONG, hears_replies=False) as leg:
        call_like(leg, "mm-hm", "This is")
        await speaking(leg)
        await leg.say(tone(300), quiet(500))
        await leg.until(lambda: leg.words() == ["mm-hm"])
        await leg.say(quiet(300))
        leg.heard(1)
        await leg.say(quiet(1500))
        assert leg.texts() == [LONG]
        # And the next turn is answered.
        await leg.say(tone(500), quiet(400))
        await leg.until(lambda: len(leg.of(ReplyEnded)) > 1)
        assert leg.texts() == [LONG, "That was no question."]


@in_real_time
async def test_a_short_interruption_is_known_by_its_words_and_answered_at_once() -> None:
    async with on_the_line(quick(always("Sorry."), ("Stop.",)), greeting=LONG, hears_replies=False) as leg:
        call_like(leg, "mm-hm", "This is")
        await speaking(leg)
        await leg.say(tone(300), quiet(400))
        await leg.until(lambda: len(leg.of(ReplyEnded)) > 1)
        assert leg.texts() == [LONG, "Sorry."]
        assert leg.words() == ["Stop."]
        assert leg.audio(2) == await Letters().speak("Sorry.", PCM16_24K)


@in_real_time
async def test_a_short_one_waits_until_the_reply_it_speaks_into_was_made() -> None:
    tap = Tap()
    game = quick(always("Sorry."), ("Stop.",), speed=6)
    async with on_the_line(game, tap=tap, greeting=LONG, hears_replies=False) as leg:
        call_like(leg, "mm-hm", "This is")
        await leg.until(lambda: leg.audio(1))
        await leg.say(tone(300), quiet(400))
        assert not tap.activities()
        assert not leg.of(ReplyEnded)
        await leg.until(lambda: len(leg.of(ReplyEnded)) > 1)
        assert leg.texts() == [LONG, "Sorry."]
        assert tap.activities() == ["activityStart", "activityEnd"]


@in_real_time
async def test_a_sound_without_words_is_no_turn() -> None:
    async with on_the_line(quick(always("Pardon?"), ("",)), greeting=LONG, hears_replies=False) as leg:
        await speaking(leg)
        await leg.say(tone(200), quiet(400))
        await leg.until(leg.words)
        assert leg.words() == [""]
        leg.heard(1)
        await leg.say(quiet(800))
        assert leg.texts() == [LONG]


def test_a_model_that_answers_a_back_channel_with_a_function_is_told_that_it_was_not_done() -> None:
    done = []

    @tool
    async def book() -> str:
        """Book it."""
        done.append(True)
        return "booked"

    async def story() -> None:
        tap = Tap()

        def mind(history: Any, tools: Any) -> Answer:
            return Answer("Well.") if history[-1].role == "tool" else Answer(tool="book")

        game = quick(mind, ("yes",))
        async with on_the_line(game, tap=tap, greeting=LONG, hears_replies=False, tools=(book,)) as leg:
            call_like(leg, "yes", "This is")
            await speaking(leg)
            await leg.say(tone(300), quiet(300))
            await leg.until(lambda: tap.sent("toolResponse"))
            leg.heard(1)
            await leg.say(quiet(500))
            assert leg.texts() == [LONG]
        [response] = tap.sent("toolResponse")[0]["functionResponses"]
        assert "only agreed" in response["response"]["error"]
        assert not done

    run(story)


@in_real_time
async def test_the_vendors_own_detector_ends_the_reply_that_is_spoken_into() -> None:
    tap = Tap()
    game = quick(always("Yes."), speed=6)
    async with on_the_line(game, tap=tap, greeting=LONG, hears_replies=False, own={"turns": "server"}) as leg:
        await leg.until(lambda: len(leg.audio(1)) > 24 * 2 * 400)
        await leg.say(tone(500), quiet(500))
        await leg.until(lambda: len(leg.of(ReplyEnded)) > 1)
        assert leg.texts()[1] == "Yes."
        assert leg.texts()[0] in LONG
        assert leg.texts()[0] != LONG
    assert not tap.activities()
    detection = tap.sent("setup")[0]["realtimeInputConfig"]
    assert detection["activityHandling"] == "START_OF_ACTIVITY_INTERRUPTS"


@in_real_time
async def test_words_come_before_their_audio_and_all_of_both_come() -> None:
    async with on_the_line(quick(), greeting=LONG) as leg:
        await leg.until(lambda: leg.of(ReplyEnded))
        assert leg.text(1) == LONG
        assert leg.audio(1) == await Letters().speak(LONG, PCM16_24K)
        told = sounded = 0.0
        for event in (event for _, event in leg.events):
            if isinstance(event, ReplyText):
                told += len(event.text)
            elif isinstance(event, ReplyAudio):
                sounded += PCM16_24K.ms(len(event.audio)) / 40  # letters
                assert told >= 0.3 * min(sounded, len(LONG)), "words don't fall behind"


# --- functions ----------------------------------------------------------------------------------------------------


@tool
async def hours(day: str) -> str:
    """When we are open.

    Args:
        day: Of the week.
    """
    return f"nine to five on {day}"


def asks_for_hours(history: Any, tools: Any) -> Answer:
    last = history[-1]
    if last.role == "tool":
        return Answer(f"From {last.text.strip(chr(34))}.")
    return Answer("Let me see.", tool="hours", arguments='{"day": "Monday"}')


@pytest.mark.parametrize("model", ["live", "gemini-3.1-flash-live-preview", "gemini-2.5-flash-native-audio-latest"])
@in_real_time
async def test_functions_are_called_and_their_results_told(model: str) -> None:
    tap = Tap()
    wanted: dict[str, Any] = {"tools": (hours,), "transfer_to": "sip:desk", "model": model}
    async with on_the_line(quick(asks_for_hours), tap=tap, greeting="Hello.", **wanted) as leg:
        await leg.greeted()
        await leg.say(tone(500), quiet(400))
        await leg.until(lambda: len(leg.of(ReplyEnded)) > 2)
        assert leg.texts() == ["Hello.", "Let me see.", "From nine to five on Monday."]
    [answer] = tap.sent("toolResponse")[0]["functionResponses"]
    declared = {one["name"]: one for one in tap.sent("setup")[0]["tools"][0]["functionDeclarations"]}
    assert declared["hours"]["parameters"] == {
        "type": "OBJECT",
        "properties": {"day": {"type": "STRING", "description": "Of the week."}},
        "required": ["day"],
    }
    assert "parameters" not in declared["hang_up"]
    if model == "live":
        assert declared["hours"]["behavior"] == "NON_BLOCKING"
        assert declared["hang_up"]["behavior"] == "BLOCKING"
        assert answer["scheduling"] == "INTERRUPT"
    else:
        assert "behavior" not in declared["hours"]
        assert "scheduling" not in answer


@pytest.mark.parametrize(
    ("name", "wish"), [("hang_up", HangUpWanted()), ("transfer", TransferWanted("sip:desk"))], ids=lambda v: str(v)
)
@pytest.mark.parametrize("first", ["Goodbye.", ""])
@in_real_time
async def test_the_call_ends_after_the_goodbye(name: str, wish: Any, first: str) -> None:
    def mind(history: Any, tools: Any) -> Answer:
        return Answer("Bye now.") if history[-1].role == "tool" else Answer(first, tool=name)

    async with on_the_line(quick(mind), greeting="Hello.", transfer_to="sip:desk") as leg:
        await leg.greeted()
        await leg.say(tone(500), quiet(400))
        await leg.until(lambda: leg.of(type(wish)))
        assert leg.of(type(wish)) == [wish]
        await leg.say(quiet(300))
        said = ["Hello.", "Goodbye."] if first else ["Hello.", "Bye now."]
        assert leg.texts()[:2] == said
        spoken = next(i for i, (_, event) in enumerate(leg.events) if event == ReplyEnded(2))
        assert leg.events.index(next(pair for pair in leg.events if pair[1] == wish)) > spoken


@in_real_time
async def test_keys_are_pressed_at_once() -> None:
    def mind(history: Any, tools: Any) -> Answer:
        done = history[-1].role == "tool"
        return Answer("So.") if done else Answer(tool="send_digits", arguments='{"digits": "12#"}')

    async with on_the_line(quick(mind), greeting="Hello.") as leg:
        await leg.greeted()
        await leg.say(tone(500), quiet(400))
        await leg.until(lambda: leg.texts() == ["Hello.", "So."])
        assert leg.of(DigitsWanted) == [DigitsWanted("12#")]


def test_a_function_the_caller_spoke_into_is_stopped() -> None:
    stopped = []

    @tool
    async def slow() -> str:
        """Take long."""
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            stopped.append(True)
            raise
        return "late"

    async def story() -> None:
        tap = Tap()
        answers = iter([Answer(tool="slow"), Answer("Never mind.")])
        game = quick(lambda history, tools: next(answers))
        async with on_the_line(game, tap=tap, greeting="Hello.", tools=(slow,)) as leg:
            await leg.greeted()
            await leg.say(tone(500), quiet(400))
            await leg.until(lambda: tap.received("toolCall"))
            await leg.say(tone(500), quiet(400))
            await leg.until(lambda: leg.texts()[-1] == "Never mind.")
        assert tap.received("toolCallCancellation")
        assert not tap.sent("toolResponse")
        assert stopped

    run(story)


def test_a_result_that_comes_after_the_connection_was_lost_is_told_in_words() -> None:
    release = asyncio.Event()

    @tool
    async def slow() -> str:
        """Take long."""
        await release.wait()
        return "it is blue"

    async def story() -> None:
        tap = Tap()
        seen: list[str] = []

        def mind(history: Any, tools: Any) -> Answer:
            seen.extend(message.text for message in history)
            return Answer("It is blue.") if "it is blue" in history[-1].text else Answer(tool="slow")

        game = quick(mind, speed=20)
        async with on_the_line(game, tap=tap, greeting="Hello.", tools=(slow,), manners=SILENT) as leg:
            await leg.greeted()
            await leg.say(tone(500), quiet(400))
            await leg.until(lambda: tap.received("toolCall"))
            leg.session.renew()  # type: ignore[attr-defined]
            await leg.until(lambda: tap.sockets == 2 and len(tap.received("setupComplete")) == 2)
            release.set()
            await leg.until(lambda: leg.texts()[-1] == "It is blue.")
        assert not tap.sent("toolResponse")

    run(story)


# --- connections --------------------------------------------------------------------------------------------------


@in_real_time
async def test_a_session_is_resumed_by_its_handle_and_told_only_what_it_does_not_know() -> None:
    tap = Tap()
    game = quick(always("Yes."))
    async with on_the_line(game, tap=tap, greeting="Hello.", manners=SILENT) as leg:
        await leg.greeted()
        await leg.until(lambda: tap.received("sessionResumptionUpdate"))
        game.troubles.append((Place.HEARING, Trouble.CUT))
        await leg.say(tone(500), quiet(400))
        await leg.until(lambda: leg.texts()[-1] == "Yes.")
        assert leg.texts() == ["Hello.", "Yes."]
    first, second = tap.sent("setup")
    assert first["sessionResumption"] == {}
    assert second["sessionResumption"] == {"handle": "handle-1"}
    told = [content for content in tap.sent("clientContent") if not content["turnComplete"]]
    assert not told


@pytest.mark.parametrize("model", ["live", "gemini-3.1-flash-live-preview", "gemini-2.5-flash-native-audio-latest"])
@in_real_time
async def test_a_handle_that_is_refused_gives_way_to_a_session_that_is_told_everything(model: str) -> None:
    tap = Tap()
    seen: list[list[tuple[str, str]]] = []

    def mind(history: Any, tools: Any) -> Answer:
        seen.append([(message.role, message.text) for message in history])
        return Answer("Yes.")

    game = quick(mind)
    async with on_the_line(game, tap=tap, greeting="Hello.", manners=SILENT, model=model) as leg:
        await leg.greeted()
        leg.session._handle = "forgotten"  # type: ignore[attr-defined]
        game.troubles.append((Place.HEARING, Trouble.CUT))
        await leg.say(tone(500), quiet(400))
        await leg.until(lambda: leg.texts()[-1] == "Yes.")
        assert not leg.failure
        assert leg.words() == ["What now?"]
    *_, third = tap.sent("setup")
    assert third["sessionResumption"] == {}
    if "2.5" in model:
        assert "You: Hello." in third["systemInstruction"]["parts"][0]["text"]
    else:
        told = {"turns": [{"role": "model", "parts": [{"text": "Hello."}]}], "turnComplete": "3.1" in model}
        assert told in tap.sent("clientContent")
        assert ("historyConfig" in third) is ("3.1" in model)


@in_real_time
async def test_a_connection_that_will_end_is_replaced_when_nobody_speaks() -> None:
    tap = Tap()
    own = {"session_minutes": 0.2 / 60}
    async with on_the_line(quick(always("Yes.")), tap=tap, greeting="Hello.", manners=SILENT, own=own) as leg:
        await leg.greeted()
        await leg.until(lambda: tap.sockets >= 2)
        await leg.say(tone(500), quiet(400))
        await leg.until(lambda: "Yes." in leg.texts())
        assert leg.texts() == ["Hello.", "Yes."]
        assert not leg.failure


@in_real_time
async def test_an_announced_end_does_not_wait_for_the_reply() -> None:
    tap = Tap()
    game = quick(speed=10)
    async with on_the_line(game, tap=tap, greeting=LONG, manners=SILENT) as leg:
        await leg.until(lambda: leg.audio(1))
        leg.session.received(b'{"goAway":{"timeLeft":"4.9s"}}', True)  # type: ignore[attr-defined]
        await leg.until(lambda: leg.of(ReplyEnded))
        assert tap.sockets == 2
        assert leg.texts() == [LONG]
        assert leg.of(ReplyStarted) == [ReplyStarted(1)]


# --- what models do -----------------------------------------------------------------------------------------------


class Script:
    """A vendor of which only the messages matter: what it says, now."""

    def __init__(self, leg: Leg) -> None:
        self._leg = leg

    def says(self, **content: Any) -> None:
        import json

        self._leg.session.received(json.dumps({"serverContent": content}).encode(), True)  # type: ignore[attr-defined]

    def audio(self, ms: int = 100) -> None:
        data = base64.b64encode(PCM16_24K.silence(24 * ms)).decode()
        self.says(modelTurn={"parts": [{"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": data}}]})


async def alone(leg: Leg) -> Script:
    """The greeting was heard; from now on the vendor says what the test says."""
    await leg.greeted()
    return Script(leg)


@in_real_time
async def test_an_empty_turn_is_asked_for_again_once() -> None:
    tap = Tap()
    answers = iter([Answer(""), Answer("Here I am.")])
    game = quick(lambda history, tools: next(answers))
    async with on_the_line(game, tap=tap, greeting="Hello.", manners=SILENT) as leg:
        await leg.greeted()
        await leg.say(tone(500), quiet(400))
        await leg.until(lambda: leg.texts()[-1] == "Here I am.")
        assert leg.words() == ["What now?"]


@in_real_time
async def test_a_model_that_stays_silent_is_left_alone_after_that() -> None:
    tap = Tap()
    game = quick(always(""))
    manners = Manners(no_input_s=0.3, no_input_prompts=("Are you there?",))
    async with on_the_line(game, tap=tap, greeting="Hello.", manners=manners, own={"answer_s": 0.3}) as leg:
        await leg.greeted()
        await leg.say(tone(500), quiet(300))
        await leg.until(lambda: "Are you there?" in leg.texts())
        assert leg.texts()[:2] == ["Hello.", "Are you there?"]
    nudges = [c for c in tap.sent("clientContent") if "waiting for your answer" in c["turns"][0]["parts"][0]["text"]]
    assert len(nudges) == 1


@in_real_time
async def test_a_reply_that_leaves_off_in_mid_sentence_goes_on() -> None:
    tap = Tap()
    whole = "We are open from nine to five."
    answers = iter([Answer("We are open from"), Answer(whole)])
    game = quick(lambda history, tools: next(answers))
    async with on_the_line(game, tap=tap, greeting="Hello.", manners=SILENT) as leg:
        await leg.greeted()
        await leg.say(tone(500), quiet(400))
        await leg.until(lambda: len(leg.of(ReplyEnded)) > 1)
        assert leg.texts() == ["Hello.", whole]


@in_real_time
async def test_thoughts_are_not_spoken() -> None:
    async with on_the_line(quick(), greeting="Hello.", manners=SILENT) as leg:
        vendor = await alone(leg)
        vendor.says(modelTurn={"parts": [{"text": "They want a table.", "thought": True}]})
        vendor.says(outputTranscription={"text": "Sure."})
        vendor.audio()
        vendor.says(generationComplete=True)
        assert leg.texts() == ["Hello.", "Sure."]


@in_real_time
async def test_one_message_may_hold_everything() -> None:
    async with on_the_line(quick(), greeting="Hello.", manners=SILENT) as leg:
        vendor = await alone(leg)
        blob = {"mimeType": "audio/pcm;rate=24000", "data": "__-_" * 400}
        parts = [{"inlineData": blob}, {"inlineData": blob}]
        said = {"text": "Good."}
        vendor.says(modelTurn={"parts": parts}, outputTranscription=said, generationComplete=True, turnComplete=True)
        assert leg.texts() == ["Hello.", "Good."]
        assert leg.audio(2) == base64.urlsafe_b64decode("__-_" * 800)


@in_real_time
async def test_an_interaction_in_progress_is_not_over() -> None:
    async with on_the_line(quick(), greeting="Hello.", manners=SILENT) as leg:
        vendor = await alone(leg)
        vendor.says(outputTranscription={"text": "One."})
        vendor.audio()
        vendor.says(turnComplete=True, interactionStatus="IN_PROGRESS")
        assert len(leg.of(ReplyEnded)) == 1
        vendor.says(turnComplete=True, interactionStatus="IDLE")
        assert len(leg.of(ReplyEnded)) == 2


# --- everything else ----------------------------------------------------------------------------------------------


@in_real_time
async def test_a_key_is_told_and_answered() -> None:
    def mind(history: Any, tools: Any) -> Answer:
        return Answer("You chose two." if "pressed 2" in history[-1].text else "What?")

    async with on_the_line(quick(mind), greeting="Hello.") as leg:
        await leg.greeted()
        leg.session.tell(KeyPressed("2"), 0)
        await leg.until(lambda: leg.texts()[-1] == "You chose two.")


@in_real_time
async def test_a_caller_who_says_nothing_is_asked_and_then_left() -> None:
    manners = Manners(no_input_s=0.05, no_input_prompts=("Are you there?",), goodbye="Goodbye then.")
    async with on_the_line(quick(), greeting="Hello.", manners=manners) as leg:
        await leg.until(lambda: leg.of(HangUpWanted))
        assert leg.texts() == ["Hello.", "Are you there?", "Goodbye then."]
        assert leg.of(HangUpWanted) == [HangUpWanted("no input")]


@in_real_time
async def test_it_takes_over_a_call_from_another_agent() -> None:
    tap = Tap()
    seen: list[Any] = []

    def mind(history: Any, tools: Any) -> Answer:
        seen.extend((message.role, message.text) for message in history)
        return Answer("I am the other one.")

    async with standing_in(quick(mind), names=["gemini"]) as vendors:
        own = PROVIDER.spec.settings(**vendors.settings("gemini"))
        async with tap.between(own.base_url) as base_url:
            own = PROVIDER.spec.settings(api_key="simulated", base_url=base_url)
            wanted = AgentSettings(own=own, options={"vad": "energy"}, instructions="Be kind.")
            leg = Leg(PROVIDER.agent(wanted))
            work = asyncio.create_task(leg.session.run())
            assert isinstance(leg.session, TakesOver)
            lines = (Message("caller", "A table, please."), Message("agent", "One moment."), Message("key", "1"))
            leg.session.take_over(HandedOver("desk", "They want a table.", lines))
            await leg.until(lambda: leg.texts() == ["I am the other one."])
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
    assert ("caller", "A table, please.") in seen
    assert ("agent", "One moment.") in seen
    assert "They want a table." in tap.sent("setup")[0]["systemInstruction"]["parts"][0]["text"]


@in_real_time
async def test_a_refused_key_stops_the_start() -> None:
    async with standing_in(quick(), names=["gemini"]) as vendors:
        for key, fits in (("simulated", True), ("wrong-key", False)):
            own = PROVIDER.spec.settings(**{**vendors.settings("gemini"), "api_key": key})
            model = PROVIDER.agent(AgentSettings(own=own, options={"vad": "energy"}))
            if fits:
                await model.warm_up()
            else:
                with pytest.raises(ConfigError, match="GEMINI_API_KEY"):
                    await model.warm_up()
            await model.close()


@pytest.mark.parametrize(
    ("asked", "name"),
    [("", "gemini/gemini-3.8-live"), ("live", "gemini/gemini-3.8-live"), ("gemini-9-live", "gemini/gemini-9-live")],
)
def test_models_are_names(asked: str, name: str) -> None:
    model = PROVIDER.agent(AgentSettings(model=asked, options={"vad": "energy"}))
    assert model.name == name
    assert model.hears[0] == PCM16_16K
    assert model.speaks == (PCM16_24K,)
