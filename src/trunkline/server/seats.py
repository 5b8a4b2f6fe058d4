"""Whose call a media socket is: no call has two of them, and one that has lost its own may be given another.

A socket takes a seat when it is let in. Whose call it is it says later, with its first words.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from structlog.typing import FilteringBoundLogger

from trunkline.call.bridge import Link as CallLink
from trunkline.errors import Refused
from trunkline.server.link import Receiver
from trunkline.wire.base import WireSpec

SECOND_SOCKET: Final = "the call is under way on another socket"


class Link(CallLink, Protocol):
    """A call's media socket, which the board closes if the call has not."""

    async def closed(self) -> None:
        """Wait until the socket is gone. After ``close`` that is soon."""
        ...


class Socket(Link, Protocol):
    """A media socket that can be given to another call."""

    receiver: Receiver


class Runner(Receiver, Protocol):
    """One call under way: ``trunkline.call.runner.CallRunner``, or a test's stand-in."""

    async def run(self) -> object:
        """The call, from the accepted socket to its end."""
        ...

    def end(self, reason: str) -> None:
        """Hang up now, in good order."""
        ...

    def resume(self, link: CallLink) -> bool:
        """Go on over this socket. False: there is nothing to go on with."""
        ...

    @property
    def parked(self) -> bool:
        """Whether the call has lost its socket and waits for another."""
        ...


class Seat:
    """One media socket's place, and from its stream's start on its call's: the ``Desk`` of that call."""

    def __init__(
        self, seats: "Seats", spec: WireSpec, socket: Socket, log: FilteringBoundLogger, *, standing: bool
    ) -> None:
        self.platform = spec.name
        self.socket = socket
        self.given_away = False
        self.standing = standing  # let in though there is no room: it may resume a call and not begin one
        self.call_id = ""
        self.runner: Runner | None = None
        self._seats = seats
        self._log = log
        self._task: asyncio.Task[None] | None = None

    def sit(self, runner: Runner, task: asyncio.Task[None]) -> None:
        """The call that this socket may become, and the task that carries it."""
        self.runner, self._task = runner, task

    def enter(self, call_id: str) -> None:
        """The socket's stream is this call's. Raises ``Refused``."""
        self._seats.enter(self, call_id)

    def hand_over(self, call_id: str) -> bool:
        """Give the socket to the call that has lost its own. True: this seat is empty now."""
        other = self._seats.find(self.platform, call_id)
        if other is None or other is self or self.given_away or not other.take(self.socket):
            return False
        self.given_away = True
        self._log.info("media socket goes to a call that has lost its own", call=call_id)
        if self._task is not None:
            self._task.cancel()  # what it carries never was a call
        return True

    def take(self, socket: Socket) -> bool:
        """Let the call here go on over ``socket``. False: it has nothing to go on with."""
        runner, old = self.runner, self.socket
        if runner is None or not runner.resume(socket):
            return False
        self.socket = socket
        socket.receiver = runner
        old.receiver = _NOBODY
        old.close(1001, "the call goes on over another socket")  # if it is still there, we are slow to notice
        self._seats.see_off(old)
        return True

    def leave(self) -> None:
        """The call is over: its id may be used again."""
        self._seats.leave(self)


class Seats:
    """All seats of the process. ``spawn`` starts a task that is awaited before the process ends."""

    def __init__(self, spawn: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        self._spawn = spawn
        self._seats: set[Seat] = set()
        self._calls: dict[tuple[str, str], Seat] = {}

    def seat(self, spec: WireSpec, socket: Socket, log: FilteringBoundLogger, *, standing: bool) -> Seat:
        """A seat for a socket that was let in."""
        seat = Seat(self, spec, socket, log, standing=standing)
        self._seats.add(seat)
        return seat

    def awaits(self, spec: WireSpec) -> bool:
        """Whether a call of this platform waits for a socket, and more of them than have been let in for it."""
        if not spec.resumes:
            return False
        seats = [seat for seat in self._seats if seat.platform == spec.name]
        parked = sum(seat.runner is not None and seat.runner.parked for seat in seats)
        return parked > sum(seat.standing for seat in seats)

    def find(self, platform: str, call_id: str) -> Seat | None:
        """Where the call is carried, if it is under way."""
        return self._calls.get((platform, call_id))

    def enter(self, seat: Seat, call_id: str) -> None:
        """The seat is this call's from now on. Raises ``Refused`` when that has one, or there was none to be had."""
        if self.find(seat.platform, call_id) is not None:
            raise Refused(SECOND_SOCKET, status=409)
        if seat.standing:
            raise Refused("there is no room for another call", status=503, close_code=1013)
        seat.call_id = call_id
        self._calls[seat.platform, call_id] = seat

    def leave(self, seat: Seat) -> None:
        """The seat is empty."""
        self._seats.discard(seat)
        if self.find(seat.platform, seat.call_id) is seat:
            del self._calls[seat.platform, seat.call_id]

    def see_off(self, link: Link) -> None:
        """Wait for a socket that nobody needs any more."""
        self._spawn(link.closed())


class _Nobody:
    """Whoever still speaks on a socket that was replaced."""

    def received(self, data: bytes, binary: bool) -> None:
        pass

    def fault(self, reason: str, close_code: int) -> None:
        pass

    def lost(self, reason: str, *, clean: bool = False) -> None:
        pass


_NOBODY: Final = _Nobody()
