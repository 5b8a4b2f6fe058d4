"""The functions a Live model calls: those of one message at the same time, their results told to it together."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from trunkline.ai.base import Emit, ToolCall
from trunkline.ai.events import DigitsWanted, HandOverWanted
from trunkline.ai.providers import _gemini_commands as ours
from trunkline.ai.providers._gemini_history import History
from trunkline.ai.providers._gemini_messages import FunctionCall
from trunkline.ai.providers._gemini_reply import Farewell, Reply
from trunkline.ai.toolbox import Toolbox, ToolResult

ROUNDS: Final = 5
"""Times a model may call functions before it has to speak: the caller waits for each."""

UNDONE: Final = "The caller spoke before that: it was not done."
NOT_MEANT: Final = "It was not done: the caller only agreed with what you said."
ENOUGH: Final = "It was not done: that was too often in a row. Tell the caller what you have so far."


class Functions:
    """One call's. ``told`` is called when the model was sent results, ``untold`` with those
    that it must be told in words; it is to answer them. ``scheduling`` says when,
    for each function, where that can be chosen."""

    def __init__(
        self,
        toolbox: Toolbox,
        history: History,
        *,
        scheduling: Callable[[str], str],
        emit: Emit,
        send: Callable[[ours.ClientMessage], object],
        start: Callable[[Coroutine[Any, Any, None]], object],
        told: Callable[[Farewell | None], object],
        untold: Callable[[str], object],
    ) -> None:
        self.running = 0
        """Messages whose functions are being called."""
        self._toolbox = toolbox
        self._history = history
        self._scheduling = scheduling
        self._emit = emit
        self._send = send
        self._start = start
        self._told = told
        self._untold = untold
        self._rounds = 0
        self._made = 0
        self._cancelled: set[str] = set()  # ids
        self._tasks: dict[str, asyncio.Task[ToolResult]] = {}
        self._connection = 0

    def caller_spoke(self) -> None:
        """It is about something new."""
        self._rounds = 0

    def new_connection(self) -> None:
        """Calls of the former are unknown to it."""
        self._connection += 1

    def cancel(self, ids: Sequence[str]) -> None:
        """The vendor wants to hear no more of these."""
        for id in ids:
            self._cancelled.add(id)
            if (task := self._tasks.get(id)) is not None:
                task.cancel()

    def refuse(self, calls: Sequence[FunctionCall]) -> None:
        """They were called in answer to what was no turn."""
        self._respond([ToolResult(call.id, call.name, NOT_MEANT, True) for call in calls], silent=True)

    def call(self, calls: Sequence[FunctionCall], reply: Reply | None) -> None:
        """The model wants these, after ``reply``."""
        self._rounds += 1
        if self._rounds > ROUNDS:
            self._respond([ToolResult(call.id, call.name, ENOUGH, True) for call in calls])
            self._told(None)
            return
        self.running += 1
        self._start(self._call([self._named(call) for call in calls], reply, self._connection))

    def _named(self, call: FunctionCall) -> ToolCall:
        """A call must have an id; some of the vendor's have none."""
        self._made += 1
        return ToolCall(call.name, msgspec.json.encode(call.args).decode(), call.id or f"ours-{self._made}")

    async def _call(self, calls: list[ToolCall], reply: Reply | None, connection: int) -> None:
        tasks = [asyncio.create_task(self._toolbox.call(call)) for call in calls]
        for call, task in zip(calls, tasks, strict=True):
            self._tasks[call.id] = task
        try:
            if tasks:
                await asyncio.wait(tasks)
        finally:
            self.running -= 1
            for call, task in zip(calls, tasks, strict=True):
                task.cancel()
                self._tasks.pop(call.id, None)
        results = [task.result() for task in tasks if not task.cancelled()]
        results = [result for result in results if result.id not in self._cancelled]
        if results:
            self._settle(results, reply, connection)

    def _settle(self, results: list[ToolResult], reply: Reply | None, connection: int) -> None:
        farewell: Farewell | None = None
        for i, result in enumerate(results):
            match result.wish:
                case None:
                    pass
                case DigitsWanted():
                    self._emit(result.wish)
                case _ if reply is not None and reply.cut_short:
                    results[i] = msgspec.structs.replace(result, output=UNDONE)
                case wish:
                    farewell = wish
        notes = [f"(You called {result.name}. What came of it: {result.output})" for result in results]
        said = farewell is not None and reply is not None and reply.sounded
        if farewell is not None and (said or isinstance(farewell, HandOverWanted)):
            self._emit(farewell)  # it said goodbye before it asked for this
            self._respond(results, silent=True)
        elif connection == self._connection:
            self._respond(results)
            self._told(farewell)
        else:
            self._untold("\n".join(notes))
        for note in notes:
            self._history.note(note)

    def _respond(self, results: Sequence[ToolResult], *, silent: bool = False) -> None:
        responses = []
        for result in results:
            scheduling = self._scheduling(result.name)
            if scheduling and silent:
                scheduling = "SILENT"
            name = "error" if result.failed else "output"
            answer = {name: _decoded(result.output)}
            responses.append(ours.FunctionResponse(result.id, result.name, answer, scheduling or UNSET))
        self._send(ours.ClientMessage(tool_response=ours.ToolResponse(responses)))


def _decoded(output: str) -> Any:
    """A result that is JSON as what it says; a sentence as it is."""
    try:
        return msgspec.json.decode(output)
    except msgspec.DecodeError:
        return output
