import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.rtp.packet import RtpPacket
from trunkline.rtp.reception import Reception
from trunkline.rtp.reporting import Reporter, middle_32, ntp_time, report_interval
from trunkline.rtp.rtcp import Goodbye, ReceiverReport, SenderReport, SourceDescription, parse_compound
from trunkline.rtp.sender import RtpSender

UNIX = 1_700_000_000.0


class End:
    """One end of a call: what it sends and how it reports."""

    def __init__(self, ssrc: int, *, now: float = 0.0) -> None:
        self.sender = RtpSender(ssrc, 0, 8000, sequence=65530, timestamp=0xFFFFFF00)
        self.reception = Reception(8000)
        self.reporter = Reporter(self.sender, self.reception, "trunkline", now=now, random=0.5)

    def talk_to(self, other: "End", packets: int, *, lose: tuple[int, ...] = ()) -> None:
        for n in range(packets):
            packet = self.sender.send(b"\xff" * 160, 160, n * 0.02)
            if n not in lose:
                other.reception.receive(RtpPacket.parse(packet.build()), n * 0.02 + 0.03)


def test_ntp_time_counts_from_1900() -> None:
    assert ntp_time(0.5) == (2_208_988_800 << 32) + (1 << 31)
    assert middle_32(0x1234_5678_9ABC_DEF0) == 0x5678_9ABC


@pytest.mark.parametrize(
    ("random", "first", "seconds"), [(0.0, False, 2.052), (1.0, False, 6.156), (0.5, False, 4.104), (0.5, True, 2.052)]
)
def test_the_interval_is_five_seconds_give_or_take(random: float, first: bool, seconds: float) -> None:
    assert report_interval(random, first=first) == pytest.approx(seconds, abs=0.001)


def test_nothing_is_sent_before_it_is_due() -> None:
    end = End(1, now=10.0)
    due = end.reporter.get_timer()
    assert 10 < due < 15
    assert end.reporter.handle_timer(due - 0.001, unix=UNIX, random=0.5) is None
    assert end.reporter.handle_timer(due, unix=UNIX, random=0.5) is not None
    assert end.reporter.get_timer() > due + 2


def test_who_sends_reports_as_sender_and_who_listens_as_receiver() -> None:
    a, b = End(1), End(2)
    a.talk_to(b, 50, lose=(10,))
    from_a = parse_compound(a.reporter.handle_timer(9.0, unix=UNIX, random=0.5) or b"")
    from_b = parse_compound(b.reporter.handle_timer(9.0, unix=UNIX, random=0.5) or b"")
    assert isinstance(from_a[0], SenderReport)
    assert (from_a[0].packets, from_a[0].octets, from_a[0].blocks) == (50, 8000, ())
    assert isinstance(from_b[0], ReceiverReport)
    assert [block.lost for block in from_b[0].blocks] == [1]
    assert all(isinstance(packets[1], SourceDescription) for packets in (from_a, from_b))
    again = parse_compound(a.reporter.handle_timer(20.0, unix=UNIX, random=0.5) or b"")
    assert isinstance(again[0], ReceiverReport), "nothing sent since the last report"


def test_the_round_trip_is_measured_without_common_clocks() -> None:
    a, b = End(1), End(2)
    a.talk_to(b, 10)
    sr = a.reporter.handle_timer(9.0, unix=UNIX, random=0.5) or b""
    b.reporter.receive(sr, 5009.040, unix=0.0)  # 40 ms on the way; b's clocks are elsewhere
    rr = b.reporter.handle_timer(5010.040, unix=0.0, random=0.5) or b""
    a.reporter.receive(rr, 10.090, unix=UNIX + 1.090)  # 50 ms on the way back
    assert a.reporter.peer is not None
    assert a.reporter.peer.round_trip_s == pytest.approx(0.090, abs=0.001)
    assert a.reporter.peer.lost == 0


@pytest.mark.parametrize(("source", "answered"), [(1, True), (3, False)])
def test_a_report_that_is_ahead_of_its_sources_first_packet_is_answered(source: int, answered: bool) -> None:
    a, b, other = End(1), End(2), End(source)
    other.sender.send(b"", 160, 0.0)
    b.reporter.receive(other.reporter.handle_timer(9.0, unix=UNIX, random=0.5) or b"", 0.0, unix=0.0)
    a.talk_to(b, 10)
    b.sender.send(b"", 160, 0.0)
    sent = parse_compound(b.reporter.handle_timer(10.0, unix=0.0, random=0.5) or b"")[0]
    assert isinstance(sent, SenderReport)
    assert (sent.blocks[0].last_sr != 0) == answered


def test_a_slipping_clock_gives_no_round_trip_of_eighteen_hours() -> None:
    a, b = End(1), End(2)
    a.talk_to(b, 10)
    b.reporter.receive(a.reporter.handle_timer(9.0, unix=UNIX, random=0.5) or b"", 9.0, unix=UNIX)
    rr = b.reporter.handle_timer(10.0, unix=UNIX, random=0.5) or b""
    a.reporter.receive(rr, 10.0, unix=UNIX + 0.9)
    assert a.reporter.peer is not None
    assert a.reporter.peer.round_trip_s == 0.0


def test_the_sender_reports_timestamp_runs_with_time() -> None:
    a, b = End(1), End(2)
    a.talk_to(b, 50)  # the last at 0.98 s
    report = parse_compound(a.reporter.handle_timer(9.98, unix=UNIX, random=0.5) or b"")[0]
    assert isinstance(report, SenderReport)
    assert report.timestamp == (a.sender.timestamp + 9 * 8000) & 0xFFFFFFFF


def test_goodbye_comes_last() -> None:
    packets = parse_compound(End(7).reporter.goodbye(3.0, unix=UNIX))
    assert packets[-1] == Goodbye((7,))


@given(st.floats(0, 0.999), st.booleans())
def test_any_random_number_gives_an_interval_within_the_rule(random: float, first: bool) -> None:
    seconds = report_interval(random, first=first)
    assert 1.0 < seconds < 6.2
