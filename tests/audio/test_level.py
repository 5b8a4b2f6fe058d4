"""The level meter against signals made with a known level."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio import g711
from trunkline.audio.level import ALAW_CEILING, FULL_SCALE, MULAW_CEILING, Level, dbfs, measure
from trunkline.errors import AudioError

int16s = st.lists(st.integers(-32768, 32767), max_size=3000)


def pcm16(*samples: float) -> bytes:
    return np.array(samples).astype("<i2").tobytes()


@pytest.mark.parametrize(
    ("samples", "level"),
    [
        ([], Level(peak=0, rms=0, clipped=0, dc=0, samples=0)),
        ([0, 0], Level(peak=0, rms=0, clipped=0, dc=0, samples=2)),
        ([16384, -16384], Level(peak=0.5, rms=0.5, clipped=0, dc=0, samples=2)),
        ([8192] * 4, Level(peak=0.25, rms=0.25, clipped=0, dc=0.25, samples=4)),
        ([-32768], Level(peak=1, rms=1, clipped=1, dc=-1, samples=1)),
        ([32767, -32767, 32766, -32766], Level(peak=32767 / 32768, rms=0.999954, clipped=2, dc=0, samples=4)),
    ],
)
def test_known_levels(samples: list[int], level: Level) -> None:
    found = measure(pcm16(*samples))
    assert (found.peak, found.clipped, found.dc, found.samples) == (level.peak, level.clipped, level.dc, level.samples)
    assert found.rms == pytest.approx(level.rms, abs=1e-6)


@given(int16s, st.integers(1, 32768))
def test_any_audio_measures_what_a_loop_would(samples: list[int], ceiling: int) -> None:
    found = measure(np.array(samples, "<i2").tobytes(), ceiling)
    n = max(len(samples), 1)
    assert found.peak == max((abs(x) for x in samples), default=0) / FULL_SCALE
    assert found.clipped == sum(abs(x) >= ceiling for x in samples)
    assert found.dc == pytest.approx(sum(samples) / n / FULL_SCALE)
    assert found.rms == pytest.approx(math.sqrt(sum(x * x for x in samples) / n) / FULL_SCALE)


def test_ten_minutes_of_the_loudest_do_not_overflow() -> None:
    found = measure(b"\x00\x80" * (600 * 8000))
    assert found == Level(peak=1, rms=1, clipped=600 * 8000, dc=-1, samples=600 * 8000)


def test_a_full_scale_sine_is_3_db_below_a_square() -> None:
    sine = pcm16(*np.rint(32767 * np.sin(np.arange(8000) * 2 * np.pi * 100 / 8000)))
    assert measure(sine).rms_dbfs == pytest.approx(-3.01, abs=0.01)
    assert measure(sine).peak_dbfs == pytest.approx(0, abs=0.001)


def test_silence_is_endlessly_quiet() -> None:
    assert measure(bytes(320)).rms_dbfs == measure(bytes(320)).peak_dbfs == dbfs(0) == -math.inf


@pytest.mark.parametrize(
    ("loudest", "ceiling"),
    [
        (g711.decode_mulaw(b"\x80\x00"), MULAW_CEILING),
        (g711.decode_alaw(b"\xaa\x2a"), ALAW_CEILING),
    ],
)
def test_the_loudest_codes_of_a_law_count_as_clipped_at_its_own_ceiling(loudest: bytes, ceiling: int) -> None:
    assert measure(loudest, ceiling).clipped == 2
    assert measure(loudest, ceiling + 1).clipped == 0


@pytest.mark.parametrize("ceiling", [0, -1, 32769])
def test_a_ceiling_no_sample_can_have_is_an_audio_error(ceiling: int) -> None:
    with pytest.raises(AudioError, match=f"a ceiling lies between 1 and 32768, not at {ceiling}"):
        measure(bytes(2), ceiling)


def test_half_a_sample_is_an_audio_error() -> None:
    with pytest.raises(AudioError, match="whole 2-byte samples, not 3 bytes"):
        measure(bytes(3))


def test_what_is_not_bytes_is_an_audio_error() -> None:
    with pytest.raises(AudioError, match="audio must be bytes, not list"):
        measure([0, 0])  # type: ignore[arg-type]
