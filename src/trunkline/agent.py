"""The way in for an application: ``serve`` an ``Agent``."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from trunkline.ai.agent import Agent as Agent


class Served(NamedTuple):
    """A call of ``serve`` that was noted instead of carried out."""

    agent: Agent
    settings: dict[str, Any]


_noted: ContextVar[list[Served] | None] = ContextVar("noted", default=None)


def serve(agent: Agent, **settings: Any) -> None:
    """Answer calls with ``agent`` until the process is told to stop.

    ``settings`` are those of ``trunkline.config.Config``, and win over the environment and the files. Raises
    ``ConfigError`` or ``MissingProgram`` before the first call is taken.
    """
    if (noted := _noted.get()) is not None:
        noted.append(Served(agent, settings))
        return
    from trunkline.config import Config
    from trunkline.server.run import run

    run(Config.load(**settings), agent)


@contextmanager
def noting() -> Iterator[list[Served]]:
    """Within it ``serve`` serves nothing and appends to the list: for reading an application without starting it."""
    noted: list[Served] = []
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)
