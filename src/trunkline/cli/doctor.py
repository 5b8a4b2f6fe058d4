"""``trunkline doctor``: what is wrong with a recording, or what this installation, a platform or a provider needs."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    audio: Annotated[
        Path | None, typer.Argument(metavar="AUDIO", help="A recording: WAV, FLAC or OGG of any rate, .ulaw, .alaw.")
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Say instead what to type into this platform's console; all: every one's."),
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Say instead what this provider of AI needs; all: describe every one."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say what this installation lacks; or, of a recording, what is wrong with it.

    Without an argument: programs, model files, each platform's secret and each provider's key, which is tried at its
    vendor; what is missing, where to get it, and what does the same offline. The exit code is 1 if something that is
    set is of no use.

    With a recording: looks for bytes misread (the wrong law, PCM as G.711, swapped bytes), clipping, a level too low,
    lost packets, under-runs, clicks at a frame's edges, aliasing, echo and its delay, and channels that drift apart.
    The exit code is 0 if nothing was found, 1 if something was, and 2 if the file can't be read.

    With --platform: the addresses to enter at the platform, for the public URL that is configured, and whether its
    secret is set. The exit code is 1 while it is not. With --provider: the same of a provider of AI.
    """
    from trunkline.errors import ConfigError

    match audio, platform, provider:
        case None, None, None:
            _house(json)
        case None, str(), None:
            _platform(platform)
        case None, None, str():
            _provider(provider, json)
        case Path(), None, None:
            _recording(audio, json)
        case _:
            raise ConfigError("give a recording, --platform NAME or --provider NAME: one of them at a time")


def _house(json: bool) -> None:
    import msgspec
    from rich.console import Console

    from trunkline.cli._doctor_house import look, table
    from trunkline.config import Config

    findings = look(Config.load())
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(findings)).decode())
    else:
        Console(highlight=False).print(table(findings))
    if any(one.state == "bad" for one in findings):
        raise typer.Exit(1)


def _provider(name: str, json: bool) -> None:
    import msgspec

    from trunkline import registry
    from trunkline.ai.guide import page
    from trunkline.cli._doctor_house import provider
    from trunkline.config import Config
    from trunkline.errors import ConfigError

    names = registry.names("ai.providers")
    if name == "all":  # the page of the docs
        typer.echo(page(registry.load("ai.providers", each) for each in names), nl=False)
        return
    if name not in names:
        raise ConfigError(f"there is no provider {name!r}: choose one of {', '.join(names)}")
    told = provider(Config.load(), name)
    typer.echo(msgspec.json.encode(told).decode() if json else f"{told.what}: {told.state}. {told.note}")
    if told.state != "ok":
        raise typer.Exit(1)


def _recording(audio: Path, json: bool) -> None:
    import msgspec
    from rich.console import Console

    from trunkline.audio.doctor import examine
    from trunkline.cli._doctor_report import read, report, table

    with Console(stderr=True).status("listening …"):  # seconds, for minutes of it; only people at a terminal see this
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
