"""Who stands in for a provider that fails: the order of a role's providers, each one's circuit breaker, and who is on
duty in a call.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from structlog.typing import FilteringBoundLogger

from trunkline.ai.base import Part
from trunkline.ai.breaker import Breaker
from trunkline.errors import AgentError, Fault, ProviderError

P = TypeVar("P", bound=Part)

PASSING: Final[frozenset[Fault]] = frozenset({"transient", "rate limit"})
"""Faults after which a provider may come back before the caller has gone."""


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


class Duty(Generic[P]):
    """Which of a role's providers is on duty in one call."""

    def __init__(self, standby: Standby[P], log: FilteringBoundLogger) -> None:
        self._standby = standby
        self._log = log
        self._tried: list[int] = []
        self._hopeless: list[int] = []
        place = standby.choose()
        assert place is not None  # noqa: S101 - there is at least one
        self._place = place

    @property
    def part(self) -> P:
        """The provider."""
        return self._standby.parts[self._place]

    def worked(self) -> None:
        """It did what it is there for. If it fails later, it may be the others' turn again."""
        self._standby.worked(self._place)
        self._tried.clear()

    def failed(self, error: AgentError) -> bool:
        """It is given up in this call, and ``part`` is the next one from now on. False: nobody is left."""
        self._tried.append(self._place)
        if not isinstance(error, ProviderError) or error.fault not in PASSING:
            self._hopeless.append(self._place)
        self._standby.failed(self._place, error, self._log)
        place = self._standby.choose(self._tried)
        if place is None:
            return False
        self._place = place
        self._log.info("provider takes over", provider=self.part.name)
        return True

    def again(self) -> bool:
        """Nobody is left: begin anew with those whose faults pass. False: there are none."""
        place = self._standby.choose(self._hopeless)
        if place is None:
            return False
        self._tried, self._place = list(self._hopeless), place
        return True

    async def run(self, session: Callable[[], Awaitable[None]], take_over: Callable[[], None]) -> None:
        """Run ``session`` until cancelled; whenever it fails, have the next provider ``take_over`` and run what is its
        session then. Raises ``ProviderError`` when nobody is left."""
        while True:
            try:
                await session()
                await asyncio.get_running_loop().create_future()  # it has nothing to run; until cancelled
            except ProviderError as error:
                if not self.failed(error):
                    raise
                take_over()
