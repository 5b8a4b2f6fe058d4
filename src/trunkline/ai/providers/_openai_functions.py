"""The functions a realtime model calls: all at once, their results told to it, and then one further reply."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from trunkline.ai.base import Emit, ToolCall
from trunkline.ai.events import DigitsWanted, HandOverWanted
from trunkline.ai.providers._openai_commands import ItemCreate, ResultItem
from trunkline.ai.providers._openai_history import History
from trunkline.ai.providers._openai_messages import OutputItem
from trunkline.ai.providers._openai_reply import Farewell, Reply
from trunkline.ai.toolbox import Toolbox

ROUNDS: Final = 5
"""Times a model may call functions before it has to speak: the caller waits for each."""

UNDONE: Final = "The caller spoke before that: it was not done."


class Functions:
    """One call's. ``done`` is called when results are there; ``fill`` when the caller should be told to wait."""

    def __init__(
        self,
        toolbox: Toolbox,
        history: History,
        *,
        filler_after_s: float,
        send: Callable[[Any], object],
        emit: Emit,
        fill: Callable[[], object],
        done: Callable[[], object],
    ) -> None:
        self.running = 0
        """Replies whose functions are being called."""
        self.rounds = 0
        """Replies in a row that called some."""
        self.owed = False
        """The model has not gone on from the results yet."""
        self.farewell: Farewell | None = None
        """What is to come after its next reply."""
        self._toolbox = toolbox
        self._history = history
        self._filler_after_s = filler_after_s
        self._send = send
        self._emit = emit
        self._fill = fill
        self._done = done

    def interrupted(self) -> None:
        """The caller spoke: what was to be said next is not."""
        self.owed, self.farewell = False, None

    def answering(self, *, caller: bool) -> Farewell | None:
        """A reply is begun, to the caller or to the results. Gives what is to come after it."""
        self.rounds = 0 if caller else self.rounds
        self.owed = False
        farewell, self.farewell = self.farewell, None
        return farewell

    @property
    def allowed(self) -> bool:
        """The next reply may call more."""
        return self.rounds < ROUNDS

    def call(self, reply: Reply, items: list[OutputItem]) -> Coroutine[Any, Any, None]:
        """The model called these at the end of ``reply``. Run what this returns."""
        calls = [ToolCall(item.name, item.arguments, item.call_id or "") for item in items]
        for call, item in zip(calls, items, strict=True):
            self._history.called(call, item.id or "")
        self.rounds += 1
        self.running += 1
        return self._call(reply, calls)

    async def _call(self, reply: Reply, calls: list[ToolCall]) -> None:
        filler = asyncio.get_running_loop().call_later(self._filler_after_s, self._fill)
        try:
            results = await asyncio.gather(*map(self._toolbox.call, calls))
        finally:
            filler.cancel()
        self.running -= 1
        farewell: Farewell | None = None
        for result in results:
            wish, output = result.wish, result.output
            if isinstance(wish, DigitsWanted):
                self._emit(wish)
            elif wish is not None and reply.cut_short:
                output = UNDONE
            elif wish is not None:
                farewell = wish
            self._tell(result.id, output)
        if farewell is not None and (reply.sounded or isinstance(farewell, HandOverWanted)):
            self._emit(farewell)  # it said goodbye before it asked for this
        else:
            self.farewell, self.owed = farewell, True
        self._done()

    def _tell(self, call_id: str, output: str) -> None:
        call = self._history.untold(call_id)
        self._history.result(call_id, output)
        if call is not None:  # it was made on a connection that is lost
            self._send(ItemCreate(item=call))
        self._send(ItemCreate(item=ResultItem(call_id=call_id, output=output)))


def calls(output: list[OutputItem]) -> list[OutputItem]:
    """The calls in a response that was completed. One that was cut may have half its arguments."""
    return [item for item in output if item.type == "function_call" and item.status in (None, "completed")]
