"""``trunkline doctor``: what is wrong with a recording, or what a platform still needs."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    audio: Annotated[
        Path | None, typer.Argument(metavar="AUDIO", help="A recording: WAV, FLAC or OGG, of any rate.")
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Say instead what to type into this platform's console; all: every one's."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say what is wrong with a recording, by what figures it was told, and what most likely made it.

    Looks for bytes misread (the wrong law, PCM as G.711, swapped bytes), clipping, a level too low, lost packets,
    under-runs, clicks at a frame's edges, aliasing, echo and its delay, and channels that drift apart. The exit code
    is 0 if nothing was found, 1 if something was, and 2 if the file can't be read.

    With --platform: the addresses to enter at the platform, for the public URL that is configured, and whether its
    secret is set. The exit code is 1 while it is not.
    """
    from trunkline.errors import ConfigError

    if platform is not None and audio is None:
        _platform(platform)
        return
    if audio is None or platform is not None:
        raise ConfigError("give either a recording or --platform NAME")
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


def _platform(name: str) -> None:
    from trunkline import registry
    from trunkline.config import Config
    from trunkline.wire._guide import PLACEHOLDER, page, setup
    from trunkline.wire.base import Platform

    if name == "all":  # the page of the docs
        typer.echo(page(registry.load("wire", each).spec for each in registry.names("wire")), nl=False)
        return
    known: Platform = registry.load("wire", name)
    config = Config.load()
    setting = f"{name.upper()}_{known.spec.secret.upper()}"
    is_set = bool(getattr(config.platform(known.spec), known.spec.secret))
    typer.echo(f"{known.spec.title}\n\n{setup(known.spec, config.public_url or PLACEHOLDER)}")
    if not config.public_url:
        typer.echo(f"TRUNKLINE_PUBLIC_URL is not set: {PLACEHOLDER} stands for your own address.")
    typer.echo(f"{setting} is {'set' if is_set else 'not set: every call is refused'}.")
    if not is_set:
        raise typer.Exit(1)
