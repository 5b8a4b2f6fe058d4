"""Whole little calls on virtual time. After each, both laws hold and the record is complete."""

from collections.abc import Callable, Iterator

import msgspec
import pytest
from small_world import FRAME, SPEC, STARTED, VOICE, SmallAgent, World

from trunkline.ai.events import (
    AgentFailed,
    CallAnswered,
    CallerSaid,
    DigitsWanted,
    HangUpWanted,
    KeyPressed,
    ReplyAudio,
    ReplyEnded,
    ReplyHeard,
    ReplyInterrupted,
    ReplyStarted,
    SpeechStarted,
    SpeechStopped,
    Stage,
    StageReached,
    TransferWanted,
)
from trunkline.audio.format import PCM16_24K
from trunkline.call.bridge import MAX_UNREAD_BYTES
from trunkline.call.session import CallSession, Utterance
from trunkline.call.settings import BargeIn, CallSettings
from trunkline.call.state import CallState
from trunkline.errors import Refused, RemoteError
from trunkline.wire.events import (
    AudioHeard,
    AudioMissing,
    DigitPressed,
    HangUp,
    MessageIgnored,
    PlayAudio,
    SendDigits,
    StreamStopped,
    Transfer,
    WireCommand,
)

Make = Callable[..., World]


@pytest.fixture
def make() -> Iterator[Make]:
    """Worlds; when the test is over their calls end, and the books are looked at."""
    worlds: list[World] = []

    def one(settings: CallSettings | None = None, **options: object) -> World:
        world = World(settings, **options)  # type: ignore[arg-type]
        worlds.append(world)
        return world

    yield one
    for world in worlds:
        if world.record is None:
            world.happen(StreamStopped("caller hung up"))
        record = world.record
        assert record is not None
        assert not record.state.is_active
        assert record.ledger.balances
        assert record.ledger.agent.in_flight == 0
        assert CallSession.from_json(record.to_json()) == record
        told = len(world.agent.told), len(world.codec.sent), len(world.notes)
        world.happen(AudioHeard(FRAME))
        world.happen(StreamStopped("again"))
        world.happen(RemoteError("nonsense"))
        world.agent.emit(ReplyAudio(FRAME, 99))
        world.agent.emit(HangUpWanted())
        world.bridge.end("again", world.now)
        world.bridge.lost("gone", world.now)
        world.bridge.tick(world.now + 100)
        assert (len(world.agent.told), len(world.codec.sent), len(world.notes)) == told, "what follows is ignored"
        assert CallSession.from_json(record.to_json()) == record


def speaking(make: Make, settings: CallSettings | None = None, *, ms: int = 4000, **options: object) -> World:
    """A call in which the agent has been speaking for a second."""
    world = make(settings, **options)
    world.start()
    world.agent.say(ms)
    world.run(1)
    assert world.call.state is CallState.SPEAKING
    return world


# --- the usual ---------------------------------------------------------------------------------------------------


def test_a_reply_is_heard_to_its_end_and_the_agent_is_told(make: Make) -> None:
    world = make()
    world.start()
    assert world.agent.told == [CallAnswered()]
    world.agent.say(500)
    world.run(1)
    assert world.agent.told[1:] == [ReplyHeard(1, "one two three four")]
    assert world.platform.played == VOICE[:4000]
    assert world.call.state is CallState.LISTENING
    assert world.call.session.transcript == [Utterance("agent", "one two three four", 0)]


def test_the_agent_hears_every_sample_in_its_own_format(make: Make) -> None:
    world = make(agent=SmallAgent(PCM16_24K))
    world.start()
    world.run(1)
    assert world.agent.facts is not None
    assert world.agent.facts.caller == "+1555"
    assert len(world.agent.heard) == world.said * 160 * 6
    assert world.call.ledger.caller.delivered == world.said * 160


def test_an_echo_gives_back_what_it_hears(make: Make) -> None:
    world = make()
    world.agent.on_hear = lambda audio: world.agent.emit(ReplyAudio(audio, 1))
    world.start()
    world.run(2)
    assert world.platform.received == FRAME * (len(world.platform.received) // 160)
    assert world.said - len(world.platform.received) // 160 <= 1
    assert world.call.session.under_runs == 0


def test_a_turn_goes_through_its_states_and_is_timed(make: Make) -> None:
    world = make()
    world.start()
    world.run(1)
    world.emit(SpeechStarted(200))
    world.emit(SpeechStopped(900))
    assert world.call.state is CallState.PROCESSING
    world.run(0.2)
    world.emit(CallerSaid("hello", final=True))
    world.agent.say(200)
    world.run(1)
    [turn] = world.call.session.turns
    assert turn.latency.stt_ms == pytest.approx(300, abs=25)
    assert turn.latency.total_ms == pytest.approx(300, abs=25)
    assert turn.verdicts["total"] == "OK"


def test_a_caller_who_goes_on_before_the_reply_takes_the_turn_back(make: Make) -> None:
    world = make()
    world.start()
    world.emit(SpeechStarted(0))
    world.emit(SpeechStopped(100))
    world.emit(SpeechStarted(200))
    assert world.call.state is CallState.LISTENING


def test_late_stamps_of_an_interrupted_reply_do_not_spoil_the_next_turn(make: Make) -> None:
    world = speaking(make)
    world.emit(SpeechStarted(1000))
    world.emit(CallerSaid("stop it", final=False))
    world.run(0.5)
    world.emit(SpeechStopped(1400))
    world.emit(StageReached(Stage.MODEL_ENDED, 1))
    world.emit(ReplyStarted(1))
    world.agent.say(200, 2)
    world.run(1)
    assert world.call.session.turns[-1].latency.total_ms is not None


def test_stamps_of_a_reply_begun_on_trial_count_from_when_they_happened(make: Make) -> None:
    world = make()
    world.start()
    world.run(1)
    world.emit(SpeechStarted(200))
    world.emit(SpeechStopped(900))
    world.run(0.3)
    world.emit(CallerSaid("hello", final=True))
    world.emit(ReplyStarted(1))
    world.emit(StageReached(Stage.MODEL_STARTED, 1, ago_ms=250))
    world.emit(StageReached(Stage.MODEL_FIRST_TOKEN, 1, ago_ms=50))
    world.agent.say(200)
    world.run(1)
    [turn] = world.call.session.turns
    assert turn.latency.llm_ms == pytest.approx(200)
    assert turn.latency.total_ms == pytest.approx(400, abs=25)


# --- barging in --------------------------------------------------------------------------------------------------


def test_real_words_interrupt_and_the_agent_learns_what_was_heard(make: Make) -> None:
    world = speaking(make)
    world.emit(SpeechStarted(1000))
    assert not world.platform.queue, "it falls silent at the first sign"
    heard = len(world.platform.played)
    assert heard == pytest.approx(8000, abs=8)
    world.run(0.3)
    world.emit(CallerSaid("no wait", final=False))
    assert world.call.state is CallState.LISTENING
    [interrupted] = [command for command in world.agent.told if isinstance(command, ReplyInterrupted)]
    assert interrupted == ReplyInterrupted(1, heard / 8, "one")
    world.agent.emit(ReplyAudio(VOICE[:8000], 1))
    world.run(1)
    assert len(world.platform.played) == heard
    assert world.call.ledger.agent.late == 8000
    world.agent.say(500, 2)
    world.run(1)
    assert world.platform.played == VOICE[:heard] + VOICE[:4000]
    assert world.call.session.barge_ins == 1


def test_a_back_channel_lets_the_agent_go_on_at_the_very_sample(make: Make) -> None:
    world = speaking(make)
    world.emit(SpeechStarted(1000))
    world.run(0.3)
    world.emit(SpeechStopped(1250))
    world.emit(CallerSaid("mm-hm", final=True))
    world.run(5)
    assert world.platform.played.rstrip(b"\xff") == VOICE[:32000]
    assert (world.call.session.resumed, world.call.session.barge_ins) == (1, 0)
    assert world.agent.told[-1] == ReplyHeard(1, "one two three four")


@pytest.mark.parametrize(("speech_s", "played"), [(0.1, True), (0.8, False)])
def test_without_words_it_is_the_length_of_the_speech_that_counts(make: Make, speech_s: float, played: bool) -> None:
    world = speaking(make)
    world.emit(SpeechStarted(1000))
    world.run(speech_s)
    world.emit(SpeechStopped(1000 + 1000 * speech_s))
    world.run(5)
    assert (len(world.platform.played) >= 32000) is played


def test_words_of_a_slow_recogniser_still_interrupt(make: Make) -> None:
    world = speaking(make)
    world.emit(SpeechStarted(1000))
    world.run(0.2)
    world.emit(SpeechStopped(1200))
    world.run(1)  # resumed meanwhile
    assert world.call.session.resumed == 1
    world.emit(CallerSaid("stop it", final=True))
    heard = len(world.platform.played)
    assert not world.platform.queue
    world.run(2)
    assert len(world.platform.played) == heard < 32000
    assert world.call.session.barge_ins == 1


def test_an_answer_that_begins_during_a_hold_is_heard(make: Make) -> None:
    world = speaking(make)
    world.emit(SpeechStarted(1000))
    world.run(0.2)
    heard = len(world.platform.played)
    world.agent.say(500, 2)  # a model that hears turns by itself answers before the words are known
    world.emit(CallerSaid("stop it", final=True))
    world.run(1)
    assert world.platform.played == VOICE[:heard] + VOICE[:4000]


def test_a_farewell_waits_while_nobody_knows_who_has_the_turn(make: Make) -> None:
    world = make(spec=msgspec.structs.replace(SPEC, clears=False))
    world.start()
    world.agent.say(100, 1)
    world.emit(SpeechStarted(50))
    world.emit(HangUpWanted("done"))
    world.run(0.3)
    assert not world.commands(HangUp)
    world.emit(SpeechStopped(300))
    world.run(1)
    assert world.commands(HangUp)


def test_the_last_frame_of_a_source_that_stalls_is_not_kept_back(make: Make) -> None:
    world = make()
    world.start()
    world.agent.emit(ReplyAudio(VOICE[:480], 1))  # three frames play, one waits for its fellow
    world.agent.emit(ReplyAudio(VOICE[480:640], 1))
    assert len(world.platform.played) + len(world.platform.queue) == 480
    world.run(0.07)
    assert len(world.platform.played) + len(world.platform.queue) == 640


def test_barging_in_can_be_disabled(make: Make) -> None:
    world = speaking(make, CallSettings(barge_in=BargeIn(enabled=False)))
    world.emit(SpeechStarted(1000))
    world.emit(CallerSaid("stop", final=True))
    world.run(5)
    assert world.platform.played == VOICE[:32000]


def test_a_key_interrupts_and_is_told(make: Make) -> None:
    world = speaking(make)
    world.happen(DigitPressed("5"))
    assert [type(command) for command in world.agent.told[-2:]] == [ReplyInterrupted, KeyPressed]
    assert not world.platform.queue
    assert [key.digit for key in world.call.session.keys] == ["5"]
    assert all("5" not in note.event for note in world.notes)


def test_without_clears_the_caller_hears_what_was_sent_and_no_more(make: Make) -> None:
    world = speaking(make, spec=msgspec.structs.replace(SPEC, clears=False, marks=False))
    sent = len(world.platform.received)
    world.emit(SpeechStarted(1000))
    world.emit(CallerSaid("stop", final=True))
    world.run(1)
    assert len(world.platform.played) == sent
    assert [c.heard_ms for c in world.agent.told if isinstance(c, ReplyInterrupted)] == [sent / 8]


# --- goodbye -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("marks", [True, False])
@pytest.mark.parametrize(
    ("wish", "command", "reason"),
    [(HangUpWanted("done"), HangUp("done"), "done"), (TransferWanted("sip:x"), Transfer("sip:x"), "transferred")],
)
def test_the_farewell_is_heard_before_the_call_is_left(
    make: Make, marks: bool, wish: HangUpWanted, command: WireCommand, reason: str
) -> None:
    world = make(spec=msgspec.structs.replace(SPEC, marks=marks))
    world.start()
    world.agent.say(1000)
    world.emit(wish)
    world.run(0.98)
    assert command not in world.codec.sent
    world.run(0.05)
    assert world.codec.sent[-1] == command
    assert world.platform.played == VOICE[:8000]
    assert world.call.state is CallState.ENDING
    world.happen(StreamStopped("completed"))
    assert world.record is not None
    assert (world.record.state, world.record.end_reason) == (CallState.ENDED, reason)


def test_a_farewell_of_which_not_all_is_made_yet_ends_with_what_was_said(make: Make) -> None:
    world = make()
    world.start()
    world.agent.say(101, end=False)
    world.emit(HangUpWanted())
    world.agent.emit(ReplyAudio(VOICE[:8000], 1))
    world.run(0.5)
    assert world.call.state is CallState.ENDING
    assert world.call.ledger.agent.late == 8000


def test_an_agent_that_said_nothing_hangs_up_at_once(make: Make) -> None:
    world = make()
    world.start()
    world.emit(HangUpWanted())
    assert world.codec.sent == [HangUp("agent finished")]


def test_a_caller_who_interrupts_the_goodbye_is_not_hung_up_on(make: Make) -> None:
    world = speaking(make, ms=1500)
    world.emit(HangUpWanted())
    world.emit(SpeechStarted(1000))
    world.run(0.2)
    world.emit(CallerSaid("one more thing", final=False))
    world.run(3)
    assert world.commands(HangUp) == []
    assert world.call.state is CallState.LISTENING


def test_a_platform_that_does_not_hang_up_is_left(make: Make) -> None:
    world = make(CallSettings(hang_up_timeout_s=2))
    world.start()
    world.emit(HangUpWanted("bye"))
    world.run(2.1)
    assert world.record is not None
    assert (world.record.state, world.record.end_reason) == (CallState.ENDED, "bye")
    assert world.closed[-1][0] == 1000


def test_the_operator_ends_a_call(make: Make) -> None:
    world = speaking(make)
    world.bridge.end("stopping", world.now)
    assert world.codec.sent[-1] == HangUp("stopping")
    world.bridge.lost("gone", world.now)
    assert world.record is not None
    assert world.record.state is CallState.ENDED


def test_digits_wanted_are_sent(make: Make) -> None:
    world = make()
    world.start()
    world.emit(DigitsWanted("12"))
    assert world.codec.sent == [SendDigits("12")]


# --- what goes wrong ---------------------------------------------------------------------------------------------


def test_an_agent_that_fails_ends_the_call_with_1011(make: Make) -> None:
    world = speaking(make)
    world.emit(AgentFailed("no answer"))
    assert world.record is not None
    assert world.record.state is CallState.FAILED
    assert world.closed == [(1011, "agent failed")]
    assert [note.level for note in world.noted("agent failed")] == ["error"]


def test_a_link_lost_in_the_middle_of_a_word_is_a_failure_and_the_books_balance(make: Make) -> None:
    world = speaking(make)
    world.bridge.lost("reset", world.now)
    assert world.record is not None
    assert (world.record.state, world.record.end_reason) == (CallState.FAILED, "reset")
    assert world.record.ledger.agent.played == len(world.platform.played)
    assert world.record.transcript[-1].interrupted


def test_a_reply_heard_out_as_the_call_ends_is_in_the_record(make: Make) -> None:
    """Everything was heard, and the caller hangs up before anybody looked."""
    world = make(spec=msgspec.structs.replace(SPEC, marks=False))
    world.start()
    world.agent.say(100)
    world.now += 0.3
    world.happen(StreamStopped("caller hung up"))
    assert world.record is not None
    assert world.record.transcript == [Utterance("agent", "one two three four", 0)]
    assert world.agent.told[-1] == ReplyHeard(1, "one two three four")


def test_the_caller_who_hangs_up_during_the_goodbye_ended_the_call(make: Make) -> None:
    world = speaking(make)
    world.emit(HangUpWanted("agent finished"))
    world.happen(StreamStopped("caller hung up"))
    assert world.record is not None
    assert world.record.end_reason == "caller hung up"


def test_a_stream_that_does_not_start_is_closed_with_1008(make: Make) -> None:
    world = make()
    world.run(5.01, caller=False)
    assert [code for code, _ in world.closed] == [1008]
    assert world.agent.opened == 0


def test_an_operator_may_end_a_call_whose_stream_has_not_started(make: Make) -> None:
    world = make()
    world.bridge.end("stopping", world.now)
    world.run(10, caller=False)
    assert world.record is not None
    assert (world.record.state, world.record.end_reason) == (CallState.ENDED, "stopping")
    assert len(world.closed) == 1


def test_a_second_start_is_the_peers_fault_and_opens_no_second_agent(make: Make) -> None:
    world = speaking(make)
    world.happen(STARTED)
    assert world.agent.opened == 1
    assert [code for code, _ in world.closed] == [1002]
    assert world.record is not None
    assert world.record.ledger.agent.played == len(world.platform.played)


def test_thirty_seconds_of_nothing_end_the_call_with_1008(make: Make) -> None:
    world = make()
    world.start()
    world.run(1)
    world.run(28.9, caller=False)
    assert world.record is None
    assert len(world.agent.heard) == pytest.approx(8 * 29_900, rel=0.02), "the agent is given silence meanwhile"
    world.run(1.4, caller=False)
    assert [code for code, _ in world.closed] == [1008]


def test_a_process_held_up_takes_what_it_missed_for_waiting_and_not_for_silence(make: Make) -> None:
    world = make()
    world.start()
    world.run(1)
    world.now += 40  # nothing ran for so long
    world.bridge.tick(world.now)
    assert world.record is None
    assert world.call.ledger.caller.concealed == 0
    for _ in range(2000):  # what the sockets held
        world.happen(AudioHeard(FRAME))
    world.run(1)
    assert world.call.ledger.caller.concealed == 0
    assert world.call.ledger.caller.lost == 0


@pytest.mark.parametrize(
    ("fault", "code", "reason"),
    [
        (RemoteError("not base64", where="$.media.payload"), 1002, "not base64 (at $.media.payload)"),
        (RemoteError("too large", close_code=1009), 1009, "too large"),
        (Refused("no ticket"), 1008, "no ticket"),
    ],
)
@pytest.mark.parametrize("started", [True, False])
def test_a_fault_of_the_peer_closes_with_its_code_and_one_warning(
    make: Make, fault: RemoteError | Refused, code: int, reason: str, started: bool
) -> None:
    world = make()
    if started:
        world.start()
    world.happen(fault)
    assert [closed for closed, _ in world.closed] == [code]
    [note] = world.noted("peer at fault")
    assert (note.level, note.fields) == ("warning", {"reason": reason, "close_code": code})


def test_a_peer_that_reads_nothing_is_closed_with_1008(make: Make) -> None:
    world = speaking(make, ms=20_000)
    world.unread = MAX_UNREAD_BYTES
    world.run(1)
    assert world.closed == []
    world.unread += 1
    world.run(1)
    assert [code for code, _ in world.closed] == [1008]


def test_audio_before_the_start_is_nobodys(make: Make) -> None:
    world = make()
    world.happen(AudioHeard(FRAME))
    world.happen(DigitPressed("1"))
    assert world.agent.told == []
    assert world.call.session.keys == []


def test_unknown_messages_are_counted(make: Make) -> None:
    world = make()
    world.start()
    for _ in range(3):
        world.happen(MessageIgnored("dance"))
    assert world.call.session.ignored == {"dance": 3}
    assert len(world.noted("message ignored")) == 1


def test_lost_audio_is_noted_filled_and_counted(make: Make) -> None:
    world = make()
    world.start()
    world.happen(AudioMissing(800, lost=True))
    world.happen(AudioMissing(80_000_000, lost=True))
    assert world.call.ledger.caller.concealed == 800
    assert world.call.ledger.caller.lost == 80_000_000
    assert len(world.agent.heard) == 800


# --- an agent that answers from inside ---------------------------------------------------------------------------


def test_an_agent_may_emit_while_it_is_told_and_while_it_hears(make: Make) -> None:
    world = make()
    order: list[str] = []

    def greet(command: object) -> None:
        order.append(type(command).__name__)
        if isinstance(command, CallAnswered):
            world.agent.say(100)
            order.append("greeted")
        if isinstance(command, ReplyHeard) and command.generation == 1:
            world.agent.say(100, 2)

    world.agent.on_tell = greet
    world.start()
    world.run(1)
    assert order == ["CallAnswered", "greeted", "ReplyHeard", "ReplyHeard"]
    assert world.platform.played == VOICE[:800] * 2


def test_an_agent_that_fails_while_it_hears_ends_the_call(make: Make) -> None:
    world = make()
    world.agent.on_hear = lambda audio: world.agent.emit(AgentFailed("deaf"))
    world.start()
    world.happen(AudioHeard(FRAME))
    assert [code for code, _ in world.closed] == [1011]


@pytest.mark.parametrize("where", ["hear", "tell"])
def test_an_agent_that_raises_ends_its_call_with_1011_and_tells_nothing_private(make: Make, where: str) -> None:
    world = make()
    private = "the caller said secret"

    def burst(_: object) -> None:
        raise ValueError(private)

    setattr(world.agent, f"on_{where}", burst)
    world.start()
    world.happen(AudioHeard(FRAME))
    assert [code for code, _ in world.closed] == [1011]
    assert all(private not in str(note.fields) for note in world.notes)


# --- the recording -----------------------------------------------------------------------------------------------


def test_a_recording_is_as_long_as_the_call_and_holds_what_was_heard(make: Make) -> None:
    world = speaking(make, CallSettings(record=True))
    world.emit(SpeechStarted(1000))
    world.emit(CallerSaid("stop", final=False))
    world.run(0.5)
    heard = len(world.platform.played)
    world.agent.say(300, 2)
    world.run(1)
    world.happen(StreamStopped("caller hung up"))
    assert world.record is not None
    assert len(world.saved) == 4 * world.record.samples
    assert world.record.samples == world.said * 160
    right = memoryview(bytes(world.saved)).cast("h")[1::2].tolist()
    assert sum(sample != 0 for sample in right) == pytest.approx(heard + 2400, abs=heard // 100)


def test_a_caller_who_is_hard_to_hear_is_noted_while_the_call_goes_on(make: Make) -> None:
    world = make()
    world.start()
    for _ in range(500):  # a square wave at full scale
        world.now += 0.02
        world.happen(AudioHeard((b"\x80" * 8 + b"\x00" * 8) * 10))
    world.run(2)
    assert "clipping" in {note.fields["condition"] for note in world.noted("caller hard to hear")}
    world.happen(StreamStopped("bye"))
    assert world.record is not None
    assert world.record.quality is not None
    assert world.record.quality.clipping_percent > 40


def test_quality_is_not_measured_where_it_is_not_wanted(make: Make) -> None:
    world = make(CallSettings(quality=False))
    world.start()
    world.run(3)
    world.happen(StreamStopped("bye"))
    assert world.record is not None
    assert world.record.quality is None


def test_a_network_that_stalls_makes_neither_the_call_nor_its_recording_longer(make: Make) -> None:
    world = make(CallSettings(record=True))
    world.start()
    world.run(1)
    world.run(3, caller=False)
    for _ in range(150):  # what was held back comes at once
        world.said += 1
        world.happen(AudioHeard(FRAME))
    world.run(1)
    world.happen(StreamStopped("bye"))
    assert world.record is not None
    assert world.record.samples == world.said * 160 == len(world.saved) // 4
    assert world.record.ledger.caller.concealed == 0
    assert world.record.ledger.caller.inserted > 0, "the agent could tell that nobody spoke"


def test_without_the_wish_nothing_is_recorded(make: Make) -> None:
    world = speaking(make)
    assert world.saved == b""


def test_a_reply_that_ends_twice_and_one_without_audio_do_no_harm(make: Make) -> None:
    world = make()
    world.start()
    world.emit(ReplyEnded(1))
    world.emit(ReplyEnded(1))
    world.agent.say(100, 2)
    world.emit(ReplyEnded(2))
    world.run(1)
    assert [c.generation for c in world.agent.told if isinstance(c, ReplyHeard)] == [1, 2]
    assert world.commands(PlayAudio)
