"""One reply of a cascade: the words and the calls it has come to so far, and what is to follow its last word."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from trunkline.ai.base import Message, ToolCall
from trunkline.ai.conversation import Step
from trunkline.ai.events import HandOverWanted, HangUpWanted, TransferWanted

UNDONE: Final = "The caller spoke before that: it was not done."

Farewell = HangUpWanted | TransferWanted | HandOverWanted


class Reply:
    """A reply from its beginning until it was heard or interrupted.

    Until it is ``wanted`` it is made on trial: it may call no function.
    """

    def __init__(
        self, generation: int, history: tuple[Message, ...], script: str = "", then: Farewell | None = None
    ) -> None:
        self.generation = generation
        self.history = history  # what it answers
        self.script = script  # said word for word; empty: the model is asked
        self.then = then  # when all of it was said
        self.steps: list[Step] = []
        self.task: asyncio.Task[None] | None = None
        self.wanted = asyncio.Event()
        self.sounded = False
        self.failed = False  # on trial
        self._farewells: set[str] = set()  # calls that asked for what is to come then

    def say(self, text: str, *, filler: bool = False) -> str:
        """Note that ``text`` goes to the voice. Gives it as it goes there: after a break with a space before it."""
        if filler or self._broke_off:
            before = self.steps[-1].said if self.steps else ""
            if before and not before[-1].isspace():
                text = f" {text}"
            self.steps.append(Step(filler=filler))
        self.steps[-1].said += text
        return text

    def calls(self, calls: Sequence[ToolCall]) -> Step:
        """The model calls these functions after what it said so far. Each gets an id of its own if it has none."""
        if self._broke_off:
            self.steps.append(Step())
        step = self.steps[-1]
        taken: set[str] = {call.id for earlier in self.steps for call in earlier.calls} | {""}
        for call in calls:
            if call.id in taken:  # some servers leave it out, or repeat it
                call = msgspec.structs.replace(call, id=f"call-{self.generation}-{len(taken)}")
            taken.add(call.id)
            step.calls += (call,)
        return step

    def wish(self, wish: Farewell, call: ToolCall) -> None:
        """A function's wish for when all was said."""
        self.then = wish
        self._farewells.add(call.id)

    def cut_short(self) -> None:
        """The caller interrupted: what was to come after the last word will not."""
        self.then = None
        for step in self.steps:
            step.results |= {call.id: UNDONE for call in step.calls if call.id in self._farewells}

    @property
    def _broke_off(self) -> bool:
        return not self.steps or self.steps[-1].filler or bool(self.steps[-1].calls)

    @property
    def so_far(self) -> tuple[Message, ...]:
        """What the model is to go on from: what it answers, and all it said and called since."""
        own = (line for step in self.steps if not step.filler for line in step.lines(step.said.strip()))
        return (*self.history, *own)

    @property
    def said_all(self) -> bool:
        """A model that says goodbye and hangs up has said all. One that hangs up without a word is asked for one, and
        one that called something else besides may want to tell what came of it."""
        if isinstance(self.then, HandOverWanted):
            return True
        last = next((step.calls for step in reversed(self.steps) if step.calls), ())
        return self.then is not None and self.spoke and all(call.id in self._farewells for call in last)

    @property
    def spoke(self) -> bool:
        """The model said something."""
        return any(step.said.strip() for step in self.steps if not step.filler)

    @property
    def owes_words(self) -> bool:
        """The model said nothing, or nothing about what its latest functions gave."""
        own = [step for step in self.steps if not step.filler]
        return not own or not own[-1].said.strip() or bool(own[-1].calls)
