"""PCM16 of any encoding."""

import pytest

from trunkline.audio import g711
from trunkline.audio.format import AudioFormat, Encoding
from trunkline.audio.level import measure
from trunkline.audio.linear import LINEAR

SAMPLES = b"\x00\x10\x00\xf0" * 40
CODED = {Encoding.MULAW: g711.encode_mulaw(SAMPLES), Encoding.ALAW: g711.encode_alaw(SAMPLES), Encoding.PCM16: SAMPLES}


def test_there_is_a_way_from_every_encoding() -> None:
    assert set(LINEAR) == set(Encoding)


@pytest.mark.parametrize("encoding", Encoding)
def test_what_sounds_and_what_is_silent_is_so_whatever_the_encoding(encoding: Encoding) -> None:
    linear, silence = LINEAR[encoding], AudioFormat(encoding, 8000).silence(80)
    assert measure(linear(CODED[encoding])).rms == pytest.approx(4096 / 32768, rel=0.03)
    assert measure(linear(silence)).rms < 0.001
    assert len(linear(silence)) == 160
