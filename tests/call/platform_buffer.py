"""A tiny model of a phone platform's playback buffer: the judge of what a caller really heard."""

from trunkline.audio.format import AudioFormat
from trunkline.wire.events import ClearAudio, EndUtterance, PlayAudio, SendMark, WireCommand

# Bytes by which a time computed from a number of bytes may miss it.
_ROUNDING = 1e-3


class PlatformBuffer:
    """Plays what it is given in real time, from the moment an empty buffer gets audio. Echoes a mark when all audio
    before it was played, or at a clear. ``advance`` it before anything else is done at ``now``."""

    def __init__(self, wire: AudioFormat) -> None:
        self.wire = wire
        self.second = wire.rate * wire.sample_bytes
        self.received = bytearray()  # all that was ever sent
        self.played = bytearray()
        self.queue = bytearray()
        self.cleared = 0
        self.clears = 0
        self.ends = 0  # EndUtterance
        self.pieces: list[int] = []  # bytes of each message
        self.gaps: list[float] = []  # seconds the buffer was empty when more of the same utterance came
        self.gap_is_meant = True
        self._run_at = 0.0
        self._run_played = 0
        self._dry_at = 0.0
        self._marks: list[tuple[int, str]] = []

    def advance(self, now: float) -> list[tuple[str, float]]:
        """Play up to ``now``: the marks reached, and when."""
        if not self.queue:
            return []
        unit = self.wire.sample_bytes
        due = int((now - self._run_at) * self.second + _ROUNDING) // unit * unit - self._run_played
        size = min(max(0, due), len(self.queue))
        self.played += self.queue[:size]
        del self.queue[:size]
        self._run_played += size
        reached: list[tuple[str, float]] = []
        while self._marks and self._marks[0][0] <= len(self.played) + self.cleared:
            at, name = self._marks.pop(0)
            back = len(self.played) + self.cleared - at
            reached.append((name, self._run_at + (self._run_played - back) / self.second))
        if not self.queue:
            self._dry_at = self._run_at + self._run_played / self.second
        return reached

    def receive(self, command: WireCommand, now: float) -> list[tuple[str, float]]:
        """Do as the gateway says: the marks echoed at once."""
        match command:
            case PlayAudio(audio):
                if not self.queue:
                    if not self.gap_is_meant:
                        self.gaps.append(now - self._dry_at)
                    self._run_at, self._run_played = now, 0
                self.gap_is_meant = False
                self.pieces.append(len(audio))
                self.received += audio
                self.queue += audio
            case SendMark(name):
                self._marks.append((len(self.received), name))
                if not self.queue:
                    return self._flush(now)
            case ClearAudio():
                self.clears += 1
                self.cleared += len(self.queue)
                self.queue.clear()
                self.gap_is_meant = True
                return self._flush(now)
            case EndUtterance():
                self.ends += 1
                self.gap_is_meant = True
            case _:
                raise AssertionError(f"a playout does not send {type(command).__name__}")
        return []

    def _flush(self, now: float) -> list[tuple[str, float]]:
        reached = [(name, now) for _, name in self._marks]
        self._marks.clear()
        return reached
