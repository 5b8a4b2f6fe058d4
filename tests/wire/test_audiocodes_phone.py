"""VoiceAI Connect's end: what its documents forbid, it does not take."""

import json
from typing import Any

import pytest
from audiocodes_calls import CALL, CALLEE, CALLER, phone, started, taken
from both_ends import command

from recorded import vectors
from trunkline.audio.format import PCM16_16K, PCM16_24K
from trunkline.errors import RemoteError
from trunkline.wire._audiocodes_phone import AudioCodesPhone
from trunkline.wire.base import CloseSocket, TextFrame
from trunkline.wire.events import (
    AudioHeard,
    AudioMissing,
    ClearAudio,
    DigitPressed,
    MarkReached,
    MessageIgnored,
    PlayAudio,
    StreamStopped,
    TellSpeech,
    WireCommand,
    WireEvent,
)

DTMF = {"type": "activities", "activities": [{"type": "event", "name": "DTMF", "id": "a2", "value": "5"}]}
GATEWAY_SAYS = [line for line in vectors("audiocodes") if line["from"] == "gateway"]


def receive(far: AudioCodesPhone, *messages: dict[str, Any]) -> list[WireCommand]:
    texts = [json.dumps(message).encode() for message in messages]
    return [done for text in texts for done in far.receive(text, binary=False, now=0.0)]


def said(outputs: Any) -> list[dict[str, Any]]:
    return [json.loads(frame.data) for frame in outputs if isinstance(frame, TextFrame)]


def test_the_recorded_commands_are_understood() -> None:
    _, far = started()
    for line in GATEWAY_SAYS:
        done = receive(far, *line["messages"])
        wanted = command(line["command"])
        if isinstance(wanted, PlayAudio | ClearAudio):
            assert wanted in done, line["why"]
        assert bool(done) == bool(line["messages"]), line["why"]


def test_a_session_opens_as_on_the_page() -> None:
    far = phone(PCM16_16K, PCM16_24K)
    assert said(far.opened()) == [
        {
            "type": "session.initiate",
            "conversationId": CALL,
            "botName": CALLEE,
            "caller": CALLER,
            "expectAudioMessages": True,
            "supportedMediaFormats": ["raw/lpcm16", "raw/lpcm16_24"],
        }
    ]
    assert receive(far, {"type": "session.accepted", "mediaFormat": "raw/lpcm16_24"}) == []
    start, stream = said(taken(far.replies))
    assert start["activities"][0]["name"] == "start"
    assert start["activities"][0]["parameters"] == {"caller": CALLER, "callee": CALLEE}
    assert stream == {"type": "userStream.start", "conversationId": CALL}
    assert far.send(AudioHeard(b"\0\0")) == ()  # nobody listens yet
    assert receive(far, {"type": "userStream.started"}) == []
    assert said(far.send(AudioHeard(b"\0\0"))) == [
        {"type": "userStream.chunk", "conversationId": CALL, "audioChunk": "AAA="}
    ]


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (DigitPressed("5"), DTMF),
        (StreamStopped("hung up"), {"type": "session.end", "reasonCode": "client-disconnected", "reason": "hung up"}),
        (MessageIgnored("weather"), {"type": "weather"}),
        (AudioMissing(320, lost=True), None),
        (MarkReached("m"), None),
        (AudioHeard(b""), None),
    ],
)
def test_other_events_are_the_pages_messages(event: WireEvent, message: dict[str, Any] | None) -> None:
    _, far = started()
    assert said(far.send(event)) == ([] if message is None else [message | {"conversationId": CALL}])


def test_after_the_sessions_end_the_socket_is_closed() -> None:
    assert phone().send(StreamStopped("x"))[-1] == CloseSocket(1000)


def test_without_barge_in_nothing_is_cut() -> None:
    far = phone()
    receive(far, {"type": "session.accepted", "mediaFormat": "raw/lpcm16"}, PLAY)
    assert receive(far, CHUNK, SPOKE) == [PlayAudio(b"\0\0"), TellSpeech(True)]
    config = {"type": "event", "name": "config", "sessionParams": {"bargeIn": True}}
    assert receive(far, activity(config)) == []
    assert receive(far, SPOKE, SPOKE) == [TellSpeech(True), ClearAudio(), TellSpeech(True)]


ACCEPT = {"type": "session.accepted", "mediaFormat": "raw/lpcm16"}
PLAY = {"type": "playStream.start", "streamId": "p1", "mediaFormat": "raw/lpcm16"}
CHUNK = {"type": "playStream.chunk", "streamId": "p1", "audioChunk": "AAA="}
STOP = {"type": "playStream.stop", "streamId": "p1"}
SPOKE = {"type": "userStream.speech.started"}
PARAMS = "$.activities[0].activityParams"


def activity(entry: dict[str, Any]) -> dict[str, Any]:
    return {"type": "activities", "activities": [entry]}


def event(name: str, **params: str) -> dict[str, Any]:
    return activity({"type": "event", "name": name, "activityParams": params})


@pytest.mark.parametrize(
    ("before", "message", "error"),
    [
        ([], PLAY, "a message before session.accepted"),
        ([], CHUNK, "not the play stream that is open (at $.streamId)"),
        ([], ACCEPT | {"mediaFormat": "raw/mulaw"}, "a media format that was not offered (at $.mediaFormat)"),
        ([], {"type": "session.error", "reason": "no"}, "the session was refused"),
        ([], {"type": "session.accepted"}, "missing field (at $.mediaFormat)"),
        ([], {}, "missing field (at $.type)"),
        ([ACCEPT], {"type": "playStream.clear"}, "not an allowed value (at $.type)"),
        ([ACCEPT], ACCEPT, "a second session.accepted"),
        ([ACCEPT], {"type": "userStream.stopped"}, "an answer to a userStream.stop that was not said"),
        (
            [ACCEPT, {"type": "userStream.started"}],
            {"type": "userStream.started"},
            "an answer to a userStream.start that was not said",
        ),
        ([ACCEPT, PLAY], PLAY | {"streamId": "p2"}, "a play stream inside another"),
        ([ACCEPT, PLAY, STOP], PLAY, "a play stream's id used again (at $.streamId)"),
        ([ACCEPT], PLAY | {"mediaFormat": "raw/mulaw"}, "a media format that was not offered (at $.mediaFormat)"),
        ([ACCEPT, PLAY], CHUNK | {"streamId": "p2"}, "not the play stream that is open (at $.streamId)"),
        ([ACCEPT, PLAY, STOP], CHUNK, "not the play stream that is open (at $.streamId)"),
        ([ACCEPT, PLAY, STOP], STOP, "not the play stream that is open (at $.streamId)"),
        ([ACCEPT, PLAY], CHUNK | {"audioChunk": "AAA"}, "invalid base64 (at $.audioChunk)"),
        (
            [ACCEPT],
            event("transfer", transferTarget="+15005550009"),
            f"not a tel or sip URI (at {PARAMS}.transferTarget)",
        ),
        ([ACCEPT], event("sendDtmf", dtmfDigits="1A"), f"not 1 to 20 of 0-9*# (at {PARAMS}.dtmfDigits)"),
        ([ACCEPT], event("sendDtmf", dtmf="1"), f"not 1 to 20 of 0-9*# (at {PARAMS}.dtmfDigits)"),
        ([ACCEPT], event("sendDtmf", dtmfDigits="1" * 21), f"not 1 to 20 of 0-9*# (at {PARAMS}.dtmfDigits)"),
        (
            [ACCEPT],
            activity({"type": "message", "text": "hi"}),
            "text, where the bot was to speak (at $.activities[0])",
        ),
        ([ACCEPT], {"type": "userStream.speech.recognition", "text": "hi"}, "missing field (at $.alternatives)"),
    ],
)
def test_what_the_platform_would_not_take_is_raised(
    before: list[dict[str, Any]], message: dict[str, Any], error: str
) -> None:
    far = phone()
    receive(far, *before)
    with pytest.raises(RemoteError) as caught:
        receive(far, message)
    assert str(caught.value) == error


def test_a_binary_message_is_refused() -> None:
    with pytest.raises(RemoteError, match="binary") as caught:
        phone().receive(b"\0\0", binary=True, now=0.0)
    assert caught.value.close_code == 1003


def test_an_event_the_platform_does_not_know_does_nothing() -> None:
    assert receive(phone(), ACCEPT, event("dance")) == []
