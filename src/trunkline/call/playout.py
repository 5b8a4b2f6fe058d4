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

import msgspec

from trunkline.audio.format import AudioFormat
from trunkline.call.ledger import AgentLedger
from trunkline.call.replies import Reply, ReplyBook
from trunkline.call.timeline import Timeline
from trunkline.wire.events import ClearAudio, EndUtterance, PlayAudio, SendMark, WireCommand

# How much audio passes between marks. More marks bound the ear's guess tighter and cost a message each way.
MARK_EVERY_MS: Final = 500
# A mark this late is not coming: go on by the clock.
MARK_GRACE_S: Final = 2.0
# The buffer ran dry for longer than this inside a reply: an under-run. Less is the jitter of a live source, and a
# player has a little slack of its own.
UNDER_RUN_S: Final = 0.020
# Names of marks that a clear flushed, kept to recognise their echoes. A platform that never echoes must not grow this.
MAX_CLEARED_MARKS: Final = 1024
# A buffer that is empty is not started on less than this while more is on its way: a source that makes its audio in
# real time would otherwise run dry at its first late frame. A source that is faster never waits for it.
PREROLL_MS: Final = 60
# While the platform has more than SLACK_MS left, frames of such a source go out in pairs: half the messages.
PAIR_MS: Final = 40
SLACK_MS: Final = 20
# Bytes by which a moment computed from a number of bytes may miss that number when it is turned back.
ROUNDING: Final = 0.01
# Settle what was heard after this many messages at the latest; a record of it is wanted sooner only at events.
SETTLE_EVERY: Final = 16

_NOTHING: Final[tuple[WireCommand, ...]] = ()


class Interruption(msgspec.Struct, frozen=True):
    """A reply the caller did not hear to its end."""

    generation: int
    heard_ms: float
    heard_text: str
    at_ms: float | None  # where in the call it began to sound; None: it never did


class Heard(msgspec.Struct, frozen=True):
    """A reply the caller heard to its end."""

    generation: int
    text: str
    at_ms: float | None


class Sounded(msgspec.Struct, frozen=True, gc=False):
    """Agent audio that was played, and where in the call (samples of the timeline) it began."""

    audio: bytes
    at: int


class _Mark(msgspec.Struct, gc=False):
    position: int
    name: str
    due: float


class Playout:
    """The agent's voice on its way to one caller.

    ``push`` and ``end`` what the agent makes; send what ``pop`` returns; call ``pop`` again by ``deadline`` at the
    latest. The lists ``heard``, ``sounded`` and ``first_sent`` fill up as things happen: their owner empties them.
    """

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
        self._pair = min(self._message, fmt.bytes_for(PAIR_MS))
        self._slack = fmt.bytes_for(SLACK_MS)
        self._wants_marks = marks
        self._clears = clears
        self._mark_every = fmt.bytes_for(MARK_EVERY_MS)
        self._max_queue = int(max_queue_s * self._second)
        self._keep_sound = keep_sound

        self._queue: deque[bytes] = deque()  # not sent yet
        self._head = 0  # bytes already taken off the queue's first piece
        self._queued = 0
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
        self._ear_position = 0
        self._ear_at = 0.0
        self._runs: deque[tuple[int, int]] = deque()  # (position, timeline samples) where an empty buffer was refilled
        self._placed = 0  # timeline samples up to which sound is placed

        self._marks: deque[_Mark] = deque()
        self._marked = 0  # position of the last mark sent
        self._mark_count = 0
        self._cleared_marks: dict[str, None] = {}

        self.held = False
        self.due = inf  # when ``pop`` has more to send, as the last ``pop`` saw it
        self.under_runs = 0
        self.under_run_s = 0.0
        self.heard: list[Heard] = []  # replies heard to their end
        self.sounded: list[Sounded] = []  # what was played, when ``keep_sound``
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

    def push(self, audio: bytes, generation: int) -> None:
        """More of the agent's voice, in the wire's format. After the reply's end, or of a dead one, it is dropped and
        counted as late."""
        size = len(audio)
        newest = self._replies.newest
        if newest is None or newest.generation != generation:
            if not self.begin(generation):
                self._late_bytes += size
                return
        elif newest.end is not None:
            self._late_bytes += size
            return
        self._generated_bytes += size
        if self._queued + size > self._max_queue:
            self._cleared_bytes += size
            return
        self._queue.append(audio)
        self._queued += size
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
        self.due = inf
        if self.held or (self._queued < self._frame and not self._closing):
            return _NOTHING
        out: list[WireCommand] = []
        sounded = self._pace_position + (now - self._pace_at) * self._second
        while (reply := self._sending) is not None:
            ahead = self._sent - sounded
            if reply.end is None:
                ready = self._end - self._sent
                if ready < self._frame or (ready < self._pair and ahead > self._slack):
                    break
                if ready < self._preroll and ahead <= 0 and now < (start_by := self._wait(now)):
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
        self._pace_position = self._ear_position = self._sent
        self._pace_at = self._ear_at = now
        if self._keep_sound:
            self._runs.append((self._sent, self._timeline.at(now)))

    def _send(self, reply: Reply, ready: int, room: float, out: list[WireCommand], now: float) -> None:
        """Send one message: of ``ready`` bytes as many whole frames as there is ``room`` for, at least one."""
        size = min(ready, self._message)
        if size > room:
            size = min(size, max(self._frame, int(room)))
        odd = size % self._frame
        if not odd:
            audio = self._take(size)
        elif size > self._frame:
            size -= odd
            audio = self._take(size)
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
        if self._wants_marks and self._sent - self._marked >= self._mark_every:
            out.append(self._mark())

    def _take_padded(self, size: int) -> bytes:
        """The last ``size`` bytes of a reply, filled with silence to a whole frame."""
        audio = self._take(size)
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
            if self._wants_marks and self._marked != self._sent:
                out.append(self._mark())
        self._gap_is_meant = True
        self.settle(now)

    def _take(self, size: int) -> bytes:
        """``size`` bytes off the queue's front."""
        self._queued -= size
        queue = self._queue
        first = queue[0]
        if not self._head and len(first) == size:
            return queue.popleft()
        pieces: list[bytes] = []
        while size:
            first = queue[0]
            piece = first[self._head : self._head + size]
            pieces.append(piece)
            size -= len(piece)
            self._head += len(piece)
            if self._head == len(first):
                queue.popleft()
                self._head = 0
        return b"".join(pieces)

    def _mark(self) -> SendMark:
        self._mark_count += 1
        name = f"t{self._mark_count}"
        due = self._pace_at + (self._sent - self._pace_position) / self._second
        self._marks.append(_Mark(self._sent, name, due))
        self._marked = self._sent
        return SendMark(name)

    # --- what the caller heard ------------------------------------------------------------------------------------

    def mark_reached(self, name: str, now: float) -> bool:
        """The platform echoed a mark. False: it is not one of ours, or its audio was cleared, not played."""
        if name in self._cleared_marks:
            del self._cleared_marks[name]
            return False
        if all(mark.name != name for mark in self._marks):
            return False
        while True:
            mark = self._marks.popleft()
            if mark.name == name:
                break
        self._ear_position, self._ear_at = mark.position, now
        if self._pace_position + (now - self._pace_at) * self._second < mark.position:
            self._pace_position, self._pace_at = mark.position, now
        self.settle(now)
        return True

    def ear(self, now: float) -> int:
        """The position up to which the caller has surely heard."""
        position = int(self._ear_position + (now - self._ear_at) * self._second + ROUNDING)
        if self._marks and position >= self._marks[0].position and now < self._marks[0].due + MARK_GRACE_S:
            position = self._marks[0].position - 1  # only the mark itself tells that all before it was heard
        position = min(position, self._sent)
        return max(position - position % self._format.sample_bytes, self._settled)

    def settle(self, now: float) -> None:
        """Book what was heard by now: fills ``sounded`` and ``heard``."""
        ear = self.ear(now)
        while self._flight and self._flight[0][0] <= ear:
            end, audio = self._flight.popleft()
            self._played(audio, end)
        while self._replies.open and (first := self._replies.open[0]).closed and (first.end or 0) <= self._settled:
            self._replies.over()
            end = self._settled if first.end is None else first.end
            self.heard.append(Heard(first.generation, first.text_up_to(end, end), self._ms(first.sounded_at)))

    def unheard(self, now: float) -> bool:
        """Whether there is agent audio the caller has not heard."""
        return self._queued > 0 or self.ear(now) < self._sent

    def deadline(self, now: float) -> float | None:
        """When ``pop`` (and then ``settle``) wants to be called next; None: not before something else happens."""
        if self.held:
            return None
        if self._start_by is not None and not self._closing:
            return self._start_by
        if self._queued >= self._pair or self._closing:
            return self._pace_at + (self._sent - self._low - self._pace_position) / self._second
        if not self._replies.open or not self._replies.open[0].closed:
            return None
        end = self._sent if (end := self._replies.open[0].end) is None else end
        heard_out = self._ear_at + (end - self._ear_position) / self._second
        if self._marks and self._marks[0].position <= end:
            return max(heard_out, self._marks[0].due + MARK_GRACE_S)
        return heard_out

    @property
    def placed_from(self) -> int | None:
        """No sound will ever be placed before this many samples of the timeline; None: nothing is on its way."""
        if not self._flight:
            return None
        return self._place(self._settled)

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

    def clear(self) -> list[Interruption]:
        """Drop what is held: every reply that was not heard to its end is dead. Only after ``hold``."""
        self._cleared_bytes += self._queued
        self._queue.clear()
        self._queued = self._head = self._closing = 0
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
        if self._head:
            self._queue[0] = self._queue[0][self._head :]
            self._head = 0
        while self._flight:
            end, audio = self._flight.pop()
            heard = ear - (end - len(audio))
            if heard > 0:
                self._played(audio[:heard], ear)
                audio = audio[heard:]
            if audio:
                self._queue.appendleft(audio)
                self._queued += len(audio)
        self._sent = ear
        self._marked = min(self._marked, ear)
        for mark in self._marks:
            self._cleared_marks[mark.name] = None
        self._marks.clear()
        while len(self._cleared_marks) > MAX_CLEARED_MARKS:
            del self._cleared_marks[next(iter(self._cleared_marks))]
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
        in_flight = sum(map(len, self._queue)) - self._head + sum(len(audio) for _, audio in self._flight)
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
        if self._keep_sound:
            at = self._place(end - len(audio))
            samples = len(audio) // self._format.sample_bytes
            self._placed = at + samples * self._timeline.rate // self._format.rate
            self.sounded.append(Sounded(audio, at))
        self._settled = end

    def _place(self, position: int) -> int:
        """Where in the timeline the byte at ``position`` sounded."""
        while len(self._runs) > 1 and self._runs[1][0] <= position:
            self._runs.popleft()
        if not self._runs:
            return self._placed
        began, at = self._runs[0]
        samples = (position - began) // self._format.sample_bytes
        return max(self._placed, at + samples * self._timeline.rate // self._format.rate)

    def _ms(self, samples: int | None) -> float | None:
        return None if samples is None else 1000 * samples / self._timeline.rate
