"""Platforms that want to know are told when the caller speaks, but never so that they cut what we hold for played."""

from datetime import UTC, datetime

import msgspec
import pytest

from trunkline.ai.events import ReplyAudio, ReplyEnded, ReplyStarted, SpeechStarted, SpeechStopped
from trunkline.audio.format import MULAW_8K
from trunkline.call.core import Call
from trunkline.call.settings import BargeIn, CallSettings
from trunkline.wire.base import WireSpec
from trunkline.wire.events import ClearAudio, StreamStarted, TellSpeech

START = 900.5
SPEC = WireSpec("small", "Small", "/media/small", clears=True, speech=True)


def told(spec: WireSpec = SPEC, *, barge_in: bool = True, sounding: bool = False) -> list[object]:
    """What of a word by the caller, maybe into a reply, gets to the platform."""
    call = Call(
        spec=spec,
        agent="small",
        hears=(MULAW_8K,),
        speaks=(MULAW_8K,),
        settings=CallSettings(barge_in=BargeIn(enabled=barge_in)),
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        now=START,
    )
    call.feed(StreamStarted("call", "stream", MULAW_8K, MULAW_8K), START)
    if sounding:
        for event in (ReplyStarted(1), ReplyAudio(b"\x01" * 8000, 1), ReplyEnded(1)):
            call.feed(event, START)
    effects = [*call.feed(SpeechStarted(100), START + 0.1), *call.feed(SpeechStopped(300), START + 0.3)]
    return [effect for effect in effects if isinstance(effect, ClearAudio | TellSpeech)]


@pytest.mark.parametrize(
    ("barge_in", "sounding", "expected"),
    [
        (True, False, [TellSpeech(True), TellSpeech(False)]),
        (False, False, [TellSpeech(True), TellSpeech(False)]),
        (True, True, [ClearAudio(), TellSpeech(True), TellSpeech(False)]),  # what was not heard is dropped first
        (False, True, [TellSpeech(False)]),
    ],
)
def test_the_platform_is_told_who_speaks(barge_in: bool, sounding: bool, expected: list[object]) -> None:
    assert told(barge_in=barge_in, sounding=sounding) == expected


def test_a_platform_that_does_not_want_to_know_is_not_told() -> None:
    assert told(msgspec.structs.replace(SPEC, speech=False), sounding=True) == [ClearAudio()]
