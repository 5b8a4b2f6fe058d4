"""Where in the call the agent's audio sounded."""

from collections import deque

import msgspec

from trunkline.call.timeline import Timeline


class Sounded(msgspec.Struct, frozen=True, gc=False):
    """Agent audio that was played, and where in the call (samples of the timeline) it began."""

    audio: bytes
    at: int


class Placement:
    """Places positions of the agent's audio on the call's timeline: run by run, and never two sounds at one place.

    A *run* begins when an empty buffer is filled: there the clock decides. Within it, samples are counted. ``second``
    is the agent's bytes of one second, ``unit`` those of one sample.
    """

    __slots__ = ("_end", "_runs", "_second", "_timeline", "_unit", "sounded")

    def __init__(self, timeline: Timeline, second: int, unit: int) -> None:
        self._timeline = timeline
        self._second = second
        self._unit = unit
        self._runs: deque[tuple[int, int]] = deque()  # (position, timeline samples)
        self._end = 0  # timeline samples up to which sound is placed
        self.sounded: list[Sounded] = []  # the owner empties it

    def begin_run(self, position: int, now: float) -> None:
        """The buffer was empty, and ``position`` sounds next."""
        self._runs.append((position, self._timeline.at(now)))

    def played(self, audio: bytes, position: int) -> None:
        """``audio``, which began at ``position``, was played."""
        at = self.place(position)
        self._end = at + self._samples(len(audio))
        self.sounded.append(Sounded(audio, at))

    def place(self, position: int) -> int:
        """Where ``position`` sounds; positions only grow."""
        while len(self._runs) > 1 and self._runs[1][0] <= position:
            self._runs.popleft()
        if not self._runs:
            return self._end
        began, at = self._runs[0]
        return max(self._end, at + self._samples(position - began))

    def _samples(self, size: int) -> int:
        """Bytes of the agent's audio as samples of the timeline."""
        return size // self._unit * self._timeline.rate * self._unit // self._second
