"""What an agent does about a caller who says nothing: ask whether they are there, a few times, then say goodbye."""

import asyncio
from collections.abc import Callable

from trunkline.ai.manners import Manners


class NoInput:
    """One call's. ``ask`` is given what to say, and whether it is the last thing said."""

    def __init__(self, manners: Manners, ask: Callable[[str, bool], None]) -> None:
        self._manners = manners
        self._ask = ask
        self._asked = 0
        self._timer: asyncio.TimerHandle | None = None

    def wait(self) -> None:
        """It is the caller's turn, from now on."""
        self.stop()
        if self._manners.no_input_s > 0:
            self._timer = asyncio.get_running_loop().call_later(self._manners.no_input_s, self._due)

    def stop(self) -> None:
        """Somebody speaks."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def answered(self) -> None:
        """The caller is there."""
        self._asked = 0

    def _due(self) -> None:
        prompts = self._manners.no_input_prompts
        last = self._asked >= len(prompts)
        text = self._manners.goodbye if last else prompts[self._asked]
        self._asked += 1
        self._ask(text, last)
