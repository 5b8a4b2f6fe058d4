"""What ``trunkline call`` prints: for people, and for scripts."""

import msgspec
from rich.table import Table

from trunkline.errors import RemoteError
from trunkline.testing.call import PlacedCall
from trunkline.testing.echo import EchoReport


class Report(msgspec.Struct, frozen=True):
    """A call's result. Samples are counted at the wire's rate, times are in milliseconds."""

    connected: bool
    ok: bool
    ended_by: str
    end_reason: str
    setup_ms: float
    duration_ms: float
    frames_sent: int
    frames_lost: int
    samples_said: int
    samples_received: int
    samples_played: int
    samples_cleared: int
    samples_unplayed: int
    balanced: bool
    marks_played: int
    marks_flushed: int
    marks_pending: int
    clears: int
    underruns: int
    underrun_ms: float
    turn_latencies_ms: list[float]
    replies_missing: int
    complaints: list[str]
    echo: EchoReport | None = None


class NoCall(msgspec.Struct, frozen=True):
    """There was no call."""

    error: str
    connected: bool = False
    ok: bool = False


def report(placed: PlacedCall, echo: EchoReport | None = None) -> Report:
    """The figures of a call. If ``echo`` is given, it decides too whether the call was ``ok``."""
    outcome = placed.outcome
    ended = outcome.ended
    return Report(
        connected=True,
        ok=outcome.ok and (echo is None or echo.whole),
        ended_by=ended.by if ended else "",
        end_reason=ended.reason if ended else "",
        setup_ms=round(placed.setup_ms, 1),
        duration_ms=outcome.duration_ms,
        frames_sent=outcome.frames_sent,
        frames_lost=outcome.frames_lost,
        samples_said=outcome.said_samples,
        samples_received=outcome.ear.received,
        samples_played=outcome.ear.played,
        samples_cleared=outcome.ear.cleared,
        samples_unplayed=outcome.ear.buffered,
        balanced=outcome.balanced,
        marks_played=outcome.marks_played,
        marks_flushed=outcome.marks_flushed,
        marks_pending=outcome.marks_pending,
        clears=len(outcome.clears),
        underruns=len(outcome.underruns),
        underrun_ms=round(sum(dry.ms for dry in outcome.underruns), 1),
        turn_latencies_ms=[round(turn.latency_ms, 1) for turn in outcome.turns],
        replies_missing=outcome.replies_missing,
        complaints=[str(RemoteError(complaint.what, where=complaint.where)) for complaint in outcome.complaints],
        echo=echo,
    )


def table(told: Report) -> Table:
    """For people."""
    result = "the call went through" if told.ok else "the call failed"
    grid = Table(title=result, title_style="bold green" if told.ok else "bold red", show_header=False, min_width=60)
    grid.add_row("ended by", f"{told.ended_by}: {told.end_reason}")
    grid.add_row("duration", f"{told.duration_ms / 1000:.2f} s, after {told.setup_ms:.0f} ms to connect")
    grid.add_row("frames sent", f"{told.frames_sent}, lost {told.frames_lost}")
    grid.add_row("samples said", f"{told.samples_said}")
    grid.add_row(
        "agent's samples",
        f"{told.samples_received} = {told.samples_played} played + {told.samples_cleared} cleared"
        f" + {told.samples_unplayed} unplayed{'' if told.balanced else ': NOT BALANCED'}",
    )
    grid.add_row(
        "marks", f"{told.marks_played} played, {told.marks_flushed} flushed, {told.marks_pending} still to come"
    )
    grid.add_row("clears", f"{told.clears}")
    grid.add_row("under-runs", f"{told.underruns}, {told.underrun_ms:.0f} ms in all")
    latencies = ", ".join(f"{ms:.0f}" for ms in told.turn_latencies_ms)
    grid.add_row("turn latencies", f"{latencies} ms" if latencies else "no turn to measure")
    if told.replies_missing:
        grid.add_row("answers missing", f"{told.replies_missing}")
    for complaint in told.complaints:
        grid.add_row("[red]gateway's fault[/]", complaint)
    if told.echo:
        shed = f", {told.echo.shed} left out by jitter buffers" if told.echo.shed else ""
        grid.add_row(
            "echo",
            f"{told.echo.missing} of {told.echo.compared} voiced samples missing, {told.echo.delay} samples late,"
            f" {told.echo.inserted} put in between{shed}",
        )
    return grid
