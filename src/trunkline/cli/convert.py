"""``trunkline convert``, also installed as ``audio-stream-converter``: a file or a pipe from one format to another."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from trunkline.errors import AudioError, ConfigError

if TYPE_CHECKING:
    from trunkline.audio.files import Converted, Progress
    from trunkline.audio.sound_files import RawFormat

PIPE = "-"


def command(
    source: Annotated[str, typer.Argument(metavar="IN", help="WAV, FLAC, OGG, .ulaw, .alaw, raw; - is stdin.")],
    target: Annotated[str, typer.Argument(metavar="OUT", help="The name says the kind of file; - is stdout, raw.")],
    rate: Annotated[
        int | None, typer.Option(help="Hz. Without it, as the source; 8000 for mulaw and alaw.", show_default=False)
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="pcm16, mulaw or alaw. Without it, what OUT is named after, or pcm16.")
    ] = None,
    channel: Annotated[
        str | None, typer.Option(help="left, right, or a number from 0. Without it all are mixed to one.")
    ] = None,
    normalize: Annotated[bool, typer.Option("--normalize", help="Bring the loudest sample to -1 dB.")] = False,
    container: Annotated[
        str | None, typer.Option(help="wav, flac, ogg or raw, where OUT's name doesn't say. For stdout: raw.")
    ] = None,
    from_rate: Annotated[int | None, typer.Option(help="Hz of raw input.", show_default=False)] = None,
    from_encoding: Annotated[
        str | None, typer.Option(help="pcm16, pcm_f32le, mulaw or alaw: the input is raw, without a header.")
    ] = None,
    from_channels: Annotated[int, typer.Option(help="Channels of raw input, interleaved.")] = 1,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace OUT if it is there.")] = False,
) -> None:
    """Convert a recording to mono audio for the phone, or from it: any length, in little memory.

    Raw audio flows from stdin to stdout as it comes. A file with a header on stdin is read to its end first.
    """
    from trunkline.audio.files import convert_file

    raw = _raw(from_encoding, from_rate, from_channels)
    if target == PIPE and sys.stdout is None:
        raise ConfigError("stdout is closed: name a file, or pipe it somewhere")
    if target == PIPE and sys.stdout.isatty():
        raise ConfigError("stdout is a terminal, and audio is nothing to read: name a file, or pipe it somewhere")
    if target != PIPE and not force and Path(target).is_file():
        raise ConfigError(f"{target} is there already: --force replaces it")
    with _input(source, raw) as readable, _progress() as progress:
        try:
            done = convert_file(
                readable,
                sys.stdout.buffer if target == PIPE else target,
                rate=rate,
                encoding=encoding,
                channel=int(channel) if channel is not None and channel.isdecimal() else channel,
                normalize=normalize,
                raw=raw,
                container=container or ("raw" if target == PIPE else None),
                progress=progress,
            )
        except BrokenPipeError:
            raise  # whoever read our output has heard enough: typer ends quietly
        except OSError as error:
            raise ConfigError(f"{target} can't be written: {error.strerror}") from error
    typer.echo(f"{source}: {_described(done)}", err=True)


def main() -> None:
    """``audio-stream-converter``: the same under a name of its own."""
    from trunkline.cli.main import app

    app(["convert", *sys.argv[1:]])


def _raw(encoding: str | None, rate: int | None, channels: int) -> "RawFormat | None":
    from trunkline.audio.sound_files import RawFormat

    if encoding is not None and rate is not None:
        return RawFormat(encoding, rate, channels)
    if encoding is not None or rate is not None:
        raise AudioError("raw input is described by both --from-encoding and --from-rate: one of them is missing")
    return None


@contextmanager
def _input(source: str, raw: "RawFormat | None") -> Iterator[str | BinaryIO]:
    """A header has to be sought in, which a pipe can't do: such input goes by way of a temporary file."""
    with _readable(source) as readable:
        if isinstance(readable, str) or raw is not None or readable.seekable():
            yield readable
            return
        from shutil import copyfileobj
        from tempfile import TemporaryFile

        with TemporaryFile() as spool:
            copyfileobj(readable, spool)
            spool.seek(0)
            yield spool


@contextmanager
def _readable(source: str) -> Iterator[str | BinaryIO]:
    """Stdin, a pipe that has a name, or the name of a file, there or not."""
    if source == PIPE:
        if sys.stdin is None:
            raise ConfigError("stdin is closed: name a file, or pipe one in")
        yield sys.stdin.buffer
    elif Path(source).is_fifo():
        with Path(source).open("rb") as pipe:
            yield pipe
    else:
        yield source


@contextmanager
def _progress() -> Iterator["Progress | None"]:
    """A bar while it lasts; only people at a terminal see one."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

    columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1)
        yield lambda share: bar.update(task, completed=share)


def _described(done: "Converted") -> str:
    channels = f"{done.source_channels} channel{'s' if done.source_channels != 1 else ''}"
    gain = f", gain {done.gain:.2f}" if done.gain != 1 else ""
    return f"{done.seconds:.2f} s, {done.source_rate} Hz, {channels} -> {done.format}{gain}"
