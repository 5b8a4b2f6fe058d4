"""Who has the turn in a realtime call, one message at a time: races, refusals, and what a lost connection leaves."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from live_leg import FACTS, quiet

from trunkline import logs
from trunkline.ai.base import AgentSettings
from trunkline.ai.events import (
    AgentEvent,
    HangUpWanted,
    KeyPressed,
    ReplyAudio,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
)
from trunkline.ai.manners import Manners
from trunkline.ai.providers import _openai_commands as ours
from trunkline.ai.providers import _openai_messages as wire
from trunkline.ai.providers._openai_account import OpenAISettings
from trunkline.ai.providers._openai_dialogue import Dialogue
from trunkline.ai.toolbox import Toolbox
from trunkline.ai.tools import tool
from trunkline.audio.format import MULAW_8K
from trunkline.errors import ProviderError


@tool
async def table(people: int) -> str:
    """Whether there is a table."""
    return f"for {people}"


class Vendor:
    """What a dialogue says, and a vendor that answers as the test wants."""

    def __init__(self, **own: Any) -> None:
        self.standing = True
        self.sent: list[Any] = []
        self.events: list[AgentEvent] = []
        self.work: list[asyncio.Task[None]] = []
        self.renewals: list[str] = []
        settings = AgentSettings(instructions="Be kind.", tools=(table,), manners=Manners(no_input_s=0))
        log = logs.get("test")
        toolbox = Toolbox(settings.tools, FACTS, log=log)
        self.it = Dialogue(OpenAISettings(**own), settings, toolbox, (MULAW_8K, MULAW_8K), self, log)

    def send(self, message: Any) -> None:
        if self.standing:
            self.sent.append(message)

    def emit(self, event: AgentEvent) -> None:
        self.events.append(event)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        self.work.append(asyncio.create_task(work))

    def renew(self) -> None:
        self.renewals.append("now")

    def said(self, kind: type) -> list[Any]:
        said, self.sent = (
            [m for m in self.sent if isinstance(m, kind)],
            [m for m in self.sent if not isinstance(m, kind)],
        )
        return said

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def turn(self, item: str, text: str | None = None, at_ms: float = 1000) -> None:
        self.it.speech_started(item, at_ms)
        self.it.tell(self.it.hearing.stopped(item, at_ms + 1000))
        self.it.turn_over(item)
        if text is not None:
            self.it.words(item, text)

    def creates(self, id: str) -> None:
        """The response asked for last is begun."""
        asked = self.said(ours.ResponseCreate)[-1]
        self.it.mouth.created(wire.Response(id, metadata=asked.response.metadata))

    def speaks(self, id: str, item: str, text: str, ms: int) -> None:
        self.it.mouth.item(id, wire.OutputItem("message", item))
        self.it.mouth.text(id, text)
        self.it.mouth.audio(wire.AudioDelta(id, item, quiet(ms)))

    def ends(self, id: str, status: str = "completed", code: str = "", *items: wire.OutputItem) -> None:
        failure = wire._Details(wire.WhatFailed(code, code)) if code else None
        response = wire.Response(id, status, failure, list(items))
        self.it.over(response, self.it.mouth.over(response))


def interrupted(vendor: Vendor, generation: int, ms: float, text: str = "") -> None:
    vendor.it.interrupted(ReplyInterrupted(generation, ms, text))


async def soon() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def story(tell: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def test() -> None:
        asyncio.run(tell())

    return test


@story
async def test_a_reply_that_is_cut_before_the_vendor_named_it_is_cancelled_and_cancelled_again() -> None:
    vendor = Vendor()
    vendor.turn("u1", "Hello?")
    [asked] = vendor.said(ours.ResponseCreate)
    interrupted(vendor, 1, 0)
    assert vendor.said(ours.ResponseCancel) == [ours.ResponseCancel()]
    vendor.it.mouth.created(wire.Response("r1", metadata=asked.response.metadata))
    assert vendor.said(ours.ResponseCancel) == [ours.ResponseCancel(response_id="r1")]
    vendor.it.mouth.audio(wire.AudioDelta("r1", "a1", quiet(100)))
    assert not vendor.of(ReplyAudio)
    vendor.turn("u2", "Still there?", 4000)
    assert not vendor.said(ours.ResponseCreate), "one at a time"
    vendor.ends("r1", "cancelled")
    assert len(vendor.said(ours.ResponseCreate)) == 1


@story
async def test_a_server_that_is_busy_with_something_else_is_asked_again_afterwards() -> None:
    vendor = Vendor()
    vendor.turn("u1", "Hello?")
    [asked] = vendor.said(ours.ResponseCreate)
    reply = vendor.it.mouth.refused(asked.event_id)
    assert reply is not None
    vendor.it.mouth.busy, vendor.it.mouth.broken = True, reply
    vendor.it.decide()
    assert not vendor.said(ours.ResponseCreate)
    vendor.ends("not ours")
    [again] = vendor.said(ours.ResponseCreate)
    assert again.response.metadata == asked.response.metadata
    assert len(vendor.of(ReplyStarted)) == 1


@pytest.mark.parametrize(("code", "fault"), [("insufficient_quota", "quota"), ("invalid_api_key", "bad key")])
def test_a_response_that_fails_for_good_is_the_vendors_last_word(code: str, fault: str) -> None:
    async def tell() -> None:
        vendor = Vendor()
        vendor.turn("u1", "Hello?")
        vendor.creates("r1")
        with pytest.raises(ProviderError) as failure:
            vendor.ends("r1", "failed", code)
        assert failure.value.fault == fault

    asyncio.run(tell())


@story
async def test_a_response_the_vendor_calls_wrong_is_not_asked_for_again() -> None:
    vendor = Vendor()
    vendor.turn("u1", "Hello?")
    vendor.creates("r1")
    vendor.ends("r1", "failed", "invalid_request_error")
    assert vendor.of(ReplyEnded)
    await soon()
    assert not vendor.said(ours.ResponseCreate)


@story
async def test_what_was_said_on_a_lost_connection_is_cut_in_text() -> None:
    vendor = Vendor()
    vendor.turn("u1", "Hello?")
    vendor.creates("r1")
    vendor.speaks("r1", "a1", "This was said and is still being heard.", 3000)
    vendor.ends("r1")
    vendor.standing = False
    vendor.it.break_off()
    vendor.standing = True
    *_, told = vendor.it.told()
    assert isinstance(told, ours.MessageItem)
    assert told.content[0].text == "This was said and is still being heard."
    interrupted(vendor, 1, 900, "This was said")
    [item], [deleted] = vendor.said(ours.ItemCreate), vendor.said(ours.ItemDelete)
    assert item.previous_item_id == deleted.item_id == told.id
    assert item.item.content[0].text == "This was said"
    assert not vendor.said(ours.ItemTruncate)


@story
async def test_a_reply_that_broke_off_goes_on_under_its_own_number() -> None:
    vendor = Vendor()
    vendor.turn("u1", "Hello?")
    vendor.creates("r1")
    vendor.speaks("r1", "a1", "One two three four five six seven eight nine ten.", 1000)
    vendor.it.break_off()
    said = "".join(event.text for event in vendor.of(ReplyText))
    vendor.it.told()
    vendor.it.resume(rehears=False)
    [asked] = vendor.said(ours.ResponseCreate)
    assert asked.response.instructions.startswith("Be kind.")
    assert asked.response.instructions.endswith(said.strip())
    vendor.it.mouth.created(wire.Response("r2", metadata=asked.response.metadata))
    vendor.speaks("r2", "b1", "and all the rest.", 800)
    vendor.ends("r2")
    assert len(vendor.of(ReplyStarted)) == len(vendor.of(ReplyEnded)) == 1
    assert sum(len(event.audio) for event in vendor.of(ReplyAudio)) == 8 * 1800
    assert "".join(event.text for event in vendor.of(ReplyText)) == f"{said.strip()} and all the rest."
    interrupted(vendor, 1, 1300.9)
    assert vendor.said(ours.ItemTruncate) == [ours.ItemTruncate(item_id="b1", content_index=0, audio_end_ms=300)]


@story
async def test_results_of_functions_wait_until_it_is_known_whether_the_caller_took_the_turn() -> None:
    vendor = Vendor()
    vendor.turn("u1", "A table?")
    vendor.creates("r1")
    vendor.speaks("r1", "a1", "Let me see.", 900)
    call = wire.OutputItem("function_call", "f1", "completed", "c1", "table", '{"people": 2}')
    vendor.ends("r1", "completed", "", call)
    vendor.turn("u2", at_ms=3000)
    await asyncio.gather(*vendor.work)
    [result] = vendor.said(ours.ItemCreate)
    assert result.item.output == '"for 2"'
    assert not vendor.said(ours.ResponseCreate), "the call has the agent on hold, perhaps"
    vendor.it.words("u2", "mm-hm")
    vendor.it.heard(1, "Let me see.")
    assert len(vendor.said(ours.ResponseCreate)) == 1


@story
async def test_half_a_call_of_a_function_is_no_call() -> None:
    vendor = Vendor()
    vendor.turn("u1", "A table?")
    vendor.creates("r1")
    half = wire.OutputItem("function_call", "f1", "incomplete", "c1", "table", '{"peo')
    vendor.ends("r1", "cancelled", "", half)
    assert not vendor.work


@story
async def test_functions_without_end_are_ended() -> None:
    vendor = Vendor()
    vendor.turn("u1", "A table?")
    for i in range(6):
        [asked] = vendor.said(ours.ResponseCreate)
        if asked.response.tool_choice == "none":
            assert i == 5
            return
        vendor.it.mouth.created(wire.Response(f"r{i}", metadata=asked.response.metadata))
        call = wire.OutputItem("function_call", f"f{i}", "completed", f"c{i}", "table", '{"people": 2}')
        vendor.ends(f"r{i}", "completed", "", call)
        await asyncio.gather(*vendor.work)
    raise AssertionError("it would go on for ever")


@story
async def test_a_result_that_comes_after_its_connection_is_gone_is_told_with_its_call() -> None:
    vendor = Vendor()
    vendor.turn("u1", "A table?")
    vendor.creates("r1")
    call = wire.OutputItem("function_call", "f1", "completed", "c1", "table", '{"people": 2}')
    vendor.ends("r1", "completed", "", call)
    vendor.it.break_off()
    assert all(not isinstance(item, ours.CallItem) for item in vendor.it.told())
    await asyncio.gather(*vendor.work)
    call_item, result = (message.item for message in vendor.said(ours.ItemCreate))
    assert isinstance(call_item, ours.CallItem)
    assert isinstance(result, ours.ResultItem)
    assert call_item.call_id == result.call_id == "c1"


@story
async def test_who_interrupts_before_the_line_is_cut_is_not_cut_off() -> None:
    vendor = Vendor()
    vendor.turn("u1", "Bye.")
    vendor.creates("r1")
    vendor.speaks("r1", "a1", "Goodbye.", 800)
    call = wire.OutputItem("function_call", "f1", "completed", "c1", "hang_up", "{}")
    vendor.ends("r1", "completed", "", call)
    interrupted(vendor, 1, 100)
    await asyncio.gather(*vendor.work)
    assert not vendor.of(HangUpWanted)
    assert "not done" in vendor.said(ours.ItemCreate)[0].item.output


@story
async def test_a_renewal_waits_until_nobody_speaks() -> None:
    vendor = Vendor()
    vendor.it.speech_started("u1", 1000)
    vendor.it.renewal_due = True
    vendor.it.decide()
    assert not vendor.renewals
    vendor.it.tell(vendor.it.hearing.stopped("u1", 3000))
    vendor.it.turn_over("u1")
    vendor.creates("r1")
    vendor.speaks("r1", "a1", "Yes.", 500)
    vendor.ends("r1")
    assert not vendor.renewals
    vendor.it.heard(1, "Yes.")
    assert vendor.renewals == ["now"]


@story
async def test_a_server_that_did_not_answer_by_itself_is_asked() -> None:
    vendor = Vendor(prompt_answers=True)
    vendor.it.decide()
    [allowed] = vendor.said(ours.SessionUpdate)
    assert allowed.session.audio.input.turn_detection.create_response
    assert not allowed.session.audio.input.turn_detection.interrupt_response
    vendor.turn("u1", "Hello?")
    assert not vendor.said(ours.ResponseCreate)
    await asyncio.sleep(0.32)
    assert len(vendor.said(ours.ResponseCreate)) == 1
    [forbidden] = vendor.said(ours.SessionUpdate)
    assert not forbidden.session.audio.input.turn_detection.create_response


@story
async def test_keys_in_a_row_get_one_answer() -> None:
    vendor = Vendor()
    for digit in "12":
        vendor.it.key(KeyPressed(digit).digit)
    await soon()
    assert len(vendor.said(ours.ResponseCreate)) == 1
    assert len(vendor.said(ours.ItemCreate)) == 2
