"""Whatever a model asks for, it gets an answer it can go on with."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Awaitable
from datetime import date
from typing import Annotated, Any, Literal

import pytest
import structlog
from pydantic import BaseModel
from structlog.testing import capture_logs
from virtual_loop import in_no_time, timeless

from trunkline.ai.base import CallFacts, ToolCall
from trunkline.ai.deeds import Deeds
from trunkline.ai.events import DigitsWanted, HandOverWanted, HangUpWanted, TransferWanted
from trunkline.ai.toolbox import MAX_OUTPUT_BYTES, Toolbox, ToolResult
from trunkline.ai.tools import Tool, tool
from trunkline.errors import ConfigError, ToolError

FACTS = CallFacts("call-1", "test", caller="+15551234567")
DESK = "sip:desk@example.org"
BOOKED: list[str] = []


class Slot(BaseModel):
    day: date
    free: int


@tool
async def book(day: str, people: int = 2) -> str:
    """Book a table."""
    BOOKED.append(day)
    return f"{people} on {day}"


@tool
def slots(day: date) -> list[Slot]:
    return [Slot(day=day, free=3)]


@tool
def refuse() -> None:
    raise ToolError("No table is free then.")


@tool
async def explode(secret: str) -> None:
    raise ValueError(f"the secret is {secret}")


@tool
def leave() -> None:
    raise SystemExit(3)


@tool
def run_dry() -> Any:
    return next(iter(()))


@tool
async def sleep(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "awake"


@tool
async def wait_for_the_cancelled() -> None:
    task = asyncio.create_task(asyncio.sleep(9))
    task.cancel()
    await task


@tool
def whose(facts: CallFacts, *, greeting: Annotated[str, "What to say first."] = "hi") -> str:
    return f"{greeting} {facts.caller}"


@tool
def chatter() -> str:
    return "x" * MAX_OUTPUT_BYTES


@tool
def opaque() -> object:
    return object()


@tool
def nothing() -> None: ...


@tool
def connect(department: Literal["sales", "support"]) -> TransferWanted:
    return TransferWanted(f"sip:{department}@example.org")


@tool
def pass_on(to: str) -> HandOverWanted:
    return HandOverWanted(to)


@tool
def wrapped() -> Awaitable[str]:
    async def work() -> str:
        return "from within"

    return work()


ALL: list[Tool] = [
    book, slots, refuse, explode, leave, run_dry, sleep, wait_for_the_cancelled, whose, chatter, opaque, nothing,
    connect, pass_on, wrapped,
]  # fmt: skip


def toolbox(*, transfer_to: str = "", timeout_s: float = 10) -> Toolbox:
    return Toolbox(ALL, FACTS, transfer_to=transfer_to, timeout_s=timeout_s, log=structlog.get_logger())


def call(name: str, arguments: str = "{}", **settings: Any) -> ToolResult:
    return asyncio.run(toolbox(**settings).call(ToolCall(name, arguments, "id-1")))


DONE = [
    ("async", "book", '{"day": "Friday", "people": 4}', "4 on Friday"),
    ("a default", "book", '{"day": "Friday"}', "2 on Friday"),
    ("a number in quotes", "book", '{"day": "Friday", "people": "4"}', "4 on Friday"),
    ("plain, with models of Pydantic", "slots", '{"day": "2026-05-01"}', [{"day": "2026-05-01", "free": 3}]),
    ("the call's facts", "whose", '{"greeting": "hello"}', "hello +15551234567"),
    ("no arguments at all", "whose", "", "hi +15551234567"),
    ("nothing to tell", "nothing", "{}", "It is done."),
    ("a reason where none is wanted", "nothing", '{"reason": "done"}', "It is done."),
    ("a plain function in front of an async one", "wrapped", "{}", "from within"),
]


@pytest.mark.parametrize(("name", "arguments", "output"), [case[1:] for case in DONE], ids=[case[0] for case in DONE])
def test_what_a_function_returns_is_told_as_json(name: str, arguments: str, output: Any) -> None:
    result = call(name, arguments)
    assert (result.id, result.name, result.failed, result.wish) == ("id-1", name, False, None)
    assert json.loads(result.output) == output


FAILED = [
    ("a name it made up", "buy_stocks", "{}", "There is no such function. Yours: hang_up, send_digits, book"),
    ("not JSON", "book", '{"day": ', "These arguments don't fit: Input data was truncated"),
    ("not an object", "book", "[]", "Expected `object`, got `array`"),
    ("wrong type", "book", '{"day": "Friday", "people": "many"}', "Expected `int`, got `str` - at `$.people`"),
    ("missing", "book", "{}", "missing required field `day`"),
    ("one too many", "book", '{"day": "Friday", "hour": 7}', "unknown field `hour`"),
    ("facts are not for a model to give", "whose", '{"facts": {}}', "unknown field `facts`"),
    ("refused by the function", "refuse", "{}", "No table is free then."),
    ("an exception", "explode", '{"secret": "xyzzy"}', "It failed, through no fault of yours."),
    ("an exit", "leave", "{}", "It failed"),
    ("an iterator that is empty", "run_dry", "{}", "It failed"),
    ("a cancellation of its own", "wait_for_the_cancelled", "{}", "It broke off."),
    ("too long an answer", "chatter", "{}", "Ask for less"),
    ("no JSON form", "opaque", "{}", "It failed"),
    ("no keys", "send_digits", '{"digits": "call me"}', "$.digits"),
    ("transfer where nobody is", "transfer", "{}", "There is no such function."),
]


@pytest.mark.parametrize(("name", "arguments", "told"), [case[1:] for case in FAILED], ids=[case[0] for case in FAILED])
def test_what_went_wrong_is_a_sentence_for_the_model(name: str, arguments: str, told: str) -> None:
    result = call(name, arguments)
    assert (result.failed, result.wish, result.id) == (True, None, "id-1")
    assert told in result.output
    assert "xyzzy" not in result.output


@pytest.mark.parametrize(
    ("name", "arguments", "wish"),
    [
        ("hang_up", "{}", HangUpWanted()),
        ("transfer", "", TransferWanted(DESK)),
        ("send_digits", '{"digits": "12#"}', DigitsWanted("12#")),
        ("connect", '{"department": "sales"}', TransferWanted("sip:sales@example.org")),
        ("pass_on", '{"to": "billing"}', HandOverWanted("billing")),
    ],
)
def test_wishes_are_for_the_session_to_emit(name: str, arguments: str, wish: object) -> None:
    result = call(name, arguments, transfer_to=DESK)
    assert (result.wish, result.failed) == (wish, False)
    assert DESK not in result.output


@timeless
async def test_what_was_called_is_noted_with_what_came_of_it_but_for_wishes() -> None:
    deeds = Deeds()
    toolbox = Toolbox([book, refuse], FACTS, transfer_to=DESK, deeds=deeds, log=structlog.get_logger())
    for call in (ToolCall("book", '{"day":"Friday"}'), ToolCall("refuse"), ToolCall("hang_up"), ToolCall("unheard of")):
        await toolbox.call(call)
    assert deeds.of(FACTS.call_id) == ('book {"day":"Friday"}: "2 on Friday"', "refuse {}: No table is free then.")


def test_the_model_is_offered_what_makes_sense_and_sees_no_facts() -> None:
    names = [spec.name for spec in toolbox().specs]
    assert names[:2] == ["hang_up", "send_digits"]
    assert "transfer" not in names
    assert "transfer" in [spec.name for spec in toolbox(transfer_to=DESK).specs]
    assert DESK not in repr(toolbox(transfer_to=DESK).specs)
    (spec,) = [spec for spec in toolbox().specs if spec.name == "whose"]
    assert spec.parameters["properties"] == {
        "greeting": {"type": "string", "default": "hi", "description": "What to say first."}
    }


@timeless
async def test_an_async_function_is_stopped_when_its_time_is_up() -> None:
    box = toolbox(timeout_s=3)
    result = await box.call(ToolCall("sleep", '{"seconds": 4}', "1"))
    assert result.failed
    assert "too long" in result.output
    assert box.left_behind == 0
    assert not (await box.call(ToolCall("sleep", '{"seconds": 2}', "2"))).failed


def test_a_plain_function_that_takes_too_long_is_left_behind_and_counted() -> None:
    release = threading.Event()

    @tool
    def stuck() -> None:
        release.wait(5)

    async def scene() -> None:
        box = Toolbox([stuck], FACTS, timeout_s=0.02, log=structlog.get_logger())
        result = await box.call(ToolCall("stuck"))
        assert result.failed
        assert box.left_behind == 1
        release.set()

    asyncio.run(scene())


def test_a_plain_function_keeps_nobody_waiting() -> None:
    release = threading.Event()

    @tool
    def stuck() -> str:
        return "released" if release.wait(5) else "stuck"

    async def scene() -> None:
        box = Toolbox([stuck], FACTS, log=structlog.get_logger())
        waiting = asyncio.create_task(box.call(ToolCall("stuck")))
        await asyncio.sleep(0.01)
        release.set()  # the loop ran meanwhile
        assert json.loads((await waiting).output) == "released"

    asyncio.run(scene())


def test_a_stuck_function_keeps_no_process_from_ending() -> None:
    program = """
import asyncio, structlog, time
from trunkline.ai.base import CallFacts, ToolCall
from trunkline.ai.toolbox import Toolbox
from trunkline.ai.tools import tool

@tool
def stuck() -> None:
    time.sleep(60)

box = Toolbox([stuck], CallFacts("call", "test"), timeout_s=0.05, log=structlog.get_logger())
print(asyncio.run(box.call(ToolCall("stuck"))).failed)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.splitlines()[-1] == "True"


def test_when_too_many_are_stuck_the_next_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trunkline.ai.toolbox._threads", threading.BoundedSemaphore(1))
    release = threading.Event()

    @tool
    def stuck() -> None:
        release.wait(5)

    async def scene() -> None:
        box = Toolbox([stuck, slots], FACTS, timeout_s=0.02, log=structlog.get_logger())
        assert (await box.call(ToolCall("stuck"))).failed
        refused = await box.call(ToolCall("slots", '{"day": "2026-05-01"}'))
        assert refused.output == "Not now: too much else is going on."
        release.set()
        for _ in range(100):
            await asyncio.sleep(0.005)
            if not (await box.call(ToolCall("slots", '{"day": "2026-05-01"}'))).failed:
                return
        raise AssertionError("its place is free again")

    asyncio.run(scene())


@timeless
async def test_a_call_that_is_cancelled_stops_its_function() -> None:
    box = toolbox()
    task = asyncio.create_task(box.call(ToolCall("sleep", '{"seconds": 5}')))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_the_log_says_which_function_and_how_long_but_no_words() -> None:
    with capture_logs() as lines:
        in_no_time(toolbox().call(ToolCall("sleep", '{"seconds": 2.5}')))
        call("explode", '{"secret": "xyzzy"}')
        call("buy_stocks", '{"secret": "xyzzy"}')
    assert lines[0] == {"event": "tool called", "tool": "sleep", "outcome": "done", "ms": 2500, "log_level": "info"}
    assert [line["event"] for line in lines[1:]] == [
        "tool broke",
        "tool called",
        "model called a function it was not offered",
    ]
    assert "xyzzy" not in repr(lines)
    assert "buy_stocks" not in repr(lines)


@tool
def transfer() -> None: ...


@tool
def hang_up() -> None: ...


def plain() -> None: ...


@pytest.mark.parametrize(
    ("tools", "sentence"),
    [
        ([book, book], "there are two tools 'book': rename one"),
        ([hang_up], "there are two tools 'hang_up': rename one"),
        ([transfer], "there are two tools 'transfer': rename one"),
        ([plain], "plain is not a tool: put @tool on the line above it"),
    ],
)
def test_functions_that_cannot_be_told_apart_are_refused(tools: Any, sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        Toolbox(tools, FACTS, log=structlog.get_logger())
    assert str(error.value) == sentence
