"""Conversations with a simulated OpenAI: who speaks when, and what the vendor is told about what was heard."""

import asyncio
import base64
from typing import Any

import pytest
from live_leg import Leg, always, quick, quiet, tone
from openai_leg import Tap, on_the_line
from real_time import in_real_time
from voices import Letters

from trunkline.ai.base import Message
from trunkline.ai.events import (
    CallerSaid,
    DigitsWanted,
    HangUpWanted,
    KeyPressed,
    ReplyAudio,
    ReplyEnded,
    ReplyHeard,
    ReplyStarted,
    SpeechStarted,
    SpeechStopped,
    Stage,
    StageReached,
    TransferWanted,
)
from trunkline.ai.manners import Manners
from trunkline.ai.providers.openai import PROVIDER
from trunkline.ai.standin import Answer
from trunkline.ai.tools import tool
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_24K

LONG = "This is a rather long answer to a short question, and the caller will not wait until it is over."
SILENT = Manners(no_input_s=0)


@in_real_time
async def test_nothing_is_said_or_heard_before_the_session_stands() -> None:
    tap = Tap()
    async with on_the_line(quick(), tap=tap, greeting="Hello.") as leg:
        leg.session.hear(quiet(100), 0.0)
        await leg.greeted()
    ours = [message["type"] for _, is_ours, message in tap.said if is_ours]
    assert ours[0] == "session.update"
    updated = next(i for i, (_, _, message) in enumerate(tap.said) if message["type"] == "session.updated")
    first = next(i for i, (_, is_ours, message) in enumerate(tap.said) if is_ours and i > 0)
    assert updated < first, "it waited"
    assert leg.texts() == ["Hello."]


@in_real_time
async def test_the_callers_audio_arrives_byte_for_byte() -> None:
    tap = Tap()
    said = quiet(100) + tone(300) + bytes(range(256))
    async with on_the_line(quick(), tap=tap) as leg:
        leg.session.hear(said[:333], 0.0)
        await leg.greeted()
        before = len(tap.sent("input_audio_buffer.append"))
        leg.session.hear(said[333:], 0.0)
        await leg.until(lambda: len(tap.sent("input_audio_buffer.append")) > before + 3)
    heard = b"".join(base64.b64decode(message["audio"]) for message in tap.sent("input_audio_buffer.append"))
    assert said[:333] == heard[:333]
    assert said[333:] in heard


@in_real_time
async def test_a_turn_is_answered_and_its_stages_are_told() -> None:
    async with on_the_line(quick(always("So it is.")), greeting="Hello.") as leg:
        await leg.greeted()
        start = leg.fed_ms
        await leg.say(quiet(300), tone(800), quiet(300))
        await leg.until(lambda: len(leg.of(ReplyEnded)) > 1)
        [began], [ended] = leg.of(SpeechStarted), leg.of(SpeechStopped)
        assert abs(began.at_ms - (start + 300)) <= 40
        assert abs(ended.at_ms - (start + 1100)) <= 40
        assert leg.texts() == ["Hello.", "So it is."]
        assert leg.words() == ["What now?"]
        stages = [event.stage for event in leg.of(StageReached) if event.generation == 2]
        assert stages == [
            Stage.MODEL_STARTED,
            Stage.MODEL_FIRST_TOKEN,
            Stage.SYNTHESIS_FIRST_BYTE,
            Stage.MODEL_ENDED,
        ]


@in_real_time
async def test_an_interrupted_reply_is_forgotten_where_the_caller_stopped_hearing_it() -> None:
    tap, told = Tap(), []

    def mind(history: Any, tools: Any) -> Answer:
        told.append([message.text for message in history])
        return Answer(LONG if len(told) == 1 else "Yes.")

    async with on_the_line(quick(mind, speed=10), tap=tap, greeting="Hello.", hears_replies=False) as leg:
        await leg.until(lambda: leg.of(ReplyEnded))
        leg.session.tell(ReplyHeard(1, "Hello."), 0)
        await leg.say(quiet(300), tone(600), quiet(300))
        await leg.until(lambda: len(leg.audio(2)) > 8 * 1000)
        await leg.say(tone(600))
        assert len(leg.of(ReplyStarted)) == 2, "it is not for us to say that this is an interruption"
        leg.interrupt(2, 730, "This is a rather")
        await leg.say(quiet(400))
        await leg.until(lambda: len(leg.of(ReplyEnded)) > 1)
        assert leg.texts()[2] == "Yes."
    [truncated] = tap.sent("conversation.item.truncate")
    assert truncated["audio_end_ms"] == 730
    assert tap.sent("response.cancel")
    assert not [m for m in tap.received("error") if m["error"]["code"] != "response_cancel_not_active"]
    assert told[1][-2] != LONG


@in_real_time
async def test_a_reply_of_which_nothing_was_heard_is_deleted() -> None:
    tap = Tap()
    async with on_the_line(quick(always(LONG), speed=10), tap=tap, hears_replies=False) as leg:
        await leg.until(lambda: leg.of(ReplyAudio))
        leg.interrupt(1, 0, "")
        audio = len(leg.of(ReplyAudio))
        await leg.until(lambda: tap.received("conversation.item.deleted"))
        await leg.until(lambda: tap.received("response.done"))
        assert len(leg.of(ReplyAudio)) == audio, "late audio of a dead reply goes nowhere"
    assert not tap.sent("conversation.item.truncate")


@in_real_time
async def test_a_reply_that_was_made_long_ago_can_still_be_cut() -> None:
    tap = Tap()
    async with on_the_line(quick(always(LONG)), tap=tap, hears_replies=False) as leg:
        await leg.until(lambda: leg.of(ReplyEnded))
        leg.interrupt(1, 555.9)
        await leg.until(lambda: tap.received("conversation.item.truncated"))
    assert tap.sent("conversation.item.truncate")[0]["audio_end_ms"] == 555
    assert not tap.sent("response.cancel")
    assert not tap.received("error")


@in_real_time
async def test_a_back_channel_into_a_reply_is_not_answered() -> None:
    async with on_the_line(quick(lines=("mm-hm",)), greeting=LONG, hears_replies=False) as leg:
        await leg.until(lambda: leg.of(ReplyEnded))
        await leg.say(tone(300), quiet(500))
        await leg.until(lambda: leg.words() == ["mm-hm"])
        leg.session.tell(ReplyHeard(1, LONG), 0)
        await leg.say(quiet(1500))
        assert len(leg.of(ReplyStarted)) == 1


@in_real_time
async def test_words_that_come_after_the_reply_was_heard_are_answered() -> None:
    async with on_the_line(quick(always("Yes."), stt_ms=300), greeting=LONG, hears_replies=False) as leg:
        await leg.until(lambda: leg.of(ReplyEnded))
        await leg.say(tone(300), quiet(500))
        await leg.until(lambda: leg.of(SpeechStopped))
        leg.session.tell(ReplyHeard(1, LONG), 0)
        assert len(leg.of(ReplyStarted)) == 1
        await leg.until(lambda: len(leg.of(ReplyEnded)) > 1)
        assert leg.texts()[1] == "Yes."


@in_real_time
async def test_a_caller_who_goes_on_gets_one_answer_to_all_of_it() -> None:
    heard: list[int] = []

    def mind(history: Any, tools: Any) -> Answer:
        heard.append(sum(message.role == "caller" for message in history))
        return Answer("Yes.")

    tap = Tap()
    async with on_the_line(quick(mind, model_ms=150), tap=tap, greeting="Hello.") as leg:
        await leg.greeted()
        await leg.say(tone(500), quiet(500), tone(500), quiet(300))
        await leg.until(lambda: [text for text in leg.texts() if text] == ["Hello.", "Yes."])
        assert heard[-1] == 2
    assert tap.sent("response.cancel")


@in_real_time
async def test_a_key_is_told_to_the_model() -> None:
    def mind(history: Any, tools: Any) -> Answer:
        return Answer(history[-1].text)

    async with on_the_line(quick(mind), greeting="Hello.") as leg:
        await leg.greeted()
        leg.session.tell(KeyPressed("5"), 0)
        await leg.until(lambda: len(leg.of(ReplyEnded)) > 1)
        assert "pressed 5" in leg.texts()[1]


@tool
async def opening_hours(day: str) -> str:
    """When the shop is open."""
    return f"nine to five on {day}"


@in_real_time
async def test_functions_are_called_and_their_results_are_spoken() -> None:
    tap = Tap()

    def mind(history: Any, tools: Any) -> Answer:
        if history[-1].role == "tool":
            return Answer(f"Open {history[-1].text}.")
        assert "opening_hours" in [tool.name for tool in tools]
        return Answer("Let me see.", "opening_hours", '{"day": "Monday"}')

    async with on_the_line(quick(mind), tap=tap, greeting="Hello.", tools=(opening_hours,)) as leg:
        await leg.greeted()
        await leg.say(tone(500), quiet(300))
        await leg.until(lambda: len(leg.of(ReplyEnded)) > 2)
        assert leg.texts()[1:] == ["Let me see.", 'Open "nine to five on Monday".']
    assert not tap.received("error")


@pytest.mark.parametrize("goodbye", ["Goodbye!", ""])
@in_real_time
async def test_a_model_that_hangs_up_says_goodbye_first(goodbye: str) -> None:
    def mind(history: Any, tools: Any) -> Answer:
        if history[-1].role == "tool":
            return Answer("Farewell!")
        return Answer(goodbye, "hang_up")

    async with on_the_line(quick(mind), greeting="Hello.") as leg:
        await leg.greeted()
        await leg.say(tone(500), quiet(300))
        await leg.until(lambda: leg.of(HangUpWanted))
        last = [event for _, event in leg.events if isinstance(event, ReplyEnded | HangUpWanted)][-1]
        assert isinstance(last, HangUpWanted)
        assert [text for text in leg.texts() if text] == ["Hello.", goodbye or "Farewell!"]


@in_real_time
async def test_who_interrupts_the_goodbye_is_not_hung_up_on() -> None:
    def mind(history: Any, tools: Any) -> Answer:
        return Answer(LONG) if history[-1].role == "tool" else Answer("", "transfer")

    game = quick(mind, speed=10)
    async with on_the_line(game, greeting="Hello.", transfer_to="+15005550009", hears_replies=False) as leg:
        await leg.until(lambda: leg.of(ReplyEnded))
        leg.session.tell(ReplyHeard(1, "Hello."), 0)
        await leg.say(tone(500), quiet(300))
        await leg.until(lambda: leg.of(ReplyAudio)[-1].generation == 3)
        leg.interrupt(3, 20)
        await leg.say(quiet(1000))
        assert not leg.of(TransferWanted)


@in_real_time
async def test_keys_for_the_far_end_are_pressed_at_once() -> None:
    def mind(history: Any, tools: Any) -> Answer:
        return Answer("Done.") if history[-1].role == "tool" else Answer("", "send_digits", '{"digits": "12#"}')

    async with on_the_line(quick(mind), greeting="Hello.") as leg:
        await leg.greeted()
        await leg.say(tone(500), quiet(300))
        await leg.until(lambda: leg.texts()[-1] == "Done.")
        assert [event.digits for event in leg.of(DigitsWanted)] == ["12#"]


@in_real_time
async def test_a_silent_caller_is_asked_and_then_let_go() -> None:
    manners = Manners(no_input_s=0.1, no_input_prompts=("Are you there?",), goodbye="Bye.")
    async with on_the_line(quick(), greeting="Hello.", manners=manners) as leg:
        await leg.until(lambda: leg.of(HangUpWanted))
        assert leg.texts() == ["Hello.", "Are you there?", "Bye."]


@in_real_time
async def test_a_slow_function_is_covered_by_a_filler_the_model_does_not_know_of() -> None:
    @tool
    async def slow() -> str:
        """Takes its time."""
        await asyncio.sleep(0.25)
        return "done"

    seen: list[str] = []

    def mind(history: Any, tools: Any) -> Answer:
        seen.extend(message.text for message in history)
        return Answer("It is done.") if history[-1].role == "tool" else Answer("", "slow")

    manners = Manners(filler_after_s=0.05, fillers=("Hold on.",), no_input_s=0)
    async with on_the_line(quick(mind), greeting="Hello.", manners=manners, tools=(slow,)) as leg:
        await leg.greeted()
        await leg.say(tone(500), quiet(300))
        await leg.until(lambda: leg.texts()[-1] == "It is done.")
        assert [text for text in leg.texts() if text] == ["Hello.", "Hold on.", "It is done."]
        assert "Hold on." not in seen


@in_real_time
async def test_a_session_is_renewed_between_turns_and_knows_what_was_said() -> None:
    tap, told = Tap(), []

    def mind(history: Any, tools: Any) -> Answer:
        told.append([message.text for message in history if message.role in ("caller", "agent")])
        return Answer("Yes.")

    async with on_the_line(
        quick(mind), tap=tap, greeting="Hello.", own={"session_minutes": 0.3 / 60}, manners=SILENT
    ) as leg:
        await leg.greeted()
        await leg.say(tone(500), quiet(300))
        await leg.until(lambda: tap.sockets > 1 and len(tap.received("session.updated")) > 1)
        await leg.say(tone(500), quiet(300))
        await leg.until(lambda: leg.texts()[-2:] == ["Yes.", "Yes."] and len(leg.words()) > 1)
        assert leg.words() == ["What now?", "What now?"], "each connection has its own ears"
    assert told[-1][:3] == ["Hello.", "What now?", "Yes."]
    assert not tap.received("error")


@in_real_time
async def test_a_server_that_may_answer_by_itself_does_and_never_into_a_reply() -> None:
    tap = Tap()
    async with on_the_line(quick(always(LONG)), tap=tap, greeting="Hello.", own={"prompt_answers": True}) as leg:
        await leg.greeted()
        await leg.say(quiet(200), tone(500), quiet(300))
        await leg.until(lambda: len(leg.of(ReplyEnded)) > 1)
        assert leg.texts() == ["Hello.", LONG]
        assert len(tap.sent("response.create")) == 1, "the greeting's"
        await leg.say(tone(200), quiet(300))
        assert len(leg.of(ReplyStarted)) == 2, "the agent still speaks"
    assert not tap.received("error")


@in_real_time
async def test_without_a_transcription_there_are_turns_and_no_words() -> None:
    async with on_the_line(quick(always("Yes.")), greeting="Hello.", own={"transcription_model": ""}) as leg:
        await leg.greeted()
        await leg.say(tone(500), quiet(300))
        await leg.until(lambda: leg.texts()[-1] == "Yes.")
        assert not leg.of(CallerSaid)


@pytest.mark.parametrize("audio", [MULAW_8K, ALAW_8K, PCM16_24K], ids=str)
@in_real_time
async def test_every_format_is_spoken_as_it_was_asked_for(audio: Any) -> None:
    async with on_the_line(quick(), wire=audio, greeting="Hello there.") as leg:
        await leg.until(lambda: leg.of(ReplyEnded))
        assert leg.audio(1) == await Letters().speak("Hello there.", audio)


@in_real_time
async def test_a_call_another_agent_began_is_gone_on_with() -> None:
    from trunkline.ai.handover import HandedOver

    told: list[list[str]] = []

    def mind(history: Any, tools: Any) -> Answer:
        told.append([message.text for message in history])
        return Answer("I know.")

    from trunkline.ai.base import AgentSettings
    from trunkline.testing.standins import standing_in

    async with standing_in(quick(mind), names=["openai"]) as vendors:
        own = PROVIDER.spec.settings(**vendors.settings("openai"))
        leg = Leg(PROVIDER.agent(AgentSettings(own=own, greeting="Hello.", instructions="Be kind.")))
        lines = (Message("agent", "Reception."), Message("caller", "A table, please."), Message("key", "2"))
        leg.session.take_over(HandedOver("reception", "They want a table.", lines))  # type: ignore[attr-defined]
        work = asyncio.create_task(leg.session.run())
        await leg.until(lambda: leg.of(ReplyEnded))
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    assert leg.texts() == ["I know."]
    assert told[0][0].startswith("Be kind.")
    assert "They want a table." in told[0][0]
    assert told[0][1:3] == ["Reception.", "A table, please."]
    assert "pressed 2" in told[0][3]
