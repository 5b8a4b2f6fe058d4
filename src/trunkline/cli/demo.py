"""``trunkline demo``: a whole phone call on this machine, without a key, a phone or an account."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    platform: Annotated[str, typer.Option(help="Whose telephone calls.")] = "twilio",
    model: Annotated[
        str, typer.Option(help="Who answers: local, cascade, or vendor/model such as openai/gpt-realtime.")
    ] = "local",
    record: Annotated[Path, typer.Option(help="Folder for the recording.", metavar="DIR")] = Path("recordings"),
    json: Annotated[bool, typer.Option("--json", help="Print the call's record as JSON.")] = False,
) -> None:
    """Hold a spoken conversation with an agent over a simulated telephone, and show what came of it.

    Real: the gateway, its webhook, signature, ticket and media socket on loopback, voice activity detection, turn
    taking, synthesis, pacing and recording. Simulated: the telephone and its platform, the caller (espeak-ng speaks a
    script) and the local agent's speech recogniser (it knows the script by heart). A vendor whose key is in the
    environment is really asked; one whose key is not has a stand-in that speaks its wire format.
    """
    from rich.console import Console

    from trunkline.cli import _demo_call, _demo_report

    done = _demo_call.hold(platform, model, record, Console(stderr=True))
    if json:
        typer.echo(done.session.to_json().decode())
    else:
        _demo_report.show(done, Console())
    if not done.ok:
        raise typer.Exit(1)
