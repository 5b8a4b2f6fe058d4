"""What ``trunkline bench turns`` prints for people."""

from rich.console import Console
from rich.table import Table

from trunkline.cli._bench_turns import TurnsReport


def show(told: TurnsReport) -> None:
    """The pauses, beside what the stages add up to and what is aimed at."""
    plan, console = told.plan, Console(highlight=False)
    kind = "eager end of turn" if plan.eager else "end of turn"
    table = Table(title=f"{plan.calls} calls on one core, {told.turns} turns, {kind} (vendors are simulated)", box=None)
    for heading in ("", "p50", "p90", "p99", "longest"):
        table.add_column(heading, justify="right" if heading else "left")
    table.add_row(
        "caller stops → agent sounds, ms",
        *(f"{1000 * pause:.0f}" for pause in (told.p50, told.p90, told.p99, told.longest)),
    )
    console.print(table)
    stages = f"{plan.stt_ms:g} + {plan.model_ms:g} + {plan.voice_ms:g} = {plan.sum_ms:g} ms"
    console.print(f"vendors' first bytes: {stages}; aim: p99 ≤ {1000 * told.aim_s:.0f} ms")
    console.print(
        f"unanswered {told.unanswered}, interrupted {told.interrupted}, refused {told.refused}; "
        f"gateway's CPU {100 * told.gateway_cpu:.0f} %, callers' and vendors' {100 * told.phones_cpu:.0f} %, "
        f"callers' p99 lag {1000 * told.lag_p99:.1f} ms"
    )
