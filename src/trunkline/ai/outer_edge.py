"""The outer edge of an agent's session: what its tasks raise is told to the call, and goes no further."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from structlog.typing import FilteringBoundLogger

from trunkline.ai.base import Emit
from trunkline.ai.events import AgentEvent, AgentFailed
from trunkline.errors import AgentError, ProviderError

E = TypeVar("E", bound=BaseException)


class OuterEdge:
    """One session's. ``name`` is for the log: a live session, a cascade."""

    def __init__(self, name: str, emit: Emit, log: FilteringBoundLogger) -> None:
        self._name = name
        self._emit = emit
        self._log = log
        self._group: asyncio.TaskGroup | None = None

    def emit(self, event: AgentEvent) -> None:
        """To the call, while the session lasts."""
        self._emit(event)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this beside everything else, while the session lasts."""
        if self._group is None:
            work.close()
        else:
            self._group.create_task(work)

    @asynccontextmanager
    async def tasks(self) -> AsyncIterator[asyncio.TaskGroup]:
        """The session's tasks, for as long as it lasts: the context is left when all are done, or one has failed."""
        try:
            async with asyncio.TaskGroup() as self._group:
                yield self._group
        except* AgentError as failed:
            error = _first(failed)
            self._log.error("agent can't go on", reason=str(error))
            self._emit(AgentFailed(str(error), error if isinstance(error, ProviderError) else None))
        except* Exception as broken:
            first = _first(broken)
            # Without its text: that may hold what somebody said.
            frames = traceback.format_tb(first.__traceback__)
            self._log.error(f"{self._name} broke", exception=type(first).__name__, trace=frames)
            self._emit(AgentFailed(f"the {self._name} broke: {type(first).__name__}"))
        finally:
            self._group, self._emit = None, _nobody


def _first(group: BaseExceptionGroup[E]) -> E:
    """Of what was raised, be it in a task's own tasks."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _nobody(event: AgentEvent) -> None:
    """The session is over."""
