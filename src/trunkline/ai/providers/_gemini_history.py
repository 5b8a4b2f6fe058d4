"""What was said in a call, as a session is told of it that was not there: in text, and of the agent's only what the
caller heard.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from trunkline.ai.base import Message

REPLAYED: Final = 120
"""Lines a new session is told of: the latest."""

TRIMMED: Final = 20
"""The same, after a session that was closed on what it had been sent: it may have been too much."""

Who = Literal["caller", "agent", "note"]


class Line(msgspec.Struct):
    """One line (private). ``key`` finds it again: a turn's or a reply's number. A note is neither's words."""

    who: Who
    key: str = ""
    text: str = ""
    known: bool = True  # its words are final


class History:
    """One call's lines, in the order in which they began."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._covered = 0  # lines that a session resumed by the latest handle knows of
        self.limit = REPLAYED

    def caller(self, key: str) -> None:
        """The caller said something; its words come later."""
        self._lines.append(Line("caller", key, known=False))

    def words(self, key: str, text: str) -> None:
        """The words, if there were any."""
        if (line := self._find("caller", key)) is not None:
            line.text, line.known = text, True

    def reply(self, generation: int) -> None:
        """The agent begins to speak."""
        self._lines.append(Line("agent", str(generation), known=False))

    def settled(self, generation: int, heard_text: str) -> None:
        """So much of it was heard."""
        if (line := self._find("agent", str(generation))) is not None:
            line.text, line.known = heard_text.strip(), True

    def note(self, text: str) -> None:
        """Something that happened and was not said, such as a key that was pressed."""
        self._lines.append(Line("note", "", text))

    def earlier(self, messages: Iterable[Message]) -> None:
        """Others said this before our time."""
        for message in messages:
            match message.role:
                case "caller" | "agent" if message.text:
                    self._lines.append(Line("agent" if message.role == "agent" else "caller", "", message.text))
                case "key":
                    self.note(pressed(message.text))
                case _:
                    pass

    def covered(self) -> None:
        """A session that is resumed now knows all there is."""
        self._covered = len(self._lines)

    def uncovered(self) -> None:
        """There is none."""
        self._covered = 0

    def untold(self, speaking: Mapping[int, str], besides: str | None = None) -> list[Line]:
        """What the next session is to be told. ``speaking`` has the words so far of replies not settled yet;
        ``besides``: a turn that it will hear."""
        told: list[Line] = []
        for line in self._lines[self._covered :]:
            text = line.text
            if not line.known:
                text = speaking.get(int(line.key), "").strip() if line.who == "agent" else ""
            if text and not (line.who == "caller" and line.key == besides):
                told.append(Line(line.who, line.key, text))
        return told[-self.limit :]

    def _find(self, who: Who, key: str) -> Line | None:
        return next((line for line in reversed(self._lines) if line.who == who and line.key == key), None)


def pressed(digits: str) -> str:
    """A key, in words."""
    return f"(The caller pressed {digits} on the keypad.)"


def as_text(lines: Iterable[Line]) -> str:
    """For a model that is told in its instructions."""
    names = {"caller": "Caller: ", "agent": "You: ", "note": ""}
    return "\n".join(names[line.who] + line.text for line in lines)
