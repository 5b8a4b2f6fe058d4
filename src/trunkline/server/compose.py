"""Builds the gateway from its configuration: the only place that knows every part."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

from fastapi import FastAPI
from structlog.typing import FilteringBoundLogger

from trunkline import registry
from trunkline.ai.agent import Agent
from trunkline.ai.base import AgentModel
from trunkline.call.runner import CallRunner
from trunkline.call.runner import HttpSender as HttpSend
from trunkline.call.session import CallSession
from trunkline.call.settings import CallSettings
from trunkline.config import Config
from trunkline.errors import ConfigError
from trunkline.server import health, rtp_api, voice_test
from trunkline.server.agents import agent_model
from trunkline.server.api_token import ApiToken
from trunkline.server.app import make_app
from trunkline.server.calls import Accepted, Switchboard
from trunkline.server.media import MediaDoor, RunnerFactory
from trunkline.server.routes import Route, Routes
from trunkline.server.rtp_api import RtpSessions
from trunkline.server.sender import HttpSender
from trunkline.server.voice import Voices
from trunkline.server.watchdog import Watchdog
from trunkline.store.recordings import RecordingRoom
from trunkline.wire.base import ChoosingDoor, Platform, TunedPlatform
from trunkline.wire.rtp import RtpDoor
from trunkline.wire.tickets import TicketBook

TICKET_BYTES = 24
"""Randomness in a ticket: as hard to guess as a key."""


Keep = Callable[[CallSession], None]
"""What becomes of the record of a call that is over."""


class Gateway(NamedTuple):
    """What a server serves."""

    app: FastAPI
    media: MediaDoor
    board: Switchboard
    base_url: str


@asynccontextmanager
async def compose(
    config: Config,
    agent: Agent,
    *,
    port: int,
    model: AgentModel | None = None,
    keep: Keep | None = None,
    make_runner: RunnerFactory | None = None,
    send: HttpSend | None = None,
) -> AsyncIterator[Gateway]:
    """A gateway that is ready to take calls at ``port``; its calls are over when the context is left.

    ``model`` answers in the place of the one ``agent`` names, ``keep`` gets the record of each call that is over,
    ``make_runner`` replaces the call itself, ``send`` the way to the platforms' HTTP interfaces. Raises ``ConfigError``
    or ``MissingProgram``.
    """
    base_url = config.base_url(port)
    routes = open_platforms(config, base_url)
    other_voice = None if model else lambda name: agent_model(replace(agent, voice=name), config)
    model = model or agent_model(agent, config)
    for route in routes.values():
        if isinstance(route.door, ChoosingDoor):
            route.door.prefer(model.hears, model.speaks)
    recordings = _recordings(config, config.record_dir) if config.record_dir else None
    with closing(recordings) if recordings else nullcontext():
        await model.warm_up()
        try:
            async with HttpSender() as http, Watchdog() as dog, _board(config, dog) as board:
                make_runner = make_runner or _runners(config, model, send or http, recordings, keep)
                media = MediaDoor(
                    routes=Routes(routes.values()), base_url=base_url, board=board, make_runner=make_runner
                )
                routers = [health.router(board, agent=model.name)]
                token = ApiToken(config.api_token, insecure=config.insecure)
                routers.append(voice_test.router(Voices(model, other_voice), token, board))
                if isinstance(rtp := routes["rtp"].door, RtpDoor):  # its calls come by UDP, past the media door
                    sessions = RtpSessions(door=rtp, host=config.host, board=board, make_runner=make_runner)
                    routers.append(rtp_api.router(sessions, rtp))
                app = make_app(routes=routes, base_url=base_url, board=board, routers=routers)
                yield Gateway(app, media, board, base_url)
        finally:
            await model.close()


def _board(config: Config, watchdog: Watchdog) -> Switchboard:
    return Switchboard(max_calls=config.max_calls, lag_s=watchdog.lag_s)


def open_platforms(config: Config, base_url: str) -> dict[str, Route]:
    """Every platform there is, with the door its settings give it."""
    tickets = TicketBook(lambda: secrets.token_urlsafe(TICKET_BYTES))
    routes = {}
    for name in registry.names("wire"):
        platform: Platform = registry.load("wire", name)
        settings = config.platform(platform.spec)
        door = platform.door(settings, base_url=base_url, tickets=tickets, insecure=config.insecure)
        spec = platform.tuned(settings) if isinstance(platform, TunedPlatform) else platform.spec
        routes[name] = Route(spec, door)
    return routes


def _recordings(config: Config, folder: Path) -> RecordingRoom:
    """The folder for recordings. It is made now: better no start than a call that is not recorded."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ConfigError(f"the folder for recordings can't be made or written to: {error.strerror}") from None
    return RecordingRoom(folder, config.record_format, private=config.record_private)


def _runners(
    config: Config, model: AgentModel, http: HttpSend, recordings: RecordingRoom | None, keep: Keep | None
) -> RunnerFactory:
    settings = config.section("call", CallSettings, record=recordings is not None)

    def make_runner(accepted: Accepted) -> CallRunner:
        lines = CallLines(accepted.log)
        runner = CallRunner(
            codec=accepted.codec,
            spec=accepted.spec,
            model=model,
            settings=settings,
            link=accepted.link,
            http=http,
            log=lines,
            sink=recordings.sink() if recordings else None,
            keep=keep,
            desk=accepted.desk,
        )
        lines.session = runner.session
        return runner

    return make_runner


class CallLines:
    """A call's ``Log``: on each line the call's id, once it is known."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self.session: CallSession | None = None

    def __call__(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """Write one line."""
        known = {"call": self.session.call_id} if self.session and self.session.call_id else {}
        getattr(self._log, level)(event, **known, **fields)
