"""A receptionist made of rules, in the place of a language model: it streams words like one, and invents nothing.

It takes what the caller wants from ``ai.intents``, answers from a table, offers a menu of keys, and calls the same
two functions a model would (``hang_up``, ``transfer``).

Of an application's own functions it calls two kinds: one with "book" in its name that wants a text, with the caller's
words for when; and one with "hours" in its name that wants nothing. It says what they return, if that is a text.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from trunkline.ai.base import AgentSettings, Llm, Message, ProviderSpec, TextDelta, ToolCall, ToolSpec
from trunkline.ai.intents import ESCALATES, Intent, guess

MENU: Final = "Press one for our opening hours, two for a booking, zero for a person, or pound to hear me again."

_KEYS: Final[dict[str, Intent]] = {
    "1": Intent.HOURS,
    "2": Intent.BOOKING,
    "0": Intent.PERSON,
    "#": Intent.REPEAT,
    "9": Intent.GOODBYE,
}

_ANSWERS: Final[dict[Intent, str]] = {
    Intent.GREETING: "Hello! What can I do for you?",
    Intent.BOOKING: "I can take a booking. Which day and time would suit you?",
    Intent.SALES: "You would like our sales department.",
    Intent.SUPPORT: "I am sorry something is not working. Our support team can help.",
    Intent.COMPLAINT: "I am sorry to hear that. A person should look into it.",
    Intent.ESCALATION: "I understand. A person should look into it.",
    Intent.MANAGER: "You would like to speak with somebody in charge.",
    Intent.PERSON: "You would like to speak with a person.",
    Intent.GOODBYE: "Thank you for calling. Goodbye!",
    Intent.NO: "All right. Is there anything else I can do for you?",
    Intent.YES: "Good. What can I do for you?",
    Intent.UNKNOWN: "I am sorry, I did not understand that. You can ask about our opening hours, or make a booking.",
}

# Those only a human being can serve.
_FOR_A_PERSON: Final = ESCALATES | {Intent.SALES, Intent.SUPPORT}

CONNECTING: Final = "I am connecting you now. One moment, please."
NOBODY: Final = "Nobody can be reached from this line at the moment, but I can tell you our opening hours."
BOOKED: Final = "Thank you. I have no calendar here, so please call again in our opening hours to have it confirmed."
DONE: Final = "It is done."
NOT_POSSIBLE: Final = "I am sorry, that is not possible. Which other day and time would suit you?"
ANYTHING_ELSE: Final = "Is there anything else?"
NOT_HEARD: Final = "I am sorry, I did not catch that. Could you say it again?"
NO_RECOGNISER: Final = (
    "I can hear that you are speaking, but there is no speech recogniser here, so I cannot understand words."
)
NO_SUCH_KEY: Final = "That key has no meaning here."
HOURS: Final = "We are open from Monday to Friday, nine to five."


class Receptionist:
    """The rules as a part of a cascade. ``recogniser``: whether anything turns the caller's voice into words."""

    name = "receptionist"
    tools = True

    def __init__(self, *, recogniser: bool, business: str = "", hours: str = "") -> None:
        self._recogniser = recogniser
        self._hours = hours or HOURS
        whose = f" at {business}" if business else ""
        self.greeting = f"Hello, this is the automatic receptionist{whose}. "
        self.greeting += "How can I help you?" if recogniser else MENU

    async def warm_up(self) -> None: ...

    async def close(self) -> None: ...

    async def reply(
        self, history: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> AsyncIterator[TextDelta | ToolCall]:
        text, call = self._told(history) or _function(history, tools) or self.answer(history, _names(tools))
        for word in re.findall(r"\S+\s*", text):
            yield TextDelta(word)
            await asyncio.sleep(0)  # as a model would: words come one by one
        if call is not None:
            yield call

    def answer(self, history: Sequence[Message], can: frozenset[str]) -> tuple[str, ToolCall | None]:
        """What to say to the caller's last line, and what to do then."""
        asked = [line for line in history if line.role in ("caller", "key", "voice")]
        if not asked:
            return self.greeting, None
        line = asked[-1]
        if line.role == "voice":
            if self._recogniser:
                return NOT_HEARD, None
            told = any(line.role == "voice" for line in asked[:-1])
            return (MENU if told else f"{NO_RECOGNISER} {MENU}"), None
        if line.role == "key" and line.text not in _KEYS:
            return (MENU if line.text == "*" else f"{NO_SUCH_KEY} {MENU}"), None
        intent = _intent(line)
        if intent is Intent.REPEAT:
            before = [line for line in asked if line.role == "voice" or _intent(line) is not Intent.REPEAT]
            return self.answer(before, can)
        topic = next((i for i in map(_intent, reversed(asked[:-1])) if i in _FOR_A_PERSON or i is Intent.BOOKING), None)
        if intent is Intent.YES and topic in _FOR_A_PERSON:
            intent = Intent.PERSON
        if intent is Intent.UNKNOWN and topic is Intent.BOOKING:
            return BOOKED, None
        return self._say(intent, can)

    def _say(self, intent: Intent, can: frozenset[str]) -> tuple[str, ToolCall | None]:
        if intent is Intent.HOURS:
            return f"{self._hours} {ANYTHING_ELSE}", None
        text = _ANSWERS[intent]
        if intent in _FOR_A_PERSON:
            return (f"{text} {CONNECTING}", ToolCall("transfer")) if "transfer" in can else (f"{text} {NOBODY}", None)
        if intent is Intent.GOODBYE and "hang_up" in can:
            return text, ToolCall("hang_up")
        return text, None

    def _told(self, history: Sequence[Message]) -> tuple[str, None] | None:
        """What to say to a function's result, where there is one to say something to."""
        if not history or history[-1].role != "tool":
            return None
        result = _result(history[-1])
        if result is msgspec.UNSET:
            return NOT_POSSIBLE, None
        return f"{result if isinstance(result, str) else DONE} {ANYTHING_ELSE}", None


def _names(tools: Sequence[ToolSpec]) -> frozenset[str]:
    return frozenset(tool.name for tool in tools)


def _result(line: Message) -> object:
    """A function's result; ``UNSET`` if it failed: the reason is told in words, not in JSON."""
    try:
        return msgspec.json.decode(line.text)
    except msgspec.DecodeError:
        return msgspec.UNSET


def _function(history: Sequence[Message], tools: Sequence[ToolSpec]) -> tuple[str, ToolCall] | None:
    """The application's function that serves the caller's last line, if there is one."""
    last = next((line for line in reversed(history) if line.role in ("caller", "key", "voice")), None)
    if last is None or last.role == "voice":
        return None
    intent = _intent(last)
    for tool in tools:
        wanted = tool.parameters.get("required", [])
        if "hours" in tool.name and not wanted and intent is Intent.HOURS:
            return "", ToolCall(tool.name)
        takes_words = len(wanted) == 1 and tool.parameters["properties"][wanted[0]].get("type") == "string"
        if "book" in tool.name and takes_words and intent is Intent.UNKNOWN and _is_booking(history):
            return "", ToolCall(tool.name, msgspec.json.encode({wanted[0]: last.text}).decode())
    return None


def _is_booking(history: Sequence[Message]) -> bool:
    """The caller wanted to book, and nothing has come of it yet."""
    for line in reversed(history):
        if line.role == "tool" and _result(line) is not msgspec.UNSET:
            return False
        if line.role in ("caller", "key") and _intent(line) in _FOR_A_PERSON | {Intent.BOOKING}:
            return _intent(line) is Intent.BOOKING
    return False


def _intent(line: Message) -> Intent:
    if line.role == "key":
        return _KEYS.get(line.text, Intent.UNKNOWN)
    return guess(line.text).intent


class _Provider:
    spec = ProviderSpec(
        name="receptionist",
        title="Rule-made receptionist",
        about=(
            "Stands in a language model's place: finds the caller's intent by phrases, answers from a table, calls "
            "`transfer` and `hang_up`, and functions of yours that book or tell the hours. It invents nothing."
        ),
    )

    def llm(self, settings: AgentSettings) -> Llm:
        """``options``: ``business`` and ``hours`` are spoken; ``recogniser`` is "no" where none is configured."""
        options = settings.options
        return Receptionist(
            recogniser=options.get("recogniser") != "no",
            business=options.get("business", ""),
            hours=options.get("hours", ""),
        )


PROVIDER = _Provider()
