"""The low-pass filters: what each row promises the kernel, and what minimum phase buys."""

import numpy as np
import pytest

from trunkline.audio import filters
from trunkline.audio._kernels import Taps
from trunkline.errors import AudioError

SYMMETRIC = filters.low_pass(filters.TAPS * 3, 3)
EARLY = filters.minimum_phase(SYMMETRIC)


def test_minimum_phase_keeps_the_magnitude() -> None:
    before, after = (np.abs(np.fft.rfft(h, 4096)) for h in (SYMMETRIC, EARLY))
    assert np.abs(after - before).max() < 1e-3 * before.max()


def test_minimum_phase_brings_the_energy_first() -> None:
    before, after = (np.cumsum(h**2) / np.sum(h**2) for h in (SYMMETRIC, EARLY))
    assert (after >= before - 1e-9).all()
    assert np.searchsorted(after, 0.5) < np.searchsorted(before, 0.5) / 8


@pytest.mark.parametrize("up", [1, 2, 3, 147, 441])
def test_rows_are_whole_vectors_and_add_up_to_one(up: int) -> None:
    rows = filters.polyphase(filters.minimum_phase(filters.low_pass(filters.TAPS * 450, 450)), up)
    assert rows.shape[0] == up
    assert rows.shape[1] % 16 == 0
    assert rows.sum(axis=1) == pytest.approx(np.ones(up))


def test_whole_taps_add_up_exactly_and_stay_within_a_step_of_the_design() -> None:
    rows = filters.polyphase(EARLY, 3)
    whole, unity = filters.whole_numbers(rows)
    assert (whole.sum(axis=1, dtype=np.int64) == unity).all()
    assert np.abs(whole - rows * unity).max() <= 1
    assert 60000 < np.abs(whole.astype(int)).sum(axis=1).max() <= 65535


def test_a_filter_is_designed_once_and_shared() -> None:
    assert filters.taps(8000, 24000) is filters.taps(8000, 24000)


def test_equal_rates_need_no_filter() -> None:
    assert filters.taps(16000, 16000) is None


@pytest.mark.parametrize("rate", [0, -8000, 8001, 12000, 96000, 8000.0, "8000", None, [8000]])
def test_a_rate_we_do_not_know_is_named_with_those_we_do(rate: object) -> None:
    with pytest.raises(AudioError, match=r"is not supported: use one of 8000, 11025, .* 48000"):
        filters.taps(rate, 8000)  # type: ignore[arg-type]


def rows_of(*values: int) -> bytes:
    return np.array(values, "<i2").tobytes()


@pytest.mark.parametrize(
    ("width", "unity", "rows", "complaint"),
    [
        (16, 1, rows_of(*[0] * 15), r"1 rows of 16 taps are 32 bytes, not 30"),
        (16, 2, rows_of(*[0] * 15, 1), r"row 0 of the taps adds up to 1, magnitude 1"),
        (16, 2, rows_of(*[32767, -32767] * 7, 1, 1), r"row 0 of the taps adds up to 2, magnitude 458740"),
        (24, 1, rows_of(*[0] * 23, 1), r"a filter can't be 1/1 with 24 taps"),
        (304, 1, rows_of(*[0] * 303, 1), r"a filter can't be 1/1 with 304 taps"),
    ],
)
def test_the_kernel_refuses_taps_whose_sums_it_could_not_hold(
    width: int, unity: int, rows: bytes, complaint: str
) -> None:
    with pytest.raises(AudioError, match=complaint):
        Taps(up=1, down=1, width=width, tail=15, unity=unity, delay_ms=0.0, rows=rows)
