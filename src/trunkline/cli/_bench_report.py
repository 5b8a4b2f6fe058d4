"""What ``trunkline bench calls`` prints: for people, and for scripts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

from trunkline.cli._bench_calls import CallsReport

OTHERS: Final = 0.05
"""So much of the gateway's core may be somebody else's before the reader is told."""


@contextmanager
def progress(first: str) -> Iterator[Callable[[str], None]]:
    """One line per stage on stderr: anything that moves by itself would be a load on the core of the phones."""
    console = Console(stderr=True, highlight=False, style="dim")
    console.print(f"measuring {first} …")
    yield lambda stage: console.print(f"  {stage}")


def show(told: CallsReport) -> None:
    """For people."""
    plan = told.plan
    rate = "" if plan.agent_rate == "mulaw" else " Hz"
    table = Table(
        title=f"calls on one core: agent {plan.agent}, {plan.agent_rate}{rate}, windows of {plan.seconds:g} s"
    )
    for heading in (
        "calls",
        "µs per\nframe pair",
        "gateway's\nCPU %",
        "others on\nits core %",
        "phones'\nCPU %",
        "KiB\nper call",
        "p50\nms",
        "p99\nms",
        "under-\nruns %",
        "phones'\np99 lag ms",
        "",
    ):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=not heading)
    for step in told.steps:
        window = step.window
        table.add_row(
            f"{window.calls}",
            f"{step.us_per_pair:.1f}",
            f"{100 * step.server_cpu:.0f}",
            f"{100 * step.others_cpu:.0f}",
            f"{100 * step.generator_cpu:.0f}",
            f"{step.kib_per_call:.0f}",
            f"{1000 * window.p50:.0f}",
            f"{1000 * window.p99:.0f}",
            f"{100 * window.under_runs:.2f}",
            f"{1000 * window.lag_p99:.1f}",
            "the phones are late" if step.generator_limits else step.fault or "well",
        )
    console = Console(highlight=False, width=max(120, Console().width))
    console.print(table)
    for bare in told.references:
        console.print(
            f"A bare echo (picows, json, base64) under {bare.calls} calls: {bare.us_per_pair:.1f} µs per frame pair. "
            f"The gateway costs {bare.ratio:.2f} times that."
        )
    if not told.pinned:
        console.print("Not pinned to a core: gateway and phones shared what there was.", style="yellow")
    if any(step.others_cpu > OTHERS for step in told.steps):
        console.print("The machine was not quiet: others ran on the gateway's core.", style="yellow")
    console.print(told.verdict[:1].upper() + told.verdict[1:] + ".", style="bold")


def values(told: CallsReport) -> Any:
    """For scripts: what the tables say, and the judgements with it."""
    report = msgspec.to_builtins(told)
    for step, row in zip(told.steps, report["steps"], strict=True):
        row |= {"generator_limits": step.generator_limits, "fault": step.fault}
    for bare, row in zip(told.references, report["references"], strict=True):
        row["ratio"] = bare.ratio
    return report
