import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.rtp.packet import RtpPacket
from trunkline.rtp.reception import JitterEstimate, Reception
from trunkline.rtp.sequence import Standing


def packet(sequence: int, *, ssrc: int = 1, payload_type: int = 0, timestamp: int | None = None) -> RtpPacket:
    at = 160 * sequence if timestamp is None else timestamp
    return RtpPacket(payload_type, sequence % 65536, at & 0xFFFFFFFF, ssrc, b"\xff" * 160)


def test_a_steady_stream_has_no_jitter() -> None:
    jitter = JitterEstimate(8000)
    for n in range(100):
        jitter.receive(n * 160, 5.0 + n * 0.02)
    assert jitter.value == 0


def test_jitter_is_the_smoothed_difference_of_transit_times() -> None:
    jitter = JitterEstimate(8000)
    for n in range(400):
        jitter.receive(n * 160, n * 0.02 + (0.010 if n % 2 else 0.0))
    # |D| is 80 samples every time, so J tends to 80; its integer form stays within one unit.
    assert 79 <= jitter.value <= 80
    assert jitter.ms == pytest.approx(10, abs=0.1)


def test_one_late_packet_moves_jitter_by_a_sixteenth_twice() -> None:
    jitter = JitterEstimate(8000)
    for n, late in enumerate([0.0, 0.0, 0.020, 0.0]):
        jitter.receive(n * 160, n * 0.02 + late)
    assert jitter.value == 19  # 160/16 = 10, then 10 + (160 − 10)/16


@pytest.mark.parametrize("start", [0, 0xFFFFFFFF - 800, 0x7FFFFFFF - 800])
def test_a_timestamp_wrap_is_not_jitter(start: int) -> None:
    jitter = JitterEstimate(8000)
    for n in range(20):
        jitter.receive((start + n * 160) & 0xFFFFFFFF, n * 0.02)
    assert jitter.value == 0


def test_repeated_timestamps_of_a_key_press_are_not_jitter() -> None:
    jitter = JitterEstimate(8000)
    for n in range(5):
        jitter.receive(800, n * 0.02)
    assert jitter.value == 0


def test_a_new_timeline_is_not_jitter() -> None:
    jitter = JitterEstimate(8000)
    for n in range(20):
        jitter.receive(n * 160 + (1_000_000 if n > 9 else 0), n * 0.02)
    assert jitter.value == 0


def test_a_report_block_tells_loss_and_order() -> None:
    reception = Reception(8000)
    assert reception.report_block() is None
    for n in (10, 11, 12, 14):
        reception.receive(packet(n), n * 0.02)
    block = reception.report_block(last_sr=5, since_last_sr=6)
    assert block is not None
    assert (block.ssrc, block.lost, block.extended_highest, block.last_sr, block.since_last_sr) == (1, 1, 14, 5, 6)
    assert block.fraction_lost == 256 // 4


def test_a_new_source_is_taken_after_two_packets_in_sequence() -> None:
    reception = Reception(8000)
    for n in range(5):
        reception.receive(packet(n), n * 0.02)
    standings = [reception.receive(packet(n, ssrc=2), 1 + n * 0.02) for n in (70, 71, 72)]
    assert standings == [Standing.JUMPED, Standing.RESTARTED, Standing.IN_ORDER]
    assert (reception.ssrc, reception.source_changes, reception.lost) == (2, 1, 0)


def test_a_stranger_sending_now_and_then_does_not_take_over() -> None:
    reception = Reception(8000)
    for n in range(5):
        reception.receive(packet(n), n * 0.02)
        assert reception.receive(packet(n * 50, ssrc=9), n * 0.02) is Standing.JUMPED
    assert reception.ssrc == 1
    assert reception.lost == 0


def test_another_payload_type_is_not_compared_with_the_last() -> None:
    reception = Reception(8000)
    for n in range(10):
        reception.receive(packet(n), n * 0.02)
    reception.receive(packet(10, payload_type=8, timestamp=99_000), 0.2)
    block = reception.report_block()
    assert block is not None
    assert block.jitter == 0


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 2), st.floats(0, 1e6)), max_size=50))
def test_any_packets_at_any_time_leave_a_report_that_fits(seen: list[tuple[int, int, float]]) -> None:
    reception = Reception(8000)
    for sequence, ssrc, arrival in seen:
        reception.receive(packet(sequence, ssrc=ssrc), arrival)
    block = reception.report_block()
    assert block is None or 0 <= block.jitter <= 0xFFFFFFFF
