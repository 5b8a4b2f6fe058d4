"""What the caller hears: what to send next and when, and what of it was played.

Positions count bytes of agent audio in the wire's format; a byte keeps its position whether it waits, was sent, was
played, or is sent again after a hold. Two clocks read the platform's buffer:

- the *pacing* clock says how much is left in it, so that we stay a small lead ahead on absolute deadlines;
- the *ear* says what the caller has surely heard: the last mark the platform echoed, and from there on the elapsed
  time, but never past a mark that has not come back.
"""

from collections import deque
from collections.abc import Sequence
from math import inf
from typing import Final

from trunkline.audio.format import AudioFormat
from trunkline.call.ear import ROUNDING, Ear
from trunkline.call.ledger import AgentLedger
from trunkline.call.pieces import Pieces
from trunkline.call.placement import Placement, Sounded
from trunkline.call.replies import Heard, Interruption, Reply, ReplyBook
from trunkline.call.timeline import Timeline
from trunkline.wire.events import ClearAudio, EndUtterance, PlayAudio, SendMark, WireCommand

# How much audio passes between marks. More marks bound the ear's guess tighter and cost a message each way.
MARK_EVERY_MS: Final = 500
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
# Settle what was heard after this many messages at the latest; a record of it is wanted sooner only at events.
SETTLE_EVERY: Final = 16

_NOTHING: Final[tuple[WireCommand, ...]] = ()


class Playout:
    """The agent's voice on its way to one caller.

    ``push`` and ``end`` what the agent makes; send what ``pop`` returns; call ``pop`` again by ``deadline`` at the
    latest. The lists ``heard`` and ``first_sent`` fill up as things happen: their owner empties them.
    """

    # Slots: with this many attributes every look-up would go through a dictionary, and each frame makes dozens.
    __slots__ = (
        "_cleared_bytes", "_clears", "_closing", "_dry", "_ear", "_end", "_flight", "_format", "_frame",
        "_gap_is_meant", "_generated_bytes", "_last", "_late_bytes", "_lead", "_low", "_mark_every",
        "_max_queue", "_message", "_pace_at", "_pace_position", "_padding_bytes", "_pair", "_placement",
        "_played_bytes", "_preroll", "_queue", "_replies", "_second", "_sending", "_sent", "_settled", "_slack",
        "_start_by", "_timeline", "_wants_marks", "alone_at", "due", "first_sent", "heard", "held",
        "paused", "under_run_s", "under_runs",
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
        self._second = fmt.rate * fmt.sample_bytes  # bytes of one second
        self._frame = fmt.bytes_for(frame_ms)
        self._message = self._frame * max_frames
        self._lead = max(self._frame, fmt.bytes_for(lead_ms))
        # Refill in gulps of up to half the lead: fewer messages, and never closer to empty than half of it.
        self._low = self._lead - min(self._message, self._lead // 2 // self._frame * self._frame)
        self._preroll = min(self._lead, fmt.bytes_for(PREROLL_MS))
        self._pair = max(self._frame, min(self._message, fmt.bytes_for(PAIR_MS)))
        self._slack = fmt.bytes_for(SLACK_MS)
        self._last = fmt.bytes_for(LAST_MS)
        self._dry = fmt.bytes_for(1000 * UNDER_RUN_S)
        self._wants_marks = marks
        self._clears = clears
        self._mark_every = fmt.bytes_for(MARK_EVERY_MS)
        self._max_queue = int(max_queue_s * self._second)

        self._queue = Pieces()  # not sent yet
        self._flight: deque[tuple[int, bytes]] = deque()  # sent, not known to be played: (end position, audio)
        self._end = 0  # position of the next byte to be pushed
        self._sent = 0  # position of the next byte to be sent
        self._settled = 0  # everything before it was played
        self._replies = ReplyBook()
        self._sending: Reply | None = None  # the first reply whose end was not sent
        self._closing = 0  # replies whose end is known and was not sent
        self._generated_bytes = self._played_bytes = self._cleared_bytes = 0
        self._late_bytes = self._padding_bytes = 0

        self._pace_position = 0  # the pacing clock: this position sounded …
        self._pace_at = 0.0  # … at this time
        self._gap_is_meant = True  # the buffer is empty on purpose: no under-run
        self._start_by: float | None = None  # how long an empty buffer waits for the pre-roll
        self._ear = Ear(self._second)
        self._placement = Placement(timeline, self._second, fmt.sample_bytes) if keep_sound else None

        self.held = False  # by whoever may be interrupting
        self.paused = False  # for want of a socket
        self.due = inf  # when ``pop`` has more to send, as the last ``pop`` saw it
        self.alone_at = inf  # when a frame that waits for its fellow goes alone; worth no timer of its own
        self.under_runs = 0
        self.under_run_s = 0.0
        self.heard: list[Heard] = []  # replies heard to their end
        self.first_sent: list[int] = []  # generations whose first audio went out

    # --- what the agent makes -------------------------------------------------------------------------------------

    def begin(self, generation: int) -> bool:
        """Reply ``generation`` begins. False: it is dead already."""
        newest = self._replies.newest
        if newest is not None and newest.generation == generation:
            return True
        if generation <= self._replies.dead_up_to or (newest is not None and generation < newest.generation):
            return False
        if newest is not None and newest.end is None:
            self._closing += 1
        reply = self._replies.begin(generation, self._end)
        if self._sending is None:
            self._sending = reply
        return True

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
        self._end += size

    def text(self, text: str, generation: int) -> None:
        """Words whose audio comes next."""
        if self.begin(generation) and (reply := self._replies.newest) is not None:
            reply.texts.append((self._end, text))

    def end(self, generation: int) -> None:
        """Reply ``generation`` has no more audio."""
        reply = self._replies.find(generation)
        if reply is not None and reply.end is None:
            reply.end = self._end
            self._closing += 1

    # --- what the platform gets -----------------------------------------------------------------------------------

    def pop(self, now: float) -> Sequence[WireCommand]:
        """What to send now: audio up to the lead, marks, ends of utterances."""
        self.due = self.alone_at = inf
        if self.held or self.paused or (self._queue.size < self._frame and not self._closing):
            return _NOTHING
        out: list[WireCommand] = []
        sounded = self._pace_position + (now - self._pace_at) * self._second
        while (reply := self._sending) is not None:
            ahead = self._sent - sounded
            if reply.end is None:
                ready = self._end - self._sent
                if ready < self._frame:
                    break
                if ready < self._pair and ahead > self._slack:
                    self.alone_at = now + (ahead - self._last) / self._second
                    break
                if ready < self._preroll and self._starts_anew(reply, ahead) and now < (start_by := self._wait(now)):
                    self.due = start_by
                    break
            else:
                ready = reply.end - self._sent
            if ready:
                if ahead > self._low + ROUNDING:
                    self.due = now + (ahead - self._low) / self._second
                    break
                if ahead <= 0:
                    self._begin_run(reply, -ahead / self._second, now)
                    sounded = self._sent
                    ahead = 0
                self._send(reply, ready, self._lead - ahead + ROUNDING, out, now)
            else:
                self._close(reply, out, now)
        if len(self._flight) >= SETTLE_EVERY:
            self.settle(now)
        return out

    def _starts_anew(self, reply: Reply, ahead: float) -> bool:
        """Whether the buffer is empty, and has been for a while or for good reason."""
        return ahead <= 0 and (self._gap_is_meant or self._sent <= reply.start or -ahead > self._dry)

    def _wait(self, now: float) -> float:
        """Until when an empty buffer waits for its pre-roll."""
        if self._start_by is None:
            self._start_by = now + PREROLL_MS / 1000
        return self._start_by

    def _begin_run(self, reply: Reply, dry_s: float, now: float) -> None:
        """The platform's buffer is empty and is about to be filled again."""
        if dry_s > UNDER_RUN_S and not self._gap_is_meant and self._sent > reply.start:
            self.under_runs += 1
            self.under_run_s += dry_s
        self._start_by = None
        self._pace_position, self._pace_at = self._sent, now
        self._ear.start(self._sent, now)
        if self._placement is not None:
            self._placement.begin_run(self._sent, now)

    def _send(self, reply: Reply, ready: int, room: float, out: list[WireCommand], now: float) -> None:
        """Send one message: of ``ready`` bytes as many whole frames as there is ``room`` for, at least one."""
        size = min(ready, self._message)
        if size > room:
            size = min(size, max(self._frame, int(room)))
        odd = size % self._frame
        if not odd:
            audio = self._queue.take(size)
        elif size > self._frame:
            size -= odd
            audio = self._queue.take(size)
        else:  # the reply's last frame is short
            audio = self._take_padded(size)
            size = self._frame
        if reply.sounded_at is None:
            reply.sounded_at = self._timeline.at(now)
            self.first_sent.append(reply.generation)
        self._gap_is_meant = False
        self._sent += size
        self._flight.append((self._sent, audio))
        out.append(PlayAudio(audio))
        if self._wants_marks and self._sent - self._ear.marked >= self._mark_every:
            out.append(self._mark())

    def _take_padded(self, size: int) -> bytes:
        """The last ``size`` bytes of a reply, filled with silence to a whole frame."""
        audio = self._queue.take(size)
        padding = self._frame - size
        self._replies.make_room(self._sent + size, padding)
        self._end += padding
        self._generated_bytes += padding
        self._padding_bytes += padding
        return audio + self._format.silence(padding // self._format.sample_bytes)

    def _close(self, reply: Reply, out: list[WireCommand], now: float) -> None:
        """The reply's last byte was sent."""
        reply.closed = True
        self._closing -= 1
        self._sending = self._replies.next_open()
        if reply.sounded_at is not None:
            out.append(EndUtterance())
            if self._wants_marks and self._ear.marked != self._sent:
                out.append(self._mark())
        self._gap_is_meant = True
        self.settle(now)

    def _mark(self) -> SendMark:
        due = self._pace_at + (self._sent - self._pace_position) / self._second
        return SendMark(self._ear.mark(self._sent, due))

    # --- what the caller heard ------------------------------------------------------------------------------------

    def mark_reached(self, name: str, now: float) -> bool:
        """The platform echoed a mark. False: it is not one of ours, or its audio was cleared, not played."""
        position = self._ear.echoed(name, now)
        if position is None:
            return False
        if self._pace_position + (now - self._pace_at) * self._second < position:
            self._pace_position, self._pace_at = position, now
        self.settle(now)
        return True

    def ear(self, now: float) -> int:
        """The position up to which the caller has surely heard."""
        position = min(self._ear.reads(now), self._sent)
        return max(position - position % self._format.sample_bytes, self._settled)

    def settle(self, now: float) -> None:
        """Book what was heard by now: fills ``heard``, and ``sounded`` where sound is kept."""
        ear = self.ear(now)
        while self._flight and self._flight[0][0] <= ear:
            end, audio = self._flight.popleft()
            self._played(audio, end)
        while self._replies.open and (first := self._replies.open[0]).closed and (first.end or 0) <= self._settled:
            self._replies.over()
            end = self._settled if first.end is None else first.end
            self.heard.append(Heard(first.generation, first.text_up_to(end, end), self._ms(first.sounded_at)))

    def unheard(self, now: float) -> bool:
        """Whether there is agent audio the caller has not heard. A part of a frame that waits for the rest of its reply
        is none yet: an agent that thinks for a while in mid-reply is silent."""
        if self.ear(now) < self._sent:
            return True
        kept = self.held or self.paused or self._closing
        return self._queue.size > 0 if kept else self._queue.size >= self._frame

    def deadline(self, now: float) -> float | None:
        """When ``pop`` (and then ``settle``) wants to be called next, ``alone_at`` aside; None: not before something
        else happens."""
        if self.held or self.paused:
            return None
        if self._start_by is not None and not self._closing:
            return self._start_by
        if self._queue.size >= self._pair or self._closing:
            return self._pace_at + (self._sent - self._low - self._pace_position) / self._second
        if not self._replies.open or not self._replies.open[0].closed:
            return None
        end = self._replies.open[0].end
        return self._ear.by(self._sent if end is None else end)

    @property
    def sounded(self) -> list[Sounded]:
        """What was played, where sound is kept; the owner empties it."""
        return [] if self._placement is None else self._placement.sounded

    @property
    def placed_from(self) -> int | None:
        """No sound will ever be placed before this many samples of the timeline; None: nothing is on its way."""
        if not self._flight or self._placement is None:
            return None
        return self._placement.place(self._settled)

    # --- interruptions --------------------------------------------------------------------------------------------

    def hold(self, now: float) -> Sequence[WireCommand]:
        """Stop sounding at once, and keep what was not heard. Send what this returns."""
        self.settle(now)
        self.held = self._gap_is_meant = True
        if not self._clears:  # what was sent will be heard; only the rest can wait
            return _NOTHING
        cut = bool(self._flight)
        self._take_back(self.ear(now))
        return [ClearAudio()] if cut else _NOTHING

    def resume(self, now: float) -> Sequence[WireCommand]:
        """Go on at the very sample where the hold stopped. Send what this returns."""
        self.held = False
        return self.pop(now)

    def pause(self, now: float) -> None:
        """The socket is lost, and with it what the platform has not played: all that was not heard is kept."""
        self.settle(now)
        self.paused = self._gap_is_meant = True
        self._take_back(self.ear(now))

    def unpause(self, now: float) -> Sequence[WireCommand]:
        """There is another socket: go on at the very sample. Send what this returns."""
        self.paused = False
        return self.pop(now)

    def clear(self) -> list[Interruption]:
        """Drop what is held: every reply that was not heard to its end is dead. Only after ``hold``."""
        self._cleared_bytes += self._queue.size
        self._queue.clear()
        self._closing = 0
        self._sending = self._start_by = None
        self.held = False
        interrupted: list[Interruption] = []
        while self._replies.open:
            reply = self._replies.over()
            limit = self._end if reply.end is None else reply.end
            position = min(max(self._sent, reply.start), limit)
            heard = position - reply.start
            text = reply.text_up_to(position, limit)
            at_ms = self._ms(reply.sounded_at) if heard else None  # what was sent may all have been taken back
            interrupted.append(Interruption(reply.generation, self._format.ms(heard), text, at_ms))
        self._end = self._sent
        return interrupted

    def finish(self, now: float) -> list[Interruption]:
        """The call is over: what was not heard by now never will be."""
        self.settle(now)
        self._take_back(self.ear(now))
        return self.clear()

    def _take_back(self, ear: int) -> None:
        """Everything sent and not heard goes back to the front of the queue."""
        while self._flight:
            end, audio = self._flight.pop()
            heard = ear - (end - len(audio))
            if heard > 0:
                self._played(audio[:heard], ear)
                audio = audio[heard:]
            if audio:
                self._queue.push_front(audio)
        self._sent = ear
        self._ear.flush(ear)
        for reply in self._replies.open:
            if reply.closed and (reply.end or 0) > ear:
                reply.closed = False
                self._closing += 1
        self._sending = self._replies.next_open()
        self._gap_is_meant = True
        # The platform's buffer is empty now: the pacing clock stands at its end.
        self._pace_position, self._pace_at = ear, float("-inf")

    # --- books ----------------------------------------------------------------------------------------------------

    @property
    def ledger(self) -> AgentLedger:
        """Where the agent's samples are now. *In flight* is counted from the buffers themselves."""
        unit = self._format.sample_bytes
        in_flight = len(self._queue) + sum(len(audio) for _, audio in self._flight)
        return AgentLedger(
            generated=self._generated_bytes // unit,
            played=self._played_bytes // unit,
            cleared=self._cleared_bytes // unit,
            in_flight=in_flight // unit,
            late=self._late_bytes // unit,
            padding=self._padding_bytes // unit,
        )

    def _played(self, audio: bytes, end: int) -> None:
        self._played_bytes += len(audio)
        if self._placement is not None:
            self._placement.played(audio, end - len(audio))
        self._settled = end

    def _ms(self, samples: int | None) -> float | None:
        return None if samples is None else 1000 * samples / self._timeline.rate
