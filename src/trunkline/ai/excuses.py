"""What an agent says when there is nobody left who could think, or hear, for it: the caller must not meet dead air."""

from typing import Final

from trunkline.ai.events import HangUpWanted, TransferWanted
from trunkline.ai.manners import Manners

FAILURES: Final = 2
"""Replies in a row that came to nothing; then the caller is better off with a person, or with their time."""

LOST_FOR_WORDS: Final = "agent failed: no language model answers"
DEAF: Final = "agent failed: no recogniser is left"
"""Why such a call ended."""

Excuse = tuple[str, TransferWanted | HangUpWanted | None]
"""What to say, and what then."""


class Excuses:
    """One call's. ``transfer_to``: a person, if there is one."""

    def __init__(self, manners: Manners, transfer_to: str) -> None:
        self._manners = manners
        self._transfer_to = transfer_to
        self._failures = 0

    def answered(self) -> None:
        """The model made a reply to its end."""
        self._failures = 0

    def lost_for_words(self) -> Excuse:
        """The model failed when it was to speak."""
        self._failures += 1
        if self._failures < FAILURES:
            return self._manners.trouble, None
        return self._leave(self._manners.no_answers, LOST_FOR_WORDS)

    def deaf(self) -> Excuse:
        """No word of the caller's will be understood any more."""
        return self._leave(self._manners.deaf, DEAF)

    def _leave(self, why: str, reason: str) -> Excuse:
        if self._transfer_to:
            return f"{why} {self._manners.connecting}", TransferWanted(self._transfer_to)
        return f"{why} {self._manners.goodbye}", HangUpWanted(reason)
