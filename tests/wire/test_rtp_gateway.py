"""Our end of a call over plain RTP: what becomes of each datagram, and what leaves when."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rtp_calls import EPOCH, START, Peer, datagram, gateway, tone, wanted

from trunkline.audio import g711
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K
from trunkline.rtp.packet import HeaderExtension, Kind, RtpPacket, kind_of
from trunkline.rtp.reporting import ntp_time
from trunkline.rtp.rtcp import (
    CNAME,
    Goodbye,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    SourceItem,
    build_compound,
    parse_compound,
)
from trunkline.rtp.telephone_event import press
from trunkline.wire._rtp_gateway import GOODBYE_GRACE_S, TICK
from trunkline.wire.base import BinaryFrame, CloseSocket
from trunkline.wire.events import (
    AudioHeard,
    AudioMissing,
    ClearAudio,
    DigitPressed,
    HangUp,
    PlayAudio,
    SendDigits,
    StreamStarted,
    StreamStopped,
)

STUN = b"\x00\x01\x00\x08\x21\x12\xa4\x42" + bytes(20)
DTLS = b"\x16\xfe\xfd" + bytes(60)


def rtp(sent: list[bytes]) -> list[RtpPacket]:
    return [RtpPacket.parse(data) for data in sent if kind_of(data) is Kind.RTP]


def rtcp(sent: list[bytes]) -> list[object]:
    return [packet for data in sent if kind_of(data) is Kind.RTCP for packet in parse_compound(data)]


def goodbye(ssrc: int = 7) -> bytes:
    description = SourceDescription(((ssrc, (SourceItem(CNAME, b"x"),)),))
    return build_compound([ReceiverReport(ssrc), description, Goodbye((ssrc,))])


# --- the stream ----------------------------------------------------------------------------------------------------


def test_the_stream_starts_by_itself_and_our_first_packet_leaves_at_once() -> None:
    peer = Peer(gateway(wanted(codec="PCMA", caller="+1", callee="+2", parameters={"a": "b"})))
    (start,) = peer.heard(StreamStarted)
    assert (start.call_id, start.hears, start.speaks) == ("c1", PCM16_8K, ALAW_8K)
    assert (start.caller, start.callee, start.parameters) == ("+1", "+2", {"a": "b"})
    (first,) = rtp(peer.sent)
    assert (first.payload_type, first.marker, first.payload) == (8, True, ALAW_8K.silence(160))


def test_what_is_said_is_heard_to_the_sample_but_for_the_concealers_delay() -> None:
    peer = Peer()
    peer.speak(range(100))
    said = np.frombuffer(g711.decode_mulaw(b"".join(tone(n) for n in range(100))), "<i2")
    heard = peer.pcm
    first = len(heard) - sum(len(event.audio) // 2 for event in peer.heard(AudioHeard))
    heard = heard[first + 30 :]
    assert len(heard) > 15_000
    assert np.array_equal(heard, said[: len(heard)])


def test_the_time_before_the_first_packet_is_a_silence_of_the_callers() -> None:
    peer = Peer()
    peer.wait(3.0)
    peer.speak(range(50))
    hole = peer.heard(AudioMissing)[0]
    assert not hole.lost
    assert hole.samples == pytest.approx(8 * 3060, abs=160)  # three seconds, and the start delay of the buffer
    assert len(peer.pcm) == pytest.approx(8 * 4000, abs=8 * 80)


def test_a_lost_packet_is_concealed_and_said_to_be_missing() -> None:
    peer = Peer()
    for n in range(50):
        if n != 25:
            peer.say(datagram(n))
        peer.wait(0.02)
    (hole,) = [event for event in peer.heard(AudioMissing) if event.lost]
    assert (hole.samples, len(hole.filling)) == (160, 320)
    assert np.abs(np.frombuffer(hole.filling, "<i2")).max() > 4000, "a repetition of the tone"
    assert peer.codec.figures().received.lost == 1


@pytest.mark.parametrize("ptime", [20, 60])
def test_packets_that_waited_while_we_were_held_up_are_heard_and_not_concealed(ptime: int) -> None:
    peer = Peer(gateway(wanted(ptime=ptime)))
    peer.speak(range(50))
    peer.now += 0.4
    for n in range(50, 70):
        peer.say(datagram(n))  # all of them are read before the tick that is overdue
    peer.tick()
    peer.speak(range(70, 100))
    assert not [event for event in peer.heard(AudioMissing) if event.lost]
    received = peer.codec.figures().received
    assert (received.lost, received.late, received.concealed_ms) == (0, 0, 0)
    assert received.played >= 95


@pytest.mark.parametrize("ptime", [20, 60])
def test_audio_is_given_within_twenty_milliseconds_of_its_time(ptime: int) -> None:
    peer = Peer(gateway(wanted(ptime=ptime)))
    for n in range(100):
        peer.speak(range(n, n + 1))
        due_s = peer.now - START - 0.06  # the buffer's delay at the start
        assert len(peer.pcm) / 8000 >= due_s - 0.02


@pytest.mark.parametrize(("level", "loudest"), [(30, 6000), (60, 200), (127, 0)], ids=["loud", "quiet", "none"])
def test_comfort_noise_is_as_loud_as_the_peer_says_and_no_loss(level: int, loudest: int) -> None:
    peer = Peer()
    peer.speak(range(25))
    peer.say(datagram(25, bytes((level,)), payload_type=13))
    peer.wait(1.0)
    peer.speak(range(76, 100))  # the timestamps have gone on, and so have the numbers here
    noise = peer.pcm[8000 - 160 * 8 : 8000 + 160 * 20]
    assert np.abs(noise).max() <= loudest
    assert not loudest or np.abs(noise).max() > loudest / 10
    assert peer.codec.figures().received.without_audio == 1


def test_a_silence_with_comfort_noise_keeps_the_call_alive() -> None:
    peer = Peer()
    peer.speak(range(10))
    before = len(peer.heard(AudioHeard))
    for n in range(10, 15):
        peer.say(datagram(n, b"\x46", payload_type=13))
        peer.wait(5)
    assert AudioHeard(b"") in peer.heard(AudioHeard)[before:]


def test_packets_of_any_length_and_with_every_header_are_heard() -> None:
    peer = Peer()
    extension = HeaderExtension(0xBEDE, bytes(8))
    sequence = 0
    for n in range(0, 60, 3):  # 60 ms in packets of 10, 20 and 30
        for at, frames in ((n, 0.5), (n + 0.5, 1), (n + 1.5, 1.5)):
            payload = tone(int(2 * at), samples=80) if frames == 0.5 else bytes([0xD5]) * int(160 * frames)
            packet = RtpPacket(0, sequence, int(160 * at), 7, payload, csrc=(1, 2), extension=extension)
            peer.say(packet.build(pad_to=4))
            peer.wait(0.02 * frames)
            sequence += 1
    received = peer.codec.figures().received
    assert received.packets == 60
    assert received.lost == received.late == 0
    assert received.played > 50


def test_another_source_takes_over_and_is_heard() -> None:
    peer = Peer()
    peer.speak(range(50))
    peer.speak(range(30_000, 30_050), ssrc=99)
    figures = peer.codec.figures().received
    assert (figures.ssrc, figures.restarts, peer.codec.ssrc) == (99, 1, 99)
    assert len(peer.pcm) == pytest.approx(16_000, abs=8 * 120)
    assert np.abs(peer.pcm[-800:]).max() > 7000


# --- keys ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [range(7), range(1), range(2, 3), range(6, 7)], ids=["all", "first", "third", "last"])
def test_a_key_is_reported_once_however_much_of_it_arrives(keep: range) -> None:
    peer = Peer()
    peer.speak(range(10))
    for n, step in enumerate(press("7", timestamp=1600, rate=8000, ms=100)):
        if n in keep:
            packet = RtpPacket(101, 10 + n, step.timestamp, 7, step.payload, step.marker)
            peer.say(packet.build())
        peer.wait(0.02)
    peer.speak(range(17, 40))
    assert peer.heard(DigitPressed) == [DigitPressed("7")]


def test_keys_are_expected_at_the_payload_type_that_was_agreed() -> None:
    peer = Peer(gateway(wanted(event_payload_type=96)))
    for payload_type in (101, 96):
        for n, step in enumerate(press("7", timestamp=payload_type, rate=8000, ms=40)):
            peer.say(RtpPacket(payload_type, payload_type + n, step.timestamp, 7, step.payload, step.marker).build())
    assert peer.heard(DigitPressed) == [DigitPressed("7")]
    assert peer.codec.figures().ignored.other_payload_types == 4


def test_our_keys_take_the_place_of_audio_and_the_clock_goes_on() -> None:
    peer = Peer()
    assert peer.codec.send(SendDigits("1x#")) == ()  # what is no key is left out
    peer.codec.send(PlayAudio(bytes(160 * 50)))
    peer.wait(1.0)
    packets = rtp(peer.sent)
    keys = [packet for packet in packets if packet.payload_type == 101]
    assert len({packet.timestamp for packet in keys}) == 2
    assert [packet.payload[0] for packet in keys if packet.marker] == [1, 11]
    assert len(keys) == 14
    assert {(b.sequence - a.sequence) & 0xFFFF for a, b in itertools.pairwise(packets)} == {1}
    audio = [packet for packet in packets if packet.payload_type == 0]
    steps = {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in itertools.pairwise(audio)}
    assert steps == {160, 160 * 8}, "seven packets of a key in between"


# --- what we send --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ptime", [10, 20, 30, 40, 50, 60])
def test_a_packet_leaves_at_every_deadline_whether_or_not_there_is_audio(ptime: int) -> None:
    peer = Peer(gateway(wanted(ptime=ptime)))
    samples = 8 * ptime
    frames = [bytes([n]) * samples for n in range(1, 5)]
    peer.wait(0.3)
    for frame in frames:
        peer.codec.send(PlayAudio(frame))
    peer.wait(5.7)
    packets = rtp(peer.sent)
    assert len(packets) == pytest.approx(6000 / ptime, abs=1)
    assert {len(packet.payload) for packet in packets} == {samples}
    assert {(b.sequence - a.sequence) & 0xFFFF for a, b in itertools.pairwise(packets)} == {1}
    assert {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in itertools.pairwise(packets)} == {samples}
    silence = MULAW_8K.silence(samples)
    assert [packet.payload for packet in packets if packet.payload != silence] == frames


def test_deadlines_are_absolute_after_an_hour() -> None:
    codec = gateway()
    for n in range(180_000):
        assert abs(codec.deadline - (START + n * 0.02)) <= 1e-6  # approx would take longer than the codec
        codec.receive(TICK, binary=True, now=codec.deadline + (n % 3) * 0.002)
        codec.replies.clear()


@pytest.mark.parametrize(("late", "at_once"), [(0.05, 3), (0.095, 5), (0.5, 1)])
def test_a_pacer_held_up_catches_up_and_after_long_skips(late: float, at_once: int) -> None:
    peer = Peer()
    peer.wait(0.1)
    before = len(peer.sent)
    peer.now = peer.codec.deadline + late
    peer.tick()
    packets = rtp(peer.sent[before - 1 :])
    assert len(packets) - 1 == at_once
    assert packets[-1].sequence - packets[0].sequence == at_once
    behind = peer.now - START - ((packets[-1].timestamp - packets[0].timestamp) / 8000 + 0.1 - 0.02)
    assert 0 <= behind < 0.041


def test_what_was_not_sent_yet_can_be_dropped() -> None:
    peer = Peer()
    peer.codec.send(PlayAudio(bytes(1600)))
    peer.codec.send(ClearAudio())
    peer.wait(1)
    assert {packet.payload for packet in rtp(peer.sent)} == {MULAW_8K.silence(160)}


# --- RTCP ----------------------------------------------------------------------------------------------------------


def test_reports_go_out_with_what_was_sent_and_received() -> None:
    peer = Peer()
    for n in range(700):
        if n % 10:
            peer.say(datagram(n))
        peer.wait(0.02)
    reports = [packet for packet in rtcp(peer.sent) if isinstance(packet, SenderReport)]
    assert 2 <= len(reports) <= 4
    last = reports[-1]
    sent = rtp(peer.sent)
    assert last.ssrc == sent[0].ssrc
    assert last.octets == 160 * last.packets
    seconds = last.packets / 50
    assert last.ntp - ntp_time(EPOCH + START) == pytest.approx(seconds * 2**32, rel=0.02)
    assert (last.timestamp - sent[0].timestamp) & 0xFFFFFFFF == pytest.approx(8000 * seconds, abs=320)
    (block,) = last.blocks
    assert block.ssrc == 7
    assert block.fraction_lost / 256 == pytest.approx(0.1, abs=0.01)
    assert block.lost == pytest.approx(block.extended_highest / 10, abs=2)


def test_the_peers_report_tells_how_it_receives_us_and_how_far_it_is() -> None:
    peer = Peer()
    peer.speak(range(200))
    report = next(packet for packet in rtcp(peer.sent) if isinstance(packet, SenderReport))
    answered_at = EPOCH + peer.now
    held = int((answered_at - 0.08 - (report.ntp / 2**32 - 2_208_988_800)) * 65536)  # the peer kept it but for 80 ms
    block = ReportBlock(report.ssrc, 64, 5, 1000, 80, report.ntp >> 16 & 0xFFFFFFFF, held)
    description = SourceDescription(((7, (SourceItem(CNAME, b"x"),)),))
    peer.say(build_compound([ReceiverReport(7, (block,)), description]))
    sent = peer.codec.figures().sent
    assert (sent.lost, sent.lost_share, sent.jitter_ms) == (5, 0.25, 10.0)
    assert sent.round_trip_ms == pytest.approx(80, abs=1)


def test_the_peers_goodbye_ends_the_call_unless_another_source_takes_over() -> None:
    peer = Peer()
    peer.speak(range(50))
    peer.say(goodbye(ssrc=8))  # nobody we know
    peer.wait(2 * GOODBYE_GRACE_S)
    assert not peer.heard(StreamStopped)
    peer.say(goodbye())
    peer.speak(range(900, 910), ssrc=99)
    peer.wait(2 * GOODBYE_GRACE_S)
    assert not peer.heard(StreamStopped)
    peer.say(goodbye(ssrc=99))
    peer.wait(0.9 * GOODBYE_GRACE_S)
    assert not peer.heard(StreamStopped)
    peer.wait(2 * GOODBYE_GRACE_S)
    assert peer.heard(StreamStopped) == [StreamStopped("hung up")]


def test_hanging_up_says_goodbye_once() -> None:
    peer = Peer()
    peer.wait(0.1)
    said, close = peer.codec.send(HangUp())
    assert isinstance(said, BinaryFrame)
    assert close == CloseSocket()
    assert parse_compound(said.data)[-1] == Goodbye((rtp(peer.sent)[0].ssrc,))
    assert peer.codec.goodbye(START + 1) == ()


# --- trouble -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "counted"),
    [
        (STUN, "stun"),
        (DTLS, "dtls"),
        (b"\xff" * 40, "unknown"),
        (b"\x40" + bytes(40), "unknown"),
        (b"\x80", "unknown"),
        (b"\x80\x00" + bytes(5), "malformed"),
        (b"\x90\x00" + bytes(10), "malformed"),
        (b"\xa0\x00" + bytes(10) + b"\xff", "malformed"),
        (b"\x8f\x00" + bytes(20), "malformed"),
        (b"\x80\xc8\x00\x06" + bytes(3), "malformed_rtcp"),
        (b"\x80\xcb\x00\x01" + bytes(4), "malformed_rtcp"),
        (datagram(5, b"x" * 33, payload_type=3), "other_payload_types"),
        (RtpPacket(101, 5, 800, 7, b"\x01").build(), "malformed"),
        (datagram(9000), "jumped"),
        (datagram(5, ssrc=12), "jumped"),
    ],
)
def test_what_is_no_audio_is_counted_and_changes_nothing_for_the_rest(data: bytes, counted: str) -> None:
    peer = Peer()
    peer.speak(range(5))
    peer.say(data)
    peer.speak(range(6, 30))
    ignored = peer.codec.figures().ignored
    assert getattr(ignored, counted) == 1
    assert peer.codec.figures().received.played > 15
    assert np.abs(peer.pcm[-800:]).max() > 7000


@given(st.lists(st.one_of(st.binary(min_size=1, max_size=60), st.integers(0, 200)), max_size=60))
def test_any_datagrams_are_borne(story: list[bytes | int]) -> None:
    peer = Peer()
    for n, step in enumerate(story):
        if isinstance(step, bytes):
            peer.say(step)
        else:
            peer.wait(step / 1000)
        peer.say(datagram(n))
    assert len(peer.pcm) <= 8 * (1000 * (peer.now - START) + 200)


@given(st.integers(0, 59), st.integers(0, 255), st.binary(max_size=30))
def test_a_damaged_datagram_is_borne(at: int, value: int, rest: bytes) -> None:
    whole = datagram(20, tone(20)[:48])
    damaged = whole[:at] + bytes((value,)) + whole[at + 1 :] + rest
    peer = Peer()
    peer.speak(range(20))
    peer.say(damaged)
    peer.speak(range(21, 60))
    received = peer.codec.figures().received
    assert received.played >= 20  # a wrong timestamp may cost the half second it takes to be disbelieved


def test_rubbish_costs_no_memory() -> None:
    peer = Peer()
    for n in range(20_000):
        peer.codec.receive(datagram(n * 7919), binary=True, now=START)
    received = peer.codec.figures().received
    held = received.packets - received.played - received.late - received.duplicates - received.dropped
    assert held <= 200
