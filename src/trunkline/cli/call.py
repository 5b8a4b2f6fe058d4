"""``trunkline call``: a simulated telephone calls a running gateway over a real socket."""

from pathlib import Path
from typing import Annotated

import typer

from trunkline.errors import Refused, TrunklineError


def command(
    url: Annotated[str, typer.Argument(help="The gateway's base address, such as http://127.0.0.1:8080.")],
    platform: Annotated[str, typer.Option(help="Whose telephone to be.")] = "twilio",
    wav: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Say this recording, of any rate. May be repeated.")
    ] = None,
    say: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="Say this, by espeak-ng. May be repeated.")
    ] = None,
    keys: Annotated[str, typer.Option(help="Then press these keys, hearing out the answer to each.")] = "",
    greeting: Annotated[bool, typer.Option("--greeting", help="Hear out the agent's greeting first.")] = False,
    tail: Annotated[float, typer.Option(min=0.1, help="Seconds of quiet after which an answer is over.")] = 2.0,
    limit: Annotated[float, typer.Option(min=1, help="Seconds after which to hang up in any case.")] = 600.0,
    loss: Annotated[float, typer.Option(min=0, max=100, help="Percent of the caller's frames to lose.")] = 0.0,
    caller: Annotated[str, typer.Option(help="The caller's number.")] = "+15005550006",
    callee: Annotated[str, typer.Option(help="The number called.")] = "+15005550001",
    record: Annotated[
        Path | None, typer.Option(metavar="OUT.WAV", help="Record in stereo: left what was said, right what was heard.")
    ] = None,
    expect_echo: Annotated[
        bool, typer.Option("--expect-echo", help="Fail unless all that was said was heard again.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Call a gateway with a simulated telephone, and tell how it went.

    The telephone takes the platform's own way in: the webhook first, then the media socket, both signed with the
    platform's secret from the configuration (as TWILIO_AUTH_TOKEN), or unsigned where there is none. It says its
    lines, hears out the answers and hangs up. The exit code is 0 only if the call went through and the ledger
    balanced.
    """
    import msgspec
    from rich.console import Console

    from trunkline.cli import _telephone
    from trunkline.cli._call_report import NoCall, report, table
    from trunkline.testing import echo, sounds
    from trunkline.testing.rtp_call import ListeningPhone

    line = None
    try:
        line = _telephone.line(platform, caller=caller, callee=callee)
        script = _telephone.script(line.wire, wav or (), say or (), keys, greeting=greeting, quiet_ms=1000 * tail)
        _telephone.check(url, record)
        phone = _telephone.telephone(line, script, loss=loss / 100)
        placed = _telephone.call(phone, url, limit_s=limit, console=Console(stderr=True))
    except TrunklineError as error:
        if isinstance(error, Refused) and line is not None and (hint := _telephone.hint(error, line)):
            typer.echo(hint, err=True)
        if json:
            typer.echo(msgspec.json.encode(NoCall(str(error))).decode())
        raise
    outcome, found = placed.outcome, None
    if expect_echo:
        buffered = isinstance(line.codec, ListeningPhone)  # datagrams go through a jitter buffer at either end
        found = echo.compare(outcome.said, outcome.heard, outcome.wire, buffered=buffered)
    told = report(placed, found)
    if json:
        typer.echo(msgspec.json.format(msgspec.json.encode(told)).decode())
    else:
        Console().print(table(told))
    if record:
        sounds.write(record, outcome)
    if not told.ok:
        raise typer.Exit(1)
