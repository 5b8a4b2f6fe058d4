"""Notices that the event loop was blocked, and by whom.

The loop notes the time a few times a second. A thread looks at the note; when it is late, the thread writes down where
the loop's thread is at that moment. The loop itself reports once it runs again, since only then is it known for how
long it did not.
"""

import asyncio
import sys
import threading
import time
import traceback
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final, Self

from trunkline import logs

LATE_S: Final = 0.1
"""A block this long is five frames of audio late for every call."""

PERIOD_S: Final = 0.05
"""How often the loop notes the time. The culprit is named if it runs for a period longer than ``LATE_S``."""

SHARE: Final = 0.1
"""Weight of the newest beat in the mean lag."""

FRAMES: Final = 6
"""Innermost stack frames named in the log."""

_log = logs.get(__name__)


class Heartbeat:
    """When the loop last ran, and what was seen while it did not. Pure: ``now`` is given."""

    def __init__(self, now: float) -> None:
        self._last = now
        self._seen = ""
        self.lag_s = 0.0
        """How late the loop is of late: the mean over about the last half second."""

    def late(self, now: float) -> bool:
        """True if the loop should have run by now and nothing has been seen of why."""
        return not self._seen and now - self._last > PERIOD_S + LATE_S

    def see(self, where: str) -> None:
        """Note where the loop's thread is."""
        self._seen = where

    def beat(self, now: float) -> tuple[float, str] | None:
        """The loop runs. Returns for how many seconds it was blocked, if too long, and where it was seen."""
        blocked, seen = now - self._last - PERIOD_S, self._seen
        self._last, self._seen = now, ""
        self.lag_s += SHARE * (max(0.0, blocked) - self.lag_s)
        return (blocked, seen) if blocked > LATE_S else None


class Watchdog:
    """Watches the running event loop for as long as the context lasts."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._heart = Heartbeat(time.monotonic())
        self._timer: asyncio.TimerHandle | None = None

    def lag_s(self) -> float:
        """How late the loop is of late, in seconds."""
        return self._heart.lag_s

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._heart = Heartbeat(time.monotonic())
        self._beat(loop)
        watcher = threading.Thread(target=self._watch, args=(threading.get_ident(),), name="watchdog", daemon=True)
        watcher.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        if report := self._heart.beat(time.monotonic()):
            blocked, seen = report
            _log.warning("event loop blocked", ms=round(blocked * 1000), where=seen or "not seen")
        self._timer = loop.call_later(PERIOD_S, self._beat, loop)

    def _watch(self, thread_id: int) -> None:
        while not self._stop.wait(PERIOD_S):
            if self._heart.late(time.monotonic()) and (frame := sys._current_frames().get(thread_id)):
                self._heart.see(place(frame))


def place(frame: FrameType) -> str:
    """The innermost calls of a stack, outermost first: files, lines and functions, never values."""
    calls = traceback.StackSummary.extract(traceback.walk_stack(frame), limit=FRAMES, lookup_lines=False)
    return " > ".join(f"{Path(call.filename).name}:{call.lineno} {call.name}" for call in reversed(calls))
