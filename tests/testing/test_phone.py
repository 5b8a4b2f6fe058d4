"""The simulated telephone over Twilio's codec: pacing, playback, marks, clears, under-runs and its books."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import pytest

from trunkline.audio.format import MULAW_8K
from trunkline.testing.facts import CallEnded, Cleared, MarkFlushed, MarkPlayed, RanDry, ReplyMissing
from trunkline.testing.phone import Phone
from trunkline.testing.script import Action, HangUp, InterruptReply, PressKey, Say, Wait, WaitForQuiet, WaitForReply
from trunkline.testing.sounds import tone
from trunkline.wire.base import CloseSocket, Output, TextFrame
from trunkline.wire.twilio import PLATFORM, TwilioSettings

T0 = 86_413.37
FRAME = 0.02


def phone(*script: Action, drops: Callable[[int], bool] | None = None) -> Phone:
    codec = PLATFORM.phone(TwilioSettings(), call_id="CA01", caller="+15005550006", callee="+15005550001")
    return Phone(codec, script, drops=drops) if drops else Phone(codec, script)


def messages(outputs: list[Output]) -> list[dict[str, Any]]:
    return [json.loads(output.data) for output in outputs if isinstance(output, TextFrame)]


def audio_of(sent: list[dict[str, Any]]) -> bytes:
    return b"".join(b64decode(message["media"]["payload"]) for message in sent if message["event"] == "media")


def gateway_says(event: str, **details: Any) -> bytes:
    return json.dumps({"event": event, "streamSid": "MZ01"} | ({event: details} if details else {})).encode()


def media(audio: bytes) -> bytes:
    return gateway_says("media", payload=b64encode(audio).decode())


def run(ours: Phone, until: float) -> list[dict[str, Any]]:
    """Wake the phone at its deadlines until ``until`` seconds of the stream; what it sent."""
    sent: list[dict[str, Any]] = []
    while (at := ours.deadline) is not None and at <= T0 + until + 1e-9:
        sent += messages(ours.tick(at))
    return sent


def test_the_stream_is_announced_and_then_a_frame_is_sent_every_20_ms_silence_included() -> None:
    ours = phone(Say(tone(MULAW_8K, 50)), Wait(30), Say(tone(MULAW_8K, 20)))
    assert [message["event"] for message in messages(ours.opened(T0))] == ["connected", "start"]
    sent = run(ours, 0.2)
    assert [message["media"]["timestamp"] for message in sent] == [str(20 * n) for n in range(10)]
    quiet = MULAW_8K.silence
    assert audio_of(sent) == tone(MULAW_8K, 50) + quiet(240) + tone(MULAW_8K, 20) + quiet(800)


def test_frames_keep_absolute_deadlines_however_late_the_phone_is_woken() -> None:
    ours = phone()
    ours.opened(T0)
    late = [0.0211, 0.0487, 0.061, 0.3, 0.305, 0.3205]  # 0.3: a stall of 12 frames, caught up at once
    assert [len(messages(ours.tick(T0 + at))) for at in late] == [1, 1, 1, 12, 0, 1]
    assert ours.deadline == pytest.approx(T0 + 17 * FRAME)


def test_a_year_old_clock_does_not_make_frames_early_or_late() -> None:
    start = 3e7 + 0.123456
    ours = phone()
    ours.opened(start)
    for number in range(1, 3001):
        assert len(ours.tick(start + number * FRAME)) == 1


def test_played_audio_is_heard_to_the_sample_and_its_mark_returns_when_it_was() -> None:
    ours = phone()
    ours.opened(T0)
    run(ours, 0.1)
    ours.receive(media(b"\x10" * 333), False, T0 + 0.105)
    assert ours.receive(gateway_says("mark", name="u1"), False, T0 + 0.105) == []
    due = T0 + 0.105 + 333 / 8000
    deadlines = []
    while ours.deadline and ours.deadline <= due + 1e-9:
        deadlines.append(ours.deadline)
        sent = messages(ours.tick(ours.deadline))
    assert deadlines[-1] == pytest.approx(due)
    assert sent == [{"event": "mark", "sequenceNumber": "9", "streamSid": "MZ01", "mark": {"name": "u1"}}]
    run(ours, 0.2)
    heard = ours.outcome().heard
    assert heard == b"\xff" * 840 + b"\x10" * 333 + b"\xff" * (1600 - 840 - 333)
    (played,) = (fact for fact in ours.log if isinstance(fact, MarkPlayed))
    assert played.at_ms == pytest.approx(146.625)
    assert played.name == "u1"


def test_a_mark_with_nothing_before_it_returns_at_once() -> None:
    ours = phone()
    ours.opened(T0)
    (message,) = messages(ours.receive(gateway_says("mark", name="m"), False, T0 + 0.01))
    assert message["mark"] == {"name": "m"}


def test_a_clear_silences_at_once_and_returns_every_mark_as_flushed() -> None:
    ours = phone()
    ours.opened(T0)
    for name in ("a", "b"):
        ours.receive(media(b"\x10" * 800), False, T0)
        ours.receive(gateway_says("mark", name=name), False, T0)
    echoed = messages(ours.receive(gateway_says("clear"), False, T0 + 0.05))
    assert [message["mark"]["name"] for message in echoed] == ["a", "b"]
    run(ours, 0.1)
    outcome = ours.outcome()
    assert outcome.heard == b"\x10" * 400 + b"\xff" * 400
    assert outcome.clears == [Cleared(50.0, 1200)]
    assert [fact.name for fact in outcome.log if isinstance(fact, MarkFlushed)] == ["a", "b"]
    assert (outcome.marks_played, outcome.marks_flushed, outcome.marks_pending) == (0, 2, 0)
    assert (outcome.ear.received, outcome.ear.played, outcome.ear.cleared) == (1600, 400, 1200)


@pytest.mark.parametrize(
    ("why", "script", "gap_ms", "counted"),
    [
        ("in the middle of a reply", [], 100, True),
        ("a short one", [], 5, True),
        ("so long that the agent meant it", [], 2500, False),
        ("while the caller speaks, as an echo may", [Say(tone(MULAW_8K, 5000))], 100, True),
        ("the caller asked something in it", [Wait(600), Say(tone(MULAW_8K, 300))], 900, False),
        ("the caller pressed a key in it", [Wait(600), PressKey("1")], 400, False),
    ],
)
def test_running_dry_is_an_under_run_unless_it_was_the_callers_turn(
    why: str, script: list[Action], gap_ms: int, counted: bool
) -> None:
    ours = phone(*script)
    ours.opened(T0)
    ours.receive(media(tone(MULAW_8K, 500)), False, T0)
    run(ours, 0.5 + gap_ms / 1000)
    ours.receive(media(tone(MULAW_8K, 500)), False, T0 + 0.5 + gap_ms / 1000)
    assert ours.outcome().underruns == ([RanDry(500.0, float(gap_ms))] if counted else []), why


def test_a_cleared_buffer_is_not_an_under_run() -> None:
    ours = phone()
    ours.opened(T0)
    ours.receive(media(tone(MULAW_8K, 500)), False, T0)
    run(ours, 0.2)
    ours.receive(gateway_says("clear"), False, T0 + 0.2)
    run(ours, 0.4)
    ours.receive(media(tone(MULAW_8K, 500)), False, T0 + 0.4)
    assert ours.outcome().underruns == []


def test_keys_go_out_where_they_are_pressed() -> None:
    ours = phone(Wait(30), PressKey("5"), PressKey("#"), Say(tone(MULAW_8K, 20)))
    ours.opened(T0)
    sent = run(ours, 0.06)
    assert [m["dtmf"]["digit"] if m["event"] == "dtmf" else m["event"] for m in sent] == [
        "media", "5", "#", "media", "media",
    ]  # fmt: skip
    assert all("5" not in str(fact) for fact in ours.log if type(fact).__name__ == "KeySent")


def test_lost_frames_are_missing_on_the_wire_and_counted_but_were_said() -> None:
    ours = phone(Say(tone(MULAW_8K, 200)), drops=lambda frame: frame in (3, 4))
    ours.opened(T0)
    sent = run(ours, 0.2)
    assert [int(message["media"]["chunk"]) for message in sent] == [1, 2, 3, 6, 7, 8, 9, 10]
    outcome = ours.outcome()
    assert (outcome.frames_sent, outcome.frames_lost, outcome.balanced) == (8, 2, True)
    assert outcome.said == tone(MULAW_8K, 200)


def test_hanging_up_says_stop_closes_and_then_nothing_more_happens() -> None:
    ours = phone(Wait(50), HangUp())
    ours.opened(T0)
    run(ours, 0.04)
    outputs = ours.tick(T0 + 0.06)
    assert [message["event"] for message in messages(outputs)] == ["media", "stop"]
    assert outputs[-1] == CloseSocket()
    assert ours.ended == CallEnded(60.0, "caller", "hung up")
    assert ours.deadline is None
    assert ours.tick(T0 + 1) == ours.receive(media(b"\x10"), False, T0 + 1) == ours.hang_up(T0 + 1) == []
    outcome = ours.outcome()
    assert outcome.ok
    assert len(outcome.said) == len(outcome.heard) == 480


@pytest.mark.parametrize(
    ("end", "by", "ok"),
    [
        (lambda ours: ours.closed(1000, "bye", T0 + 0.111), "gateway", True),
        (lambda ours: ours.closed(1011, "agent failed", T0 + 0.111), "network", False),
        (lambda ours: ours.lost("the connection was lost", T0 + 0.111), "network", False),
        (lambda ours: ours.hang_up(T0 + 0.111, "time limit"), "time limit", False),
    ],
)
def test_however_the_call_ends_both_tracks_are_as_long_as_the_call(
    end: Callable[[Phone], object], by: str, ok: bool
) -> None:
    ours = phone(Say(tone(MULAW_8K, 1000)))
    ours.opened(T0)
    ours.receive(media(b"\x10" * 4000), False, T0)
    run(ours, 0.1)
    end(ours)
    outcome = ours.outcome()
    assert outcome.ended
    assert (outcome.ended.by, outcome.ok, outcome.balanced) == (by, ok, True)
    assert len(outcome.said) == len(outcome.heard) == 888
    assert outcome.ear.buffered == 4000 - 888


@pytest.mark.parametrize(
    ("data", "binary", "what"),
    [
        (b"{", False, "31951"),
        (media(b"\x10").replace(b"MZ01", b"MZ02"), False, "31951 a message for another stream"),
        (media(b"RIFF\x00\x00"), False, "31924 audio with a file header"),
        (b"\x10" * 160, True, "31950 a binary message"),
    ],
)
def test_what_the_vendor_would_refuse_is_noted_and_the_call_goes_on(data: bytes, binary: bool, what: str) -> None:
    ours = phone()
    ours.opened(T0)
    assert ours.receive(data, binary, T0) == []
    (complaint,) = ours.outcome().complaints
    assert what in complaint.what
    assert len(run(ours, 0.1)) == 5


def test_a_caller_waits_for_the_answer_to_begin_and_to_end() -> None:
    ours = phone(Say(tone(MULAW_8K, 400)), WaitForReply(quiet_ms=300), Say(tone(MULAW_8K, 100)), HangUp())
    ours.opened(T0)
    run(ours, 1.0)
    ours.receive(media(tone(MULAW_8K, 500)), False, T0 + 1.0)
    run(ours, 5)
    assert ours.ended
    assert ours.ended.at_ms == pytest.approx(1000 + 500 + 300 + 100, abs=40)
    (turn,) = ours.outcome().turns
    assert turn.latency_ms == pytest.approx(600, abs=10)


def test_a_reply_that_was_under_way_is_not_the_answer() -> None:
    ours = phone(InterruptReply(200, tone(MULAW_8K, 300)), WaitForReply(quiet_ms=200, timeout_ms=1000), HangUp())
    ours.opened(T0)
    ours.receive(media(tone(MULAW_8K, 700)), False, T0)
    run(ours, 5)
    assert ours.ended
    assert ours.ended.at_ms == pytest.approx(220 + 300 + 1000, abs=40)
    assert ours.outcome().replies_missing == 1


def test_a_caller_who_waits_in_vain_goes_on() -> None:
    ours = phone(WaitForReply(timeout_ms=500), InterruptReply(100, tone(MULAW_8K, 100), timeout_ms=500), HangUp())
    ours.opened(T0)
    run(ours, 5)
    assert [type(fact) for fact in ours.log[:2]] == [ReplyMissing, ReplyMissing]
    assert ours.ended
    assert ours.ended.by == "caller"


def test_waiting_for_quiet_needs_no_answer() -> None:
    ours = phone(Say(tone(MULAW_8K, 100)), WaitForQuiet(quiet_ms=500), HangUp())
    ours.opened(T0)
    run(ours, 5)
    assert ours.ended
    assert ours.ended.at_ms == pytest.approx(600, abs=21)
