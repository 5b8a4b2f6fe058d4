"""``trunkline``: one command per file of this room.

A file ``cli/<name>.py`` offers ``command``: a function whose parameters are the options, or a ``typer.Typer`` of
further commands. It imports what it needs inside, so that ``trunkline --help`` loads nothing else.
"""

import inspect
import re
from collections.abc import Callable
from importlib import import_module, metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from trunkline.errors import TrunklineError

COMMANDS = ("serve", "call", "demo", "convert", "bench", "doctor", "latency", "models")


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        """What we raise on purpose is a sentence for the user, not a traceback."""
        try:
            return super().invoke(ctx)
        except TrunklineError as error:
            typer.secho(f"trunkline: {error}", err=True, fg="red")
            raise typer.Exit(2) from None


# Tracebacks are Python's own: prettier ones print local variables, and those hold what callers said.
app = typer.Typer(cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"trunkline {metadata.version('trunkline')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Answers phone calls and connects them, in real time, to voice AI."""


def _paragraphs(command: Callable[..., None]) -> str:
    """Its docstring with a line for each paragraph: typer would break them where we did, and again at the terminal's
    edge."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(command.__doc__ or ""))


for _name in COMMANDS:
    _command = import_module(f"trunkline.cli.{_name}").command
    if isinstance(_command, typer.Typer):
        app.add_typer(_command, name=_name)
    else:
        app.command(_name, help=_paragraphs(_command))(_command)
