"""Nothing to hear, or hardly anything."""

from typing import Final

import numpy as np

from trunkline.audio.faults.base import Finding, Samples, Take, loudness
from trunkline.audio.level import FULL_SCALE, dbfs

_TOO_QUIET_DBFS: Final = -42.0
"""RMS of the loud frames. Telephone speech lies about -20 dBFS; below this, mu-law's steps and recognisers suffer."""


def find(take: Take) -> list[Finding]:
    found = [(where, _loud_dbfs(samples, take.rate)) for where, samples in take]
    return [_finding(where, level) for where, level in found if level < _TOO_QUIET_DBFS]


def _loud_dbfs(samples: Samples, rate: int) -> float:
    frames = loudness(samples, min(rate // 50, len(samples)))
    loud = frames[frames > 0]
    return dbfs(float(np.percentile(loud, 90)) / FULL_SCALE) if len(loud) else -np.inf


def _finding(where: str, level: float) -> Finding:
    if level == -np.inf:
        return Finding(
            fault="silence",
            where=where,
            evidence="every sample is the same",
            cause="No audio arrived from that side, or the wrong track was recorded: look whether its packets came.",
        )
    return Finding(
        fault="too quiet",
        where=where,
        evidence=f"the loud parts are at {level:.0f} dBFS; telephone speech is at about -20",
        cause="Turned down somewhere, or scaled wrongly: 24-bit sound cut to its upper 16, floats of ±1 taken for less"
        " than full scale.",
    )
