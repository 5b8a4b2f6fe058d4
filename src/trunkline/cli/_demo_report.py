"""What ``trunkline demo`` shows of its call."""

import wave

from rich.console import Console
from rich.table import Table

from trunkline.call.latency import Budgets
from trunkline.call.ledger import Ledger
from trunkline.call.session import CallSession
from trunkline.cli._demo_call import DemoCall


def show(done: DemoCall, console: Console) -> None:
    """Transcript, latency, ledger and recording, for people."""
    console.print(_transcript(done.session))
    console.print(_latency(done.session))
    console.print(_ledger(done.session.ledger))
    outcome = done.placed.outcome
    console.print(
        f"The telephone played {outcome.ear.played / outcome.wire.rate:.1f} s of audio in "
        f"{outcome.duration_ms / 1000:.1f} s; under-runs: {len(outcome.underruns)}, clears: {len(outcome.clears)}, "
        f"marks: {outcome.marks_played} played and {outcome.marks_flushed} flushed."
    )
    with wave.open(str(done.recording)) as file:
        seconds = file.getnframes() / file.getframerate()
    console.print(f"Recording (left the caller, right the agent as heard, {seconds:.1f} s):", end=" ")
    console.print(str(done.recording.resolve()), soft_wrap=True, highlight=False)
    simulated = [
        "the telephone and its platform",
        "the caller's voice (espeak-ng speaks a script)",
        *done.mind.simulated,
    ]
    real = f" Really asked: {', '.join(done.mind.real)}." if done.mind.real else ""
    console.print(f"Simulated: {', '.join(simulated)}.{real} Everything else is what answers real calls.", style="dim")
    console.print(
        "The call went through." if done.ok else "The call failed.", style="bold green" if done.ok else "bold red"
    )


def _transcript(session: CallSession) -> Table:
    table = Table(title="Transcript: what was said, and of the agent what was heard", title_justify="left", expand=True)
    table.add_column("at", justify="right", no_wrap=True)
    table.add_column("who", no_wrap=True)
    table.add_column("words", ratio=1)
    lines = [
        (said.at_ms, said.speaker, f"{said.text} [red]— interrupted[/]" if said.interrupted else said.text)
        for said in session.transcript
    ]
    lines += [(key.at_ms, "caller", f"[dim]presses key[/] {key.digit}") for key in session.keys]
    for at_ms, speaker, words in sorted(lines):
        table.add_row(f"{at_ms / 1000:.1f} s", speaker, words)
    return table


def _latency(session: CallSession) -> Table:
    table = Table(title="Latency of each reply, in ms", title_justify="left")
    for name in ("reply", "speech to text", "model", "synthesis", "caller waited", "budget"):
        table.add_column(name, justify="left" if name == "budget" else "right")
    for turn in session.turns:
        known = turn.latency
        stages = (known.stt_ms, known.llm_ms, known.tts_ms, known.total_ms)
        slow = [stage for stage, verdict in turn.verdicts.items() if verdict == "SLOW"]
        verdict = f"[red]SLOW[/]: {', '.join(slow)}" if slow else "[green]OK[/]"
        table.add_row(str(turn.generation), *("–" if ms is None else f"{ms:.0f}" for ms in stages), verdict)
    budgets = Budgets()
    table.add_section()
    limits = (budgets.stt, budgets.llm, budgets.tts, budgets.total)
    table.add_row("[dim]maximum[/]", *(f"[dim]{budget.maximum_ms:.0f}[/]" for budget in limits), "")
    return table


def _ledger(ledger: Ledger) -> Table:
    agent, caller = ledger.agent, ledger.caller
    table = Table(title="Sample ledger", title_justify="left", show_header=False)
    table.add_row(
        "agent",
        f"{agent.generated} generated = {agent.played} played + {agent.cleared} cleared + {agent.in_flight} in flight",
        _balance(agent.balances),
    )
    table.add_row(
        "caller",
        f"{caller.received} received = {caller.delivered} delivered + {caller.concealed} concealed"
        f" + {caller.lost} lost",
        _balance(caller.balances),
    )
    return table


def _balance(balances: bool) -> str:
    return "[green]balances[/]" if balances else "[red]does not balance[/]"
