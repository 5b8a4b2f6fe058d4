from trunkline.audio.format import PCM16_8K
from trunkline.audio.recorder import StereoRecorder
from trunkline.call.effects import Effect, Save
from trunkline.call.playout import Playout
from trunkline.call.tape import SAVE_EVERY_S, Tape
from trunkline.call.timeline import Timeline

START = 77.5


class Deck:
    """A tape, the playout it listens to, and a caller who speaks 20 ms at a time."""

    def __init__(self) -> None:
        self.timeline = Timeline(8000, START)
        self.playout = Playout(PCM16_8K, self.timeline, clears=True, keep_sound=True)
        self.recorder = StereoRecorder(PCM16_8K, PCM16_8K)
        self.tape = Tape(self.recorder, self.playout, START)
        self.now = START
        self.out: list[Effect] = []

    def run(self, frames: int) -> None:
        for _ in range(frames):
            self.now += 0.02
            self.timeline.advance(160, self.now)
            self.tape.caller(b"\x01\x00" * 160)
            self.playout.pop(self.now)
            self.tape.save(self.now, self.out)

    @property
    def right(self) -> bytes:
        pcm = b"".join(effect.pcm for effect in self.out if isinstance(effect, Save))
        return b"".join(pcm[i : i + 2] for i in range(2, len(pcm), 4))


def test_the_recording_is_handed_out_as_it_grows() -> None:
    deck = Deck()
    deck.run(160)
    sizes = [len(effect.pcm) for effect in deck.out if isinstance(effect, Save)]
    assert len(sizes) == 3
    assert abs(sizes[1] - 4 * 8000 * SAVE_EVERY_S) <= 4 * 160
    assert deck.tape.finish(deck.out) == 160 * 160


def test_the_agent_is_recorded_where_it_was_heard_and_cleared_sound_is_absent() -> None:
    deck = Deck()
    deck.run(50)
    deck.playout.push(b"\x07\x00" * 16000, 1)
    deck.playout.end(1)
    deck.playout.pop(deck.now)
    deck.run(50)  # one second of it is heard
    deck.playout.hold(deck.now)
    deck.playout.clear()
    deck.run(100)
    deck.playout.finish(deck.now)
    assert deck.tape.finish(deck.out) == 200 * 160
    assert deck.right == bytes(16000) + b"\x07\x00" * 8000 + bytes(32000)


def test_nothing_is_saved_of_an_empty_call() -> None:
    deck = Deck()
    deck.playout.finish(deck.now)
    assert deck.tape.finish(deck.out) == 0
    assert deck.out == []
