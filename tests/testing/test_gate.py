"""Edges of speech by level."""

import pytest

from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_16K, AudioFormat
from trunkline.testing.gate import Gate, Voice
from trunkline.testing.sounds import tone

WIRES = [MULAW_8K, ALAW_8K, PCM16_16K]


def pause(wire: AudioFormat, ms: int) -> bytes:
    return wire.silence(wire.rate * ms // 1000)


@pytest.mark.parametrize("wire", WIRES, ids=str)
@pytest.mark.parametrize("piece", [1, 7, 160, 3200, 10**6])
def test_edges_are_found_where_they_are_however_the_audio_is_cut(wire: AudioFormat, piece: int) -> None:
    audio = pause(wire, 100) + tone(wire, 300) + pause(wire, 100) + tone(wire, 300) + pause(wire, 400)
    gate = Gate(wire, hang_ms=200)
    edges = [edge for at in range(0, len(audio), piece) for edge in gate.push(audio[at : at + piece])]
    ms = wire.rate // 1000
    assert edges == [Voice(True, 100 * ms), Voice(False, 800 * ms)]  # the pause of 100 ms belongs to the speech
    assert not gate.speaking


@pytest.mark.parametrize("wire", WIRES, ids=str)
def test_silence_clicks_and_hiss_are_no_voice(wire: AudioFormat) -> None:
    gate = Gate(wire)
    assert gate.push(pause(wire, 1000)) == []
    assert gate.push(tone(wire, 10) + pause(wire, 100)) == []
    assert gate.push(tone(wire, 500, hz=2000, level=0.01)) == []
