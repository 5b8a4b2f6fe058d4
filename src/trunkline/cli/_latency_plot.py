"""The slowest turns as a picture. matplotlib draws it, and is imported only here: the extra ``plot`` brings it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trunkline.cli._latency_report import Report
from trunkline.cli._latency_turns import MeasuredTurn
from trunkline.cli._latency_waterfall import label
from trunkline.errors import AudioError, MissingProgram

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS: Final = {"stt": "#56b4e9", "llm": "#cc79a7", "tts": "#009e73", "response": "#e69f00"}
REST: Final = "#d9d9d9"
PERCENTILES: Final = (("p50", "p50_ms", ":"), ("p90", "p90_ms", "--"), ("p99", "p99_ms", "-"))
BAR: Final = 0.62  # of a row
PAPER: Final = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}


def draw(told: Report, turns: Sequence[MeasuredTurn], path: Path) -> None:
    """Write the picture to ``path``, as PNG. Raises ``MissingProgram`` without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingProgram("matplotlib", "pip install trunkline[plot]") from None
    figure = Figure(figsize=(10, 2.0 + 0.32 * max(1, len(turns))), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for row, turn in enumerate(turns):
        _draw_turn(axes, row, turn)
    axes.set_yticks(range(len(turns)), [label(turn) for turn in turns], fontsize=8, family="monospace")
    axes.set_ylim(len(turns) - 0.5, -0.5)
    axes.set_xlim(0, 1.12 * max(turn.waited_ms for turn in turns))
    axes.set_xlabel("ms after the caller's last sound")
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for stage in told.stages:
        if stage.name in ("total", "response"):
            colour = "#000000" if stage.name == "total" else COLOURS["response"]
            for name, field, style in PERCENTILES:
                ms = getattr(stage, field)
                text = f"{stage.name} {name}: {ms:.0f} ms"
                axes.axvline(ms, color=colour, linestyle=style, linewidth=1, label=text)
    axes.set_title(
        f"What the caller waited for: the slowest {len(turns)} of {told.turns} turns", fontsize=11, loc="left"
    )
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    figure.legend(once.values(), once.keys(), fontsize=8, ncols=4, loc="outside lower center", frameon=False)
    try:
        figure.savefig(path, format="png")
    except OSError as error:
        raise AudioError(f"{path} can't be written: {error.strerror}") from None


def _draw_turn(axes: "Axes", row: int, turn: MeasuredTurn) -> None:
    bars = turn.bars()
    if any(bar.stage != "response" for bar in bars):
        axes.barh(row, turn.waited_ms, height=BAR / 3, color=REST, label="waiting, sending")
    for bar in bars:
        axes.barh(row, bar.ms, left=bar.at_ms, height=BAR, color=COLOURS[bar.stage], label=bar.stage)
    axes.text(turn.waited_ms, row, f" {turn.waited_ms:.0f}", va="center", fontsize=8, zorder=3, bbox=PAPER)
