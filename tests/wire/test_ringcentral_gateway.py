"""Our end of the contract's media socket: its start, its channels and its rate, and both ends against each other."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from both_ends import DIGITS, NAMES, Message, hear, obey, text
from hypothesis import given
from hypothesis import strategies as st
from ringcentral_calls import CALLER, expected, started

from recorded import SECRET
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat, Encoding
from trunkline.audio.g711 import decode_alaw, decode_mulaw
from trunkline.errors import Refused, RemoteError
from trunkline.wire._ringcentral_formats import Announced, Packets
from trunkline.wire._ringcentral_gateway import RingCentralGateway
from trunkline.wire.base import BinaryFrame, CloseSocket, StartingCodec, TextFrame
from trunkline.wire.events import (
    AudioHeard,
    ClearAudio,
    HangUp,
    MarkReached,
    MessageIgnored,
    PlayAudio,
    SendMark,
    StreamStarted,
    StreamStopped,
    WireCommand,
    WireEvent,
)

PCM16_48K = AudioFormat(Encoding.PCM16, 48000)


def receive(gateway: RingCentralGateway, said: Message, now: float = 1.0) -> list[WireEvent]:
    return list(gateway.receive(said[0], binary=said[1], now=now))


def test_too_long_a_text_is_too_long() -> None:
    with pytest.raises(RemoteError, match="too long") as caught:
        receive(RingCentralGateway(expected()), (b"{" + b" " * 20_000, False))
    assert caught.value.close_code == 1009


# --- when the stream starts, and with what -------------------------------------------------------------------------


def start_of(gateway: RingCentralGateway, *said: Message) -> StreamStarted:
    events = [event for one in said for event in receive(gateway, one)]
    (start,) = [event for event in events if isinstance(event, StreamStarted)]
    return start


def test_a_packet_before_any_start_starts_the_stream_and_is_heard() -> None:
    gateway = RingCentralGateway(expected())
    start, heard = receive(gateway, (b"\xff\x7f", True))
    assert isinstance(start, StreamStarted)
    assert (start.hears, start.speaks, heard) == (MULAW_8K, MULAW_8K, AudioHeard(b"\xff\x7f"))
    assert receive(gateway, text({"type": "start"})) == [MessageIgnored("start")]


@pytest.mark.parametrize("packet", [b"", b"a" * 9000])
def test_a_first_packet_that_is_none_starts_the_stream_all_the_same(packet: bytes) -> None:
    start, ignored = receive(RingCentralGateway(expected()), (packet, True))
    assert isinstance(start, StreamStarted)
    assert isinstance(ignored, MessageIgnored)


def test_a_codec_can_be_told_to_start() -> None:
    gateway = RingCentralGateway(expected())
    assert isinstance(gateway, StartingCodec)
    (start,) = gateway.start(1.0)
    assert isinstance(start, StreamStarted)
    assert gateway.start(1.0) == ()


@pytest.mark.parametrize(
    ("announced", "hears", "speaks"),
    [
        ({}, MULAW_8K, MULAW_8K),
        ({"encoding": "alaw"}, ALAW_8K, ALAW_8K),
        ({"encoding": "PCMA"}, ALAW_8K, ALAW_8K),
        ({"encoding": "audio/L16;rate=16000", "sampleRate": 16000}, PCM16_16K, PCM16_16K),
        ({"encoding": "pcm"}, PCM16_8K, PCM16_8K),
        ({"encoding": "linear16", "sampleRate": 24000}, PCM16_24K, PCM16_24K),
        ({"channels": 2}, PCM16_8K, MULAW_8K),
        ({"encoding": "pcm", "sampleRate": 48000, "channels": 2}, PCM16_48K, PCM16_48K),
    ],
)
@pytest.mark.parametrize("where", ["top", "format", "media", "config"])
def test_the_format_is_the_one_announced_wherever_it_is_said(
    announced: dict[str, Any], hears: AudioFormat, speaks: AudioFormat, where: str
) -> None:
    ways: dict[str, list[dict[str, Any]]] = {
        "top": [{"type": "start", **announced}],
        "format": [{"type": "start", "format": announced}],
        "media": [{"type": "start", "media": announced}],
        "config": [{"type": "config", "format": announced}, {"type": "start"}],
    }
    start = start_of(RingCentralGateway(expected()), *map(text, ways[where]))
    assert (start.hears, start.speaks) == (hears, speaks)


def test_what_an_announcement_leaves_out_is_as_the_answer_asked() -> None:
    asked = Packets(PCM16_16K, 2)
    start = start_of(RingCentralGateway(expected(asked)), text({"type": "start", "channels": 1}))
    assert start.hears == PCM16_16K


# --- two channels ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("audio", "decode"), [(MULAW_8K, decode_mulaw), (ALAW_8K, decode_alaw), (PCM16_8K, bytes)], ids=str
)
def test_two_channels_that_are_alike_are_mixed_to_what_each_is(
    audio: AudioFormat, decode: Callable[[bytes], bytes]
) -> None:
    packets, mono = Packets(audio, 2), bytes(range(256))
    assert len(packets.spread(mono)) == 512
    assert packets.mixed(packets.spread(mono)) == decode(mono)


def test_two_channels_are_each_heard_at_half_their_level() -> None:
    left, right = np.array([32767, -32768, 1000, 3, 0], "<i2"), np.array([32767, -32768, -500, 0, 1], "<i2")
    both = np.column_stack([left, right]).astype("<i2").tobytes()
    mixed = np.frombuffer(Packets(PCM16_8K, 2).mixed(both), "<i2")
    assert mixed.tolist() == [32767, -32768, 250, 2, 0]  # halves to even


def test_one_who_speaks_on_the_right_channel_of_mu_law_is_heard() -> None:
    voice = bytes(range(160))
    packet = bytes(byte for sample in voice for byte in (0xFF, sample))
    gateway, _ = started(Packets(MULAW_8K, 2))
    (heard,) = receive(gateway, (packet, True))
    assert isinstance(heard, AudioHeard)
    decoded = np.frombuffer(decode_mulaw(voice), "<i2").astype(int)
    assert np.abs(2 * np.frombuffer(heard.audio, "<i2").astype(int) - decoded).max() <= 1


def test_what_the_agent_says_goes_out_on_both_channels() -> None:
    gateway, _ = started(Packets(PCM16_8K, 2))
    assert gateway.send(PlayAudio(b"\x01\x02\x03\x04")) == (BinaryFrame(b"\x01\x02\x01\x02\x03\x04\x03\x04"),)


# --- the rate --------------------------------------------------------------------------------------------------------


def test_24_kilohertz_announced_and_8_sent_is_said_with_both_figures() -> None:
    gateway = RingCentralGateway(expected())
    receive(gateway, text({"type": "start", "encoding": "pcm", "sampleRate": 24000}))
    errors = []
    for n in range(601):  # 12 s
        try:
            receive(gateway, (bytes(320), True), now=1.0 + n / 50)
        except RemoteError as error:
            errors.append((n, str(error), error.close_code))
    assert errors[0] == (200, "audio of 8000 samples a second, where 24000 were announced", 1007)
    assert len(errors) == 5


def test_stereo_announced_and_mono_sent_is_said_too() -> None:
    gateway = RingCentralGateway(expected())
    receive(gateway, text({"type": "start", "channels": 2}))
    for n in range(200):
        receive(gateway, (bytes(160), True), now=1.0 + n / 50)
    with pytest.raises(RemoteError, match="audio of 4000 samples a second, where 8000 were announced"):
        receive(gateway, (bytes(160), True), now=5.0)


# --- both ends ----------------------------------------------------------------------------------------------------

PACKETS = [
    Packets(audio, channels) for audio in (MULAW_8K, ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K) for channels in (1, 2)
]
sounds = st.integers(1, 30).map(lambda size: bytes(range(2 * size)))
said_by_phone = st.one_of(sounds.map(AudioHeard), DIGITS, NAMES.map(MarkReached))


@pytest.mark.parametrize("packets", PACKETS, ids=str)
@given(st.lists(said_by_phone, max_size=10))
def test_what_the_phone_says_is_what_the_gateway_hears(packets: Packets, events: list[WireEvent]) -> None:
    gateway, far = started(packets)
    heard = [event for one in events for event in hear(gateway, far.send(one))]
    wanted = [
        AudioHeard(packets.mixed(packets.spread(event.audio))) if isinstance(event, AudioHeard) else event
        for event in events
    ]
    assert heard == wanted


@pytest.mark.parametrize("packets", PACKETS, ids=str)
@given(NAMES, NAMES)
def test_what_the_gateway_says_is_what_the_phone_does(packets: Packets, name: str, reason: str) -> None:
    gateway, far = started(packets)
    frame = bytes(n % 251 for n in range(packets.audio.bytes_for(20)))
    wanted: list[WireCommand] = [PlayAudio(frame), SendMark(name), ClearAudio(), HangUp(reason)]
    assert [done for one in wanted for done in obey(far, gateway.send(one))] == wanted


# --- ends ----------------------------------------------------------------------------------------------------------


def test_a_peer_that_knows_the_contract_alone_gets_audio_and_a_closed_socket() -> None:
    gateway, _ = started(extensions=False)
    assert [gateway.send(one) for one in (SendMark("m"), ClearAudio(), HangUp("done"))] == [(), (), (CloseSocket(),)]


def test_hanging_up_is_said_to_one_who_knows_the_word() -> None:
    gateway, _ = started()
    assert gateway.send(HangUp("done")) == (TextFrame(b'{"type":"hangup","reason":"done"}'), CloseSocket())


def test_before_the_start_only_the_socket_can_be_closed() -> None:
    gateway = RingCentralGateway(expected(), extensions=True)
    assert gateway.send(HangUp("done")) == (CloseSocket(),)
    assert gateway.send(ClearAudio()) == ()
    assert isinstance(receive(gateway, text({"type": "stop"}))[0], StreamStopped)


def test_what_is_known_of_a_call_shows_nothing_private() -> None:
    assert CALLER not in repr(expected())
    with pytest.raises(Refused) as caught:
        Packets().changed(Announced(encoding=SECRET))
    assert SECRET not in str(caught.value)
