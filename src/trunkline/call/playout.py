"""What the caller hears: what to send next and when, and what of it was played.

Positions count bytes of agent audio in the wire's format; a byte keeps its position whether it waits, is in flight, was
played, or is sent again after a hold. Two clocks read the platform's buffer:

- the *pace* says how much is left in it, so that we stay a small lead ahead on absolute deadlines;
- the *ear* says what the caller has surely heard: the last mark the platform echoed, and from there on the elapsed
  time, but never past a mark that has not come back.
"""

from collections.abc import Sequence
from math import inf
from typing import Final

from trunkline.audio.format import AudioFormat
from trunkline.call.ear import ROUNDING, Ear
from trunkline.call.flight import Flight
from trunkline.call.ledger import AgentLedger
from trunkline.call.pace import Pace
from trunkline.call.pieces import Pieces
from trunkline.call.placement import Placement, Sounded
from trunkline.call.replies import Heard, Interruption, Reply, ReplyBook
from trunkline.call.timeline import Timeline
from trunkline.wire.events import ClearAudio, EndUtterance, PlayAudio, SendMark, WireCommand

# How much audio passes between marks. More marks bound the ear's guess tighter and cost a message each way.
MARK_EVERY_MS: Final = 500
# Settle what was heard after this many messages at the latest; a record of it is wanted sooner only at events.
SETTLE_EVERY: Final = 16

_NOTHING: Final[tuple[WireCommand, ...]] = ()


class Playout:
    """The agent's voice on its way to one caller.

    ``push`` and ``end`` what the agent makes; send what ``pop`` returns; call ``pop`` again by ``deadline`` at the
    latest. The lists ``heard`` and ``first_sent`` fill up as things happen: their owner empties them.
    """

    __slots__ = (
        "_cleared_bytes", "_clears", "_ear", "_flight", "_format", "_generated_bytes", "_late_bytes", "_mark_every",
        "_max_queue", "_pace", "_padding_bytes", "_queue", "_replies", "_sent", "_timeline", "_wants_marks",
        "alone_at", "due", "first_sent", "heard", "held", "paused",
    )  # fmt: skip

    def __init__(
        self,
        fmt: AudioFormat,
        timeline: Timeline,
        *,
        frame_ms: int = 20,
        max_frames: int = 1,
        lead_ms: float = 200,
        marks: bool = False,
        clears: bool = False,
        keep_sound: bool = False,
        max_queue_s: float = 600,
    ) -> None:
        self._format = fmt
        self._timeline = timeline
        self._pace = Pace(fmt, frame_ms=frame_ms, max_frames=max_frames, lead_ms=lead_ms)
        self._wants_marks = marks
        self._clears = clears
        self._mark_every = fmt.bytes_for(MARK_EVERY_MS)
        self._max_queue = int(max_queue_s * self._pace.second)

        self._queue = Pieces()  # not sent yet
        self._sent = 0  # position of the next byte to be sent: the first in the queue
        self._flight = Flight(Placement(timeline, self._pace.second, fmt.sample_bytes) if keep_sound else None)
        self._ear = Ear(self._pace.second)
        self._replies = ReplyBook(fmt)
        self._generated_bytes = self._cleared_bytes = self._late_bytes = self._padding_bytes = 0

        self.held = False  # by whoever may be interrupting
        self.paused = False  # for want of a socket
        self.due = inf  # when ``pop`` has more to send, as the last ``pop`` saw it
        self.alone_at = inf  # when a frame that waits for its fellow goes alone; worth no timer of its own
        self.heard: list[Heard] = []  # replies heard to their end
        self.first_sent: list[int] = []  # generations whose first audio went out

    # --- what the agent makes -------------------------------------------------------------------------------------

    def begin(self, generation: int) -> bool:
        """Reply ``generation`` begins. False: it is dead already."""
        return self._replies.begin(generation, self._made)

    def is_dead(self, generation: int) -> bool:
        """Whether reply ``generation`` is over."""
        return generation <= self._replies.dead_up_to

    def push(self, audio: bytes, generation: int) -> None:
        """More of the agent's voice, in the wire's format. After the reply's end, or of a dead one, it is dropped and
        counted as late."""
        size = len(audio)
        reply = self._replies.newest
        if reply is None or reply.generation != generation:
            reply = self._replies.newest if self.begin(generation) else None
        if reply is None or reply.end is not None:
            self._late_bytes += size
            return
        self._generated_bytes += size
        if reply.full or self._queue.size + size > self._max_queue:
            reply.full = True  # it loses its end, and gets no holes
            self._cleared_bytes += size
            return
        self._queue.push(audio)

    def text(self, text: str, generation: int) -> None:
        """Words whose audio comes next."""
        if self.begin(generation) and (reply := self._replies.newest) is not None:
            reply.texts.append((self._made, text))

    def end(self, generation: int) -> None:
        """Reply ``generation`` has no more audio."""
        self._replies.end(generation, self._made)

    @property
    def _made(self) -> int:
        """The position of the next byte to be pushed."""
        return self._sent + self._queue.size

    # --- what the platform gets -----------------------------------------------------------------------------------

    def pop(self, now: float) -> Sequence[WireCommand]:
        """What to send now: audio up to the lead, marks, ends of utterances."""
        self.due = self.alone_at = inf
        queue, replies, pace = self._queue, self._replies, self._pace
        if self.held or self.paused or (queue.size < pace.frame and not replies.closing):
            return _NOTHING
        out: list[WireCommand] = []
        sounded = pace.position + (now - pace.at) * pace.second
        while (reply := replies.sending) is not None:
            ahead = self._sent - sounded
            if reply.end is None:
                ready = queue.size
                if ready < pace.frame:
                    break
                if ready < pace.pair and ahead > pace.slack:
                    self.alone_at = now + (ahead - pace.last) / pace.second
                    break
                if ready < pace.preroll and ahead <= 0:
                    start_at = pace.starts_at(-ahead, now, first=self._sent <= reply.start)
                    if now < start_at:
                        self.due = start_at
                        break
            else:
                ready = reply.end - self._sent
            if ready:
                if ahead > pace.low + ROUNDING:
                    self.due = now + (ahead - pace.low) / pace.second
                    break
                if ahead <= 0:
                    self._start(reply, -ahead, now)
                    sounded = self._sent
                    ahead = 0
                self._send(reply, ready, pace.lead - ahead + ROUNDING, out, now)
            else:
                self._close(reply, out, now)
        if len(self._flight.pieces) >= SETTLE_EVERY:
            self.settle(now)
        return out

    def _start(self, reply: Reply, dry: float, now: float) -> None:
        """The platform's buffer ran empty ``dry`` bytes ago and is about to be filled again."""
        self._pace.start(self._sent, dry, now, first=self._sent <= reply.start)
        self._ear.start(self._sent, now)
        self._flight.start(self._sent, now)

    def _send(self, reply: Reply, ready: int, room: float, out: list[WireCommand], now: float) -> None:
        """Send one message: of ``ready`` bytes as many whole frames as there is ``room`` for, at least one."""
        pace = self._pace
        size = min(ready, pace.message)
        if size > room:
            size = min(size, max(pace.frame, int(room)))
        odd = size % pace.frame
        if not odd:
            audio = self._queue.take(size)
        elif size > pace.frame:
            size -= odd
            audio = self._queue.take(size)
        else:  # the reply's last frame is short
            audio = self._take_padded(size)
            size = pace.frame
        if reply.at_ms is None:
            reply.at_ms = self._timeline.ms(now)
            self.first_sent.append(reply.generation)
        pace.gap_is_meant = False
        sent = self._sent = self._sent + size
        self._flight.pieces.append((sent, audio))
        out.append(PlayAudio(audio))
        if self._wants_marks and sent - self._ear.marked >= self._mark_every:
            out.append(self._mark())

    def _take_padded(self, size: int) -> bytes:
        """The last ``size`` bytes of a reply, filled with silence to a whole frame."""
        audio = self._queue.take(size)
        padding = self._pace.frame - size
        self._replies.make_room(self._sent + size, padding)
        self._generated_bytes += padding
        self._padding_bytes += padding
        return audio + self._format.silence(padding // self._format.sample_bytes)

    def _close(self, reply: Reply, out: list[WireCommand], now: float) -> None:
        """The reply's last byte was sent."""
        self._replies.close(reply)
        if reply.at_ms is not None:
            out.append(EndUtterance())
            if self._wants_marks and self._ear.marked != self._sent:
                out.append(self._mark())
        self._pace.gap_is_meant = True
        self.settle(now)

    def _mark(self) -> SendMark:
        return SendMark(self._ear.mark(self._sent, self._pace.when(self._sent)))

    # --- what the caller heard ------------------------------------------------------------------------------------

    def mark_reached(self, name: str, now: float) -> bool:
        """The platform echoed a mark. False: it is not one of ours, or its audio was cleared, not played."""
        position = self._ear.echoed(name, now)
        if position is None:
            return False
        self._pace.passed(position, now)
        self.settle(now)
        return True

    def ear(self, now: float) -> int:
        """The position up to which the caller has surely heard."""
        position = min(self._ear.reads(now), self._sent)
        return max(position - position % self._format.sample_bytes, self._flight.settled)

    def settle(self, now: float) -> None:
        """Book what was heard by now: fills ``heard``, and ``sounded`` where sound is kept."""
        self._flight.settle(self.ear(now))
        self.heard += self._replies.heard(self._flight.settled)

    def unheard(self, now: float) -> bool:
        """Whether there is agent audio the caller has not heard. A part of a frame that waits for the rest of its reply
        is none yet: an agent that thinks for a while in mid-reply is silent."""
        if self.ear(now) < self._sent:
            return True
        kept = self.held or self.paused or self._replies.closing
        return self._queue.size > 0 if kept else self._queue.size >= self._pace.frame

    def deadline(self, now: float) -> float | None:
        """When ``pop`` (and then ``settle``) wants to be called next, ``alone_at`` aside; None: not before something
        else happens."""
        if self.held or self.paused:
            return None
        if self._pace.start_by is not None and not self._replies.closing:
            return self._pace.start_by
        if self._queue.size >= self._pace.pair or self._replies.closing:
            return self._pace.when(self._sent - self._pace.low)
        end = self._replies.next_end()
        return None if end is None else self._ear.by(end)

    @property
    def sounded(self) -> list[Sounded]:
        """What was played, where sound is kept; the owner empties it."""
        return self._flight.sounded

    @property
    def placed_from(self) -> int | None:
        """No sound will ever be placed before this many samples of the timeline; None: nothing is on its way."""
        return self._flight.placed_from

    # --- interruptions --------------------------------------------------------------------------------------------

    def hold(self, now: float) -> Sequence[WireCommand]:
        """Stop sounding at once, and keep what was not heard. Send what this returns."""
        self.settle(now)
        self.held = self._pace.gap_is_meant = True
        if not self._clears:  # what was sent will be heard; only the rest can wait
            return _NOTHING
        cut = bool(self._flight.pieces)
        self._take_back(self.ear(now))
        return [ClearAudio()] if cut else _NOTHING

    def resume(self, now: float) -> Sequence[WireCommand]:
        """Go on at the very sample where the hold stopped. Send what this returns."""
        self.held = False
        return self.pop(now)

    def pause(self, now: float) -> None:
        """The socket is lost, and with it what the platform has not played: all that was not heard is kept."""
        self.settle(now)
        self.paused = True
        self._take_back(self.ear(now))

    def unpause(self, now: float) -> Sequence[WireCommand]:
        """There is another socket: go on at the very sample. Send what this returns."""
        self.paused = False
        return self.pop(now)

    def clear(self) -> list[Interruption]:
        """Drop what is held: every reply that was not heard to its end is dead. Only after ``hold``."""
        interrupted = self._replies.cut(self._sent, self._made)
        self._cleared_bytes += self._queue.size
        self._queue.clear()
        self._pace.start_by = None
        self.held = False
        return interrupted

    def finish(self, now: float) -> list[Interruption]:
        """The call is over: what was not heard by now never will be."""
        self.settle(now)
        self._take_back(self.ear(now))
        return self.clear()

    def _take_back(self, ear: int) -> None:
        """Everything sent and not heard goes back to the front of the queue."""
        for audio in self._flight.take_back(ear):
            self._queue.push_front(audio)
        self._sent = ear
        self._ear.flush(ear)
        self._replies.reopen(ear)
        self._pace.stop(ear)

    # --- books ----------------------------------------------------------------------------------------------------

    @property
    def under_runs(self) -> int:
        """Times the platform's buffer ran dry inside a reply."""
        return self._pace.under_runs

    @property
    def under_run_s(self) -> float:
        """How long it was dry then, all in all."""
        return self._pace.under_run_s

    @property
    def ledger(self) -> AgentLedger:
        """Where the agent's samples are now. *In flight* is counted from the buffers themselves."""
        unit = self._format.sample_bytes
        return AgentLedger(
            generated=self._generated_bytes // unit,
            played=self._flight.settled // unit,
            cleared=self._cleared_bytes // unit,
            in_flight=(len(self._queue) + len(self._flight)) // unit,
            late=self._late_bytes // unit,
            padding=self._padding_bytes // unit,
        )
