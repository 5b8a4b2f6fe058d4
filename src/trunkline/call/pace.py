"""How far ahead of the caller's ear audio is sent: the pacing clock, and what it is held against."""

from typing import Final

from trunkline.audio.format import AudioFormat

# The buffer ran dry for longer than this inside a reply: an under-run. Less is the jitter of a live source, and a
# player has a little slack of its own.
UNDER_RUN_S: Final = 0.020
# A buffer that is empty is not started on less than this while more is on its way: a source that makes its audio in
# real time would otherwise run dry at its first late frame. A source that is faster never waits for it.
PREROLL_MS: Final = 60
# While the platform has more than SLACK_MS left, frames of such a source go out in pairs: half the messages. One whose
# fellow does not come in time goes alone when LAST_MS are left.
PAIR_MS: Final = 40
SLACK_MS: Final = 20
LAST_MS: Final = 10


class Pace:
    """Reads the platform's buffer by a clock of ours: how much of what was sent has sounded, and when it is to go on.

    Positions and limits are bytes of audio in ``fmt``, ``second`` of them a second. The limits and the clock are plain
    attributes, for whoever sends compares them for every frame: what was sent stays between ``low`` and ``lead`` ahead.
    Whoever sends also says whether a gap would be meant, and forgets ``start_by`` when there is nothing to start with.
    """

    __slots__ = (
        "_dry", "at", "frame", "gap_is_meant", "last", "lead", "low", "message", "pair", "position", "preroll",
        "second", "slack", "start_by", "under_run_s", "under_runs",
    )  # fmt: skip

    def __init__(self, fmt: AudioFormat, *, frame_ms: int, max_frames: int, lead_ms: float) -> None:
        self.second = fmt.bytes_for(1000)
        self.frame = fmt.bytes_for(frame_ms)
        self.message = self.frame * max_frames
        self.lead = max(self.frame, fmt.bytes_for(lead_ms))
        # Refill in gulps of up to half the lead: fewer messages, and never closer to empty than half of it.
        self.low = self.lead - min(self.message, self.lead // 2 // self.frame * self.frame)
        self.preroll = min(self.lead, fmt.bytes_for(PREROLL_MS))
        self.pair = max(self.frame, min(self.message, fmt.bytes_for(PAIR_MS)))
        self.slack = fmt.bytes_for(SLACK_MS)
        self.last = fmt.bytes_for(LAST_MS)
        self._dry = fmt.bytes_for(1000 * UNDER_RUN_S)
        self.position = 0  # this position sounded …
        self.at = 0.0  # … at this time
        self.gap_is_meant = True  # the buffer is empty on purpose, or may become so: no under-run
        self.start_by: float | None = None  # how long an empty buffer waits for the pre-roll
        self.under_runs = 0
        self.under_run_s = 0.0

    def starts_at(self, dry: float, now: float, *, first: bool) -> float:
        """When a buffer that ran empty ``dry`` bytes ago may be started on less than the pre-roll. ``first``: with the
        first audio of a reply."""
        if not first and not self.gap_is_meant and dry <= self._dry:
            return now
        if self.start_by is None:
            self.start_by = now + PREROLL_MS / 1000
        return self.start_by

    def start(self, position: int, dry: float, now: float, *, first: bool) -> None:
        """The buffer ran empty ``dry`` bytes ago, and begins to sound anew at ``position``."""
        if dry / self.second > UNDER_RUN_S and not self.gap_is_meant and not first:
            self.under_runs += 1
            self.under_run_s += dry / self.second
        self.start_by = None
        self.position, self.at = position, now

    def passed(self, position: int, now: float) -> None:
        """The platform has played all before ``position`` by now, maybe sooner than thought."""
        if self.position + (now - self.at) * self.second < position:
            self.position, self.at = position, now

    def stop(self, position: int) -> None:
        """The platform's buffer was emptied, and nothing after ``position`` sounds."""
        self.position, self.at = position, float("-inf")
        self.gap_is_meant = True

    def when(self, position: int) -> float:
        """When ``position`` sounds, if the platform plays on as it was given."""
        return self.at + (position - self.position) / self.second
