"""Builds the gateway from its configuration: the only place that knows every part."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, nullcontext
from typing import Any, NamedTuple

from fastapi import FastAPI
from structlog.typing import FilteringBoundLogger

from trunkline import registry
from trunkline.ai.agent import Agent
from trunkline.ai.base import AgentModel
from trunkline.call.runner import CallRunner
from trunkline.call.settings import CallSettings
from trunkline.config import Config
from trunkline.server.agents import agent_model
from trunkline.server.app import make_app
from trunkline.server.calls import Accepted, Switchboard
from trunkline.server.media import MediaDoor, RunnerFactory
from trunkline.server.recordings import Recordings
from trunkline.server.routes import Route, Routes
from trunkline.server.sender import HttpSender
from trunkline.server.watchdog import Watchdog
from trunkline.wire.base import Platform
from trunkline.wire.tickets import TicketBook

TICKET_BYTES = 24
"""Randomness in a ticket: as hard to guess as a key."""


class Gateway(NamedTuple):
    """What a server serves."""

    app: FastAPI
    media: MediaDoor
    board: Switchboard
    base_url: str


@asynccontextmanager
async def compose(
    config: Config, agent: Agent, *, port: int, make_runner: RunnerFactory | None = None
) -> AsyncIterator[Gateway]:
    """A gateway that is ready to take calls at ``port``; its calls are over when the context is left.

    ``make_runner`` replaces the call itself. Raises ``ConfigError`` or ``MissingProgram``.
    """
    base_url = config.base_url(port)
    routes = open_platforms(config, base_url)
    model = agent_model(agent, config)
    recordings = Recordings(config.record_dir) if config.record_dir else None
    with closing(recordings) if recordings else nullcontext():
        await model.warm_up()
        try:
            async with HttpSender() as http, Watchdog(), Switchboard(max_calls=config.max_calls) as board:
                media = MediaDoor(
                    routes=Routes(routes.values()),
                    base_url=base_url,
                    board=board,
                    make_runner=make_runner or _runners(config, model, http, recordings),
                )
                yield Gateway(make_app(routes=routes, base_url=base_url, board=board), media, board, base_url)
        finally:
            await model.close()


def open_platforms(config: Config, base_url: str) -> dict[str, Route]:
    """Every platform there is, with the door its settings give it."""
    tickets = TicketBook(lambda: secrets.token_urlsafe(TICKET_BYTES))
    routes = {}
    for name in registry.names("wire"):
        platform: Platform = registry.load("wire", name)
        settings = config.platform(platform.spec)
        door = platform.door(settings, base_url=base_url, tickets=tickets, insecure=config.insecure)
        routes[name] = Route(platform.spec, door)
    return routes


def _runners(config: Config, model: AgentModel, http: HttpSender, recordings: Recordings | None) -> RunnerFactory:
    settings = config.section("call", CallSettings, record=recordings is not None)

    def make_runner(accepted: Accepted) -> CallRunner:
        return CallRunner(
            codec=accepted.codec,
            spec=accepted.spec,
            model=model,
            settings=settings,
            link=accepted.link,
            http=http,
            log=_line_writer(accepted.log),
            sink=recordings.sink(accepted.log) if recordings else None,
        )

    return make_runner


def _line_writer(log: FilteringBoundLogger) -> Callable[[str, str, dict[str, Any]], None]:
    """A call's ``Log`` on top of a bound logger."""

    def write(level: str, event: str, fields: dict[str, Any]) -> None:
        getattr(log, level)(event, **fields)

    return write
