"""The calls this process carries: how many, whether another may come, and how they end when the process does."""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType
from typing import Final, NamedTuple, Self

from structlog.typing import FilteringBoundLogger

from trunkline import logs
from trunkline.call.desk import ALONE, Desk
from trunkline.errors import Busy
from trunkline.server.seats import Link, Runner, Seat, Seats, Socket
from trunkline.server.tally import Tally
from trunkline.wire.base import GatewayCodec, WireSpec

FAREWELL_S: Final = 5.0
"""How long calls may take to end after they were told to, before they are cut."""

MAX_LAG_S: Final = 0.05
"""A loop that is this late on average has as many calls as it can carry: one more would spoil them all."""

_log = logs.get(__name__)


class Accepted(NamedTuple):
    """A media socket that was let in: what a call is made from."""

    spec: WireSpec
    codec: GatewayCodec
    link: Link
    log: FilteringBoundLogger  # carries the platform and the socket's number; bind the call id once it is known
    desk: Desk = ALONE  # to be asked whether the call may be


class State(StrEnum):
    """Whether another call may come."""

    STARTING = "starting"
    READY = "ready"
    FULL = "full"
    OVERLOADED = "overloaded"
    DRAINING = "draining"


class Switchboard:
    """Holds every running call. Used as a context manager around the life of the server.

    ``lag_s`` tells how late the event loop runs: a process that can't keep up says so instead of taking more calls.

    Ask ``check`` before letting a media socket in and ``carry`` right after, with nothing awaited in between: then
    no more than ``max_calls`` are ever carried.
    """

    def __init__(self, *, max_calls: int, lag_s: Callable[[], float] = lambda: 0.0) -> None:
        self.max_calls = max_calls
        self.tally = Tally()
        self._lag_s = lag_s
        self._calls: dict[asyncio.Task[None], Runner] = {}
        self._group = asyncio.TaskGroup()
        self._seats = Seats(self._group.create_task)
        self._open = False
        self._draining = False

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open = False
        if error is not None:
            self.cut()
        await self._group.__aexit__(None, None, None)  # the group would wrap the server's error in one of its own

    @property
    def active(self) -> int:
        """Calls under way."""
        return len(self._calls)

    @property
    def state(self) -> State:
        """Whether another call may come, and if not, why."""
        if self._draining:
            return State.DRAINING
        if not self._open:
            return State.STARTING
        if self.active >= self.max_calls:
            return State.FULL
        return State.OVERLOADED if self._lag_s() > MAX_LAG_S else State.READY

    @property
    def parked(self) -> int:
        """Calls, of those under way, that have lost their socket and wait for another."""
        return sum(runner.parked for runner in self._calls.values())

    def check(self, spec: WireSpec | None = None) -> None:
        """Return if there is room for another call; raises ``Busy`` if not.

        A socket of a platform on which a call has lost its own is let in all the same: it may be the one that is
        waited for, and is refused later if it is not.
        """
        state = self.state
        if state is State.READY or (state is not State.STARTING and spec is not None and self._seats.awaits(spec)):
            return
        raise Busy(f"no call can be taken: {state}")

    def is_carried(self, spec: WireSpec, call_id: str) -> bool:
        """Whether the platform's call is under way."""
        return self._seats.find(spec.name, call_id) is not None

    def seat(self, spec: WireSpec, socket: Socket, log: FilteringBoundLogger) -> Seat:
        """The place of a socket that was let in just now, for ``carry``. It is the ``Desk`` of the call there."""
        return self._seats.seat(spec, socket, log, standing=self.state is not State.READY)

    def carry(self, runner: Runner, link: Link, log: FilteringBoundLogger, seat: Seat | None = None) -> None:
        """Run the call to its end, then close its socket. Without a ``seat`` nobody asks whose call it is."""
        self.tally.began()
        task = self._group.create_task(_carry(runner, link, log, self.tally, seat))
        self._calls[task] = runner
        task.add_done_callback(self._calls.pop)
        if seat is not None:
            seat.sit(runner, task)
            task.add_done_callback(lambda _: self._left(seat))

    def _left(self, seat: Seat) -> None:
        """A seat's task is done, even if it was cut before it could begin."""
        seat.leave()
        if seat.given_away:
            self.tally.withdrawn()

    async def drain(self, seconds: float) -> None:
        """Take no more calls; let the running ones finish for ``seconds``, then end them, then cut them."""
        self._draining = True
        if self._calls:
            _log.info("draining", calls=self.active, seconds=seconds)
            await self._wait(seconds)
        if self._calls:
            _log.warning("ending the calls that are left", calls=self.active)
            for runner in list(self._calls.values()):
                runner.end("the service is stopping")
            await self._wait(FAREWELL_S)
        self.cut()

    def cut(self) -> None:
        """End every call at once."""
        self._draining = True
        for task in list(self._calls):
            task.cancel()

    async def _wait(self, seconds: float) -> None:
        if self._calls:
            await asyncio.wait(list(self._calls), timeout=seconds)


async def _carry(runner: Runner, link: Link, log: FilteringBoundLogger, tally: Tally, seat: Seat | None) -> None:
    """The outer edge of a call's task: whatever happens in there stays in there."""
    code, reason, record = 1000, "", None
    try:
        record = await runner.run()
    except asyncio.CancelledError:
        code, reason = 1001, "the service is stopping"
        raise
    except Exception:
        code, reason = 1011, "internal error"
        log.exception("call failed")
    finally:
        if seat is not None:
            seat.leave()
        if seat is None or not seat.given_away:
            tally.ended(record)
            link = link if seat is None else seat.socket  # it may have got another one
            link.close(code, reason)
    if seat is None or not seat.given_away:
        await link.closed()
