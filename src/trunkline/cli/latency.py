"""``trunkline latency``: how long callers wait, and for what."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from trunkline.cli._latency_report import Report


def command(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="CALL_OR_LOG...",
            help="Logs as JSON lines (- is standard input), records of calls, stereo recordings; or folders of them.",
        ),
    ],
    call: Annotated[str | None, typer.Option(metavar="ID", help="Only the turns of this call.")] = None,
    caller_channel: Annotated[
        str, typer.Option(metavar="left|right", help="Where the caller is in recordings; in ours, on the left.")
    ] = "left",
    vad: Annotated[
        str,
        typer.Option(metavar="NAME", help="What hears the caller: silero, webrtc or energy. auto: the best there is."),
    ] = "auto",
    worst: Annotated[
        int, typer.Option(min=0, max=200, metavar="N", help="How many of the slowest turns to show.")
    ] = 10,
    png: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw those turns as a picture.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Say how long callers wait for the agent, stage by stage, and show the slowest turns.

    From a log or a call's record: the gateway's own stamps, for recogniser, model, voice and in total. A gateway logs
    as JSON with TRUNKLINE_LOG_FORMAT=json, and keeps a record beside each recording.

    From a stereo recording, of any origin: what was to be heard, from the end of the caller's speech to the agent's
    first sound; and how long the agent took to fall silent when it was interrupted. Edges are found to some 10 ms on
    a clean line.
    """
    from rich.console import Console

    from trunkline.errors import ConfigError

    for name, value, choices in (
        ("--caller-channel", caller_channel, ("left", "right")),
        ("--vad", vad, ("auto", "silero", "webrtc", "energy")),
    ):
        if value not in choices:
            raise ConfigError(f"{name} is one of {', '.join(choices)}")
    told = _measure(files, call, caller_channel, vad, worst)
    if png is not None:
        _draw(told, png)
    if json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(told)).decode())
    else:
        _show(told, Console(highlight=False))


def _measure(files: list[str], call: str | None, side: Any, vad: Any, worst: int) -> "Report":
    from rich.console import Console

    from trunkline.call.settings import CallSettings
    from trunkline.cli import _latency_report, _latency_sources
    from trunkline.cli._latency_recording import Ear
    from trunkline.cli._latency_turns import Reading
    from trunkline.config import Config
    from trunkline.errors import AudioError

    config = Config.load()
    wanted = _latency_sources.sources(files)
    with Console(stderr=True).status("Reading and listening"):
        readings, skipped = _latency_sources.read(wanted, lambda: Ear(vad, side, config.models_dir))
    if call is not None:
        chosen = [([turn for turn in each.turns if turn.call == call], each.recorded) for each in readings]
        readings = [Reading(turns, recorded) for turns, recorded in chosen if turns]
    if not readings:
        why = f"no turn of the call {call}" if call is not None else "nothing that can be measured"
        raise AudioError(f"there is {why} in {', '.join(files)}")
    budgets = config.section("call", CallSettings).budgets
    return _latency_report.report(readings, budgets, worst, {each.file: each.why for each in skipped})


def _show(told: "Report", console: Any) -> None:
    from trunkline.cli import _latency_report, _latency_waterfall

    if told.stages:
        console.print(_latency_report.stages(told))
    else:
        console.print("No turn was answered: there is nothing to measure.")
    for recorded in told.recordings:
        console.print(_latency_report.heard(recorded), markup=False, soft_wrap=True)
    for line in _latency_waterfall.waterfall(told.worst, console.width):
        console.print(line, soft_wrap=True)
    for file, why in told.skipped.items():
        console.print(f"Left out {file}: {why}", style="dim", markup=False)


def _draw(told: "Report", png: Path) -> None:
    from trunkline.cli import _latency_plot
    from trunkline.errors import AudioError

    if not told.worst:
        raise AudioError("there is no turn to draw")
    _latency_plot.draw(told, told.worst, png)
