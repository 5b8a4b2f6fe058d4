"""A word now and then, so that a caller who waits knows that somebody is there.

Model or function take long; the caller would hear nothing for too long; so they are told to wait. It is part of the
reply that is being made, but not of what the model said.
"""

import asyncio
from collections.abc import Callable
from itertools import cycle
from typing import Final

from trunkline.ai.manners import Manners
from trunkline.ai.reply import Reply

GRACE_S: Final = 0.3
"""A model is given at least this long, even when the limit has passed before it was asked: its answer is the better
filler."""


class Silence:
    """Since when the caller has heard nothing, as far as an agent can tell. Times are the event loop's."""

    __slots__ = ("broken", "since")

    def __init__(self, now: float) -> None:
        self.since = now
        self.broken = False  # by the caller, who is speaking

    def caller_speaks(self) -> None:
        """They break the silence themselves."""
        self.broken = True

    def caller_stopped(self, at: float) -> None:
        """They fell silent."""
        self.broken = False
        self.since = max(self.since, at)

    def filled(self, now: float, ms: float) -> None:
        """The agent's voice fills so much more of it."""
        self.since = max(self.since, now) + ms / 1000

    def emptied(self, now: float) -> None:
        """What was still to be heard will not be."""
        self.since = min(self.since, now)


class Fillers:
    """The fillers of one call. ``say`` hands one to the voice, as part of a reply."""

    def __init__(self, manners: Manners, silence: Silence, say: Callable[[Reply, str], None]) -> None:
        self._manners = manners
        self._silence = silence
        self._say = say
        self._phrases = cycle(manners.fillers)
        self._waiting: Reply | None = None
        self._timer: asyncio.TimerHandle | None = None

    def wait(self, reply: Reply) -> None:
        """From now on nothing of the reply is to be heard until ``stop``."""
        self.stop()
        if self._manners.fillers and sum(step.filler for step in reply.steps) < self._manners.fillers_per_reply:
            self._waiting = reply
            self._plan()

    def stop(self, reply: Reply | None = None) -> None:
        """The wait is over; for ``reply`` only, if given."""
        if self._timer is not None and reply in (None, self._waiting):
            self._timer.cancel()
            self._timer = self._waiting = None

    def _plan(self) -> None:
        loop = asyncio.get_running_loop()
        at = max(self._silence.since + self._manners.filler_after_s, loop.time() + GRACE_S)
        self._timer = loop.call_at(at, self._due)

    def _due(self) -> None:
        reply, silence = self._waiting, self._silence
        now = asyncio.get_running_loop().time()
        if reply is None:
            return
        if silence.broken or not reply.wanted.is_set() or now < silence.since + self._manners.filler_after_s:
            self._plan()  # not now: the caller speaks, or may go on speaking, or heard something meanwhile
            return
        self._timer = None
        self._say(reply, next(self._phrases))
        self.wait(reply)
