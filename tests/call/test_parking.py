"""A call that has lost its socket: it waits, the agent lives on, and it goes on where it stood."""

from math import inf

import pytest
from small_world import FRAME, SPEC, VOICE, SmallCodec, World

from trunkline.ai.events import (
    CallerSaid,
    DigitsWanted,
    HangUpWanted,
    ReplyHeard,
    ReplyInterrupted,
    SpeechStarted,
    SpeechStopped,
    TransferWanted,
)
from trunkline.call.session import CallSession
from trunkline.call.settings import CallSettings
from trunkline.call.state import CallState
from trunkline.call.watch import Overdue, Watch
from trunkline.wire.base import TextFrame, WireSpec
from trunkline.wire.events import ClearAudio, HangUp, PlayAudio, SendDigits, StreamStopped, TellSpeech, Transfer

LASTING = WireSpec(
    "small", "Small", "/media/small", clears=True, transfers=True, speech=True, resumes=True, max_frames=5
)


class LastingCodec(SmallCodec):
    """Its stream outlives its socket."""

    resumed_at = -inf

    def resume(self, now: float) -> None:
        self.resumed_at = now
        self.replies.append(TextFrame(b"welcome back"))


class NextLink:
    """Another socket."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.closed: list[int] = []

    def send_text(self, data: bytes) -> None:
        self.texts.append(data)

    def send_binary(self, data: bytes) -> None: ...

    def close(self, code: int, reason: str) -> None:
        self.closed.append(code)

    def buffered(self) -> int:
        return 0


def talking(ms: int = 2000, *, settings: CallSettings | None = None, spec: WireSpec = LASTING) -> World:
    """A second into the agent's first reply of ``ms``."""
    world = World(settings or CallSettings(record=True), spec=spec, codec=LastingCodec())
    world.start()
    world.run(0.5)
    world.agent.say(ms)
    world.run(1.0)
    return world


def lose(world: World) -> None:
    world.platform.receive(ClearAudio(), world.now)  # the platform's buffer goes with the socket
    world.bridge.lost("connection lost", world.now)


def played(world: World) -> bytes:
    return b"".join(command.audio for command in world.codec.sent if isinstance(command, PlayAudio))


def test_nothing_is_said_while_there_is_no_socket_and_nothing_of_it_is_lost() -> None:
    world = talking(3000)
    lose(world)
    assert world.call.state is CallState.PARKED
    sent = len(world.codec.sent)
    world.run(5, caller=False)
    assert len(world.codec.sent) == sent
    world.agent.say(500, 2)
    link = NextLink()
    assert world.bridge.resume(link, world.now)
    assert link.texts[0] == b"welcome back", "before any sound"
    world.run(6)
    assert world.call.ledger.agent.played == 8 * 3500
    assert world.call.ledger.agent.cleared == 0
    assert sum(isinstance(command, ReplyHeard) for command in world.agent.told) == 2
    assert world.call.session.reconnects == 1


def test_it_goes_on_at_the_very_sample_the_clock_says_was_heard() -> None:
    world = talking(3000)
    lose(world)
    heard = world.call.ledger.agent.played
    before = len(played(world))
    assert world.bridge.resume(NextLink(), world.now + 2)
    again = played(world)[before:]
    assert again
    assert VOICE[heard:].startswith(again)


def test_a_platform_that_can_not_clear_takes_back_what_was_not_heard_all_the_same() -> None:
    world = talking(3000, spec=WireSpec("small", "Small", "/media/small", resumes=True))
    lose(world)
    world.bridge.resume(NextLink(), world.now)
    world.run(4)
    assert world.call.ledger.agent.played == 8 * 3000


def test_the_agent_hears_silence_and_the_call_is_as_long_as_it_took() -> None:
    world = talking()
    heard = len(world.agent.heard)
    lose(world)
    world.run(4, caller=False)
    assert len(world.agent.heard) - heard == pytest.approx(4 * 8000, rel=0.1)
    samples = world.said * len(FRAME)
    world.bridge.resume(NextLink(), world.now)
    ledger = world.call.ledger.caller
    assert ledger.balances
    assert ledger.concealed == pytest.approx(4 * 8000, abs=160)
    world.run(1)
    assert world.call.ledger.caller.received == pytest.approx(samples + 5 * 8000, abs=320)


@pytest.mark.parametrize("waits_s", [30.0, 2.0])
def test_a_call_that_nobody_comes_back_for_ends_with_its_books_in_order(waits_s: float) -> None:
    world = talking(60_000, settings=CallSettings(record=True, resume_timeout_s=waits_s))
    lose(world)
    at = world.now
    world.run(waits_s - 0.1, caller=False)
    assert world.call.state is CallState.PARKED
    world.run(0.3, caller=False)
    assert world.record is not None
    assert (world.record.state, world.record.end_reason) == (CallState.FAILED, "connection lost")
    assert world.record.ledger.balances
    assert len(world.saved) == 4 * world.record.samples
    assert not world.bridge.resume(NextLink(), at + waits_s + 1)


def test_a_caller_who_had_a_parked_minute_is_not_taken_for_silent_afterwards() -> None:
    settings = CallSettings(resume_timeout_s=60, silence_timeout_s=30)
    world = talking(settings=settings)
    lose(world)
    world.run(50, caller=False)
    world.bridge.resume(NextLink(), world.now)
    world.run(5, caller=False)
    assert world.record is None


def test_an_operator_who_ends_a_parked_call_need_not_wait() -> None:
    world = talking()
    lose(world)
    world.bridge.end("the service is stopping", world.now)
    assert world.record is not None
    assert (world.record.state, world.record.end_reason) == (CallState.ENDED, "the service is stopping")
    assert not world.commands(HangUp)


@pytest.mark.parametrize(("wish", "command"), [(HangUpWanted(), HangUp), (TransferWanted("+1555"), Transfer)])
def test_an_agent_that_wants_to_go_meanwhile_goes_when_it_was_heard(wish: HangUpWanted, command: type) -> None:
    world = talking(3000)
    lose(world)
    world.emit(wish)
    world.run(2, caller=False)
    assert not world.commands(command)
    world.bridge.resume(NextLink(), world.now)
    world.run(1)
    assert not world.commands(command), "it is not done speaking"
    world.run(2)
    assert len(world.commands(command)) == 1


def test_what_else_the_platform_must_be_told_waits_for_the_socket_in_order() -> None:
    world = talking(100)
    world.emit(SpeechStarted(1000))
    lose(world)
    sent = len(world.codec.sent)
    world.emit(DigitsWanted("12"))
    world.emit(SpeechStopped(1400))
    assert len(world.codec.sent) == sent
    link = NextLink()
    world.bridge.resume(link, world.now)
    assert world.codec.sent[sent:][:2] == [SendDigits("12"), TellSpeech(False)]
    assert link.texts[:3] == [b"welcome back", b"SendDigits", b"TellSpeech"]


def test_a_hold_that_began_before_is_kept_and_one_that_ends_meanwhile_lets_nothing_out() -> None:
    world = talking(3000)
    world.emit(SpeechStarted(1400))
    lose(world)
    sent = len(played(world))
    world.emit(SpeechStopped(1500))
    world.emit(CallerSaid("mhm", final=True))  # a back-channel: the agent goes on, if only it could
    world.run(2, caller=False)
    assert world.call.session.resumed == 1
    assert len(played(world)) == sent
    world.bridge.resume(NextLink(), world.now)
    world.run(4)
    assert world.call.ledger.agent.played == 8 * 3000


def test_a_hold_that_is_still_on_is_not_ended_by_the_socket() -> None:
    world = talking(3000)
    world.emit(SpeechStarted(1400))
    lose(world)
    sent = len(played(world))
    world.bridge.resume(NextLink(), world.now)
    assert len(played(world)) == sent
    world.emit(CallerSaid("no wait a moment", final=True))
    world.run(1)
    assert any(isinstance(command, ReplyInterrupted) for command in world.agent.told)
    assert world.call.ledger.balances


def test_words_that_interrupt_while_there_is_no_socket_clear_what_was_kept() -> None:
    world = talking(3000)
    world.emit(SpeechStarted(1400))
    lose(world)
    world.emit(CallerSaid("no wait a moment", final=True))
    assert world.call.session.barge_ins == 1
    world.agent.say(500, 2)
    sent = len(played(world))
    world.run(2, caller=False)
    assert len(played(world)) == sent, "the pause outlives the interruption"
    world.bridge.resume(NextLink(), world.now)
    world.run(2)
    assert len(played(world)) - sent == 8 * 500


def test_a_socket_that_comes_before_the_loss_was_noticed_replaces_the_old_one() -> None:
    world = talking(3000)
    assert world.bridge.resume(NextLink(), world.now)
    assert world.call.session.reconnects == 1
    assert (world.call.state, world.closed) == (CallState.SPEAKING, [])


def test_a_call_that_is_being_ended_is_over_with_its_socket() -> None:
    world = talking(100)
    world.bridge.end("enough", world.now)
    lose(world)
    assert world.record is not None
    assert world.record.state is CallState.ENDED


def test_a_call_may_lose_its_socket_more_than_once() -> None:
    world = talking(3000)
    for _ in range(3):
        lose(world)
        world.run(1, caller=False)
        assert world.bridge.resume(NextLink(), world.now)
        world.run(0.3)
    world.run(5)
    assert world.call.ledger.agent.played == 8 * 3000
    assert world.call.session.reconnects == 3
    world.happen(StreamStopped("bye"))
    assert world.record is not None
    assert world.record.ledger.balances


@pytest.mark.parametrize("spec", [SPEC, LASTING], ids=["platform", "codec"])
def test_without_the_platform_or_its_codec_nothing_is_resumed(spec: WireSpec) -> None:
    world = World(spec=spec)
    world.start()
    world.bridge.lost("connection lost", world.now)
    assert not world.bridge.resume(NextLink(), world.now)


def test_a_platform_that_closes_its_socket_in_good_order_does_not_mean_to_come_back() -> None:
    world = talking()
    world.bridge.lost("closed by the peer (1000)", world.now, clean=True)
    assert world.record is not None
    assert world.record.end_reason == "closed by the peer (1000)"


def test_a_socket_lost_before_the_stream_began_parks_nothing() -> None:
    world = World(spec=LASTING, codec=LastingCodec())
    world.bridge.lost("connection lost", world.now)
    assert world.record is not None
    assert world.record.state is CallState.FAILED


def test_while_it_waits_only_the_wait_itself_can_run_out() -> None:
    watch = Watch(CallSettings(resume_timeout_s=60, silence_timeout_s=30), 1000.0)
    watch.parked(1010.0)
    assert watch.overdue(1069.9, 1010.0) is Overdue.FRAME
    assert watch.overdue(1070.0, 1010.0) is Overdue.LINK
    assert watch.deadline(1069.95, 1010.0) == 1070.0
    watch.back(1069.0)
    assert watch.overdue(1090.0, 1010.0) is Overdue.FRAME


def over(world: World, seconds: float) -> CallSession:
    """The record of a call that ends within a few looks, the first of them so many seconds from now."""
    world.now += seconds
    for _ in range(10):
        world.bridge.tick(world.now)
        if world.record is not None:
            break
        assert world.bridge.wake_at > world.now, "it would be woken again at once, and again"
        world.now = world.bridge.wake_at
    assert world.record is not None
    return world.record


@pytest.mark.parametrize("late_s", [0.05, 0.5, 20])
def test_a_process_that_is_late_when_the_wait_is_over_ends_the_call_a_moment_later(late_s: float) -> None:
    world = talking(settings=CallSettings(resume_timeout_s=1))
    lose(world)
    assert over(world, 1 + late_s).end_reason == "connection lost"


@pytest.mark.parametrize("late_s", [0.05, 0.5, 20])
def test_a_process_that_is_late_when_a_stream_should_have_begun_ends_the_call_a_moment_later(late_s: float) -> None:
    world = World(CallSettings(start_timeout_s=1))
    over(world, 1 + late_s)
    assert world.closed == [(1008, "no stream was started within 1 s")]
