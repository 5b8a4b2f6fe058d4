"""Numbered packets in, whenever the network brings them; audio out at an even pace, its holes named.

``push`` every packet as it comes. At every tick, or when ``Wait.until`` says, ``pop`` until it returns a ``Wait``, and
use what came: a ``Frame`` is audio; a ``Gap`` that was ``lost`` wants concealment (``conceal``), one that was not is a
silence the sender didn't send and wants comfort noise (``tones``). Frames and gaps together last exactly as long as
the time from when the first was due until ``Wait.until``.

The delay follows the network: what comes in time after ``target_ms`` is played in order, and a missing packet is waited
for as long, no longer. The delay is changed, and the drift between the sender's clock and ours corrected, in the
silences between talkspurts, or by leaving out or doubling a pitch period (``pace``).
"""

from collections import deque
from typing import Final

import msgspec

from trunkline.audio.delay import DelayEstimate
from trunkline.audio.format import AudioFormat
from trunkline.audio.pace import Pace
from trunkline.audio.timeline import Timeline
from trunkline.errors import AudioError

MAX_PACKETS: Final = 200  # held; 4 s at 20 ms. A socket that stalled longer loses its oldest audio
_CONCEALED_S: Final = 0.06  # with nothing at hand: a loss up to here, silence from here on
_SLACK_S: Final = 0.005  # timestamps may be off by this (milliseconds, rounded) and still be contiguous
_BROKEN_TIMELINE_S: Final = 2.0  # a step in transit time no network makes within two seconds
_LATE_RUN: Final = 10  # so many late ones in a row: the sender started anew
_REMEMBERED: Final = 1024  # packets back to which a duplicate is told from a late one
_MEMORY: Final = (1 << _REMEMBERED) - 1


class Frame(msgspec.Struct, frozen=True, gc=False):
    """Audio to play now, in the buffer's format; as long as the packet was, give or take a pitch period."""

    audio: bytes


class Gap(msgspec.Struct, frozen=True, gc=False):
    """No audio for ``samples`` samples: ``lost`` on the way, or never sent."""

    samples: int
    lost: bool


class Wait(msgspec.Struct, frozen=True, gc=False):
    """Nothing is due before ``until``; None: nothing before the next packet."""

    until: float | None


class JitterStats(msgspec.Struct):
    """Counts since the beginning. ``missing`` packets never made it in time: they came late, were dropped when the
    buffer was full, or were lost on the way."""

    received: int = 0  # packets: played, empty, duplicate, late, dropped or still held
    played: int = 0
    empty: int = 0  # packets without audio: comfort noise, key presses
    duplicates: int = 0
    missing: int = 0
    late: int = 0
    dropped: int = 0
    restarts: int = 0
    frame_samples: int = 0
    lost_samples: int = 0  # in gaps that were lost
    silence_samples: int = 0  # in gaps that were not
    shortened_samples: int = 0
    lengthened_samples: int = 0
    trimmed_samples: int = 0  # the part of a packet that had been concealed before it came

    @property
    def lost(self) -> int:
        """Packets that never came at all."""
        return max(0, self.missing - self.late - self.dropped)


class _Packet(msgspec.Struct, gc=False):
    sequence: int
    at: int  # its timestamp, unwrapped, in samples of the format
    audio: bytes
    samples: int


class JitterBuffer:
    """Evens out one stream of ``audio_format``. ``clock_rate`` is the timestamps' clock if it isn't the sample rate:
    8000 for G.722, 1000 for a platform that stamps milliseconds. A gap is given in pieces of ``frame_ms`` at most."""

    def __init__(
        self,
        audio_format: AudioFormat,
        *,
        clock_rate: int | None = None,
        frame_ms: int = 20,
        min_ms: int = 20,
        max_ms: int = 200,
        start_ms: int = 60,
    ) -> None:
        self._format = audio_format
        self._rate = audio_format.rate
        self._sample_bytes = audio_format.sample_bytes
        self._clock_rate = clock_rate or audio_format.rate
        self._frame = frame_ms * self._rate // 1000
        self._slack = int(_SLACK_S * self._rate)
        self._limits = {"min_s": min_ms / 1000, "max_s": max_ms / 1000, "start_s": start_ms / 1000}
        self._start: float | None = None  # when the first piece was due
        self._out = 0  # samples given since
        self.stats = JitterStats()
        self._forget()

    def _forget(self) -> None:
        self._delay = DelayEstimate(**self._limits)
        self._timeline = Timeline(self._rate, self._clock_rate)
        self._pace = Pace(self._format)
        self._held: deque[_Packet] = deque()  # by sequence
        self._next_sequence: int | None = None  # None until something was taken
        self._first_sequence = 0  # the first that was taken
        self._taken = 0  # bit n: the packet n before the last taken one was taken
        self._late_run = 0
        self._next_at = 0  # what is due next, in samples of the sender's timeline
        self._packet_samples = self._frame  # of the last packet: a lost one is taken to be as long
        self._gone = 0  # packets missing since the last frame
        self._filled = 0  # samples given as lost since the last frame
        self._starved = 0  # samples given with nothing at hand since the last frame
        self._resting = True  # between talkspurts: the next packet sets its own time

    def reset(self) -> None:
        """A new stream takes over: another SSRC, or sequence numbers that started anew. Audio held is dropped; the
        pace of what ``pop`` gives goes on."""
        self.stats.dropped += len(self._held)
        self.stats.missing += len(self._held)
        self.stats.restarts += 1
        self._forget()

    @property
    def target_ms(self) -> float:
        """How long packets should be held, counted from when the fastest ones arrive."""
        return self._delay.target_s * 1000

    @property
    def began_at(self) -> float | None:
        """When the first piece was due; None before it was."""
        return self._start

    @property
    def held(self) -> int:
        """Packets waiting to be played."""
        return len(self._held)

    # --- in -------------------------------------------------------------------------------------------------------

    def push(self, sequence: int, timestamp: int, arrival: float, audio: bytes) -> None:
        """A packet came at ``arrival`` (seconds, monotonic).

        ``sequence`` is extended: it never wraps (``rtp.sequence``). Where a platform numbers nothing, count messages;
        where it stamps nothing, multiply the number by a frame. ``timestamp`` may wrap at 32 bits. Empty ``audio``
        means that this number was no audio (comfort noise, a key press): a silence follows, not a loss. Raises
        ``AudioError`` for half a sample.
        """
        if len(audio) % self._sample_bytes:
            raise AudioError(f"{len(audio)} bytes are not whole samples of {self._format}")
        self.stats.received += 1
        if self._next_sequence is not None and sequence < self._next_sequence:
            if self._taken >> (self._next_sequence - 1 - sequence) & 1:
                self.stats.duplicates += 1
                return
            if sequence < self._first_sequence:
                self.stats.missing += 1
            if not self._is_new_beginning():
                self._place(timestamp, arrival, audio)  # the delay should learn of it
                return
        samples = len(audio) // self._sample_bytes
        packet = _Packet(sequence, self._place(timestamp, arrival, audio), audio, samples)
        if self._insert(packet) and len(self._held) > MAX_PACKETS:
            self._drop_oldest()

    def _place(self, timestamp: int, arrival: float, audio: bytes) -> int:
        """Where on the sender's timeline the packet belongs, in samples; and learn from when it came."""
        at = self._timeline.place(timestamp)
        if not audio:
            return at  # a key press repeats its timestamp: it tells nothing of the delay
        transit = arrival - at / self._rate
        fastest = self._delay.fastest_at(arrival)
        if fastest is not None and abs(transit - fastest) > _BROKEN_TIMELINE_S:
            jump = round((transit - fastest) * self._rate)
            self._timeline.jump(jump)
            at += jump
            transit = arrival - at / self._rate
            self._resting = True
        self._delay.observe(transit, arrival)
        return at

    def _insert(self, packet: _Packet) -> bool:
        held = self._held
        if not held or packet.sequence > held[-1].sequence:  # nearly always
            held.append(packet)
            return True
        position = len(held)
        while position and held[position - 1].sequence > packet.sequence:
            position -= 1
        if position and held[position - 1].sequence == packet.sequence:
            self.stats.duplicates += 1
            return False
        held.insert(position, packet)
        return True

    def _is_new_beginning(self) -> bool:
        """A packet came too late: count it, unless so many did in a row that the sender must have started anew."""
        self._late_run += 1
        if self._late_run < _LATE_RUN:
            self.stats.late += 1
            return False
        self.reset()
        return True

    def _drop_oldest(self) -> None:
        self.stats.dropped += 1
        self.stats.missing += 1
        self._take(self._held.popleft())

    # --- out ------------------------------------------------------------------------------------------------------

    def pop(self, now: float) -> Frame | Gap | Wait:
        """The next piece that is due at ``now``, or a ``Wait``."""
        if self._start is None:
            while self._held and not self._held[0].samples:
                self._take_empty()
            if not self._held:
                return Wait(None)
            first = self._wanted(self._held[0])
            if now < first:
                return Wait(first)
            self._start = first  # in the past, if the stream began with a backlog: then that is given at once
        due = self._start + self._out / self._rate
        if now < due:
            return Wait(due)
        while self._held:
            head = self._held[0]
            if not head.samples:
                self._take_empty()
            elif self._next_sequence is not None and self._is_past(head):
                self._take(self._held.popleft())
                self.stats.missing += 1
                self.stats.late += 1
            else:
                return self._gap_before(head, due) or self._play(head, due)
        return self._starve()

    def _is_past(self, packet: _Packet) -> bool:
        """Whether the time of ``packet`` is over, but for what may be an error of its timestamp."""
        return packet.at + packet.samples - self._next_at <= min(self._slack, packet.samples // 2)

    def _wanted(self, packet: _Packet) -> float:
        """When ``packet`` should be played."""
        return packet.at / self._rate + self._delay.fastest_s + self._delay.target_s

    def _gap_before(self, head: _Packet, due: float) -> Gap | None:
        """The next piece of the hole in front of ``head``, or None if there is none."""
        if not self._resting:
            hole = head.at - self._next_at
            # What was filled while nothing was at hand counts towards the hole, now that we know of it.
            bridged = max(0, min(self._starved, hole))
            self._starved -= bridged
            self._next_at += bridged
            hole -= bridged
            if hole <= self._slack:
                return None
            gone = self._gone + head.sequence - (self._next_sequence or 0)
            lost = min(hole, gone * self._packet_samples - self._filled)
            if lost > self._slack:
                piece = min(lost, self._frame)
                self._next_at += piece
                return self._give_gap(piece, lost=True)
            self._resting = True  # time passed, but no number is missing: the sender was silent
        ahead = round((self._wanted(head) - due) * self._rate)
        return self._give_gap(min(ahead, self._frame), lost=False) if ahead > 0 else None

    def _starve(self) -> Gap:
        """Nothing is at hand: late, lost, or the sender fell silent. Who can tell before the next packet?"""
        if self._starved >= _CONCEALED_S * self._rate:
            self._resting = True
        self._starved += self._frame
        return self._give_gap(self._frame, lost=not self._resting)

    def _give_gap(self, samples: int, *, lost: bool) -> Gap:
        self._out += samples
        if lost:
            self._filled += samples
            self.stats.lost_samples += samples
        else:
            self.stats.silence_samples += samples
        return Gap(samples, lost)

    def _play(self, head: _Packet, due: float) -> Frame:
        self._take(self._held.popleft())
        audio, samples = head.audio, head.samples
        stats = self.stats
        covered = self._next_at - head.at
        if covered > self._slack and not self._resting:  # the beginning of a long packet was concealed already
            audio, samples = audio[covered * self._sample_bytes :], samples - covered
            stats.trimmed_samples += covered
        late_s = due - self._wanted(head)
        changed = self._pace.adjust(audio, late_s=late_s, target_s=self._delay.target_s, at=self._out)
        if changed is not audio:
            audio, before, samples = changed, samples, len(changed) // self._sample_bytes
            stats.shortened_samples += max(0, before - samples)
            stats.lengthened_samples += max(0, samples - before)
        self._out += samples
        stats.played += 1
        stats.frame_samples += samples
        self._next_at = head.at + head.samples
        self._packet_samples = head.samples
        self._gone = self._filled = self._starved = self._late_run = 0
        self._resting = False
        return Frame(audio)

    def _take_empty(self) -> None:
        self._take(self._held.popleft())
        self.stats.empty += 1
        self._resting = True

    def _take(self, packet: _Packet) -> None:
        """``packet`` leaves the buffer; the numbers before it that never came are missing."""
        step = 1
        if self._next_sequence is None:
            self._first_sequence = packet.sequence
        else:
            step += packet.sequence - self._next_sequence
            self._gone += step - 1
            self.stats.missing += step - 1
        self._next_sequence = packet.sequence + 1
        # Shifting by a huge gap would make a huge number; beyond what is remembered it makes no difference.
        self._taken = (self._taken << (1 if step == 1 else min(step, _REMEMBERED)) | 1) & _MEMORY
