"""``trunkline serve``: answer calls."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.agent import Agent, Served

if TYPE_CHECKING:
    from trunkline.config import Config
    from trunkline.wire.base import WireSpec

_WARNING = """\
INSECURE: neither signatures nor tickets are checked.
Whoever can reach this port can place calls, at your expense. Use it for trying things out, and for nothing else."""
_CLOSED = "No platform's secret is set, so nobody is let in: 'trunkline doctor' says which there are."


def command(
    application: Annotated[
        Path | None, typer.Argument(metavar="[APP.PY]", help="Python file that makes an Agent, or calls serve.")
    ] = None,
    agent: Annotated[str | None, typer.Option(help="Who answers: echo, local, or vendor/model; or A,B.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. Loopback unless told otherwise.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    public_url: Annotated[str | None, typer.Option(help="Base address phone platforms know us by: https://…")] = None,
    agent_rate: Annotated[str | None, typer.Option(help="Hz the echo agent works at, or mulaw.")] = None,
    record: Annotated[Path | None, typer.Option(help="Record calls into this folder.", metavar="DIR")] = None,
    insecure: Annotated[bool | None, typer.Option("--insecure", help="Check neither signatures nor tickets.")] = None,
) -> None:
    """Answer calls until told to stop.

    Everything else is set in the environment (TRUNKLINE_…), in .env or in trunkline.toml.
    """
    from trunkline import registry
    from trunkline.cli._application import read
    from trunkline.config import Config
    from trunkline.server.run import run

    served = read(application) if application else Served(Agent(""), {})
    typed = {
        "agent": agent,
        "host": host,
        "port": port,
        "public_url": public_url,
        "agent_rate": agent_rate,
        "record_dir": record,
        "insecure": insecure,
    }
    config = Config.load(**served.settings | {name: value for name, value in typed.items() if value is not None})
    if config.insecure:
        typer.secho(_WARNING, err=True, fg="red", bold=True)

    def ready(address: str) -> None:
        typer.echo(f"Trunkline answers calls at {address}")
        if not config.insecure and not any(_is_open(name, config) for name in registry.names("wire")):
            typer.secho(_CLOSED, err=True, fg="yellow")

    run(config, served.agent, on_ready=ready)


def _is_open(platform: str, config: "Config") -> bool:
    """Whether the door of ``platform`` has the secret without which it lets in nobody."""
    from trunkline import registry

    spec: WireSpec = registry.load("wire", platform).spec
    return bool(getattr(config.platform(spec), spec.secret))
