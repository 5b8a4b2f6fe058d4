"""What the converter's benchmark prints of what it measured. Nothing is measured here."""

import pytest

pytest.importorskip("soxr")
from trunkline.testing import bench_converter


def test_each_design_has_a_line_and_a_path_without_recordings_has_no_score() -> None:
    tones = {"passband_low_db": -0.31, "passband_high_db": 0.0, "aliases_db": -71.3, "thd_n_db": -93.8}
    scores = {bench_converter.NARROW: 4.425, bench_converter.WIDE: 4.5}
    lowest = {name + bench_converter.LOWEST: score - 0.1 for name, score in scores.items()}
    table = bench_converter.rows(
        {
            "speed_us_per_200_ms": {"trunkline": 7.4, "slow": 74.0},
            "quality": {"trunkline": tones | scores | lowest, "silent": tones},
        }
    )
    assert table[1:4] == [["trunkline", "7.4", "1.0"], ["slow", "74.0", "10.0"], []]
    assert table[5] == ["trunkline", "-0.31 … +0.00", "-71.3", "-93.8", "4.425 (4.325)", "4.500 (4.400)"]
    assert table[6] == ["silent", "-0.31 … +0.00", "-71.3", "-93.8"]


def test_the_designs_it_compares_with_do_their_work() -> None:
    chunk = bytes(9600)
    assert bench_converter.by_formula(chunk) == b"\xff" * 4800
    assert bench_converter.scipy_each_time(chunk) == bytes(3200)
    assert bench_converter.soxr_whole(24000, 8000)(chunk) == bytes(3200)
