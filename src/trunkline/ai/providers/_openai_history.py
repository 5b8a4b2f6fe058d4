"""What was said in a call, as a new session is told of it: in text, and of the agent's only what the caller heard."""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from trunkline.ai.base import Message, ToolCall
from trunkline.ai.providers._openai_commands import CallItem, Content, Item, MessageItem, ResultItem

REPLAYED: Final = 120
"""Lines a new session is told of: the latest. A Live session takes no more than 128."""

_UNHEARD: Final = "(The caller said something that was not understood.)"


def pressed(digits: str) -> str:
    """A key, in words."""
    return f"(The caller pressed {digits} on the keypad.)"


class Line(msgspec.Struct):
    """One line (private). ``key`` finds it again: a turn's item, a reply's generation, a call's id."""

    kind: Literal["caller", "agent", "call", "result"]
    key: str
    text: str = ""
    known: bool = True  # its words are final
    name: str = ""  # of the function
    item: str = ""  # the vendor's item that it is on this connection, if it was told in text


class History:
    """One call's lines, in the order in which they began."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._made = 0

    def caller(self, key: str) -> None:
        """The caller said something; its words come later."""
        self._lines.append(Line("caller", key, known=False))

    def words(self, key: str, text: str) -> None:
        """The words, if there were any."""
        if (line := self._find("caller", key)) is not None:
            line.text, line.known = text or _UNHEARD, True

    def forget_unknown(self) -> None:
        """Turns without words are about to be heard again."""
        self._lines = [line for line in self._lines if line.known or line.kind != "caller"]

    def wrote(self, text: str) -> None:
        """Something the caller did that is told in text, such as a key that was pressed."""
        self._lines.append(Line("caller", "", text))

    def earlier(self, messages: Iterable[Message]) -> None:
        """Others said this before our time."""
        for message in messages:
            if message.role in ("caller", "agent", "key") and message.text:
                text = pressed(message.text) if message.role == "key" else message.text
                self._lines.append(Line("agent" if message.role == "agent" else "caller", "", text))

    def reply(self, generation: int) -> None:
        """The agent begins to speak."""
        self._lines.append(Line("agent", str(generation), known=False))

    def settled(self, generation: int, heard_text: str) -> Line | None:
        """So much of a reply was heard. Gives its line; one of which nothing was heard is no more."""
        line = self._find("agent", str(generation))
        if line is not None:
            line.text, line.known = heard_text.strip(), True
            if not line.text:
                self._lines.remove(line)
        return line

    def called(self, call: ToolCall, item: str) -> None:
        """The model called a function, in that item of the present connection."""
        self._lines.append(Line("call", call.id, call.arguments, name=call.name, item=item or call.id))

    def result(self, call_id: str, output: str) -> None:
        """And this came of it."""
        self._lines.append(Line("result", call_id, output))

    def items(self, speaking: dict[int, str]) -> list[Item]:
        """All of it as items for a new session. ``speaking`` has the words so far of replies not settled yet."""
        items: list[Item] = []
        for line in self._lines:
            line.item = ""
        finished = {line.key for line in self._lines if line.kind == "result"}
        for line in self._lines[-REPLAYED:]:
            text = line.text
            if not line.known:
                text = speaking.get(int(line.key), "").strip() if line.kind == "agent" else ""
            if line.kind == "call" and line.key not in finished:
                continue  # it is told when its result is there
            if text or line.kind in ("call", "result"):
                line.item = self._new_id()
                items.append(_item(line, text))
        return items

    def untold(self, call_id: str) -> CallItem | None:
        """The call with that id, if the present session does not know of it."""
        line = self._find("call", call_id)
        if line is None or line.item:
            return None
        return CallItem(call_id=line.key, name=line.name, arguments=line.text)

    def replacement(self, line: Line) -> MessageItem:
        """``line`` as a new item, in the place of the one it was."""
        line.item = self._new_id()
        return _message("assistant", "output_text", line.text, line.item)

    def texts(self, speaking: dict[int, str]) -> list[tuple[Literal["caller", "agent"], str]]:
        """Who said what, for a session that takes nothing else."""
        said: list[tuple[Literal["caller", "agent"], str]] = []
        for line in self._lines:
            text = line.text
            if not line.known and line.kind == "agent":
                text = speaking.get(int(line.key), "").strip()
            if text and line.kind in ("caller", "agent"):
                said.append(("caller" if line.kind == "caller" else "agent", text))
        return said[-REPLAYED:]

    def _find(self, kind: str, key: str) -> Line | None:
        return next((line for line in reversed(self._lines) if line.kind == kind and line.key == key), None)

    def _new_id(self) -> str:
        self._made += 1
        return f"told_{self._made}"


def _item(line: Line, text: str) -> Item:
    match line.kind:
        case "caller":
            return _message("user", "input_text", text, line.item)
        case "agent":
            return _message("assistant", "output_text", text, line.item)
        case "call":
            return CallItem(call_id=line.key, name=line.name, arguments=line.text or "{}", id=line.item)
        case "result":
            return ResultItem(call_id=line.key, output=line.text, id=line.item)


def _message(
    role: Literal["user", "assistant"], kind: Literal["input_text", "output_text"], text: str, id: str
) -> MessageItem:
    return MessageItem(role=role, content=[Content(type=kind, text=text)], id=id)
