"""``trunkline call``: a simulated telephone calls a running gateway over a real socket."""

import asyncio
import uuid
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console

from trunkline import registry
from trunkline.audio.format import MULAW_8K
from trunkline.cli._call_report import NoCall, report, table
from trunkline.config import Config
from trunkline.errors import ConfigError, Refused, TrunklineError
from trunkline.testing import echo, sounds
from trunkline.testing.call import place
from trunkline.testing.network import dropping
from trunkline.testing.phone import Phone, never
from trunkline.testing.script import Action, HangUp, PressKey, Say, WaitForQuiet, WaitForReply
from trunkline.wire.base import Platform

PATIENCE_MS: Final = 60_000
"""How long an answer may take to its end before the caller goes on."""


def command(
    url: Annotated[str, typer.Argument(help="The gateway's base address, such as http://127.0.0.1:8080.")],
    platform: Annotated[str, typer.Option(help="Whose telephone to be.")] = "twilio",
    wav: Annotated[
        list[Path] | None, typer.Option(help="Say this recording (any rate and channels). May be repeated.")
    ] = None,
    say: Annotated[list[str] | None, typer.Option(help="Say this text by espeak-ng. May be repeated.")] = None,
    keys: Annotated[str, typer.Option(help="Then press these keys, one after each answer.")] = "",
    greeting: Annotated[bool, typer.Option("--greeting", help="Hear the agent's greeting out first.")] = False,
    tail: Annotated[float, typer.Option(min=0.1, help="Seconds of quiet after which an answer is over.")] = 2.0,
    limit: Annotated[float, typer.Option(min=1, help="Hang up after this many seconds in any case.")] = 600.0,
    loss: Annotated[float, typer.Option(min=0, max=100, help="Percent of the caller's frames to lose.")] = 0.0,
    caller: Annotated[str, typer.Option(help="The caller's number.")] = "+15005550006",
    callee: Annotated[str, typer.Option(help="The number called.")] = "+15005550001",
    record: Annotated[
        Path | None, typer.Option(help="Write a stereo WAV: left what was said, right what was heard.")
    ] = None,
    expect_echo: Annotated[
        bool, typer.Option("--expect-echo", help="Fail unless all that was said was heard again.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Call a gateway with a simulated telephone, and tell how it went.

    The telephone goes the platform's own way in: the webhook first, then the media socket, both signed with the
    platform's secret from the configuration (such as TWILIO_AUTH_TOKEN), or unsigned where there is none. It says its
    lines, waits for each answer and hangs up. The exit code is 0 only if the call went through and the ledger
    balanced.
    """
    console = Console(stderr=json)
    try:
        kind: Platform = registry.load("wire", platform)
        lines = [sounds.read(path, MULAW_8K) for path in wav or ()]
        lines += [sounds.speak(text, MULAW_8K) for text in say or ()]
        if not lines and not keys:
            raise ConfigError("the caller has nothing to say: give --wav, --say or --keys")
        phone = Phone(
            kind.phone(Config.load().platform(kind.spec), call_id=uuid.uuid4().hex, caller=caller, callee=callee),
            script(lines, keys, greeting=greeting, quiet_ms=1000 * tail),
            drops=dropping(loss / 100) if loss else never,
        )
        with console.status(f"On the line to {url}"):
            placed = asyncio.run(place(phone, url.rstrip("/"), limit_s=limit))
        if record:
            sounds.write(record, placed.outcome)
    except TrunklineError as error:
        if json:
            typer.echo(msgspec.json.encode(NoCall(str(error))))
        hint = (
            " Is the secret the gateway's, and this the address it is known by?" if isinstance(error, Refused) else ""
        )
        console.print(f"No call: {error}.{hint}", style="red", markup=False)
        raise typer.Exit(1) from None
    outcome = placed.outcome
    told = report(placed, echo.compare(outcome.said, outcome.heard, outcome.wire) if expect_echo else None)
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(told)))
    else:
        console.print(table(told))
    if not told.ok:
        raise typer.Exit(1)


def script(lines: list[bytes], keys: str, *, greeting: bool, quiet_ms: float) -> list[Action]:
    """What the caller does: after each line and each key, hear the agent out."""
    hear_out = WaitForQuiet(quiet_ms, timeout_ms=PATIENCE_MS)
    actions: list[Action] = [WaitForReply(quiet_ms, timeout_ms=PATIENCE_MS)] if greeting else []
    for audio in lines:
        actions += [Say(audio), hear_out]
    for digit in keys:
        actions += [PressKey(digit), hear_out]
    return [*actions, HangUp()]
