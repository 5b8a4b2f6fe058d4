"""What ``Call`` gives back for single events; whole calls are in ``test_bridge``."""

from datetime import UTC, datetime
from math import inf

import msgspec
import pytest

from trunkline.ai.events import CallAnswered, HangUpWanted, ReplyAudio, ReplyEnded, SpeechStarted
from trunkline.audio.format import MULAW_8K, PCM16_8K, PCM16_24K, AudioFormat
from trunkline.call.core import Call
from trunkline.call.effects import CallOver, Hear, OpenAgent, Tell
from trunkline.call.events import EndRequested, LinkLost, PeerFault
from trunkline.call.settings import CallSettings
from trunkline.call.state import CallState
from trunkline.wire.base import CloseSocket, WireSpec
from trunkline.wire.events import AudioHeard, PlayAudio, StreamStarted, StreamStopped

START = 900.5
SPEC = WireSpec("small", "Small", "/media/small", marks=True, clears=True)
STARTED = StreamStarted("call", "stream", MULAW_8K, MULAW_8K)


def call(*formats: AudioFormat, settings: CallSettings | None = None, spec: WireSpec = SPEC) -> Call:
    return Call(
        spec=spec,
        agent="small",
        hears=formats or (MULAW_8K,),
        speaks=formats or (MULAW_8K,),
        settings=settings or CallSettings(),
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        now=START,
    )


def test_a_new_call_connects_and_wants_to_be_woken_for_its_start() -> None:
    fresh = call()
    assert fresh.state is CallState.CONNECTING
    assert fresh.wake_at == START + CallSettings().start_timeout_s
    assert fresh.ledger.balances


@pytest.mark.parametrize(
    ("formats", "chosen"),
    [
        ((PCM16_24K, MULAW_8K), MULAW_8K),
        ((MULAW_8K,), MULAW_8K),
        ((PCM16_24K, PCM16_8K), PCM16_24K),
    ],
)
def test_the_wires_format_is_taken_where_the_agent_knows_it(
    formats: tuple[AudioFormat, ...], chosen: AudioFormat
) -> None:
    effects = call(*formats).feed(STARTED, START)
    [opened] = [effect for effect in effects if isinstance(effect, OpenAgent)]
    assert (opened.hears, opened.speaks) == (chosen, chosen)
    assert effects[-1] == Tell(CallAnswered())


def test_audio_goes_either_way_as_values() -> None:
    running = call()
    running.feed(STARTED, START)
    assert list(running.feed(AudioHeard(bytes(160)), START + 0.02)) == [Hear(bytes(160))]
    sent = [*running.feed(ReplyAudio(bytes(320), 1), START + 0.02), *running.feed(ReplyEnded(1), START + 0.02)]
    assert b"".join(effect.audio for effect in sent if isinstance(effect, PlayAudio)) == bytes(320)


@pytest.mark.parametrize(
    ("event", "state", "code"),
    [
        (LinkLost("gone"), CallState.FAILED, None),
        (PeerFault("nonsense", 1002), CallState.FAILED, 1002),
        (StreamStopped("bye"), CallState.ENDED, 1000),
        (EndRequested("stopping"), CallState.ENDING, None),
    ],
)
def test_what_ends_a_call_ends_it_as_it_should(
    event: LinkLost | PeerFault | StreamStopped | EndRequested, state: CallState, code: int | None
) -> None:
    running = call()
    running.feed(STARTED, START)
    effects = running.feed(event, START + 1)
    assert running.state is state
    assert [effect.code for effect in effects if isinstance(effect, CloseSocket)] == ([] if code is None else [code])
    assert isinstance(effects[-1], CallOver) is (not state.is_active)


@pytest.mark.parametrize(
    ("closes", "clean", "state", "reason"),
    [
        (True, True, CallState.ENDED, "hung up"),
        (True, False, CallState.FAILED, "gone"),
        (False, True, CallState.FAILED, "gone"),  # a platform that has words for it should have used them
    ],
)
def test_a_socket_closed_in_good_order_is_a_goodbye_where_the_platform_has_no_other(
    closes: bool, clean: bool, state: CallState, reason: str
) -> None:
    running = call(spec=msgspec.structs.replace(SPEC, closes=closes))
    running.feed(STARTED, START)
    running.feed(LinkLost("gone", clean), START + 1)
    assert (running.state, running.session.end_reason) == (state, reason)


def test_a_socket_that_closes_before_the_stream_has_started_is_no_goodbye() -> None:
    early = call(spec=msgspec.structs.replace(SPEC, closes=True))
    early.feed(LinkLost("gone", clean=True), START + 1)
    assert early.state is CallState.FAILED


def test_a_call_that_is_over_does_nothing_and_never_wakes() -> None:
    over = call()
    over.feed(STARTED, START)
    over.feed(LinkLost("gone"), START + 1)
    for event in (STARTED, AudioHeard(bytes(160)), ReplyAudio(bytes(160), 1), HangUpWanted(), SpeechStarted(0)):
        assert not over.feed(event, START + 2)
    assert not over.tick(START + 3)
    assert over.wake_at == inf


@pytest.mark.parametrize("reason", ["x" * 500, "é" * 500, "短" * 500])
def test_a_close_frames_reason_fits_however_long_the_fault_is(reason: str) -> None:
    [close] = [effect for effect in call().feed(PeerFault(reason, 1002), START) if isinstance(effect, CloseSocket)]
    assert len(close.reason.encode()) <= 123
    assert reason.startswith(close.reason)
