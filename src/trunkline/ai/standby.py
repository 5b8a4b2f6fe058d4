"""Who stands in for a provider that fails: the order of a role's providers, and each one's circuit breaker."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from structlog.typing import FilteringBoundLogger

from trunkline.ai.base import Part
from trunkline.ai.breaker import Breaker
from trunkline.errors import AgentError, ProviderError

P = TypeVar("P", bound=Part)


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
