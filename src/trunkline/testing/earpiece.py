"""The platform's playback buffer and the ear behind it, counted by samples.

The vendor's media server plays what the gateway sends in order and in real time, echoes a mark when the audio before
it has been played, and on a clear empties the buffer and echoes all pending marks at once (Twilio Media Streams,
"WebSocket messages": mark, clear). Time here is a sample count since the stream started.
"""

from collections import deque

import msgspec

from trunkline.audio.format import AudioFormat


class EarLedger(msgspec.Struct, frozen=True):
    """Samples of agent audio by what became of them."""

    received: int
    played: int
    cleared: int
    buffered: int

    @property
    def balanced(self) -> bool:
        """Every sample is accounted for."""
        return self.received == self.played + self.cleared + self.buffered


class Earpiece:
    """Call ``play`` up to the present before anything else: the other methods act on what is buffered then."""

    def __init__(self, wire: AudioFormat) -> None:
        self.wire = wire
        self.position = 0
        """Samples of the line's time that have passed."""
        self.dry_since: int | None = None
        """Where the buffer ran out after having held audio; None while it holds some or never did."""
        self._ended = False
        self._received = 0
        self._played = 0
        self._cleared = 0
        self._queue: deque[memoryview] = deque()
        self._marks: deque[tuple[int, str]] = deque()  # played + cleared when due, name
        self._heard = bytearray()

    @property
    def ledger(self) -> EarLedger:
        """What became of the audio so far."""
        return EarLedger(received=self._received, played=self._played, cleared=self._cleared, buffered=self._queued())

    @property
    def next_mark(self) -> int | None:
        """The position at which the next pending mark falls due."""
        return self.position + self._marks[0][0] - self._played - self._cleared if self._marks else None

    @property
    def pending_marks(self) -> int:
        """Marks not echoed yet."""
        return len(self._marks)

    def heard(self) -> bytes:
        """All the caller heard, from the start of the stream to ``position``, silence where nothing was played."""
        return bytes(self._heard)

    def play(self, until: int) -> tuple[bytes, list[str]]:
        """Let the line's time pass to sample ``until``: what the ear heard meanwhile, and the marks reached."""
        want = max(0, until - self.position) * self.wire.sample_bytes
        span = bytearray()
        while self._queue and len(span) < want:
            piece = self._queue.popleft()
            room = want - len(span)
            if len(piece) > room:
                self._queue.appendleft(piece[room:])
                piece = piece[:room]
            span += piece
        played = self.wire.samples(len(span))
        if played and not self._queue:
            self.dry_since = self.position + played
        self._played += played
        self.position = max(self.position, until)
        span += self.wire.silence(self.wire.samples(want - len(span)))
        self._heard += span
        return bytes(span), self._reached()

    def add(self, audio: bytes) -> int:
        """Buffer ``audio`` (whole samples). Gives the length of the dry gap it ends, in samples.

        There is no gap before the first audio, after a clear, and after the end of an utterance.
        """
        if not audio:
            return 0
        gap = 0 if self.dry_since is None or self._ended else self.position - self.dry_since
        self.dry_since = None
        self._ended = False
        self._received += self.wire.samples(len(audio))
        self._queue.append(memoryview(audio))
        return gap

    def mark(self, name: str) -> list[str]:
        """Remember a mark behind all audio so far: with an empty buffer it is reached at once."""
        self._marks.append((self._received, name))
        return self._reached()

    def end_utterance(self) -> None:
        """The gateway says that the audio so far is all of an utterance: running dry after it is no fault."""
        self._ended = True

    def clear(self) -> tuple[int, list[str]]:
        """Drop what has not been played: the number of samples, and all pending marks, to be echoed now."""
        dropped = self._queued()
        self._cleared += dropped
        self._queue.clear()
        self.dry_since = None
        return dropped, self._reached()

    def _queued(self) -> int:
        return sum(self.wire.samples(len(piece)) for piece in self._queue)

    def _reached(self) -> list[str]:
        names: list[str] = []
        while self._marks and self._marks[0][0] <= self._played + self._cleared:
            names.append(self._marks.popleft()[1])
        return names
