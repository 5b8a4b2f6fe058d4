"""Who stands in for a provider that fails: the order of a role's providers, each one's circuit breaker, who was tried
in a call, and who is on duty in it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import Final, Generic, TypeVar

from structlog.typing import FilteringBoundLogger

from trunkline.ai.base import Part
from trunkline.ai.breaker import Breaker
from trunkline.ai.patience import Silent
from trunkline.errors import AgentError, Fault, ProviderError

P = TypeVar("P", bound=Part)

PASSING: Final[frozenset[Fault]] = frozenset({"transient", "rate limit"})
"""Faults after which a provider may come back before the caller has gone."""

AGAIN_S: Final = (0.5, 1.0, 2.0)
"""Until those that all failed are tried again: a network that is out for a moment is out for every one of them."""

BEAR_S: Final = 3.0
"""A caller who has waited longer than this for nothing is not kept waiting for another round."""

STOOD_S: Final = 5.0
"""One that was on duty for longer than this had a connection. What made those before it fail was over."""


class Standby(Generic[P]):
    """A role's providers, preferred first, for all calls of the process. ``clock``: seconds, monotonic."""

    def __init__(self, parts: Sequence[P], clock: Callable[[], float]) -> None:
        self.parts = tuple(parts)
        self._breakers = [Breaker(clock) for _ in parts]

    def choose(self, tried: Sequence[int] = ()) -> int | None:
        """The place of the first that is worth trying and was not ``tried``. If all of those are to be left alone, the
        one that is so for the shortest time: better a try than a dead line. None when all were tried."""
        left = [place for place in range(len(self.parts)) if place not in tried]
        return min(left, key=lambda place: (self._breakers[place].shut_s, place), default=None)

    def worked(self, place: int) -> None:
        """The provider did what it is there for."""
        self._breakers[place].worked()

    def failed(self, place: int, error: AgentError, log: FilteringBoundLogger) -> None:
        """The provider was given up in one call."""
        known = (
            error if isinstance(error, ProviderError) else ProviderError(self.parts[place].name, "transient", "failed")
        )
        self._breakers[place].failed(known)
        log.warning(
            "provider failed",
            provider=self.parts[place].name,
            fault=known.fault,
            reason=str(error),
            left_alone_for_s=round(self._breakers[place].shut_s),
        )

    async def warm_up(self) -> None:
        for part in self.parts:
            await part.warm_up()

    async def close(self) -> None:
        for part in self.parts:
            await part.close()


class Tries(Generic[P]):
    """Who of a role's providers was tried in one call, since one of them last did what it is there for."""

    def __init__(self, standby: Standby[P], log: FilteringBoundLogger) -> None:
        self._standby = standby
        self._log = log
        self._tried: list[int] = []
        self._hopeless: list[int] = []
        self._rounds = 0  # in which all failed

    def next(self) -> int | None:
        """The place of the one to try now; ``begins`` when it is. None: nobody is left."""
        return self._standby.choose(self._tried)

    def begins(self, place: int) -> None:
        """It is being tried."""
        self._tried.append(place)

    def unneeded(self, place: int) -> None:
        """It was not to blame for coming to nothing."""
        self._tried.remove(place)

    def worked(self, place: int) -> None:
        """It did what it is there for. If it fails later, it may be the others' turn again."""
        self._standby.worked(place)
        self._tried = [place]
        self._rounds = 0

    def failed(self, place: int, error: AgentError) -> None:
        """It is given up."""
        passing = isinstance(error, ProviderError) and error.fault in PASSING and error.retry_after_s <= BEAR_S
        if not passing:
            self._hopeless.append(place)
        self._standby.failed(place, error, self._log)

    def another_outage(self) -> None:
        """What made them fail before was over."""
        self._rounds = 0

    def again(self, waited_s: float) -> float | None:
        """Nobody is left, and the caller has waited for so long: in how many seconds ``next`` begins anew, with those
        whose faults pass. None: it won't."""
        if self._rounds == len(AGAIN_S) or waited_s > BEAR_S or self._standby.choose(self._hopeless) is None:
            self._log.error("no provider is left")
            return None
        self._tried = list(self._hopeless)
        pause_s = AGAIN_S[self._rounds]
        self._rounds += 1
        self._log.warning("all providers failed", again_in_s=pause_s)
        return pause_s


class Duty(Generic[P]):
    """Which of a role's providers is on duty in one call."""

    def __init__(self, standby: Standby[P], log: FilteringBoundLogger) -> None:
        self._standby = standby
        self._log = log
        self._tries = Tries(standby, log)
        self._out_since = self._begun_at = -inf
        self._begin()

    @property
    def part(self) -> P:
        """The provider."""
        return self._standby.parts[self._place]

    def worked(self) -> None:
        """It did what it is there for."""
        self._tries.worked(self._place)
        self._begun_at = -inf

    def failed(self, error: AgentError) -> float | None:
        """It is given up in this call, and ``part`` is the next one from now on, to be begun in so many seconds. None:
        nobody is left."""
        now = asyncio.get_running_loop().time()
        if now - self._begun_at > STOOD_S:
            self._out_since = now
            if not isinstance(error, Silent):  # which may have been of no use all the time
                self._tries.another_outage()
        self._tries.failed(self._place, error)
        pause_s = 0.0
        if self._tries.next() is None:
            again_s = self._tries.again(now - self._out_since)
            if again_s is None:
                return None
            pause_s = again_s
        self._begin()
        self._begun_at = now + pause_s
        if not pause_s:
            self._log.info("provider takes over", provider=self.part.name)
        return pause_s

    async def run(
        self, session: Callable[[], Awaitable[None]], leave: Callable[[], None], take: Callable[[], None]
    ) -> None:
        """Run ``session`` until cancelled; whenever it fails, ``leave`` it at once, ``take`` the next provider's in its
        time, and run what is the session then. Raises ``ProviderError`` when nobody is left."""
        while True:
            try:
                await session()
                await asyncio.get_running_loop().create_future()  # it has nothing to run; until cancelled
            except ProviderError as error:
                leave()
                if (pause_s := self.failed(error)) is None:
                    raise
                if pause_s:
                    await asyncio.sleep(pause_s)
                take()

    def _begin(self) -> None:
        place = self._tries.next()
        assert place is not None  # noqa: S101 - there is at least one
        self._place = place
        self._tries.begins(place)
