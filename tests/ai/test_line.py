"""The audio a recogniser hears: nothing is lost or doubled, and every position of its leads back to the call."""

import random

import pytest

from trunkline.ai.line import KEEP_S, Line
from trunkline.audio.format import MULAW_8K, PCM16_16K

MS = 8  # bytes of mu-law


class Vendor:
    """Takes what is sent as long as there is a connection."""

    def __init__(self) -> None:
        self.there = True
        self.messages: list[bytes] = []

    def send(self, data: bytes) -> bool:
        if self.there:
            self.messages.append(data)
        return self.there

    @property
    def heard(self) -> bytes:
        return b"".join(self.messages)


def spoken(ms: int) -> bytes:
    """Audio of which every sample tells where it is."""
    return bytes(i // MS % 251 for i in range(ms * MS))


def test_audio_goes_in_chunks_and_the_rest_when_asked() -> None:
    vendor = Vendor()
    line = Line(MULAW_8K, 80, vendor.send)
    for at in range(0, 200 * MS, 20 * MS):
        line.hear(spoken(200)[at : at + 20 * MS])
    assert [len(message) for message in vendor.messages] == [80 * MS, 80 * MS]
    assert line.flush() == spoken(200)[160 * MS :]
    assert line.flush() == b""
    assert vendor.heard == spoken(200)
    assert line.heard_ms == 200


@pytest.mark.parametrize("seed", range(20))
def test_a_new_connection_hears_exactly_what_no_words_were_made_of(seed: int) -> None:
    dice = random.Random(seed)
    vendor = Vendor()
    line = Line(MULAW_8K, 80, vendor.send)
    said, done_ms = spoken(9000), 0
    at = 0
    while at < len(said):
        size = dice.randrange(1, 60 * MS)
        line.hear(said[at : at + size])
        at += size
        if dice.random() < 0.1:
            done_ms = dice.randrange(done_ms, int(line.heard_ms) + 1)
            line.done(done_ms)
        if dice.random() < 0.1:
            vendor.there = not vendor.there
            if vendor.there:
                vendor.messages.clear()
                line.restart()
                assert vendor.heard == said[done_ms * MS : round(line.heard_ms * MS)]
                assert line.position_ms(0) == done_ms
                assert max(map(len, vendor.messages), default=0) <= 500 * MS
    line.flush()
    assert line.heard_ms == 9000


def test_what_was_heard_before_the_first_connection_is_sent_with_it() -> None:
    vendor = Vendor()
    vendor.there = False
    line = Line(PCM16_16K, 40, vendor.send)
    line.hear(b"\1\2" * 16 * 100)
    vendor.there = True
    line.restart()
    assert vendor.heard == b"\1\2" * 16 * 100
    assert line.position_ms(0.05) == 50


def test_silence_of_ours_takes_no_time_of_the_call() -> None:
    vendor = Vendor()
    line = Line(MULAW_8K, 80, vendor.send)
    line.hear(spoken(110))
    line.fill(200)
    line.fill(200)
    line.hear(spoken(160))
    line.fill(200)
    assert vendor.heard == spoken(110) + b"\xff" * 400 * MS + spoken(160) + b"\xff" * 200 * MS
    assert line.heard_ms == 270
    positions = {0.0: 0, 0.1: 100, 0.11: 110, 0.3: 110, 0.51: 110, 0.6: 200, 0.67: 270, 0.8: 270}
    assert {at: round(line.position_ms(at)) for at in positions} == positions


def test_silence_of_ours_is_not_sent_again() -> None:
    vendor = Vendor()
    line = Line(MULAW_8K, 80, vendor.send)
    line.hear(spoken(80))
    line.fill(200)
    line.hear(spoken(80))
    vendor.messages.clear()
    line.restart()
    assert vendor.heard == spoken(80) * 2
    assert line.position_ms(0.1) == 100


def test_too_old_audio_is_forgotten_and_counted() -> None:
    vendor = Vendor()
    vendor.there = False
    line = Line(MULAW_8K, 80, vendor.send)
    line.hear(spoken(int(1000 * KEEP_S) + 800))
    vendor.there = True
    line.restart()
    assert line.forgotten_ms == 800
    assert line.position_ms(0) == 800
    assert vendor.heard == spoken(int(1000 * KEEP_S) + 800)[800 * MS :]
