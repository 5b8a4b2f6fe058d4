"""Audio off the wire to detector frames."""

import pytest

from trunkline.ai.frames import GAP_S, HEARS, Framer
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, AudioFormat
from trunkline.audio.g711 import encode_alaw, encode_mulaw

PCM16 = b"".join((at % 7 * 1000).to_bytes(2, "little") for at in range(1000))


@pytest.mark.parametrize("size", [1, 160, 161, 4000])
@pytest.mark.parametrize("hears", HEARS, ids=str)
def test_frames_are_the_same_however_the_audio_comes(hears: AudioFormat, size: int) -> None:
    wire = {MULAW_8K: encode_mulaw(PCM16), ALAW_8K: encode_alaw(PCM16), PCM16_8K: PCM16}[hears]
    whole = Framer(hears, 256).push(wire, 0)
    framer = Framer(hears, 256)
    pieces = [frame for at in range(0, len(wire), size) for frame in framer.push(wire[at : at + size], at / 8000)]
    assert pieces == whole
    assert [len(frame.pcm16) for frame in whole] == [512, 512, 512]
    assert not any(frame.fresh for frame in whole)


@pytest.mark.parametrize(("gap_s", "fresh"), [(GAP_S, [False, False]), (GAP_S + 0.01, [True, False])])
def test_the_first_frame_after_a_long_gap_is_fresh(gap_s: float, fresh: list[bool]) -> None:
    framer = Framer(PCM16_8K, 256)
    assert not framer.push(bytes(512), 10)[0].fresh
    assert framer.push(bytes(100), 10 + gap_s) == []
    frames = framer.push(bytes(1024), 10.02 + gap_s)
    assert [frame.fresh for frame in frames] == fresh
