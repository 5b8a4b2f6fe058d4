"""The outer edge of an agent's session: whatever happens in its tasks is told once, and nothing comes after it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from trunkline import logs
from trunkline.ai.events import AgentEvent, AgentFailed, CallerSaid
from trunkline.ai.outer_edge import OuterEdge
from trunkline.errors import AgentError, ProviderError

SPENT = ProviderError("vendor", "quota", "nothing left")
LATE = CallerSaid("too late", final=True)


async def fails(error: Exception) -> None:
    raise error


async def fails_within(error: Exception) -> None:
    """In a task of a task's own."""
    async with asyncio.TaskGroup() as group:
        group.create_task(fails(error))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SPENT, AgentFailed("vendor: nothing left", SPENT)),
        (AgentError("no part is left"), AgentFailed("no part is left")),
        (KeyError("what somebody said"), AgentFailed("the parrot broke: KeyError")),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("task", [fails, fails_within])
def test_what_a_task_raises_is_told_once_and_goes_no_further(
    task: Callable[[Exception], Coroutine[Any, Any, None]], error: Exception, told: AgentFailed
) -> None:
    async def story() -> None:
        events: list[AgentEvent] = []
        edge = OuterEdge("parrot", events.append, logs.get("test"))
        async with edge.tasks():
            edge.start(task(error))
            await asyncio.get_running_loop().create_future()
        edge.emit(LATE)
        edge.start(fails(error))
        await asyncio.sleep(0)
        assert events == [told]

    asyncio.run(story())


def test_a_session_that_is_cancelled_has_not_failed() -> None:
    async def story() -> None:
        events: list[AgentEvent] = []
        edge = OuterEdge("parrot", events.append, logs.get("test"))
        stopped: list[str] = []

        async def works() -> None:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                stopped.append("works")

        async def session() -> None:
            async with edge.tasks() as group:
                work: Coroutine[Any, Any, None] = works()
                group.create_task(work)

        running = asyncio.create_task(session())
        await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
        assert stopped == ["works"]
        assert not events

    asyncio.run(story())
