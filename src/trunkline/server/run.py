"""The life of the process: listen, say so, answer, and stop in good order when told to."""

import asyncio
import gc
import resource
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from types import FrameType
from typing import Any, TypedDict, Unpack, cast

import uvicorn
import uvloop

from trunkline import logs
from trunkline.ai.agent import Agent
from trunkline.ai.base import AgentModel
from trunkline.call.runner import HttpSender as HttpSend
from trunkline.config import Config
from trunkline.errors import ConfigError
from trunkline.server.bounded import BoundedHttp
from trunkline.server.calls import Switchboard
from trunkline.server.compose import Gateway, Keep, compose
from trunkline.server.media import RunnerFactory

HTTP_FAREWELL_S = 5
"""How long HTTP requests may take to finish once the calls have."""

_log = logs.get(__name__)


def run(config: Config, agent: Agent, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Answer calls until SIGTERM or SIGINT; a second signal cuts the calls that are left.

    ``on_ready`` is given the base address. Raises ``ConfigError`` or ``MissingProgram`` before the first call.
    """
    logs.configure(level=config.log_level, format=config.log_format)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_stopped(config, agent, on_ready or _print_address))


async def _until_stopped(config: Config, agent: Agent, on_ready: Callable[[str], None]) -> None:
    _raise_file_limit()
    async with running(config, agent) as service:
        gc.freeze()  # what is loaded by now lives as long as the process: no collection need look at it again
        with service.stopped_by_signals():
            on_ready(service.gateway.base_url)
            await service.stopped()


def _raise_file_limit() -> None:
    """Each call is an open file, and the usual soft limit of 1,024 is a thousand calls at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _print_address(base_url: str) -> None:
    sys.stdout.write(f"Trunkline answers calls at {base_url}\n")
    sys.stdout.flush()


class Running:
    """A gateway that serves."""

    def __init__(self, gateway: Gateway, server: "_Server", task: asyncio.Task[None]) -> None:
        self.gateway = gateway
        self._server = server
        self._task = task

    def stopped_by_signals(self) -> AbstractContextManager[None]:
        """Within it SIGTERM and SIGINT stop the gateway in good order. Outside they belong to the program it runs in:
        Ctrl-C ends a demonstration, whose call is not finished first."""
        return self._server.take_signals()

    async def stopped(self) -> None:
        """Wait until a signal, or ``stop``, has ended it."""
        await asyncio.shield(self._task)

    def stop(self) -> None:
        """Begin to stop: take no more calls and finish those that run."""
        self._server.should_exit = True


class Parts(TypedDict, total=False):
    """What a simulation may put in the place of the real thing."""

    model: AgentModel | None
    keep: Keep
    make_runner: RunnerFactory
    send: HttpSend


@asynccontextmanager
async def running(config: Config, agent: Agent, **parts: Unpack[Parts]) -> AsyncIterator[Running]:
    """A gateway that serves within the context, in this process and on this event loop. ``parts`` go to ``compose``."""
    with bind(config) as listener:
        port = listener.getsockname()[1]
        async with (
            compose(config, agent, port=port, **parts) as gateway,
            serving(gateway, listener, drain_seconds=config.drain_seconds) as service,
        ):
            yield service


@asynccontextmanager
async def serving(gateway: Gateway, listener: socket.socket, *, drain_seconds: float) -> AsyncIterator[Running]:
    """Serve ``gateway`` on a bound socket within the context; on leaving it, the calls get ``drain_seconds``."""
    server = _Server(gateway, drain_seconds=drain_seconds)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    ready = asyncio.create_task(server.ready.wait())
    await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    service = Running(gateway, server, task)
    try:
        yield service
    finally:
        service.stop()
        await task


def bind(config: Config) -> socket.socket:
    """A socket bound to the configured address, not listening yet. Raises ``ConfigError``."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
    except OSError as error:
        raise ConfigError(f"can't listen on {config.host}: {error.strerror}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise ConfigError(f"can't listen on {config.host} port {config.port}: {error.strerror}") from None
    return listener


class _Server(uvicorn.Server):
    """uvicorn, which drains the calls between "stop" and its own shutdown, and exits 0 on a signal."""

    def __init__(self, gateway: Gateway, *, drain_seconds: float) -> None:
        super().__init__(
            uvicorn.Config(
                gateway.app,
                http=BoundedHttp,
                ws=cast(Any, gateway.media.protocol),  # uvicorn only ever calls it
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # who a request is from matters to nobody here; our address is configured
                timeout_graceful_shutdown=HTTP_FAREWELL_S,
            )
        )
        self._board: Switchboard = gateway.board
        self._drain_seconds = drain_seconds
        self._loop = asyncio.get_running_loop()
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """uvicorn's own way to serve takes none: they belong to the program it runs in."""
        return nullcontext()

    def take_signals(self) -> AbstractContextManager[None]:
        """Within it they are ours."""
        return super().capture_signals()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: the first drains, the second cuts. uvicorn's own would raise it again at the end."""
        if self.should_exit:
            self.force_exit = True
            self._loop.call_soon_threadsafe(self._board.cut)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # The port stays open meanwhile: /ready says 503, and so does every new call.
        await self._board.drain(self._drain_seconds)
        await super().shutdown(sockets)
        _log.info("stopped")
