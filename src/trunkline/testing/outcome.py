"""What came of a simulated call."""

import msgspec

from trunkline.audio.format import AudioFormat
from trunkline.testing.earpiece import EarLedger
from trunkline.testing.facts import (
    CallEnded,
    Cleared,
    Complaint,
    Fact,
    MarkFlushed,
    MarkPlayed,
    RanDry,
    ReplyMissing,
    Turn,
    turns,
)


class Outcome(msgspec.Struct, frozen=True):
    """One call as the telephone knows it. ``said`` and ``heard`` are its two tracks in the wire's format, equally
    long; they are private."""

    wire: AudioFormat
    said: bytes
    heard: bytes
    frames_sent: int
    frames_lost: int
    said_samples: int
    frame_samples: int
    ear: EarLedger
    marks_pending: int
    ended: CallEnded | None
    log: tuple[Fact, ...]

    @property
    def duration_ms(self) -> float:
        """From the start of the stream to the end of the call."""
        return self.wire.ms(len(self.heard))

    @property
    def balanced(self) -> bool:
        """No sample is unaccounted for: received = played + cleared + buffered, and said = sent + lost."""
        frames = self.frames_sent + self.frames_lost
        return self.ear.balanced and self.said_samples == frames * self.frame_samples

    @property
    def ok(self) -> bool:
        """The call ran its course: one side hung up in good order, nothing was refused, and the ledger balances."""
        return (
            self.ended is not None and self.ended.by in ("caller", "gateway") and not self.complaints and self.balanced
        )

    @property
    def turns(self) -> list[Turn]:
        """What the caller waited for each answer."""
        return turns(self.log)

    @property
    def marks_played(self) -> int:
        """Marks echoed after their audio was heard."""
        return sum(isinstance(fact, MarkPlayed) for fact in self.log)

    @property
    def marks_flushed(self) -> int:
        """Marks echoed because of a clear."""
        return sum(isinstance(fact, MarkFlushed) for fact in self.log)

    @property
    def clears(self) -> list[Cleared]:
        """Every clear the gateway asked for."""
        return [fact for fact in self.log if isinstance(fact, Cleared)]

    @property
    def underruns(self) -> list[RanDry]:
        """Every time the audio ran out in the middle of an utterance."""
        return [fact for fact in self.log if isinstance(fact, RanDry)]

    @property
    def complaints(self) -> list[Complaint]:
        """What the vendor would have refused."""
        return [fact for fact in self.log if isinstance(fact, Complaint)]

    @property
    def replies_missing(self) -> int:
        """How often the caller gave up waiting."""
        return sum(isinstance(fact, ReplyMissing) for fact in self.log)
