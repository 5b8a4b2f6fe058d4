"""What was said in a call, as its agent should remember it: the caller's words, and of its own only what was heard."""

from collections.abc import Sequence
from typing import Final

import msgspec

from trunkline.ai.base import Message, Role, ToolCall

CUT_SHORT: Final = "The caller spoke before this was finished. It may have been done or not."
"""The result of a call that has none, in the history: a call without a result is refused by model servers."""


class Step(msgspec.Struct):
    """Part of a reply: some words, and the functions called after them. A filler's words are not the model's."""

    said: str = ""  # what went to the voice
    calls: tuple[ToolCall, ...] = ()
    results: dict[str, str] = {}  # by the call's id, as far as they are there
    filler: bool = False

    def lines(self, heard: str) -> list[Message]:
        """The step as lines of a history, of which ``heard`` was heard."""
        if not self.calls:
            return [Message("agent", heard)] if heard else []
        results = (self.results.get(call.id, CUT_SHORT) for call in self.calls)
        answers = [Message("tool", result, (), call.id) for call, result in zip(self.calls, results, strict=True)]
        return [Message("agent", heard, self.calls), *answers]


class Conversation:
    """The history of one call (private). The agent's line has its place from the moment the reply begins, so that what
    the caller says into it comes after it; its text is known when the reply was heard or interrupted."""

    def __init__(self, instructions: str = "", earlier: Sequence[Message] = ()) -> None:
        self._lines: list[Message] = [Message("system", instructions)] if instructions else []
        self._lines += earlier
        self._reply_at: int | None = None
        self.unanswered = False
        """The caller did something that no reply has been begun for."""

    def messages(self) -> tuple[Message, ...]:
        """The history so far; a reply that is under way is not in it."""
        return tuple(self._lines)

    def caller(self, role: Role, text: str = "") -> None:
        """The caller spoke or pressed a key."""
        self._lines.append(Message(role, text))
        self.unanswered = True

    def reply_begun(self) -> None:
        """The agent begins to answer all there is."""
        self._reply_at = len(self._lines)
        self.unanswered = False

    def reply_settled(self, heard_text: str, steps: Sequence[Step] = ()) -> None:
        """So much of the reply was heard. What nobody heard was never said; but what was done was done."""
        if self._reply_at is not None:
            self._lines[self._reply_at : self._reply_at] = _as_heard(heard_text.strip(), steps)
            self._reply_at = None


def _as_heard(heard: str, steps: Sequence[Step]) -> list[Message]:
    """The steps' lines. What was heard is their words in order, up to some word; the white space may differ."""
    if len(steps) <= 1 and not any(step.calls or step.filler for step in steps):
        return Step().lines(heard)
    words = heard.split()
    lines: list[Message] = []
    for step in steps:
        count = len(step.said.split())
        mine, words = words[:count], words[count:]
        if not step.filler:
            lines += step.lines(" ".join(mine))
    return lines
