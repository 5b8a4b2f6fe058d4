"""What an application says about the agent that answers its calls."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from trunkline.ai.tools import Tool


@dataclass(frozen=True)
class Agent:
    """Who answers, and how. Give it to ``serve``.

    ``model`` is ``"echo"``, ``"local"`` or ``"vendor/model"``. A cascade is made by naming its parts instead:
    ``stt`` hears words, ``llm`` thinks, ``tts`` speaks, each as ``"vendor/model"``.
    """

    instructions: str
    _: KW_ONLY
    model: str = "local"
    stt: str | None = None
    llm: str | None = None
    tts: str | None = None
    tools: "Sequence[Tool]" = ()
    greeting: str | None = None  # spoken first, word for word
    voice: str | None = None  # in the provider's own words
    language: str = "en-us"
    transfer_to: str | None = None  # where a caller goes who asks for a person: a number or SIP URI


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
