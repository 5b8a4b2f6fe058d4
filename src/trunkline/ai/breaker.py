"""Whether a provider is worth trying: what one call learnt of it is known to the next.

A breaker is closed while the provider works. It opens at once where trying again helps nobody (a refused key, an empty
account, a limit), and after some failures in a row otherwise. When its time is up it lets one try through: a success
closes it, a failure opens it for twice as long. Failures of calls that were on their way meanwhile tell nothing new.
"""

from collections.abc import Callable
from math import inf
from typing import Final

from trunkline.errors import Fault, ProviderError

FAILURES: Final = 3
"""In a row, after which a provider that drops connections is left alone for a while."""

OPEN_S: Final[dict[Fault, float]] = {
    "bad key": 300.0,
    "quota": 300.0,
    "rate limit": 20.0,
    "transient": 10.0,
    "our fault": 60.0,
}
"""For how long, the first time."""

LONGEST_S: Final = 600.0


class Breaker:
    """One provider in one role, for all calls. ``clock``: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._open_s = 0.0
        self._until = -inf

    @property
    def shut_s(self) -> float:
        """For how much longer it is to be left alone; 0 where it may be tried."""
        return max(0.0, self._until - self._clock())

    def worked(self) -> None:
        """It did what it is there for."""
        self._failures, self._open_s, self._until = 0, 0.0, -inf

    def failed(self, error: ProviderError) -> None:
        """It was given up in one call."""
        self._failures += 1
        if error.fault == "transient" and self._failures < FAILURES and not self._open_s:
            return
        first = max(OPEN_S[error.fault], error.retry_after_s)
        longer_s = self._open_s if self.shut_s else 2 * self._open_s
        self._open_s = min(LONGEST_S, max(first, longer_s))
        self._until = self._clock() + self._open_s
