from trunkline.rtp.sender import RtpSender
from trunkline.rtp.telephone_event import press


def sender() -> RtpSender:
    return RtpSender(7, 0, 8000, sequence=65535, timestamp=0xFFFFFFFF - 159)


def test_numbers_and_timestamps_wrap() -> None:
    s = sender()
    packets = [s.send(b"\xff" * 160, 160, n * 0.02) for n in range(3)]
    assert [p.sequence for p in packets] == [65535, 0, 1]
    assert [p.timestamp for p in packets] == [0xFFFFFF60, 0, 160]
    assert (s.packets, s.octets) == (3, 480)


def test_the_first_packet_of_a_talkspurt_is_marked_and_silence_takes_time() -> None:
    s = sender()
    first = s.send(b"\xff" * 160, 160, 0.0)
    second = s.send(b"\xff" * 160, 160, 0.02)
    s.skip(800, 0.14)
    third = s.send(b"\xff" * 160, 160, 0.16)
    assert [p.marker for p in (first, second, third)] == [True, False, True]
    assert third.timestamp - second.timestamp == 960
    assert third.sequence == second.sequence + 1


def test_a_key_press_takes_numbers_from_the_same_sequence() -> None:
    s = sender()
    audio = s.send(b"\xff" * 160, 160, 0.0)
    pressed = [s.send_event(event, 101) for event in press("5", timestamp=s.timestamp, rate=8000, ms=40)]
    assert [p.sequence for p in (audio, *pressed)] == [65535, 0, 1, 2, 3]
    assert {p.timestamp for p in pressed} == {s.timestamp}
    assert [p.marker for p in pressed] == [True, False, False, False]
    assert {p.payload_type for p in pressed} == {101}
