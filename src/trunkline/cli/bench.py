"""``trunkline bench``: what the audio kernels do, and how many calls one core holds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.errors import MissingProgram

if TYPE_CHECKING:
    from trunkline.cli._bench_calls import CallsReport, Plan

command = typer.Typer(invoke_without_command=True)

SPEECH = Path("../shared/speech")

_Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
_Speech = Annotated[
    Path,
    typer.Option(
        metavar="DIR", envvar="TRUNKLINE_SPEECH_DIR", show_default=False, help="Recordings to listen to, *.wav."
    ),
]


@command.callback()
def everything(context: typer.Context, json: _Json = False, speech: _Speech = SPEECH) -> None:
    """Measure the audio kernels and the calls one core holds: about three minutes, on this machine only.

    Leave the machine alone meanwhile. Nothing but loopback is used.
    """
    if context.invoked_subcommand is not None:
        return
    from trunkline.cli._bench_calls import Plan

    kernels = _kernels(speech)
    packets = _packets()
    if not json:
        _show_kernels(kernels)
        _show_packets(packets)
    told = _climb(Plan())
    if json:
        _print({"audio": kernels, "rtp": packets, "calls": _values(told)})
    else:
        _show_calls(told)


@command.command()
def audio(json: _Json = False, speech: _Speech = SPEECH) -> None:
    """Measure the audio kernels beside the designs people use: speed, delay, fidelity."""
    kernels = _kernels(speech)
    if json:
        _print(kernels)
    else:
        _show_kernels(kernels)


@command.command()
def rtp(json: _Json = False) -> None:
    """Measure what one RTP packet each way costs, beside a bare echo of the same datagrams: some seconds."""
    packets = _packets()
    if json:
        _print(packets)
    else:
        _show_packets(packets)


@command.command()
def calls(
    start: Annotated[int, typer.Option(min=1, help="Calls at the first step.")] = 200,
    step: Annotated[int, typer.Option(min=1, help="Calls more at each step.")] = 100,
    most: Annotated[int, typer.Option("--max", min=1, help="Calls at the last step at most.")] = 1500,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long each step is measured.")] = 5.0,
    agent: Annotated[str, typer.Option(help="Who answers; it has to give back what it hears.")] = "echo",
    agent_rate: Annotated[str, typer.Option(help="Hz the echo works at, or mulaw: nothing converted.")] = "24000",
    json: _Json = False,
) -> None:
    """Measure how many simulated Twilio calls one core holds.

    A gateway with the echo agent runs in a process of its own, on a core of its own; the phones are on the other.
    Calls are added step by step until p99 latency exceeds 300 ms or under-runs exceed 1 %.
    """
    from trunkline.cli._bench_calls import Plan

    told = _climb(Plan(min(start, most), step, most, seconds, agent, agent_rate))
    if json:
        _print(_values(told))
    else:
        _show_calls(told)


@command.command()
def turns(
    calls: Annotated[int, typer.Option(min=1, help="Callers at a time.")] = 50,
    each: Annotated[int, typer.Option("--turns", min=1, help="Turns of each caller.")] = 4,
    eager: Annotated[bool, typer.Option("--eager", help="The recogniser announces a turn's end early.")] = False,
    stt_ms: Annotated[float, typer.Option(min=0, help="From the end of speech to the final words.")] = 260,
    model_ms: Annotated[float, typer.Option(min=0, help="From the question to the model's first word.")] = 50,
    voice_ms: Annotated[float, typer.Option(min=0, help="From the text to the first audio.")] = 90,
    json: _Json = False,
) -> None:
    """Measure how long callers wait for an answer from a cascade whose vendors are simulated, with these delays.

    The gateway is a process of its own on a core of its own; callers and vendors are on the other.
    """
    import asyncio

    import uvloop

    from trunkline.cli import _bench_turns, _bench_turns_report

    plan = _bench_turns.TurnsPlan(calls, each, stt_ms, model_ms, voice_ms, eager)
    with _busy("turns") as say, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        told = runner.run(_bench_turns.take_turns(plan, say))
    if json:
        _print(_bench_turns.values(told))
    else:
        _bench_turns_report.show(told)


def _kernels(speech: Path) -> dict[str, Any]:
    try:
        from trunkline.testing import bench_audio
    except ModuleNotFoundError as error:
        # Only the calls can be measured without it: "trunkline bench calls".
        raise MissingProgram(error.name or "a library", 'pip install "trunkline[bench]"') from None
    with _busy("the audio kernels"):
        return bench_audio.run(speech)


def _packets() -> dict[str, Any]:
    from trunkline.testing import bench_rtp

    with _busy("RTP packet pairs"):
        return bench_rtp.run()


def _show_packets(packets: dict[str, Any]) -> None:
    from trunkline.testing.bench_rtp import lines

    typer.echo("\n".join(lines(packets)))


def _climb(plan: "Plan") -> "CallsReport":
    import asyncio
    import signal

    import uvloop

    from trunkline.cli._bench_calls import climb

    # Told to stop, it stops what it has started, as it does on Ctrl-C.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _busy("calls") as say, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(climb(plan, say))
    finally:
        signal.signal(signal.SIGTERM, before)


def _busy(first: str) -> Any:
    from trunkline.cli._bench_report import progress

    return progress(first)


def _show_kernels(kernels: dict[str, Any]) -> None:
    from trunkline.cli._bench_audio import show

    show(kernels)


def _show_calls(told: "CallsReport") -> None:
    from trunkline.cli._bench_report import show

    show(told)


def _values(told: "CallsReport") -> Any:
    from trunkline.cli._bench_report import values

    return values(told)


def _print(report: Any) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(report)).decode())
