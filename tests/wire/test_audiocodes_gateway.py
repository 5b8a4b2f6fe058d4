"""Our end of a VoiceAI Connect session: what it agrees to, what it is told late, and how it interrupts."""

import json
from typing import Any

import pytest
from audiocodes_calls import CALL, SAID, door, settle, started, taken
from both_ends import DIGITS, hear, obey, received
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio.format import MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat
from trunkline.errors import RemoteError
from trunkline.wire._audiocodes_formats import TOKENS
from trunkline.wire._audiocodes_gateway import AudioCodesGateway
from trunkline.wire.base import CloseSocket, TextFrame
from trunkline.wire.events import (
    AudioHeard,
    AudioMissing,
    CallDescribed,
    ClearAudio,
    EndUtterance,
    HangUp,
    MessageIgnored,
    PlayAudio,
    SendDigits,
    SendMark,
    StreamResumed,
    StreamStarted,
    StreamStopped,
    TellSpeech,
    Transfer,
    WireCommand,
    WireEvent,
)

INITIATE = json.loads(SAID[1][0])


def receive(gateway: AudioCodesGateway, data: bytes, now: float = 1.0) -> list[WireEvent]:
    return list(gateway.receive(data, binary=False, now=now))


def messages(outputs: Any) -> list[dict[str, Any]]:
    return [json.loads(frame.data) for frame in outputs if isinstance(frame, TextFrame)]


def initiated(gateway: AudioCodesGateway, *offered: str, **changes: Any) -> list[WireEvent]:
    """What the gateway makes of a ``session.initiate``."""
    return receive(gateway, json.dumps(INITIATE | {"supportedMediaFormats": offered} | changes).encode())


# --- which format ------------------------------------------------------------------------------------------------

ALL = ("raw/lpcm16", "raw/mulaw", "raw/lpcm16_24", "raw/lpcm16_8", "wav/lpcm16")


@pytest.mark.parametrize(
    ("hears", "speaks", "offered", "user", "play"),
    [
        ([PCM16_24K], [PCM16_24K], ALL, "raw/lpcm16_24", "raw/lpcm16_24"),
        ([PCM16_16K], [PCM16_24K], ALL, "raw/lpcm16", "raw/lpcm16_24"),  # each way its own
        ([PCM16_24K, MULAW_8K], [PCM16_24K], ("raw/mulaw", "raw/lpcm16"), "raw/lpcm16", "raw/lpcm16"),
        ([PCM16_24K], [PCM16_24K], ("raw/mulaw", "raw/lpcm16_8"), "raw/lpcm16_8", "raw/lpcm16_8"),
        ([PCM16_24K], [PCM16_24K], ("raw/alaw", "raw/mulaw"), "raw/mulaw", "raw/mulaw"),
        ([PCM16_24K], [PCM16_24K], ("raw/alaw",), "raw/alaw", "raw/alaw"),
        ([PCM16_16K], [PCM16_16K], ("raw/lpcm16_8", "raw/lpcm16_24"), "raw/lpcm16_24", "raw/lpcm16_24"),
        ([MULAW_8K], [PCM16_8K], ALL, "raw/mulaw", "raw/lpcm16_8"),
        ([MULAW_8K], [MULAW_8K], ("raw/lpcm16", "raw/lpcm16_8"), "raw/lpcm16_8", "raw/lpcm16_8"),
        ([], [], ("raw/flac", "raw/mulaw", "raw/lpcm16"), "raw/mulaw", "raw/mulaw"),
    ],
)
def test_of_the_formats_offered_the_agents_own_is_taken(
    hears: list[AudioFormat], speaks: list[AudioFormat], offered: tuple[str, ...], user: str, play: str
) -> None:
    gateway = AudioCodesGateway(hears, speaks)
    (began,) = initiated(gateway, *offered)
    assert isinstance(began, StreamStarted)
    assert (TOKENS[began.hears], TOKENS[began.speaks]) == (user, play)
    assert messages(gateway.replies) == [{"type": "session.accepted", "mediaFormat": user}]
    assert messages(gateway.send(PlayAudio(b"\0\0")))[0]["mediaFormat"] == play


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (INITIATE | {"supportedMediaFormats": ["wav/lpcm16", "raw/opus"]}, "no supported media format is offered"),
        (INITIATE | {"supportedMediaFormats": []}, "no supported media format is offered"),
        (INITIATE | {"expectAudioMessages": False}, "this bot speaks: set directTTS and directSTT"),
    ],
)
def test_a_session_that_can_not_be_is_refused_in_the_platforms_words(message: dict[str, Any], reason: str) -> None:
    gateway = door().codec()
    assert receive(gateway, json.dumps(message).encode()) == [StreamStopped(f"no session: {reason}")]
    assert messages(gateway.replies) == [{"type": "session.error", "reason": reason}]
    assert received(gateway, SAID[1]) == []
    assert gateway.send(PlayAudio(b"\0\0")) == ()


# --- which conversation --------------------------------------------------------------------------------------------

RESUME = json.dumps({"type": "session.resume", "conversationId": CALL}).encode()


def test_a_conversation_to_resume_is_not_begun_here() -> None:
    gateway = door().codec()
    assert receive(gateway, RESUME) == [StreamResumed(CALL)]
    assert gateway.replies == []
    assert received(gateway, SAID[1]) == []
    assert gateway.send(PlayAudio(b"\0\0")) == ()


def test_a_conversation_that_is_not_known_is_refused_in_the_platforms_words() -> None:
    gateway = door().codec()
    receive(gateway, RESUME)
    assert messages(gateway.refuse("whatever")) == [{"type": "session.error", "reason": "conversation not found"}]


def test_a_conversation_that_has_another_socket_is_refused_in_the_platforms_words() -> None:
    gateway = door().codec()
    initiated(gateway, "raw/mulaw")
    assert messages(gateway.refuse("it has a socket")) == [{"type": "session.error", "reason": "it has a socket"}]
    assert received(gateway, SAID[3]) == []
    assert gateway.send(PlayAudio(b"\0\0")) == ()


def test_a_resume_in_the_middle_of_a_conversation_is_the_peers_fault() -> None:
    gateway, _ = started()
    with pytest.raises(RemoteError, match="a second session"):
        receive(gateway, RESUME)


def test_a_resumed_conversation_is_accepted_as_it_was_and_both_streams_are_opened_anew() -> None:
    gateway, far = started(PCM16_8K, MULAW_8K)
    assert [m["streamId"] for m in messages(gateway.send(PlayAudio(b"\0\0")))] == ["p1", "p1"]
    gateway.resume(50.0)
    assert messages(taken(gateway.replies)) == [{"type": "session.accepted", "mediaFormat": "raw/lpcm16_8"}]
    assert hear(gateway, far.send(AudioHeard(b"\0\0"))) == [MessageIgnored("userStream.chunk after stop")]
    start = json.dumps({"type": "userStream.start", "conversationId": CALL}).encode()
    # The call accounts for the time without a socket; what the codec tells of is the time since.
    assert receive(gateway, start, 50.25) == [AudioMissing(2000, lost=False)]
    assert messages(taken(gateway.replies)) == [{"type": "userStream.started"}]
    assert hear(gateway, far.send(AudioHeard(b"\0\0"))) == [AudioHeard(b"\0\0")]
    again = messages(gateway.send(PlayAudio(b"\0\0")))
    assert [(m["type"], m["streamId"]) for m in again] == [("playStream.start", "p2"), ("playStream.chunk", "p2")]


def test_a_conversation_resumed_before_anybody_was_heard_has_no_hole() -> None:
    gateway = door().codec()
    initiated(gateway, "raw/mulaw")
    gateway.resume(2.0)
    start = json.dumps({"type": "userStream.start", "conversationId": CALL}).encode()
    assert receive(gateway, start, 3.0) == []


# --- what is told late ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "described"),
    [
        ({"caller": "+1", "callee": "desk"}, [CallDescribed("+1", "desk")]),
        (
            {"participants": [{"participant": "caller"}], "n": 5, "locale": "de"},
            [CallDescribed("", "", {"locale": "de"})],
        ),
        ({"long": "x" * 1000}, [CallDescribed("", "", {"long": "x" * 256})]),
        ({f"p{n}": "v" for n in range(1000)}, [CallDescribed("", "", {f"p{n}": "v" for n in range(64)})]),
        ("not an object", []),
        (None, []),
    ],
    ids=["parties", "structure", "long", "many", "no object", "none"],
)
def test_the_start_activity_describes_the_call_in_words(parameters: Any, described: list[WireEvent]) -> None:
    gateway, _ = started()
    activity = {"type": "event", "name": "start", "parameters": parameters}
    message = {"type": "activities", "conversationId": CALL, "activities": [activity]}
    assert receive(gateway, json.dumps(message).encode()) == described


# --- the user stream -----------------------------------------------------------------------------------------------


def test_a_user_stream_that_was_closed_leaves_a_hole_and_not_the_call() -> None:
    gateway, far = started()
    for n in range(1, 4):
        far.deafen()
        assert settle(gateway, far, 10.0 * n) == []
        assert hear(gateway, far.send(AudioHeard(b"\0\0"))) == []
        far.listen()
        assert settle(gateway, far, 10.0 * n + 2.5) == [AudioMissing(40_000, lost=False)]
        assert hear(gateway, far.send(AudioHeard(b"\0\0"))) == [AudioHeard(b"\0\0")]


def test_a_stop_that_is_said_twice_is_answered_twice() -> None:
    gateway, _ = started()
    stop = json.dumps({"type": "userStream.stop", "conversationId": CALL}).encode()
    for now in (1.0, 2.0):
        assert receive(gateway, stop, now) == []
        assert messages(taken(gateway.replies)) == [{"type": "userStream.stopped"}]


def test_a_participants_stream_is_answered_in_the_participants_name() -> None:
    gateway = door().codec()
    initiated(gateway, "raw/mulaw")
    who = {"conversationId": CALL, "participant": "caller"}
    receive(gateway, json.dumps({"type": "userStream.start"} | who).encode())
    chunk = json.dumps({"type": "userStream.chunk", "audioChunk": "/w=="} | who).encode()
    assert receive(gateway, chunk) == [AudioHeard(b"\xff")]
    assert messages(gateway.send(TellSpeech(True))) == [{"type": "userStream.speech.started", "participant": "caller"}]


def test_a_validated_connection_waits_for_the_platform_to_close() -> None:
    gateway = door().codec()
    assert received(gateway, SAID[0]) == []
    assert gateway.send(PlayAudio(b"\0\0")) == ()
    assert gateway.send(HangUp()) == (CloseSocket(1000),)


# --- both ends ----------------------------------------------------------------------------------------------------

said = st.one_of(
    st.binary(min_size=1, max_size=400).map(lambda audio: AudioHeard(audio * 2)),
    DIGITS,
    st.just(MessageIgnored("weather")),
)


@given(st.lists(said, max_size=20))
def test_what_the_phone_says_is_what_the_gateway_hears(events: list[WireEvent]) -> None:
    gateway, far = started()
    assert [heard for event in events for heard in hear(gateway, far.send(event))] == events


def obeyed(commands: list[WireCommand]) -> list[WireCommand]:
    """What the phone's end makes of what the gateway sends."""
    gateway, far = started()
    return obey(far, [output for command in commands for output in gateway.send(command)])


@given(
    st.one_of(
        st.binary(max_size=400).map(PlayAudio),
        st.booleans().map(lambda _: HangUp("ten to five")),
        st.text("0123456789*#", min_size=1, max_size=20).map(SendDigits),
        st.just(Transfer("tel:+15005550009")),
        st.just(TellSpeech(True)),
    )
)
def test_what_the_gateway_says_is_what_the_phone_does(wanted: WireCommand) -> None:
    assert obeyed([wanted]) == [wanted]


PLAY = PlayAudio(b"\1\0")
SPEAKS, SILENT = TellSpeech(True), TellSpeech(False)


@pytest.mark.parametrize(
    ("why", "commands", "done"),
    [
        ("a reply", [PLAY, PLAY, EndUtterance()], [PLAY, PLAY, EndUtterance()]),
        ("two replies", [PLAY, EndUtterance(), PLAY], [PLAY, EndUtterance(), PLAY]),
        (
            "an interruption",
            [PLAY, ClearAudio(), SPEAKS, SILENT, PLAY],
            [PLAY, EndUtterance(), SPEAKS, ClearAudio(), SILENT, PLAY],
        ),
        (
            "one after the last of it was sent",
            [PLAY, EndUtterance(), ClearAudio()],
            [PLAY, EndUtterance(), SPEAKS, ClearAudio()],
        ),
        ("a key's", [PLAY, ClearAudio(), PLAY], [PLAY, EndUtterance(), SPEAKS, ClearAudio(), SILENT, PLAY]),
        (
            "a key's, while the caller speaks",
            [SPEAKS, PLAY, ClearAudio(), PLAY, SILENT],
            [SPEAKS, PLAY, EndUtterance(), SPEAKS, ClearAudio(), PLAY, SILENT],
        ),
        ("nothing to clear", [ClearAudio()], [SPEAKS]),
        ("marks", [SendMark("m")], []),
    ],
)
def test_an_interruption_is_the_end_of_a_play_stream_and_speech(
    why: str, commands: list[WireCommand], done: list[WireCommand]
) -> None:
    assert obeyed(commands) == done, why


# --- ends ----------------------------------------------------------------------------------------------------------


def test_hanging_up_leaves_closing_to_the_platform() -> None:
    gateway, far = started()
    (hang_up,) = gateway.send(HangUp())
    assert isinstance(hang_up, TextFrame)
    assert far.receive(hang_up.data, binary=False, now=0.0) == [HangUp("done")]
    end, close = far.send(StreamStopped("done"))
    assert close == CloseSocket(1000)
    assert hear(gateway, [end]) == [StreamStopped("the platform ended the session")]
    assert gateway.send(HangUp()) == (CloseSocket(1000),)
    assert gateway.send(Transfer("tel:+15005550009")) == ()
