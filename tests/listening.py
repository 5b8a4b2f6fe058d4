"""Where speech begins and ends on a telephone line, and how far a detector's edges are from there."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from speech import FOLDER, utterances
from trunkline.audio.format import PCM16_8K, PCM16_16K, AudioFormat
from trunkline.audio.vad import Detector, Endpointer, Endpointing, SpeechEdge
from trunkline.testing import sounds

RECORDINGS = sorted(FOLDER.glob("*.wav"))


class Span(msgspec.Struct, frozen=True):
    """An utterance in ms. It rises from the background at ``rises`` to be loud on the telephone from ``begins``;
    loud it is until ``ends``, and sunk to the background at ``fades``. Between the two nobody can say which is right:
    a hall goes on sounding, and a last s is beyond 3.4 kHz or under the noise."""

    rises: float
    begins: float
    ends: float
    fades: float


class Recording(msgspec.Struct, frozen=True):
    clean: NDArray[np.float64]  # at 8 kHz, 600 ms of silence on either side
    spans: list[Span]

    @property
    def voiced(self) -> list[tuple[float, float]]:
        return [(span.begins, span.fades) for span in self.spans]


def padded(path: Path, audio: AudioFormat) -> bytes:
    """The recording with 0.6 s of silence on either side, in whole hundredths of a second."""
    silence = audio.silence(audio.samples(audio.bytes_for(600)))
    pcm16 = silence + sounds.read(path, audio) + silence
    return pcm16[: len(pcm16) - len(pcm16) % audio.bytes_for(10)]


@cache
def recording(path: Path) -> Recording:
    """The truth is the level of the clean recording: before the telephone for where it rises and fades, and through
    its band for where it is loud (within 16 dB of the loud parts)."""
    wide = _level(padded(path, PCM16_16K), PCM16_16K)
    narrow = _level(padded(path, PCM16_8K), PCM16_8K)
    soft = wide > np.percentile(wide[60:-60], 5) + 6
    loud = narrow > np.percentile(narrow[60:-60], 95) - 16
    spans = []
    for begin, end in utterances(padded(path, PCM16_16K)):
        rises = begins = int(begin / 10)
        ends = fades = int(end / 10)
        while soft[rises - 1]:
            rises -= 1
        while not loud[begins]:
            begins += 1
        while not loud[ends - 1]:
            ends -= 1
        spans.append(Span(10.0 * rises, 10.0 * begins, 10.0 * ends, 10.0 * fades))
    return Recording(np.frombuffer(padded(path, PCM16_8K), "<i2").astype(float), spans)


def _level(pcm16: bytes, audio: AudioFormat) -> NDArray[np.float64]:
    """dB, each 10 ms."""
    blocks = np.frombuffer(pcm16, "<i2").astype(float).reshape(-1, audio.rate // 100)
    level: NDArray[np.float64] = 20 * np.log10(np.sqrt((blocks**2).mean(axis=1)) + 1)
    return level


def listen(detector: Detector[Any], takes: Sequence[bytes], rules: Endpointing | None = None) -> list[list[SpeechEdge]]:
    """The edges in each take (PCM16 at 8 kHz, all of one length), asked for together."""
    size = 2 * detector.frame_samples
    streams = [detector.stream() for _ in takes]
    endpointers = [Endpointer(detector.frame_samples, detector.rate, rules) for _ in takes]
    found: list[list[SpeechEdge]] = [[] for _ in takes]
    for at in range(0, len(takes[0]) - size + 1, size):
        probabilities = detector.probabilities(streams, [take[at : at + size] for take in takes])
        for probability, endpointer, edges in zip(probabilities, endpointers, found, strict=True):
            if edge := endpointer.push(probability):
                edges.append(edge)
    return found


def errors_ms(edges: Sequence[SpeechEdge], spans: Sequence[Span]) -> list[float]:
    """How far each edge is from the truth; infinite for all where there are more edges or fewer than there should."""
    if [edge.speaking for edge in edges] != [True, False] * len(spans):
        return [float("inf")] * 2 * len(spans)
    right = [limits for span in spans for limits in ((span.rises, span.begins), (span.ends, span.fades))]
    return [max(low - edge.at_ms, edge.at_ms - high, 0) for edge, (low, high) in zip(edges, right, strict=True)]
