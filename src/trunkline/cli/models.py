"""``trunkline models``: fetch the model files that are not part of the package."""

from typing import Annotated, Final

import typer

SILERO: Final = "silero"


def command(
    model: Annotated[
        str,
        typer.Argument(
            help="What to fetch, named as an agent names it: moonshine, moonshine/tiny-streaming …", metavar="[MODEL]"
        ),
    ] = "",
    language: Annotated[str, typer.Option(help="Of a speech model.")] = "en",
) -> None:
    """Fetch the voice activity model, or the one that is named, unless it is here already, and say where it is."""
    from rich.console import Console

    from trunkline import registry
    from trunkline.ai.models import ModelProvider, fetch_silero, find_silero
    from trunkline.config import Config
    from trunkline.errors import ConfigError

    folder = Config.load().models_dir
    vendor, _, name = model.partition("/")
    if vendor not in ("", SILERO):
        provider = registry.load("ai.providers", vendor)
        if not isinstance(provider, ModelProvider):
            raise ConfigError(f"there is nothing to fetch for {vendor!r}: it has no model that runs on this machine")
        typer.echo(provider.fetch(folder, name, language))
        return
    found = find_silero(folder)
    if found is None:
        with Console(stderr=True).status("Fetching the Silero voice activity model"):
            found = fetch_silero(folder)
    typer.echo(found)
