"""A server that may answer the caller by itself, while the agent is silent: one round trip less for each turn.

While a reply of ours sounds it may not, since what the caller says then may be no turn at all. A turn that ends while
the permission is on its way may stay unanswered: so it is waited for briefly, and asked for if it doesn't come.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from trunkline.ai.providers._openai_account import OpenAISettings
from trunkline.ai.providers._openai_opening import answering

GRACE_S: Final = 0.3
"""After the end of a turn, for a response nobody asked for."""


class PromptAnswers:
    """One call's. ``late`` is called when the server should have answered, and has not."""

    def __init__(self, own: OpenAISettings, *, send: Callable[[Any], object], late: Callable[[], object]) -> None:
        self._own = own
        self._send = send
        self._late = late
        self._allowed = False
        self._due: asyncio.TimerHandle | None = None

    @property
    def due(self) -> bool:
        """A response is about to come by itself."""
        return self._due is not None

    def let(self, may: bool) -> None:
        """From now on it may, or may not."""
        if self._own.prompt_answers and may is not self._allowed:
            self._allowed = may
            self._send(answering(self._own, answers=may))

    def turn_over(self) -> None:
        """A turn ended that wants an answer."""
        if self._allowed and self._due is None:
            self._due = asyncio.get_running_loop().call_later(GRACE_S, self._late_now)

    def settled(self) -> None:
        """It has answered."""
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def forget(self) -> None:
        """A new connection, which may not."""
        self._allowed = False
        self.settled()

    def _late_now(self) -> None:
        self._due = None
        self._late()
