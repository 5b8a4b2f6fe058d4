"""Whether a returned recording holds every sample of the original, found by listening for it.

The echo went through filters and codes, so its samples are not the original's; what is compared is where each stretch
of the voice turns up. If a stretch turns up later than the one before it, silence was put in front of it; if it
turns up earlier, samples in between were lost; if it does not turn up at all, it is missing itself.
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from trunkline.audio.format import AudioFormat
from trunkline.testing.gate import linear

BAND_HZ: Final = (150.0, 1500.0)
"""What is compared: the voice's strongest part, where filters delay all frequencies alike."""
WINDOW_MS: Final = 60
"""What is looked for at once: some periods of the lowest voice."""
BLOCK_MS: Final = 10
"""The precision to which a hole is known. A cut is known to the sample."""
REACH_MS: Final = 500
"""How far from the last place the next one may be."""
SLACK: Final = 4  # samples beside its place that count as there: no filter's delay is a whole number
FOUND: Final = 0.85  # correlation of a window in its place
ALIKE: Final = 0.5  # correlation of a block that is there
SHED_MS: Final = 20
"""A jitter buffer may leave out less than this at once to come nearer to its delay: half a packet (``audio.stretch``),
and there is one at either end. A packet that was lost is a whole one …"""
SHED_EVERY_MS: Final = 100
"""… and how soon each may do so again (``audio.pace``)."""
QUIET: Final = 0.1  # of the recording's RMS: below it, line noise

Samples = NDArray[np.float64]


class EchoReport(msgspec.Struct, frozen=True):
    """All in samples. Only voiced stretches are ``compared``: silence can't be told from silence."""

    delay: int  # of the first stretch
    missing: int
    inserted: int
    compared: int
    shed: int = 0  # left out by a jitter buffer, within what it may

    @property
    def whole(self) -> bool:
        """There was something to hear, and nothing of it is missing."""
        return self.compared > 0 and self.missing == 0


def compare(original: bytes, heard: bytes, wire: AudioFormat, *, buffered: bool = False) -> EchoReport:
    """Look for ``original`` in ``heard``, both in the wire's format. ``buffered``: a jitter buffer stands between."""
    here, there = _voice(original, wire), _voice(heard, wire)
    block, window, reach = (wire.rate * ms // 1000 for ms in (BLOCK_MS, WINDOW_MS, REACH_MS))
    loud = _loud(linear(original, wire).astype(np.float64), block) & _loud(here, block)
    first = delay = _coarse_delay(here, there)
    missing = inserted = compared = shed = 0
    seen = 0  # behind a jitter buffer: up to where the sound was surely in its place
    lost: list[int] = []  # loud blocks that were not where they should be
    known = False
    for start in (np.flatnonzero(loud) * block).tolist():
        piece = here[start : start + block]
        compared += block
        if known and _is_at(piece, there, start + delay, ALIKE):
            if buffered and _is_at(here[start : start + window], there, start + delay, FOUND):
                seen = start + window
            continue
        if not known and _is_at(here[start : start + window], there, start + delay, FOUND):
            known, seen = True, start + window if buffered else 0
            continue
        shift = _moved(here, there, start, delay, window=window, reach=reach)
        if not shift:
            if start >= seen:
                lost.append(start)
            continue
        delay += shift
        if not known:
            known, first = True, delay
        elif buffered and 0 < -shift < _a_packet(start - seen, wire):
            shed -= shift
            lost = [at for at in lost if at < seen]  # what was left out piece by piece, and blended
        else:
            missing += max(0, -shift)
            inserted += max(0, shift)
            # The blocks across the seam are there in two parts; those in the cut have just been counted.
            lost = [at for at in lost if at < start - 2 * window - max(0, -shift)]
        seen = start + window if buffered else 0
    return EchoReport(delay=first, missing=missing + len(lost) * block, inserted=inserted, compared=compared, shed=shed)


def _a_packet(samples: int, wire: AudioFormat) -> int:
    """What is too much for jitter buffers to have left out within so many samples."""
    return (1 + max(0, samples * 1000 // wire.rate // SHED_EVERY_MS)) * (wire.rate * SHED_MS // 1000)


def _moved(here: Samples, there: Samples, start: int, delay: int, *, window: int, reach: int) -> int:
    """By how much the sound from ``start`` on lies elsewhere than ``delay`` says; 0 if it is not found elsewhere.

    Two windows in a row must agree: a vowel is like itself a period on, two are not.
    """
    shift = _search(here[start : start + window], there, start + delay, reach)
    following = here[start + window : start + 2 * window]
    if shift and _is_at(following, there, start + window + delay + shift, FOUND):
        return shift
    return 0


def _voice(audio: bytes, wire: AudioFormat) -> Samples:
    """Its samples within ``BAND_HZ``."""
    samples = linear(audio, wire).astype(np.float64)
    size = len(samples) + wire.rate  # a second of silence, so that the filter does not ring from the end to the start
    spectrum = np.fft.rfft(samples, size)
    hz = np.fft.rfftfreq(size, 1 / wire.rate)
    spectrum[(hz < BAND_HZ[0]) | (hz > BAND_HZ[1])] = 0
    return np.fft.irfft(spectrum, size)[: len(samples)]


def _loud(samples: Samples, block: int) -> NDArray[np.bool_]:
    """Which blocks are louder than line noise."""
    blocks = samples[: len(samples) // block * block].reshape(-1, block)
    power = np.square(blocks).mean(axis=1)
    return np.asarray(power > QUIET**2 * (power.mean() if len(power) else 0.0))


def _coarse_delay(here: Samples, there: Samples) -> int:
    """The one delay that fits most of it."""
    size = len(here) + len(there)
    if not size:
        return 0
    likeness = np.fft.irfft(np.fft.rfft(there, size) * np.conj(np.fft.rfft(here, size)), size)
    at = int(np.argmax(likeness))
    return at if at < len(there) else at - size


def _is_at(piece: Samples, there: Samples, at: int, least: float) -> bool:
    likeness = _likeness(piece, there, at - SLACK, at + SLACK)
    return len(likeness) > 0 and bool(likeness.max() > least)


def _search(piece: Samples, there: Samples, at: int, reach: int) -> int:
    """How far from ``at`` the piece is, at the nearest of several likely places; 0 if it is nowhere."""
    low = max(0, at - reach)
    likeness = _likeness(piece, there, low, at + reach)
    if not len(likeness) or likeness.max() < FOUND:
        return 0
    distance = np.abs(np.arange(low, low + len(likeness)) - at)
    return int(np.argmax(likeness - 0.02 * distance / reach)) + low - at


def _likeness(piece: Samples, there: Samples, low: int, high: int) -> Samples:
    """The normalised correlation of ``piece`` with ``there`` at each place from ``low`` to ``high``."""
    low = max(0, low)
    stretch = there[low : max(low, high + len(piece))]
    if not 0 < len(piece) <= len(stretch):
        return np.zeros(0)
    energy = np.concatenate(([0.0], np.cumsum(np.square(stretch))))
    energy = energy[len(piece) :] - energy[: -len(piece)]
    floor = len(piece) * 1.0  # an RMS of 1: silence is like nothing
    both = np.sqrt(np.maximum(energy, floor) * max(float(np.sum(np.square(piece))), floor))
    return np.asarray(np.correlate(stretch, piece, "valid") / both)
