"""Real speech for tests: the recordings where they are, else speech made by espeak-ng at run time."""

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from trunkline.audio.format import MULAW_8K, AudioFormat
from trunkline.errors import MissingProgram
from trunkline.testing import sounds

FOLDER = Path(os.environ.get("TRUNKLINE_SPEECH_DIR") or Path(__file__).parent.parent.parent / "shared" / "speech")
# What is said where there are no recordings: as long, and with pauses.
INSTEAD = "And so, my fellow Americans: ask not what your country can do for you. Ask what you can do for your country."


@cache
def speech(name: str, wire: AudioFormat = MULAW_8K) -> bytes:
    """The recording ``name`` in the wire's format."""
    path = FOLDER / f"{name}.wav"
    if path.exists():
        return sounds.read(path, wire)
    try:
        return sounds.speak(INSTEAD, wire)
    except MissingProgram as missing:
        pytest.skip(str(missing))


def utterances(wide: bytes) -> list[tuple[float, float]]:
    """Where there is voice, in ms, by the energy of the recording before a telephone cut off its consonants (16 kHz).

    It begins where the level comes within 16 dB of the loud parts and ends where it has sunk to the background. Sounds
    under 60 ms are not voice, and pauses up to 350 ms are part of an utterance: the detector trails a voice by 100.
    """
    samples = np.frombuffer(wide, "<i2").astype(float)
    level: NDArray[np.float64] = 20 * np.log10(np.sqrt((samples.reshape(-1, 160) ** 2).mean(axis=1)) + 1)
    recorded = level[60:-60]
    soft = level > np.percentile(recorded, 5) + 6
    edges = np.diff(np.concatenate(([0], level > np.percentile(recorded, 95) - 16, [0])).astype(int))
    found: list[list[int]] = []
    for begin, end in zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True):
        if end - begin < 6:
            continue
        while soft[end : end + 3].any():
            end += 1
        if found and begin - found[-1][1] <= 35:
            found[-1][1] = end
        else:
            found.append([begin, end])
    return [(10.0 * begin, 10.0 * end) for begin, end in found]
