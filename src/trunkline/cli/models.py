"""``trunkline models``: fetch the model files that are not part of the package."""

import typer


def command() -> None:
    """Fetch the voice activity model, unless it is here already, and say where it is."""
    from rich.console import Console

    from trunkline.ai.models import fetch_silero, find_silero
    from trunkline.config import Config

    folder = Config.load().models_dir
    found = find_silero(folder)
    if found is None:
        with Console(stderr=True).status("Fetching the Silero voice activity model"):
            found = fetch_silero(folder)
    typer.echo(found)
