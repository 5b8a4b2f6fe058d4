"""From when until when somebody sounds on one channel of a recording.

A voice is found by a detector, because a line carries more than voices, and its edges are then dated by loudness,
because a detector trails the voice. Sound of any kind is found by loudness alone.
"""

from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from trunkline.audio.turns import Stretch
from trunkline.audio.vad import Detector, Endpointer, Endpointing

S = TypeVar("S")
Levels = NDArray[np.float64]

BLOCK_MS: Final = 10
"""Loudness is looked at in blocks of this length: edges are no finer than that."""

SILENCE_DB: Final = -96.0  # below one step of 16 bits
QUIETEST_DB: Final = -55.0  # nobody hears less over a telephone
NOISIEST_DB: Final = -30.0  # a line whose noise is louder than that is nothing to measure on
OVER_NOISE_DB: Final = 12.0
CLICK_BLOCKS: Final = 2  # so many loud blocks, or fewer, are a click
PAUSE_MS: Final = 150  # shorter pauses are inside a sound

REACH_MS: Final = 120
"""How far a detector's edge may be from where the voice began or ended."""
SOFT_DB: Final = 35.0  # under a voice's loud parts: its softest consonants
SOFTEST_OVER_NOISE_DB: Final = 9.0
LOUD_DB: Final = 10.0  # within this of its loud parts it is surely the voice, however noisy the line


def levels(pcm16: bytes, rate: int) -> Levels:
    """The loudness of each whole block, in dB of full scale, about its mean: a line's DC is no sound."""
    block = rate * BLOCK_MS // 1000
    samples = np.frombuffer(pcm16, "<i2")
    blocks = samples[: len(samples) // block * block].reshape(-1, block).astype(np.float32)
    rms = blocks.std(axis=1) / 32768
    loudness: Levels = 20 * np.log10(np.maximum(rms, 10 ** (SILENCE_DB / 20))).astype(np.float64)
    return loudness


def sounds(pcm16: bytes, rate: int) -> list[Stretch]:
    """Where there is any sound."""
    loudness = levels(pcm16, rate)
    if not len(loudness):
        return []
    noise = float(np.percentile(loudness, 10))
    loud = loudness >= min(max(noise + OVER_NOISE_DB, QUIETEST_DB), NOISIEST_DB)
    found: list[list[int]] = []
    for begin, end in _runs(loud):
        if end - begin <= CLICK_BLOCKS:
            continue
        if found and (begin - found[-1][1]) * BLOCK_MS < PAUSE_MS:
            found[-1][1] = end
        else:
            found.append([begin, end])
    return [Stretch(float(begin * BLOCK_MS), float(end * BLOCK_MS)) for begin, end in found]


def voices(pcm16: bytes, detector: Detector[S], rules: Endpointing | None = None) -> list[Stretch]:
    """Where there is a voice; ``pcm16`` is at the detector's rate."""
    found = _detected(pcm16, detector, rules)
    loudness = levels(pcm16, detector.rate)
    quiet = np.ones(len(loudness), bool)
    for stretch in found:
        quiet[int(stretch.begin_ms / BLOCK_MS) : int(stretch.end_ms / BLOCK_MS) + 1] = False
    noise = float(np.percentile(loudness[quiet], 20)) if quiet.any() else SILENCE_DB
    dated: list[Stretch] = []
    for i, stretch in enumerate(found):
        earliest = dated[-1].end_ms if dated else 0.0
        latest = found[i + 1].begin_ms if i + 1 < len(found) else len(loudness) * float(BLOCK_MS)
        dated.append(_dated(stretch, loudness, noise, earliest, latest))
    return dated


def _detected(pcm16: bytes, detector: Detector[S], rules: Endpointing | None) -> list[Stretch]:
    stream, endpointer = detector.stream(), Endpointer(detector.frame_samples, detector.rate, rules)
    size = 2 * detector.frame_samples
    found: list[Stretch] = []
    began = 0.0
    edges = (
        endpointer.push(detector.probabilities([stream], [pcm16[at : at + size]])[0])
        for at in range(0, len(pcm16) - size + 1, size)
    )
    for edge in edges:
        if edge is not None and edge.speaking:
            began = edge.at_ms
        elif edge is not None:
            found.append(Stretch(began, edge.at_ms))
    if (last := endpointer.cut()) is not None:
        found.append(Stretch(began, last.at_ms))
    return found


def _dated(stretch: Stretch, loudness: Levels, noise: float, earliest_ms: float, latest_ms: float) -> Stretch:
    """The stretch from its first to its last loud block, each within reach of where the detector saw it."""
    begin, end = (round(ms / BLOCK_MS) for ms in (stretch.begin_ms, stretch.end_ms))
    if end <= begin or begin >= len(loudness):
        return stretch
    peak = float(np.percentile(loudness[begin:end], 95))
    threshold = min(max(noise + SOFTEST_OVER_NOISE_DB, peak - SOFT_DB), peak - LOUD_DB)
    reach = REACH_MS // BLOCK_MS
    first = max(begin - reach, int(earliest_ms / BLOCK_MS))
    last = min(end + reach, int(latest_ms / BLOCK_MS))
    loud = [run for run in _runs(loudness[first:last] >= threshold) if run[1] - run[0] >= CLICK_BLOCKS]
    if not loud:
        return stretch
    return Stretch(float((first + loud[0][0]) * BLOCK_MS), float((first + loud[-1][1]) * BLOCK_MS))


def _runs(loud: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """From where to where it is true."""
    edges = np.diff(np.concatenate(([0], loud.astype(np.int8), [0])))
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))
