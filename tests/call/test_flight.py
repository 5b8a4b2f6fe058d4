from trunkline.audio.format import PCM16_8K
from trunkline.call.flight import Flight
from trunkline.call.placement import Placement, Sounded
from trunkline.call.timeline import Timeline

START = 900.5
ONE, TWO, THREE = b"\x01" * 320, b"\x02" * 320, b"\x03" * 320  # 20 ms each


def flight() -> Flight:
    """Three frames that begin to sound half a second into the call."""
    timeline = Timeline(PCM16_8K.rate, START)
    timeline.advance(4000, START + 0.5)
    made = Flight(Placement(timeline, PCM16_8K.bytes_for(1000), PCM16_8K.sample_bytes))
    made.start(0, START + 0.5)
    made.pieces.extend([(320, ONE), (640, TWO), (960, THREE)])
    return made


def test_only_whole_pieces_are_booked_as_played() -> None:
    made = flight()
    made.settle(639)
    assert (made.settled, len(made)) == (320, 640)
    made.settle(640)
    assert (made.settled, len(made)) == (640, 320)
    assert made.sounded == [Sounded(ONE, 4000), Sounded(TWO, 4160)]


def test_what_was_not_heard_is_taken_back_to_the_very_sample() -> None:
    made = flight()
    assert made.take_back(330) == [THREE, TWO[10:]]
    assert (made.settled, len(made)) == (330, 0)
    assert made.sounded == [Sounded(ONE, 4000), Sounded(TWO[:10], 4160)]


def test_nothing_is_taken_back_of_what_was_heard_to_its_end() -> None:
    made = flight()
    made.settle(960)
    assert made.take_back(960) == []
    assert made.settled == 960


def test_no_sound_is_to_come_before_what_is_on_its_way() -> None:
    made = flight()
    assert made.placed_from == 4000
    made.settle(320)
    assert made.placed_from == 4160
    made.settle(960)
    assert made.placed_from is None


def test_what_nobody_wants_to_know_is_not_kept() -> None:
    made = Flight()
    made.start(0, START)
    made.pieces.append((320, ONE))
    assert made.placed_from is None
    made.settle(320)
    assert made.settled == 320
    assert made.sounded == []
