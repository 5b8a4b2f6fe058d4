"""``trunkline doctor``: what is wrong with a recording."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    audio: Annotated[Path, typer.Argument(metavar="AUDIO", help="A recording: WAV, FLAC or OGG, of any rate.")],
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say what is wrong with a recording, by what figures it was told, and what most likely made it.

    Looks for bytes misread (the wrong law, PCM as G.711, swapped bytes), clipping, a level too low, lost packets,
    under-runs, clicks at a frame's edges, aliasing, echo and its delay, and channels that drift apart. The exit code
    is 0 if nothing was found, 1 if something was, and 2 if the file can't be read.
    """
    import msgspec
    from rich.console import Console

    from trunkline.audio.doctor import examine
    from trunkline.cli._doctor_report import read, report, table

    take, seconds = read(audio)
    told = report(audio.name, take, seconds, examine(take))
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(told)).decode())
    else:
        Console(highlight=False).print(table(told))
    if told.findings:
        raise typer.Exit(1)
