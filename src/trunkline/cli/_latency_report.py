"""What ``trunkline latency`` prints: for people, and for scripts."""

from collections.abc import Sequence
from typing import Final

import msgspec
from rich.table import Table
from rich.text import Text

from trunkline.call.latency import Budgets, percentile
from trunkline.cli._latency_turns import STAGES, MeasuredTurn, Reading, Recorded

LIKE: Final = {"response": "total"}
"""A stage that has no budget of its own is held against that of another."""


class Stage(msgspec.Struct, frozen=True):
    """A stage over all turns in which it is known; milliseconds."""

    name: str
    turns: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    budget_ms: float | None = None  # what it may take
    over: int = 0  # turns in which it took longer


class Report(msgspec.Struct, frozen=True):
    turns: int
    heard: int  # … of them by ear: the turns of a call of which there are both a record and a recording count twice
    calls: int
    stages: list[Stage]
    worst: list[MeasuredTurn]
    recordings: list[Recorded]
    skipped: dict[str, str]


def report(readings: Sequence[Reading], budgets: Budgets, worst: int, skipped: dict[str, str]) -> Report:
    turns = [turn for reading in readings for turn in reading.turns]
    waited = sorted((turn for turn in turns if turn.drawn), key=lambda turn: -turn.waited_ms)
    return Report(
        turns=len(turns),
        heard=sum(turn.at_ms is not None for turn in turns),
        calls=len({turn.call or turn.file for turn in turns}),
        stages=[stage for name in STAGES if (stage := _stage(name, turns, budgets))],
        worst=waited[:worst],
        recordings=[reading.recorded for reading in readings if reading.recorded],
        skipped=skipped,
    )


def _stage(name: str, turns: Sequence[MeasuredTurn], budgets: Budgets) -> Stage | None:
    values = [turn.stages[name] for turn in turns if name in turn.stages]
    if not values:
        return None
    budget = getattr(budgets, LIKE.get(name, name), None)
    p50, p90, p99 = (round(percentile(values, q), 1) for q in (50, 90, 99))
    return Stage(
        name=name,
        turns=len(values),
        p50_ms=p50,
        p90_ms=p90,
        p99_ms=p99,
        max_ms=round(max(values), 1),
        budget_ms=None if budget is None else budget.maximum_ms,
        over=0 if budget is None else sum(budget.verdict(ms) == "SLOW" for ms in values),
    )


def stages(told: Report) -> Table:
    """Percentiles, for people."""
    calls = "1 call" if told.calls == 1 else f"{told.calls} calls"
    turns = "1 turn" if told.turns == 1 else f"{told.turns} turns"
    if 0 < told.heard < told.turns:
        turns = f"{told.turns - told.heard} turns as stamped and {told.heard} as heard,"
    table = Table(title=f"Latency in ms: {turns} of {calls}", title_justify="left")
    table.add_column("stage", no_wrap=True)
    table.add_column("from → to", no_wrap=True)
    for heading in ("turns", "p50", "p90", "p99", "max", "budget", "over"):
        table.add_column(heading, justify="right", no_wrap=True)
    for stage in told.stages:
        budget = "" if stage.budget_ms is None else f"{stage.budget_ms:.0f}"
        over = Text("" if stage.budget_ms is None else f"{stage.over}", style="red" if stage.over else "green")
        figures = (f"{ms:.0f}" for ms in (stage.p50_ms, stage.p90_ms, stage.p99_ms, stage.max_ms))
        table.add_row(stage.name, STAGES[stage.name], f"{stage.turns}", *figures, budget, over)
    return table


def heard(recorded: Recorded) -> str:
    """What became of the caller's turns in one recording, for people."""
    counts = {
        "answered": recorded.answered,
        "answered too early": recorded.early,
        "not answered": recorded.unanswered,
        "interruptions": recorded.interruptions,
        "talked over": recorded.talked_over,
        "back-channels": recorded.back_channels,
    }
    known = [f"{recorded.seconds:.1f} s", f"turns {recorded.turns}"]
    known += [f"{what} {count}" for what, count in counts.items() if count]
    return f"{recorded.file}: {', '.join(known)} (heard by {recorded.detector})"
