"""Which files ``trunkline latency`` was given, and what is in each."""

import glob
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from trunkline.cli import _latency_log
from trunkline.cli._latency_recording import Ear
from trunkline.cli._latency_turns import Reading
from trunkline.errors import AudioError

STANDARD_INPUT: Final = "-"
RECORDINGS: Final = frozenset(
    {".wav", ".wave", ".flac", ".ogg", ".oga", ".aiff", ".aif", ".au", ".mp3", ".w64", ".caf"}
)
WRITTEN: Final = frozenset({".json", ".jsonl", ".ndjson", ".log"})
_MAGIC: Final = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"FORM", b".snd", b"ID3", b"caff", b"riff")


class Source(NamedTuple):
    """A file to read; one that was ``found`` in a folder may turn out to be something else."""

    path: Path
    found: bool = False


class Skipped(NamedTuple):
    """A file of a folder that was of no use."""

    file: str
    why: str


def sources(given: Iterable[str]) -> list[Source]:
    """The files behind the names, patterns and folders. Raises ``AudioError`` for a name that stands for none."""
    found: list[Source] = []
    for name in given:
        path = Path(name)
        if name == STANDARD_INPUT or path.is_file():
            found.append(Source(path))
        elif path.is_dir():
            known = RECORDINGS | WRITTEN
            inside = [Source(each, True) for each in sorted(path.iterdir()) if each.suffix.lower() in known]
            if not inside:
                raise AudioError(f"{name} holds no recording, no record and no log")
            found += inside
        elif matches := sorted(glob.glob(name)):  # noqa: PTH207 - a pattern may begin at the root
            found += [Source(Path(match)) for match in matches if Path(match).is_file()]
        elif path.exists():  # a pipe, such as a shell's <(…)
            found.append(Source(path))
        else:
            raise AudioError(f"there is no file {name}")
    return found


def read(wanted: list[Source], ear: Callable[[], Ear]) -> tuple[list[Reading], list[Skipped]]:
    """What is in them. ``ear`` is made when there is a recording. Raises ``AudioError`` for a file that was named."""
    readings: list[Reading] = []
    skipped: list[Skipped] = []
    listener: Ear | None = None
    for source in wanted:
        try:
            if _is_recording(source.path):
                listener = listener or ear()
                readings.append(listener.read(source.path))
            else:
                readings.append(_written(source.path))
        except AudioError as error:
            if not source.found:
                raise
            skipped.append(Skipped(source.path.name, str(error)))
    return readings, skipped


def _is_recording(path: Path) -> bool:
    if path.suffix.lower() in RECORDINGS:
        return True
    if path.suffix.lower() in WRITTEN or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4).startswith(_MAGIC)


def _written(path: Path) -> Reading:
    if str(path) == STANDARD_INPUT:
        return _latency_log.read(sys.stdin.buffer, "standard input")
    try:
        return _latency_log.read(_lines(path), path.name)
    except OSError as error:
        raise AudioError(f"{path.name} can't be read: {error.strerror}") from None


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file
