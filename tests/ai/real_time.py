"""Tests on a loop whose time is everybody's, since there are sockets in them; several at once, as they mostly wait.
Where there are none, see ``virtual_loop``.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, ParamSpec

P = ParamSpec("P")


def in_real_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Runs an async test."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


async def together(stories: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Several at once."""
    async with asyncio.TaskGroup() as group:
        for story in stories:
            group.create_task(story)


def all_at_once(stories: Mapping[str, Coroutine[Any, Any, None]]) -> None:
    """Real time is shared. What fails says which of them it was."""

    async def named(name: str, story: Coroutine[Any, Any, None]) -> None:
        try:
            await story
        except Exception as error:
            error.add_note(name)
            raise

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for name, story in stories.items():
                group.create_task(named(name, story))

    asyncio.run(run())
