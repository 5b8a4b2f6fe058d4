"""Who has the turn, when the caller speaks while the agent still sounds.

Two steps. At the first sign of speech the agent is put on *hold*: it stops, and what was not heard is kept. Then either
the speech proves to be an interruption and the hold is *committed*: the rest of the reply is gone; or it was a
back-channel ("mm-hm") or a cough, and the agent is *resumed* at the very sample where it stopped.

    QUIET ──speech starts, agent sounds──▶ HELD ──real words, or long enough──▶ commit ─▶ QUIET
                                             └──short, and no real words──────▶ resume ─▶ QUIET
"""

import re
from enum import StrEnum
from functools import cache
from typing import Final

from trunkline.call.settings import BargeIn

PATIENCE: Final = 4
"""Times ``commit_after_ms`` that speech with nothing but a back-channel in it may last."""

MOST_WORDS: Final = 8
"""Nobody says more only to mean "go on"; and it bounds the search."""


class Verdict(StrEnum):
    """What to do with the agent's voice now."""

    HOLD = "hold"
    COMMIT = "commit"
    RESUME = "resume"


class TurnTaking:
    """The barge-in policy of one call. Each method returns what is to be done now, or None."""

    __slots__ = ("_long_at", "_only_backchannel", "_owes_words", "_rules", "_since", "_words_by", "held", "speaking")

    def __init__(self, rules: BargeIn) -> None:
        self._rules = rules
        self.held = False
        self.speaking = False  # the caller is
        self._owes_words = False  # the agent was resumed before the words were known
        self._only_backchannel = False
        self._since = 0.0  # when the hold began
        self._long_at: float | None = None
        self._words_by: float | None = None

    @property
    def deadline(self) -> float | None:
        """When to call ``tick`` next."""
        return self._long_at if self._long_at is not None else self._words_by

    def speech_started(self, now: float, *, agent_sounds: bool) -> Verdict | None:
        """The caller began to speak. ``agent_sounds``: there is agent audio the caller has not heard."""
        self.speaking = True
        self._owes_words = False
        if self.held:  # spoke again before the first words were known
            self._words_by = None
            self._long_at = now + self._rules.commit_after_ms / 1000
            return None
        if not agent_sounds or not self._rules.enabled:
            return None
        self.held = True
        self._only_backchannel = False
        self._since = now
        self._long_at = now + self._rules.commit_after_ms / 1000
        return Verdict.HOLD

    def speech_stopped(self, now: float) -> Verdict | None:
        """The caller fell silent; words may still come."""
        self.speaking = False
        if not self.held:
            return None
        self._long_at = None
        if self._only_backchannel:
            return self._release(Verdict.RESUME)
        self._words_by = now + self._rules.words_wait_ms / 1000
        return None

    def words(self, text: str, *, final: bool, agent_sounds: bool) -> Verdict | None:
        """Words of the caller, partial or final. Empty final text means nothing was understood."""
        said = _plain(text)
        real = bool(said) and not _is_backchannel(said, self._rules)
        if not self.held:
            late = self._owes_words and real and agent_sounds  # the recogniser was slow; the words still count
            self._owes_words = self._owes_words and not final
            return self._release(Verdict.COMMIT) if late else None
        if real:
            return self._release(Verdict.COMMIT)
        if said and final and self.speaking:
            return None  # they belong to an earlier stretch of speech: what is being said now may be more
        self._only_backchannel = bool(said)
        if self._only_backchannel:
            # "Mm-hm" may be long, but what goes on much longer is more than that.
            self._long_at = self._since + PATIENCE * self._rules.commit_after_ms / 1000 if self.speaking else None
        if final and not self.speaking:
            return self._release(Verdict.RESUME)
        return None

    def key_pressed(self) -> Verdict:
        """A key is never a back-channel."""
        return self._release(Verdict.COMMIT)

    def answered(self) -> Verdict:
        """The agent has begun to answer what is being said: it was a turn."""
        return self._release(Verdict.COMMIT)

    def tick(self, now: float) -> Verdict | None:
        """``deadline`` has come."""
        if self._long_at is not None and now >= self._long_at:
            return self._release(Verdict.COMMIT)
        if self._words_by is not None and now >= self._words_by:
            self._owes_words = True
            return self._release(Verdict.RESUME)
        return None

    def _release(self, verdict: Verdict) -> Verdict:
        self.held = False
        self._long_at = self._words_by = None
        if verdict is Verdict.COMMIT:
            self._owes_words = False
        return verdict


def _plain(text: str) -> str:
    """As a recogniser might have written it without capitals and marks: "Mm-hm." and "mm hm" are the same."""
    return " ".join(re.sub(r"[^\w\s-]|_", "", text).lower().replace("-", " ").split())


def _is_backchannel(said: str, rules: BargeIn) -> bool:
    """One of them or a few: "yeah, yeah", "okay, I see"."""
    return said.count(" ") < MOST_WORDS and _backchannels(rules).fullmatch(said) is not None


@cache
def _backchannels(rules: BargeIn) -> re.Pattern[str]:
    any_of_them = "|".join(re.escape(_plain(phrase)) for phrase in rules.backchannels) or "(?!)"
    return re.compile(f"(?:{any_of_them})(?: (?:{any_of_them}))*")
