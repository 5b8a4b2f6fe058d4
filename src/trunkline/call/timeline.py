"""The call's own clock: a count of the caller's samples.

A recording placed by the wall clock drifts from the audio in it, because the platform's crystal is not ours. So the
caller's samples are the ruler, and our clock only reads between its marks.
"""


class Timeline:
    """How far the call has come, in samples at ``rate`` Hz of the caller's audio."""

    __slots__ = ("_read_at", "rate", "samples")

    def __init__(self, rate: int, now: float) -> None:
        self.rate = rate
        self.samples = 0
        self._read_at = now

    def advance(self, samples: int, now: float) -> None:
        """``samples`` more of the caller's audio have come."""
        self.samples += samples
        self._read_at = now

    def at(self, now: float) -> int:
        """The position that corresponds to ``now``, read on from the last audio."""
        return self.samples + max(0, int((now - self._read_at) * self.rate))

    def ms(self, now: float) -> float:
        """The position that corresponds to ``now``, in milliseconds."""
        return 1000 * self.at(now) / self.rate

    def when(self, ms: float, now: float) -> float:
        """When the audio at position ``ms`` milliseconds sounded, on the clock of ``now``."""
        return now - max(0.0, self.at(now) / self.rate - ms / 1000)
