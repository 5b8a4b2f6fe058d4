"""The caller's words in a Live session, which knows no turns: words that come without a long gap are one."""

import asyncio
from typing import Final

from trunkline.ai.base import Emit
from trunkline.ai.events import CallerSaid, SpeechStarted, SpeechStopped
from trunkline.ai.providers._openai_history import History

GAP_S: Final = 0.9
"""No further words for so long, and what was said is complete."""


class CallerWords:
    """One call's."""

    def __init__(self, emit: Emit, history: History) -> None:
        self.speaking = False
        """Words have come that are not complete."""
        self._emit = emit
        self._history = history
        self._text = ""
        self._told = False  # the call knows that the caller speaks
        self._until_ms = 0.0
        self._turns = 0
        self._timer: asyncio.TimerHandle | None = None

    def heard(self, delta: str, from_ms: float, until_ms: float, *, agent_sounds: bool) -> None:
        """Some more words, and where in the call they were spoken. Of speech into the agent's voice the call is
        not told: it would stop the agent, which decides itself."""
        if not self.speaking:
            self.speaking = True
            self._turns += 1
            self._history.caller(f"live-{self._turns}")
            self._told = not agent_sounds
            if self._told:
                self._emit(SpeechStarted(from_ms))
        self._text += delta
        self._until_ms = max(self._until_ms, until_ms)
        self._emit(CallerSaid(self._text.strip(), final=False))
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(GAP_S, self.settle)

    def settle(self) -> None:
        """What was said is complete: a while has passed, or the agent answers."""
        self.close()
        if not self.speaking:
            return
        self.speaking = False
        text, self._text = self._text.strip(), ""
        self._history.words(f"live-{self._turns}", text)
        if self._told:
            self._emit(SpeechStopped(self._until_ms))
        self._emit(CallerSaid(text, final=True))

    def close(self) -> None:
        """No more timers."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
