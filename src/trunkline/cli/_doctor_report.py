"""What ``trunkline doctor`` reads, and what it prints: for people, and for scripts."""

from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from rich.table import Table
from rich.text import Text

from trunkline.audio.faults.base import Finding, Take
from trunkline.audio.sound_files import check_finite, open_sound
from trunkline.errors import AudioError

LOOKED_AT_S: Final = 300
"""Seconds of a recording that are looked at, from its beginning: a fault that isn't there in five minutes is rare."""


class Report(msgspec.Struct, frozen=True):
    file: str
    rate: int  # Hz
    channels: int
    seconds: float
    looked_at_seconds: float
    findings: list[Finding]


def read(path: Path) -> tuple[Take, float]:
    """The recording's first minutes, and how many seconds there are in all. Raises ``AudioError``."""
    try:
        with path.open("rb") as file:
            sound = open_sound(file, path.name)
            blocks, frames = [], 0
            for block in sound.blocks():
                check_finite(block, path.name)
                blocks.append(block[: sound.rate * LOOKED_AT_S - frames])
                frames += len(blocks[-1])
                if frames >= sound.rate * LOOKED_AT_S:
                    break
    except OSError as error:
        raise AudioError(f"{path.name} can't be read: {error.strerror}") from None
    if not frames:
        raise AudioError(f"{path.name} has a header and no sound")
    pcm16 = np.clip(np.rint(np.concatenate(blocks) * 32768), -32768, 32767).astype(np.int16)
    take = Take(tuple(np.ascontiguousarray(channel) for channel in pcm16.T), sound.rate)
    return take, (sound.frames or frames) / sound.rate


def report(name: str, take: Take, seconds: float, findings: list[Finding]) -> Report:
    return Report(
        file=name,
        rate=take.rate,
        channels=len(take.channels),
        seconds=round(seconds, 3),
        looked_at_seconds=round(take.seconds(len(take.channels[0])), 3),
        findings=findings,
    )


def table(told: Report) -> Table:
    """For people."""
    channels = {1: "mono", 2: "stereo"}.get(told.channels, f"{told.channels} channels")
    title = f"{told.file}: {told.seconds:.1f} s, {told.rate} Hz, {channels}"
    if told.looked_at_seconds < told.seconds:
        title += f" (the first {told.looked_at_seconds:.0f} s looked at)"
    if not told.findings:
        grid = Table(title=Text(title), title_justify="left", show_header=False, min_width=len(title) + 4)
        grid.add_row(Text("nothing found", style="bold green"))
        return grid
    grid = Table(title=Text(title), title_justify="left", show_lines=True)
    for heading in ("finding", "where", "evidence", "likely cause, and what to do"):
        grid.add_column(heading)
    for finding in told.findings:
        texts = (finding.where, finding.evidence, finding.cause)
        grid.add_row(Text(finding.fault, style="bold red"), *(Text(text) for text in texts))
    return grid
