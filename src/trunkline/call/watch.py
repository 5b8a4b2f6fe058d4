"""What should have happened by now, and did not."""

from enum import Enum
from math import inf
from typing import Final

from trunkline.call.settings import CallSettings

# While the line is quiet, silence is filled in this often.
QUIET_STEP_S: Final = 0.2


class Overdue(Enum):
    """What did not happen in time."""

    START = "the platform opened its socket and started no stream"
    LINK = "the platform lost its socket and did not open another"
    GONE = "we asked for the end of the call and it goes on"
    AUDIO = "nothing was heard for so long that the line must be dead"
    FRAME = "no audio has come for a moment: the agent needs silence instead"


class Watch:
    """Keeps the time limits of one call. ``heard_at`` is when audio last came; None: the stream has not started."""

    __slots__ = ("_alive_at", "_back_by", "_gone_by", "_not_before", "_settings", "_start_by")

    def __init__(self, settings: CallSettings, now: float) -> None:
        self._settings = settings
        self._start_by = now + settings.start_timeout_s
        self._gone_by = self._back_by = inf
        self._alive_at = self._not_before = -inf

    def alive(self, now: float) -> None:
        """Up to now there was good reason why nothing is heard."""
        self._alive_at = now

    def excuse(self, now: float) -> None:
        """We are late ourselves, and what seems overdue may be waiting to be read: look again in a moment."""
        self._not_before = now + QUIET_STEP_S

    def leaving(self, now: float) -> None:
        """The platform was asked to end the call."""
        self._gone_by = now + self._settings.hang_up_timeout_s

    def parked(self, now: float) -> None:
        """The socket was lost: another one is to come."""
        self._back_by = now + self._settings.resume_timeout_s

    def back(self, now: float) -> None:
        """There is another socket."""
        self._back_by = inf
        self.alive(now)

    def overdue(self, now: float, heard_at: float | None) -> Overdue | None:
        """The gravest thing that is overdue."""
        if heard_at is None:
            return Overdue.START if now >= self._start_by else None
        if now >= self._gone_by:
            return Overdue.GONE
        if now >= self._back_by:
            return Overdue.LINK
        if self._back_by == inf and now >= max(heard_at, self._alive_at) + self._settings.silence_timeout_s:
            return Overdue.AUDIO
        return Overdue.FRAME if now >= heard_at + self._settings.quiet_after_s else None

    def deadline(self, now: float, heard_at: float | None) -> float:
        """When to look again."""
        if heard_at is None:
            return max(self._not_before, self._start_by)
        quiet_from = heard_at + self._settings.quiet_after_s
        due = min(self._gone_by, self._back_by, quiet_from if now < quiet_from else now + QUIET_STEP_S)
        return max(self._not_before, due)
