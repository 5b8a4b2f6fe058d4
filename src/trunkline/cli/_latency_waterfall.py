"""The slowest turns as a waterfall of characters: each stage where it was, on one scale."""

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from trunkline.cli._latency_turns import MeasuredTurn

# Told apart by shape as well as by colour: logs and colour-blind readers have only the one.
CELLS: Final = {"stt": ("░", "cyan"), "llm": ("▓", "magenta"), "tts": ("█", "green"), "response": ("━", "yellow")}
REST: Final = ("·", "dim")
"""Time the caller waited in none of the stages."""
NARROWEST: Final = 20


def waterfall(turns: Sequence[MeasuredTurn], width: int) -> list[Text]:
    """Lines of ``width`` characters at the most: a turn each, the scale, and what the cells mean."""
    if not turns:
        return []
    labels = [label(turn) for turn in turns]
    room = max(map(len, labels))
    cells = max(NARROWEST, width - room - len("  12345 ms"))
    longest = max(turn.waited_ms for turn in turns)
    lines = [Text(f"The slowest {len(turns)}" if len(turns) > 1 else "The slowest", style="italic")]
    for turn, name in zip(turns, labels, strict=True):
        line = Text(f"{name:>{room}} ")
        for cell, style in _row(turn, cells, longest):
            line.append(cell, style)
        lines.append(line.append(f" {turn.waited_ms:.0f} ms"))
    scale = f"{'0':<{cells - 8}}{longest:>5.0f} ms"
    lines.append(Text(" " * (room + 1) + scale, style="dim"))
    used = {bar.stage for turn in turns for bar in turn.bars()}
    legend = Text(" " * (room + 1))
    for stage in (stage for stage in CELLS if stage in used):
        legend.append(CELLS[stage][0] * 2, CELLS[stage][1]).append(f" {stage}   ")
    if used - {"response"}:
        legend.append(REST[0] * 2, REST[1]).append(" waiting, sending")
    legend.rstrip()
    return [*lines, legend]


def label(turn: MeasuredTurn) -> str:
    """Which turn it is, in few characters."""
    if turn.at_ms is not None:
        seconds = turn.at_ms / 1000
        return f"{_short(turn.call or turn.file)} {int(seconds // 60)}:{seconds % 60:04.1f}"
    return f"{_short(turn.call or turn.file)} #{turn.turn}"


def _short(name: str) -> str:
    return name if len(name) <= 18 else f"{name[:6]}…{name[-11:]}"


def _row(turn: MeasuredTurn, cells: int, longest: float) -> list[tuple[str, str]]:
    def cell(ms: float) -> int:
        return round(ms * cells / longest)

    row = [REST] * cell(turn.waited_ms)
    for bar in turn.bars():
        begin = min(cell(bar.at_ms), len(row) - 1)
        end = min(max(begin + 1, cell(bar.at_ms + bar.ms)), len(row))
        row[begin:end] = [CELLS[bar.stage]] * (end - begin)
    return row
