"""The receptionist: what it says to what, and what it does then."""

import asyncio
from collections.abc import Sequence

import pytest

from trunkline.ai.base import AgentSettings, Message, TextDelta, ToolCall, ToolSpec
from trunkline.ai.providers.receptionist import (
    BOOKED,
    CONNECTING,
    MENU,
    NO_RECOGNISER,
    NO_SUCH_KEY,
    NOBODY,
    NOT_HEARD,
    NOT_POSSIBLE,
    PROVIDER,
    Receptionist,
)
from trunkline.ai.toolbox import hang_up, spec_of, transfer

HANG_UP, TRANSFER = spec_of(hang_up), spec_of(transfer)
BOOK = ToolSpec("book_table", "", {"properties": {"when": {"type": "string"}}, "required": ["when"]})
TELL_HOURS = ToolSpec("opening_hours", "", {"properties": {}, "required": []})
STRANGE = ToolSpec("book", "", {"properties": {"day": {"type": "string"}, "n": {"type": "integer"}}, "required": ["n"]})
HEARING = Receptionist(recogniser=True, hours="We never close.")
DEAF = Receptionist(recogniser=False)
Line = tuple[str, str]


async def _deltas(who: Receptionist, lines: Sequence[Message], tools: Sequence[ToolSpec]) -> list[TextDelta | ToolCall]:
    return [delta async for delta in who.reply(lines, tools)]


def answer(
    who: Receptionist, *lines: Message, tools: Sequence[ToolSpec] = (HANG_UP, TRANSFER)
) -> tuple[str, list[str]]:
    """What it says, and the names of what it calls."""
    deltas = asyncio.run(_deltas(who, lines, tools))
    return (
        "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)),
        [delta.name for delta in deltas if isinstance(delta, ToolCall)],
    )


def caller(text: str) -> Message:
    return Message("caller", text)


def key(digit: str) -> Message:
    return Message("key", digit)


HOURS = "We never close. Is there anything else?"

CASES = [
    ("hours", [caller("when are you open")], HOURS, []),
    ("key 1 is hours", [key("1")], HOURS, []),
    ("key 0 is a person", [key("0")], CONNECTING, ["transfer"]),
    ("key 2 is a booking", [key("2")], "Which day and time", []),
    ("key 9 is goodbye", [key("9")], "Goodbye!", ["hang_up"]),
    ("key star is the menu", [key("*")], MENU, []),
    ("another key is none", [key("7")], NO_SUCH_KEY, []),
    ("pound repeats the last answer", [key("1"), key("#")], HOURS, []),
    ("so does asking", [caller("when are you open"), caller("sorry what"), caller("pardon")], HOURS, []),
    ("nothing to repeat is the greeting", [key("#")], "automatic receptionist", []),
    ("the day of a booking", [caller("book a table"), caller("tomorrow at seven")], BOOKED, []),
    ("the same words without one", [caller("tomorrow at seven")], "did not understand", []),
    ("sales", [caller("the sales department please")], CONNECTING, ["transfer"]),
    ("a complaint", [caller("i want to make a complaint")], "I am sorry to hear that", ["transfer"]),
    ("yes after a person was wanted", [caller("a manager please"), caller("yes")], CONNECTING, ["transfer"]),
    ("yes after nothing", [caller("yes")], "What can I do for you?", []),
    ("no", [caller("no")], "anything else", []),
    ("goodbye", [caller("that is all, thank you")], "Goodbye!", ["hang_up"]),
    ("not understood by the recogniser", [Message("voice")], NOT_HEARD, []),
    ("nobody said anything", [], "How can I help you?", []),
]


@pytest.mark.parametrize(("lines", "said", "done"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_it_answers_the_last_line(lines: list[Message], said: str, done: list[str]) -> None:
    text, calls = answer(HEARING, Message("system", "Be brief."), *lines)
    assert said in text
    assert calls == done


def test_it_promises_nobody_who_cannot_be_reached() -> None:
    assert answer(HEARING, caller("a person please"), tools=[HANG_UP]) == (
        f"You would like to speak with a person. {NOBODY}",
        [],
    )


def test_it_does_not_hang_up_where_it_may_not() -> None:
    assert answer(HEARING, caller("goodbye"), tools=[]) == ("Thank you for calling. Goodbye!", [])


def test_without_a_recogniser_it_says_so_once_and_offers_keys() -> None:
    assert MENU in DEAF.greeting
    assert answer(DEAF, Message("voice")) == (f"{NO_RECOGNISER} {MENU}", [])
    assert answer(DEAF, Message("voice"), Message("voice")) == (MENU, [])


def test_its_words_come_one_by_one() -> None:
    deltas = asyncio.run(_deltas(HEARING, [caller("when are you open")], ()))
    assert deltas[:3] == [TextDelta("We "), TextDelta("never "), TextDelta("close. ")]


def test_settings_name_the_business_and_its_hours() -> None:
    options = {"business": "Luigi's", "hours": "We open at noon."}
    llm = PROVIDER.llm(AgentSettings(options=options))
    assert isinstance(llm, Receptionist)
    assert "receptionist at Luigi's" in llm.greeting
    assert answer(llm, key("1"))[0].startswith("We open at noon.")


def test_asking_for_its_settings_says_whether_there_is_a_recogniser() -> None:
    llm = PROVIDER.llm(AgentSettings(options={"recogniser": "no"}))
    assert isinstance(llm, Receptionist)
    assert NO_RECOGNISER in answer(llm, Message("voice"))[0]


def result(text: str) -> Message:
    return Message("tool", text, tool_call_id="a")


WANTS_TABLE = caller("book a table")
FUNCTIONS = [
    ("the words go to a function that books", [WANTS_TABLE, caller("Friday at 7")], "", ["book_table"]),
    ("nobody asked for a booking", [caller("Friday at 7")], "did not understand", []),
    ("another question in between is answered", [WANTS_TABLE, caller("when are you open")], "", ["opening_hours"]),
    ("what it returns is said", [WANTS_TABLE, caller("x"), result('"Booked."')], "Booked. Is there anything", []),
    ("what is no text is not read out", [WANTS_TABLE, caller("x"), result('{"id": 3}')], "It is done. Is there", []),
    ("a failure is told, not read out", [WANTS_TABLE, caller("x"), result("It failed")], NOT_POSSIBLE, []),
    (
        "and tried again with other words",
        [WANTS_TABLE, caller("x"), result("It failed"), Message("agent", NOT_POSSIBLE), caller("at 8")],
        "",
        ["book_table"],
    ),
    (
        "but not after it was booked",
        [WANTS_TABLE, caller("x"), result('"Booked."'), Message("agent", "Booked."), caller("my name is Ann")],
        "",
        [],
    ),
]


@pytest.mark.parametrize(("lines", "said", "done"), [case[1:] for case in FUNCTIONS], ids=[c[0] for c in FUNCTIONS])
def test_it_calls_an_applications_functions(lines: list[Message], said: str, done: list[str]) -> None:
    text, calls = answer(HEARING, *lines, tools=[HANG_UP, BOOK, TELL_HOURS])
    assert said in text
    assert calls == done


def test_it_gives_the_callers_own_words_and_leaves_functions_alone_that_want_more() -> None:
    lines = [WANTS_TABLE, caller("Friday at 7")]
    assert asyncio.run(_deltas(HEARING, lines, [BOOK])) == [ToolCall("book_table", '{"when":"Friday at 7"}')]
    assert answer(HEARING, *lines, tools=[STRANGE]) == (BOOKED, [])
