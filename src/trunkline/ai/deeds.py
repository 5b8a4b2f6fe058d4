"""What functions did in the calls of an agent that may be replaced, so that the next one does nothing twice."""

from typing import Final

import msgspec

from trunkline.ai.base import ToolCall

UNKNOWN: Final = "It may have been done or not."


MOST_LETTERS: Final = 1000
"""Of what came of a function, and of its arguments, that the next agent reads. A result may be a whole table, which was
for the one who asked; instructions have room for some pages."""


class Deed(msgspec.Struct):
    """A function that was called (private). Say what ``came_of_it`` when that is known; empty: nothing to remember."""

    name: str
    arguments: str
    came_of_it: str = UNKNOWN

    def __str__(self) -> str:
        return f"{self.name} {_short(self.arguments)}: {_short(self.came_of_it)}"


class Deeds:
    """Of all calls under way, by the call's id. ``forget`` a call that is over."""

    def __init__(self) -> None:
        self._done: dict[str, list[Deed]] = {}

    def begin(self, call_id: str, call: ToolCall) -> Deed:
        """This function is being called."""
        deed = Deed(call.name, call.arguments)
        self._done.setdefault(call_id, []).append(deed)
        return deed

    def of(self, call_id: str) -> tuple[str, ...]:
        """What was done in that call, for a model to read."""
        return tuple(str(deed) for deed in self._done.get(call_id, ()) if deed.came_of_it)

    def forget(self, call_id: str) -> None:
        """The call is over."""
        self._done.pop(call_id, None)


def _short(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]} …"
