import math
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from platform_buffer import PlatformBuffer

from trunkline.audio.format import MULAW_8K, PCM16_8K, PCM16_24K, AudioFormat
from trunkline.call.ear import MARK_GRACE_S, MAX_MARKS
from trunkline.call.pace import UNDER_RUN_S
from trunkline.call.playout import Playout
from trunkline.call.replies import Heard, Interruption
from trunkline.call.timeline import Timeline
from trunkline.wire.events import ClearAudio, EndUtterance, PlayAudio, SendMark, WireCommand

START = 86_413.37  # a clock does not start at zero
FRAME = 160  # 20 ms of mu-law
NOISE = bytes(1 + b % 250 for b in Random(7).randbytes(1 << 20))  # holds no silence of any encoding


class Ends:
    """A playout and the platform it sends to, on one clock; echoes arrive at once."""

    def __init__(self, wire: AudioFormat = MULAW_8K, **options: object) -> None:
        self.wire = wire
        self.now = START
        self.timeline = Timeline(wire.rate, START)
        self.playout = Playout(wire, self.timeline, **options)  # type: ignore[arg-type]
        self.platform = PlatformBuffer(wire)
        self.sent: list[WireCommand] = []

    def advance(self, to: float) -> None:
        """Time passes; marks come back when they are due, and nothing else is done."""
        for name, at in self.platform.advance(to):
            self.playout.mark_reached(name, at)
        self.now = max(self.now, to)

    def carry(self, commands: object) -> None:
        for command in commands:  # type: ignore[attr-defined]
            self.sent.append(command)
            for name, at in self.platform.receive(command, self.now):
                self.playout.mark_reached(name, at)

    def pop(self) -> None:
        self.carry(self.playout.pop(self.now))
        self.playout.settle(self.now)

    def hold(self) -> None:
        self.carry(self.playout.hold(self.now))

    def resume(self) -> None:
        self.carry(self.playout.resume(self.now))

    def run(self, seconds: float) -> int:
        """Wake the playout at its deadlines and at no other time. Gives the number of wakes."""
        end = self.now + seconds
        for wakes in range(10_000):
            due = self.playout.deadline(self.now)
            if due is None or due > end:
                self.advance(end)
                return wakes
            self.advance(max(self.now, due))
            self.pop()
        raise AssertionError("it asks to be woken again and again")

    def say(self, audio: bytes, generation: int = 1, *, end: bool = True) -> None:
        self.playout.push(audio, generation)
        if end:
            self.playout.end(generation)
        self.pop()


# --- the law, under anything that can happen ---------------------------------------------------------------------


class AnyCall(RuleBasedStateMachine):
    """What the caller heard is exactly what was generated, less what was cleared; nothing twice, nothing missing."""

    @initialize(
        wire=st.sampled_from([MULAW_8K, PCM16_24K]),
        max_frames=st.sampled_from([1, 5]),
        lead_ms=st.sampled_from([0, 50, 100, 200]),
        marks=st.booleans(),
        clears=st.booleans(),
    )
    def call_is_answered(self, wire: AudioFormat, max_frames: int, lead_ms: int, marks: bool, clears: bool) -> None:
        self.clears, self.marks = clears, marks
        self.ends = Ends(
            wire, max_frames=max_frames, lead_ms=lead_ms, marks=marks, clears=clears, keep_sound=True, max_queue_s=20
        )
        self.playout, self.platform = self.ends.playout, self.ends.platform
        self.frame = wire.bytes_for(20)
        self.message = self.frame * max_frames
        self.lead = max(self.frame, wire.bytes_for(lead_ms))
        self.silence = wire.silence_unit
        self.generation = 1
        self.ended = False
        self.used = 0  # of the noise
        self.generated = 0
        self.late = 0
        self.kept = bytearray()  # generated and not cleared
        self.stops = {0}  # where in it replies end
        self.texts: list[str] = []

    def sounded(self, audio: bytes) -> bytes:
        """Without the padding of last frames."""
        size = len(self.silence)
        units = (audio[i : i + size] for i in range(0, len(audio), size))
        return b"".join(unit for unit in units if unit != self.silence)

    @rule(samples=st.integers(0, 9_000))
    def agent_makes_audio(self, samples: int) -> None:
        if self.ended:
            self.generation += 1
            self.ended = False
        size = samples * self.ends.wire.sample_bytes
        audio = NOISE[self.used : self.used + size]
        self.used = (self.used + size) % (len(NOISE) - 100_000)
        room = self.playout.ledger.in_flight * self.ends.wire.sample_bytes + size < 15 * self.platform.second
        if not room:
            return
        self.playout.push(audio, self.generation)
        self.kept += audio
        self.generated += len(audio)

    @rule(samples=st.integers(1, 4_000), back=st.integers(1, 3))
    def audio_of_a_dead_reply_comes(self, samples: int, back: int) -> None:
        generation = self.generation - back + (1 if self.ended else 0)
        if generation < 1 or (generation == self.generation and not self.ended):
            return
        size = samples * self.ends.wire.sample_bytes
        self.playout.push(NOISE[:size], generation)
        self.late += size

    @rule()
    def reply_ends(self) -> None:
        if not self.ended:
            self.playout.begin(self.generation)
            self.playout.end(self.generation)
            self.ended = True
            self.stops.add(len(self.kept))

    @rule()
    def next_reply_begins(self) -> None:
        self.generation += 1
        self.ended = False
        assert self.playout.begin(self.generation)
        self.stops.add(len(self.kept))

    @rule()
    def words_come(self) -> None:
        self.playout.text("some words", self.generation + self.ended)
        if self.ended:
            self.generation += 1
            self.ended = False

    @rule(ms=st.integers(0, 700))
    def time_passes(self, ms: int) -> None:
        self.ends.advance(self.ends.now + ms / 1000)

    @rule(samples=st.integers(1, 2_000))
    def little_time_passes(self, samples: int) -> None:
        self.ends.advance(self.ends.now + samples / self.ends.wire.rate)

    @rule(ms=st.integers(1, 3_000))
    def time_passes_attended(self, ms: int) -> None:
        self.ends.run(ms / 1000)

    @rule()
    def pop(self) -> None:
        self.ends.pop()
        assert len(self.platform.queue) <= self.lead + self.message, "never further ahead than the lead and a message"

    @rule()
    def hold(self) -> None:
        self.ends.hold()
        self.platform.gap_is_meant = True
        if self.clears:
            assert not self.platform.queue

    @precondition(lambda self: self.playout.held)
    @rule()
    def resume(self) -> None:
        self.ends.resume()

    @precondition(lambda self: self.playout.held)
    @rule()
    def clear(self) -> None:
        interrupted = self.playout.clear()
        heard = self.platform.played if self.clears else self.platform.received
        del self.kept[len(self.sounded(bytes(heard))) :]
        self.stops = {stop for stop in self.stops if stop <= len(self.kept)} | {len(self.kept)}
        for reply in interrupted:
            assert (reply.at_ms is None) == (reply.heard_ms == 0)
        if interrupted or self.ended:
            self.generation += 1
            self.ended = False

    @invariant()
    def books_balance(self) -> None:
        ledger, unit = self.playout.ledger, self.ends.wire.sample_bytes
        assert ledger.balances
        assert min(ledger.generated, ledger.played, ledger.cleared, ledger.in_flight, ledger.late) >= 0
        assert ledger.generated == self.generated // unit + ledger.padding
        assert ledger.late == self.late // unit

    @invariant()
    def caller_heard_what_was_generated_and_not_cleared(self) -> None:
        heard = self.sounded(bytes(self.platform.received if not self.clears else self.platform.played))
        assert heard == self.kept[: len(heard)]

    @invariant()
    def silence_is_only_at_the_end_of_replies(self) -> None:
        played, size = bytes(self.platform.played), len(self.silence)
        before = 0
        for i in range(0, len(played), size):
            if played[i : i + size] != self.silence:
                before += size
            else:
                assert before in self.stops

    @invariant()
    def ear_never_hears_more_than_was_played(self) -> None:
        assert self.playout.ear(self.ends.now) <= len(self.platform.played)

    @invariant()
    def only_whole_frames_are_sent(self) -> None:
        assert all(0 < size <= self.message and size % self.frame == 0 for size in self.platform.pieces)

    @invariant()
    def under_runs_are_what_the_platform_starved(self) -> None:
        gaps = [gap for gap in self.platform.gaps if gap > UNDER_RUN_S + 1e-6]
        doubtful = [gap for gap in self.platform.gaps if abs(gap - UNDER_RUN_S) <= 1e-6]
        assert len(gaps) <= self.playout.under_runs <= len(gaps) + len(doubtful)
        assert self.playout.under_run_s == pytest.approx(sum(gaps), abs=1e-6 + UNDER_RUN_S * len(doubtful))

    @invariant()
    def what_sounded_is_what_was_played(self) -> None:
        played = b"".join(sound.audio for sound in self.playout.sounded)
        assert self.platform.played.startswith(played)
        assert len(played) == self.playout.ledger.played * self.ends.wire.sample_bytes

    @invariant()
    def no_sound_is_placed_over_another(self) -> None:
        end = 0
        for sound in self.playout.sounded:
            assert sound.at >= end
            end = sound.at + len(sound.audio) // self.ends.wire.sample_bytes

    def teardown(self) -> None:
        if not hasattr(self, "ends"):
            return
        self.playout.finish(self.ends.now)
        ledger = self.playout.ledger
        assert ledger.balances
        assert ledger.in_flight == 0
        assert ledger.played * self.ends.wire.sample_bytes == len(self.platform.played)
        assert self.playout.finish(self.ends.now) == []


TestAnyCall = AnyCall.TestCase
TestAnyCall.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


# --- pacing ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", [MULAW_8K, PCM16_8K, PCM16_24K], ids=str)
@pytest.mark.parametrize("max_frames", [1, 5])
@pytest.mark.parametrize("lead_ms", [0, 20, 50, 100, 200])
@pytest.mark.parametrize("marks", [True, False])
def test_a_full_queue_woken_at_its_deadlines_never_starves(
    wire: AudioFormat, max_frames: int, lead_ms: int, marks: bool
) -> None:
    ends = Ends(wire, max_frames=max_frames, lead_ms=lead_ms, marks=marks)
    ends.say(NOISE[: wire.bytes_for(10_000)])
    ends.run(11)
    assert ends.platform.played == NOISE[: wire.bytes_for(10_000)]
    assert not ends.platform.gaps or max(ends.platform.gaps) < 1e-6
    assert ends.playout.under_runs == 0
    assert [reply.generation for reply in ends.playout.heard] == [1]


@pytest.mark.parametrize("frame_ms", [10, 20, 40, 60, 100])
def test_part_of_a_frame_in_the_queue_wakes_nobody(frame_ms: int) -> None:
    ends = Ends(frame_ms=frame_ms, lead_ms=2 * frame_ms)
    frame = MULAW_8K.bytes_for(frame_ms)
    ends.say(NOISE[: 3 * frame - 1], end=False)
    assert ends.run(1) <= 3
    assert ends.platform.played == NOISE[: 2 * frame]


def test_part_of_a_frame_of_a_reply_that_goes_on_is_nothing_to_be_heard_yet() -> None:
    ends = Ends()
    ends.say(NOISE[: 5 * FRAME + FRAME // 2], end=False)
    assert ends.playout.unheard(ends.now)
    ends.run(1)
    assert not ends.playout.unheard(ends.now), "an agent that thinks in mid-reply is silent"
    ends.say(NOISE[: FRAME // 2], end=False)
    assert ends.playout.unheard(ends.now)


def test_part_of_a_frame_that_ends_a_reply_is_heard_out() -> None:
    ends = Ends()
    ends.say(NOISE[: 5 * FRAME + FRAME // 2])
    assert ends.playout.unheard(ends.now)
    ends.run(1)
    assert not ends.playout.unheard(ends.now)


def test_the_end_of_a_reply_is_known_at_its_deadline_without_marks() -> None:
    ends = Ends()
    ends.say(NOISE[: 5 * FRAME])
    assert ends.run(1) <= 2
    assert ends.playout.heard == [Heard(1, "", 0.0)]
    assert ends.playout.deadline(ends.now) is None


def test_messages_are_as_large_as_the_platform_takes_and_half_the_lead_allows() -> None:
    ends = Ends(max_frames=5, lead_ms=200)
    ends.say(NOISE[: 100 * FRAME])
    ends.run(3)
    assert set(ends.platform.pieces) == {5 * FRAME}


def test_a_late_wake_catches_up_to_the_lead() -> None:
    ends = Ends(lead_ms=200)
    ends.say(NOISE[: 100 * FRAME])
    ends.advance(START + 0.150)
    ends.pop()
    assert 9 * FRAME <= len(ends.platform.queue) <= 10 * FRAME


def test_a_stall_longer_than_the_lead_is_one_under_run_of_its_length() -> None:
    ends = Ends(lead_ms=200)
    ends.say(NOISE[: 100 * FRAME])
    ends.advance(START + 0.500)
    ends.pop()
    assert ends.playout.under_runs == 1
    assert ends.playout.under_run_s == pytest.approx(0.3)


@pytest.mark.parametrize(("gap_ms", "under_runs"), [(19, 0), (21, 1)])
def test_only_a_gap_longer_than_the_slack_is_an_under_run(gap_ms: int, under_runs: int) -> None:
    ends = Ends()
    ends.say(NOISE[: 10 * FRAME], end=False)
    ends.advance(START + 0.2 + gap_ms / 1000)
    ends.say(NOISE[: 10 * FRAME])
    assert ends.playout.under_runs == under_runs


def test_the_pause_between_two_replies_is_no_under_run() -> None:
    ends = Ends()
    ends.say(NOISE[: 10 * FRAME])
    ends.advance(START + 5)
    ends.say(NOISE[: 10 * FRAME], 2)
    assert ends.playout.under_runs == 0


def test_an_under_run_is_counted_in_a_reply_that_followed_another_without_a_gap() -> None:
    ends = Ends()
    ends.say(NOISE[: 5 * FRAME])
    ends.say(NOISE[: 5 * FRAME], 2, end=False)
    ends.advance(START + 1)
    ends.say(NOISE[: 5 * FRAME], 2)
    assert ends.playout.under_runs == 1
    assert ends.playout.under_run_s == pytest.approx(0.8)


def test_an_under_run_after_a_hold_that_left_no_gap_is_counted() -> None:
    ends = Ends(clears=False)
    ends.say(NOISE[: 20 * FRAME], end=False)
    ends.hold()
    ends.resume()
    ends.run(0.4)
    ends.advance(START + 1)
    ends.say(NOISE[: 5 * FRAME])
    assert ends.playout.under_runs == 1


def test_a_hold_is_no_under_run() -> None:
    ends = Ends(clears=True)
    ends.say(NOISE[: 20 * FRAME])
    ends.advance(START + 0.1)
    ends.hold()
    ends.advance(START + 2)
    ends.resume()
    ends.run(1)
    assert ends.playout.under_runs == 0
    assert ends.platform.played.rstrip(b"\xff") == NOISE[: 20 * FRAME]


# --- frames and padding ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", [MULAW_8K, PCM16_24K], ids=str)
def test_a_short_last_frame_is_filled_with_silence_once_the_reply_ends(wire: AudioFormat) -> None:
    frame = wire.bytes_for(20)
    size = 5 * frame + 10
    ends = Ends(wire)
    ends.say(NOISE[:size], end=False)
    ends.run(1)
    assert len(ends.platform.received) == 5 * frame
    ends.playout.end(1)
    ends.pop()
    padding = wire.silence(wire.samples(frame - 10))
    assert ends.platform.received == NOISE[:size] + padding
    assert ends.playout.ledger.padding == wire.samples(len(padding))


def test_replies_follow_each_other_on_frame_borders() -> None:
    ends = Ends(lead_ms=1000)
    for generation in (1, 2, 3):
        ends.playout.push(NOISE[:100], generation)
        ends.playout.end(generation)
    ends.pop()
    one = NOISE[:100] + MULAW_8K.silence(60)
    assert ends.platform.received == one * 3
    assert ends.platform.ends == 3
    ends.run(1)
    assert [reply.generation for reply in ends.playout.heard] == [1, 2, 3]


def test_pieces_of_any_size_are_joined_and_cut() -> None:
    ends = Ends(max_frames=5)
    at = 0
    for size in (1, 0, 159, 161, 3, 800, 0, 476):
        ends.say(NOISE[at : at + size], end=False)
        at += size
    ends.playout.end(1)
    ends.run(2)
    assert ends.platform.played == NOISE[:1600]


def test_an_empty_reply_is_over_at_once_and_sends_nothing() -> None:
    ends = Ends(marks=True)
    ends.playout.begin(1)
    ends.playout.end(1)
    ends.pop()
    ends.playout.begin(2)
    ends.playout.end(2)
    ends.pop()
    assert ends.sent == []
    assert ends.playout.heard == [Heard(1, "", None), Heard(2, "", None)]


def test_a_reply_that_is_overtaken_by_the_next_ends_there() -> None:
    ends = Ends(lead_ms=1000)
    ends.playout.push(NOISE[:100], 1)
    ends.playout.push(NOISE[100:260], 2)
    ends.pop()
    assert ends.platform.received == NOISE[:100] + MULAW_8K.silence(60) + NOISE[100:260]


def test_an_empty_buffer_waits_for_the_pre_roll_but_not_for_ever() -> None:
    ends = Ends()
    ends.say(NOISE[:FRAME], end=False)
    assert ends.platform.received == b""
    ends.run(0.060)
    assert ends.platform.received == NOISE[:FRAME]


# --- what comes too late, or too much ----------------------------------------------------------------------------


def test_audio_after_the_end_of_its_reply_is_late_and_holds_nothing_up() -> None:
    ends = Ends()
    ends.say(NOISE[: 5 * FRAME])
    ends.playout.push(NOISE[: 5 * FRAME], 1)
    assert ends.playout.ledger.late == 5 * FRAME
    ends.run(1)
    assert ends.playout.ledger.in_flight == 0
    assert not ends.playout.unheard(ends.now)
    assert ends.playout.deadline(ends.now) is None
    ends.say(NOISE[: 5 * FRAME], 2)
    ends.run(1)
    assert ends.platform.played == NOISE[: 5 * FRAME] * 2


def test_audio_of_an_older_reply_is_late_while_a_newer_one_is_made() -> None:
    ends = Ends()
    assert ends.playout.begin(2)
    assert not ends.playout.begin(1)
    ends.playout.push(NOISE[:FRAME], 1)
    ends.playout.end(1)
    assert ends.playout.ledger.late == FRAME
    assert ends.playout.ledger.generated == 0


def test_a_queue_that_is_full_clears_what_comes_and_the_law_holds() -> None:
    ends = Ends(max_queue_s=1)
    for _ in range(100):
        ends.playout.push(NOISE[: 5 * FRAME], 1)
    ledger = ends.playout.ledger
    assert ledger.balances
    assert ledger.in_flight <= 8000
    assert ledger.cleared == 500 * FRAME - ledger.in_flight


def test_a_platform_that_never_echoes_does_not_grow_the_memory_of_cleared_marks() -> None:
    timeline = Timeline(8000, START)
    playout = Playout(MULAW_8K, timeline, marks=True, clears=True)
    names = []
    for generation in range(1, MAX_MARKS + 100):
        playout.push(NOISE[:FRAME], generation)
        playout.end(generation)
        names += [command.name for command in playout.pop(START) if isinstance(command, SendMark)]
        playout.hold(START)
        playout.clear()
    assert len(names) == MAX_MARKS + 99
    assert not any(playout.mark_reached(name, START) for name in names)


def test_the_clock_takes_over_from_a_mark_that_does_not_come() -> None:
    timeline = Timeline(8000, START)
    playout = Playout(MULAW_8K, timeline, marks=True)
    playout.push(NOISE[: 5 * FRAME], 1)
    playout.end(1)
    playout.pop(START)
    due = playout.deadline(START)
    assert due is not None
    assert due == pytest.approx(START + 0.1 + MARK_GRACE_S)
    playout.settle(due - 0.001)
    assert playout.heard == []
    playout.settle(due)
    assert playout.heard == [Heard(1, "", 0.0)]
    assert playout.deadline(due) is None


def test_marks_later_than_the_grace_do_not_keep_the_playout_restless() -> None:
    timeline = Timeline(8000, START)
    playout = Playout(MULAW_8K, timeline, marks=True, lead_ms=3000)
    playout.push(NOISE[: 60 * FRAME], 1)
    playout.end(1)
    marks = [command.name for command in playout.pop(START) if isinstance(command, SendMark)]
    assert len(marks) == 3
    now = START + 2.4
    playout.mark_reached(marks[0], now)  # 1.9 s late; the others never come
    for _ in range(10):
        if (due := playout.deadline(now)) is None:
            break
        assert due > now
        now = due
        playout.pop(now)
        playout.settle(now)
    assert playout.heard == [Heard(1, "", 0.0)]


# --- marks -------------------------------------------------------------------------------------------------------


def test_the_end_of_a_reply_is_not_heard_before_its_mark_is_back() -> None:
    """The line to the platform delays everything: by our clock the reply is over, in the caller's ear it is not."""
    timeline = Timeline(8000, START)
    playout = Playout(MULAW_8K, timeline, marks=True)
    playout.push(NOISE[: 5 * FRAME], 1)
    playout.end(1)
    [mark] = [command.name for command in playout.pop(START) if isinstance(command, SendMark)]
    playout.settle(START + 0.25)
    assert playout.heard == []
    assert playout.unheard(START + 0.25)
    assert playout.mark_reached(mark, START + 0.3)
    assert playout.heard == [Heard(1, "", 0.0)]
    assert not playout.unheard(START + 0.3)


@pytest.mark.parametrize("name", ["", "t2", "x", "t0"])
def test_a_mark_that_was_never_sent_tells_nothing(name: str) -> None:
    ends = Ends(marks=True)
    ends.say(NOISE[: 5 * FRAME])
    assert not ends.playout.mark_reached(name, START + 0.05)
    assert ends.playout.ear(START + 0.05) == 400


def test_a_mark_echoed_because_of_a_clear_is_not_played() -> None:
    ends = Ends(marks=True, clears=True)
    ends.say(NOISE[: 5 * FRAME])
    [mark] = [command.name for command in ends.sent if isinstance(command, SendMark)]
    ends.now = START + 0.05
    assert ends.playout.hold(ends.now) == [ClearAudio()]
    assert not ends.playout.mark_reached(mark, ends.now)
    assert ends.playout.clear() == [Interruption(1, 50.0, "", 0.0)]
    assert ends.playout.ledger.played == 400


def test_a_mark_stands_for_those_before_it_that_were_lost() -> None:
    timeline = Timeline(8000, START)
    playout = Playout(MULAW_8K, timeline, marks=True, lead_ms=3000)
    playout.push(NOISE[: 100 * FRAME], 1)
    playout.end(1)
    marks = [command.name for command in playout.pop(START) if isinstance(command, SendMark)]
    assert playout.mark_reached(marks[-1], START + 2)
    assert playout.ledger.played == 100 * FRAME
    assert not any(playout.mark_reached(mark, START + 2) for mark in marks)


# --- interruptions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", [MULAW_8K, PCM16_24K], ids=str)
@pytest.mark.parametrize("marks", [True, False])
@pytest.mark.parametrize("at_ms", [0, 1, 99, 500, 501, 1234.375, 1980])
def test_a_resumed_reply_goes_on_at_the_very_sample(wire: AudioFormat, marks: bool, at_ms: float) -> None:
    audio = NOISE[: wire.bytes_for(2000)]
    ends = Ends(wire, marks=marks, clears=True)
    ends.say(audio)
    ends.run(at_ms / 1000)
    ends.hold()
    heard = len(ends.platform.played)
    assert heard == wire.bytes_for(at_ms)
    ends.advance(ends.now + 1)
    assert len(ends.platform.played) == heard, "nothing sounds while it is on hold"
    ends.resume()
    ends.run(3)
    assert ends.platform.played[: len(audio)] == audio
    assert not ends.platform.played[len(audio) :].strip(wire.silence_unit)
    assert ends.playout.ledger.cleared == 0


def test_a_commit_tells_what_was_heard_of_each_reply() -> None:
    ends = Ends(clears=True, lead_ms=1000)
    ends.playout.text("one two three four", 1)
    ends.playout.push(NOISE[: 10 * FRAME], 1)
    ends.playout.text("never heard", 2)
    ends.playout.push(NOISE[: 10 * FRAME], 2)
    ends.pop()
    ends.advance(START + 0.1)
    ends.hold()
    assert ends.playout.clear() == [Interruption(1, 100.0, "one two", 0.0), Interruption(2, 0.0, "", None)]
    ends.playout.push(NOISE[: 3 * FRAME], 2)
    assert ends.playout.ledger.late == 3 * FRAME
    ends.say(NOISE[: 5 * FRAME], 3)
    ends.run(1)
    assert ends.platform.played == NOISE[:800] + NOISE[:800]


def test_without_clears_what_was_sent_is_heard_and_the_rest_is_not() -> None:
    ends = Ends(clears=False, lead_ms=100)
    ends.say(NOISE[: 50 * FRAME])
    ends.hold()
    assert not any(isinstance(command, ClearAudio) for command in ends.sent)
    assert ends.playout.clear() == [Interruption(1, 100.0, "", 0.0)]
    ends.run(1)
    ends.playout.settle(ends.now)
    assert ends.platform.played == NOISE[: 5 * FRAME]
    assert ends.playout.ledger.played == 5 * FRAME
    assert ends.playout.ledger.cleared == 45 * FRAME


def test_holding_twice_is_holding_once() -> None:
    ends = Ends(clears=True)
    ends.say(NOISE[: 10 * FRAME])
    ends.advance(START + 0.05)
    ends.hold()
    ends.advance(START + 0.2)
    ends.hold()
    assert ends.platform.clears == 1
    ends.resume()
    ends.run(1)
    assert ends.platform.played.rstrip(b"\xff") == NOISE[: 10 * FRAME]


def test_nothing_is_sent_and_nothing_is_due_on_hold() -> None:
    ends = Ends(clears=True)
    ends.say(NOISE[: 10 * FRAME], end=False)
    ends.advance(START + 0.05)
    ends.hold()
    sent = len(ends.platform.received)
    ends.say(NOISE[10 * FRAME : 20 * FRAME])
    assert len(ends.platform.received) == sent
    assert ends.playout.deadline(ends.now) is None
    assert ends.playout.due == math.inf
    ends.resume()
    ends.run(1)
    assert ends.platform.played.rstrip(b"\xff") == NOISE[: 20 * FRAME]


def test_the_end_of_the_call_cuts_what_was_not_heard() -> None:
    ends = Ends(marks=True)
    ends.say(NOISE[: 50 * FRAME])
    ends.run(0.3)
    assert ends.playout.finish(ends.now) == [Interruption(1, 300.0, "", 0.0)]
    ledger = ends.playout.ledger
    assert (ledger.played, ledger.cleared, ledger.in_flight) == (2400, 50 * FRAME - 2400, 0)


def test_the_first_audio_of_each_reply_is_told_once() -> None:
    ends = Ends(clears=True)
    ends.say(NOISE[: 10 * FRAME])
    assert ends.playout.first_sent == [1]
    ends.hold()
    ends.resume()
    assert ends.playout.first_sent == [1]


def test_ends_of_utterances_follow_the_last_audio() -> None:
    ends = Ends(marks=True)
    ends.say(NOISE[: 2 * FRAME])
    assert [type(command) for command in ends.sent] == [PlayAudio, PlayAudio, EndUtterance, SendMark]


# --- where it sounded --------------------------------------------------------------------------------------------


def test_sound_is_placed_by_the_callers_samples() -> None:
    ends = Ends(keep_sound=True, clears=True, lead_ms=1000)
    ends.advance(START + 1)
    ends.timeline.advance(8000, START + 1)
    ends.say(NOISE[: 10 * FRAME])
    ends.advance(START + 1.1)
    ends.hold()
    ends.advance(START + 2)
    ends.resume()
    ends.run(1)
    places = [(sound.at, len(sound.audio)) for sound in ends.playout.sounded]
    assert places[0][0] == 8000
    assert sum(size for at, size in places if at < 9000) == 800
    resumed = [at for at, _ in places if at >= 9000]
    assert resumed[0] == 16000


def test_nothing_is_kept_when_nobody_wants_the_sound() -> None:
    ends = Ends()
    ends.say(NOISE[: 10 * FRAME])
    ends.run(1)
    assert ends.playout.sounded == []
