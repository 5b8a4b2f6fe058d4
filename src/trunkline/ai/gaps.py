"""Silence in the place of what a call leaves out: who judges turns by what they hear would wait for the end of one."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final

GAP_MS: Final = 200
"""Without audio from the call for so long, silence is sent; and again after as long."""


class Gaps:
    """Watches for them as a context manager, from the call's first audio on. ``fill`` is called with the length of
    each."""

    def __init__(self, fill: Callable[[float], None]) -> None:
        self._fill = fill
        self._loop = asyncio.get_running_loop()
        self._fed_at: float | None = None  # when audio last came, or was put in its place
        self._timer: asyncio.TimerHandle | None = None

    def fed(self, now: float) -> None:
        """There is audio from the call."""
        self._fed_at = now

    def __enter__(self) -> None:
        self._timer = self._loop.call_later(GAP_MS / 1000, self._look)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        """The timer is moved when it fires, not with every frame."""
        now = self._loop.time()
        wait_s = GAP_MS / 1000
        if self._fed_at is not None:
            left_s = self._fed_at + wait_s - now
            if left_s <= 0:
                self._fed_at = now
                self._fill(GAP_MS)
            else:
                wait_s = left_s
        self._timer = self._loop.call_later(wait_s, self._look)
