"""Functions in a Live session: a text model at the vendor's calls them, and tells the voice what came of it."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from trunkline.ai.base import Emit, ToolCall
from trunkline.ai.events import DigitsWanted, HandOverWanted
from trunkline.ai.providers._openai_live_messages import FunctionOutput, ResponseCreate, ResponseItemCreate
from trunkline.ai.providers._openai_reply import Farewell
from trunkline.ai.toolbox import Toolbox

GOODBYE_S: Final = 5.0
"""What a function wants done after the agent's next words is done by then, should it say none."""


class LiveFunctions:
    """One call's."""

    def __init__(self, toolbox: Toolbox, *, send: Callable[[Any], object], emit: Emit) -> None:
        self._toolbox = toolbox
        self._send = send
        self._emit = emit
        self._calls: list[ToolCall] = []
        self._farewell: Farewell | None = None
        self._patience: asyncio.TimerHandle | None = None

    @property
    def any(self) -> bool:
        """Functions wait to be called."""
        return bool(self._calls)

    def called(self, call: ToolCall) -> None:
        """The model wants this one; ``carry_out`` when it has said all."""
        self._calls.append(call)

    async def carry_out(self) -> None:
        """All at once; then the model goes on."""
        calls, self._calls = self._calls, []
        for result in await asyncio.gather(*map(self._toolbox.call, calls)):
            self._send(ResponseItemCreate(item=FunctionOutput(call_id=result.id, output=result.output)))
            if isinstance(result.wish, DigitsWanted | HandOverWanted):
                self._emit(result.wish)
            elif result.wish is not None:
                self._farewell = result.wish
                self._patience = asyncio.get_running_loop().call_later(GOODBYE_S, self.said)
        self._send(ResponseCreate())

    def said(self) -> None:
        """The agent has said something."""
        farewell = self._farewell
        self.interrupted()
        if farewell is not None:
            self._emit(farewell)

    def interrupted(self) -> None:
        """The caller wants something else."""
        self._farewell = None
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def lost(self) -> None:
        """The connection is gone, and what the model had begun."""
        self._calls.clear()
