"""A reply begun on trial, while the recogniser only expects that the caller is done.

Model and voice are at work, but the call knows nothing of it, and no function is called. If the caller has said just
that, what was made meanwhile is let go at once; if not, it never was.
"""

import asyncio
import re
from collections.abc import Iterator, Sequence

import msgspec

from trunkline.ai.base import Message
from trunkline.ai.events import AgentEvent, StageReached
from trunkline.ai.reply import Reply


class Trial:
    """``reply`` answers the history with ``text`` as its last line."""

    def __init__(self, text: str, reply: Reply) -> None:
        self.text = text
        self.reply = reply
        self._held: list[tuple[float, AgentEvent]] = []

    def hold(self, event: AgentEvent) -> None:
        """Keep back what comes of the reply."""
        self._held.append((asyncio.get_running_loop().time(), event))

    def answers(self, text: str) -> bool:
        """Whether the caller's final words are those that were expected."""
        return _plain(self.text) == _plain(text)

    def fits(self, history: Sequence[Message]) -> bool:
        """Whether it is the reply to ``history``."""
        if self.reply.failed or not history:
            return False
        *before, last = history
        return last.role == "caller" and self.answers(last.text) and tuple(before) == self.reply.history[:-1]

    def release(self) -> Iterator[AgentEvent]:
        """What came of it so far, in order; stamps say how long ago it happened."""
        now = asyncio.get_running_loop().time()
        for at, event in self._held:
            late = isinstance(event, StageReached)
            yield msgspec.structs.replace(event, ago_ms=1000 * (now - at)) if late else event


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]|_", "", text).casefold().split())
