"""The wait for a turn's last words: a recogniser without a sense of turns is asked for them, and need not answer.

The caller waits too. So there is a limit, after which the turn has to do with the words that came; and a recogniser
that says nothing to several turns is given up, since another connection to it would not help.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from trunkline.errors import ProviderError

ANSWER_S: Final = 0.7
"""A connection that says nothing for so long after it was asked is dead."""

WORDS_S: Final = 1.3
"""After a turn's end for its last words, a new connection included."""

MUTE_TURNS: Final = 2
"""Turns in a row without any answer, after which it is not the connection."""


class LastWords:
    """One call's. ``late`` is called when they did not come in time; ``stop`` when they did."""

    def __init__(self, provider: str, late: Callable[[], None], log: FilteringBoundLogger) -> None:
        self._provider = provider
        self._late = late
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._mute = 0  # turns since the vendor last said something
        self._deadline: asyncio.TimerHandle | None = None

    def wait(self) -> None:
        """A turn is over."""
        self.stop()
        self._deadline = self._loop.call_later(WORDS_S, self._too_late)

    def stop(self) -> None:
        """There is nothing to wait for any more."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def heard(self) -> None:
        """The vendor said something."""
        self._mute = 0

    def check(self) -> None:
        """Whether a new connection may help. Raises ``ProviderError`` if not."""
        if self._mute >= MUTE_TURNS:
            raise ProviderError(self._provider, "transient", "hears and does not answer")

    def _too_late(self) -> None:
        self._deadline = None
        self._mute += 1
        self._log.warning("words did not come in time")
        self._late()
