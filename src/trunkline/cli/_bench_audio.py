"""What ``trunkline bench audio`` prints."""

from typing import Any

from rich.console import Console
from rich.table import Table


def show(report: dict[str, Any]) -> None:
    console = Console(width=max(110, Console().width))
    table = Table(title="µs per 20 ms frame (times ours)")
    others = ["numpy table", "Python loop", "soxr stream HQ", "scipy per chunk"]
    for heading in ("", "trunkline", *others):
        table.add_column(heading, justify="left" if not heading else "right")
    for what, times in report["speed_us_per_frame"].items():
        ours = times["trunkline"]
        cells = [f"{times[name]:.2f} ({times[name] / ours:.1f}x)" if name in times else "" for name in others]
        table.add_row(what, f"{ours:.2f}", *cells)
    console.print(table)

    table = Table(title="quality, in 20 ms frames")
    for heading in ("", "design", "latency ms", "empty frames", "300-3400 Hz dB", "images, aliases dB", "THD+N dB"):
        table.add_column(heading, justify="left" if heading in ("", "design") else "right")
    for row in report["quality"]:
        table.add_row(
            f"{row['from'] / 1000:g} to {row['to'] / 1000:g} kHz",
            row["design"],
            f"{row['latency_ms']:.2f}",
            f"{row['frames_without_output_of_100']} %",
            f"{row['passband_low_db']:+.2f} … {row['passband_high_db']:+.2f}",
            f"{row['images_or_aliases_db']:.1f}",
            f"{row['thd_n_db']:.1f}",
        )
    console.print(table)

    table = Table(title="PESQ, mean (lowest)")
    for heading in ("design", "mu-law 8 to 16 kHz, wide-band", "24 to 8 kHz mu-law, narrow-band"):
        table.add_column(heading, justify="left" if heading == "design" else "right")
    for name, found in report["pesq"].items():
        table.add_row(
            name,
            f"{found['mulaw_8_to_16_khz_wide_band']:.3f} ({found['mulaw_8_to_16_khz_lowest']:.3f})",
            f"{found['24_to_8_khz_mulaw_narrow_band']:.3f} ({found['24_to_8_khz_mulaw_lowest']:.3f})",
        )
    console.print(table if report["pesq"] else "no recordings found: PESQ left out")

    table = Table(title="trunkline, the worst of all 56 pairs of rates")
    table.add_column("")
    table.add_column("", justify="right")
    for what, value in report["all_pairs"].items():
        table.add_row(what.replace("_", " "), f"{value:.2f}" if isinstance(value, float) else str(value))
    console.print(table)
