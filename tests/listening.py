"""Where speech begins and ends on a telephone line, and how far a detector's edges are from there."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from noises import KINDS, add, voiced_power
from speech import FOLDER, utterances
from trunkline.audio.background import Background, BackgroundStream
from trunkline.audio.format import PCM16_8K, PCM16_16K, AudioFormat
from trunkline.audio.vad import Detector, Endpointer, Endpointing, SpeechEdge
from trunkline.testing import sounds

RECORDINGS = sorted(FOLDER.glob("*.wav"))
SAID: Final = (
    "could you tell me where my parcel is",
    "my number is seven three one nine",
    "goodbye and thanks a lot",
    "we would like a table for two on Friday evening",
)


class Span(msgspec.Struct, frozen=True):
    """An utterance in ms. It rises from the background at ``rises`` to be loud on the telephone from ``begins``;
    loud it is until ``ends``, and sunk to the background at ``fades``. Between the two nobody can say which is right:
    a hall goes on sounding, and a last s is beyond 3.4 kHz or under the noise."""

    rises: float
    begins: float
    ends: float
    fades: float
    # Where it is not loud on the telephone for 100 ms or more: between words, and in a word where its mouth is closed.
    pauses: tuple[tuple[float, float], ...] = ()


class Recording(msgspec.Struct, frozen=True):
    clean: NDArray[np.float64]  # at 8 kHz, 600 ms of silence before it and a second after it
    spans: list[Span]

    @property
    def voiced(self) -> list[tuple[float, float]]:
        return [(span.begins, span.fades) for span in self.spans]


def padded(path: Path, audio: AudioFormat) -> bytes:
    """The recording with 0.6 s of silence on either side, in whole hundredths of a second."""
    return _padded(sounds.read(path, audio), audio)


def _padded(said: bytes, audio: AudioFormat) -> bytes:
    silence = audio.silence(audio.samples(audio.bytes_for(600)))
    pcm16 = silence + said + silence
    return pcm16[: len(pcm16) - len(pcm16) % audio.bytes_for(10)]


@cache
def recording(path: Path) -> Recording:
    """A file's."""
    return _heard(padded(path, PCM16_16K), padded(path, PCM16_8K))


@cache
def spoken(text: str) -> Recording:
    """What espeak-ng says, between exact silence: it rises and fades with its first and last sound, whatever stops
    there are in between. Raises ``MissingProgram``."""
    wide, narrow = (_padded(sounds.speak(text, audio), audio) for audio in (PCM16_16K, PCM16_8K))
    heard = _heard(wide, narrow)
    sounding = np.flatnonzero(_level(wide, PCM16_16K)).tolist()
    spans = list(heard.spans)
    spans[0] = msgspec.structs.replace(spans[0], rises=10.0 * sounding[0])
    spans[-1] = msgspec.structs.replace(spans[-1], fades=10.0 * (sounding[-1] + 1))
    return Recording(heard.clean, spans)


def _heard(at_16k: bytes, at_8k: bytes) -> Recording:
    """The truth is the level of the clean recording: before the telephone for where it rises and fades, and through
    its band for where it is loud (within 16 dB of the loud parts)."""
    wide = _level(at_16k, PCM16_16K)
    narrow = _level(at_8k, PCM16_8K)
    soft = wide > np.percentile(wide[60:-60], 5) + 6
    loud = narrow > np.percentile(narrow[60:-60], 95) - 16
    spans = []
    for begin, end in utterances(at_16k):
        rises = begins = int(begin / 10)
        ends = fades = int(end / 10)
        while soft[rises - 1]:
            rises -= 1
        while not loud[begins]:
            begins += 1
        while not loud[ends - 1]:
            ends -= 1
        spans.append(Span(10.0 * rises, 10.0 * begins, 10.0 * ends, 10.0 * fades, _pauses(loud, begins, ends)))
    # In noise a detector may take more than 600 ms to be sure that nobody speaks any more.
    return Recording(np.frombuffer(at_8k + PCM16_8K.silence(3200), "<i2").astype(float), spans)


def _pauses(loud: NDArray[np.bool_], begins: int, ends: int) -> tuple[tuple[float, float], ...]:
    words = np.flatnonzero(loud[begins:ends]) + begins
    return tuple(
        (10.0 * (a + 1), 10.0 * b) for a, b in zip(words[:-1].tolist(), words[1:].tolist(), strict=True) if b - a > 10
    )


def _level(pcm16: bytes, audio: AudioFormat) -> NDArray[np.float64]:
    """dB, each 10 ms."""
    blocks = np.frombuffer(pcm16, "<i2").astype(float).reshape(-1, audio.rate // 100)
    level: NDArray[np.float64] = 20 * np.log10(np.sqrt((blocks**2).mean(axis=1)) + 1)
    return level


def in_noise(take: Recording, snr_db: float, seed: int) -> list[bytes]:
    """The recording in every kind of noise."""
    power = voiced_power(take.clean, take.voiced) / 10 ** (snr_db / 10)
    return [add(take.clean, kind, power, seed=seed) for kind in KINDS]


def listen(
    detector: Detector[Any],
    takes: Sequence[bytes],
    rules: Endpointing | None = None,
    background: Background | None = None,
) -> list[list[SpeechEdge]]:
    """The edges in each take (PCM16 at 8 kHz, all of one length), asked for together."""
    return [[edge for edge, _ in edges] for edges in decisions(detector, takes, rules, background)]


def decisions(
    detector: Detector[Any],
    takes: Sequence[bytes],
    rules: Endpointing | None = None,
    background: Background | None = None,
) -> list[list[tuple[SpeechEdge, float]]]:
    """The same, each with the place in the audio (ms) at which it became certain."""
    size = 2 * detector.frame_samples
    streams = [detector.stream() for _ in takes]
    surroundings = [BackgroundStream() for _ in takes]
    endpointers = [Endpointer(detector.frame_samples, detector.rate, rules) for _ in takes]
    found: list[list[tuple[SpeechEdge, float]]] = [[] for _ in takes]
    for at in range(0, len(takes[0]) - size + 1, size):
        frames = [take[at : at + size] for take in takes]
        probabilities = detector.probabilities(streams, frames)
        evidence = background.weigh(surroundings, frames, probabilities) if background else [None] * len(takes)
        for probability, seen, endpointer, edges in zip(probabilities, evidence, endpointers, found, strict=True):
            if edge := endpointer.push(probability, seen):
                edges.append((edge, 500 * (at + size) / detector.rate))
    return found


def errors_ms(edges: Sequence[SpeechEdge], spans: Sequence[Span]) -> list[float]:
    """How far each edge is from the truth; infinite for all where there are more edges or fewer than there should."""
    if [edge.speaking for edge in edges] != [True, False] * len(spans):
        return [float("inf")] * 2 * len(spans)
    right = [limits for span in spans for limits in ((span.rises, span.begins), (span.ends, span.fades))]
    return [max(low - edge.at_ms, edge.at_ms - high, 0) for edge, (low, high) in zip(edges, right, strict=True)]


class Marks(msgspec.Struct, frozen=True):
    """What edges are worth against the truth."""

    off_ms: list[float]  # of each true edge, how far the nearest one found is; infinite where there is none
    split: int  # so often an utterance is taken for two where it has no pause
    false: int  # so often speech is found where there is none


def marks(edges: Sequence[SpeechEdge], spans: Sequence[Span], tolerance_ms: float = 100) -> Marks:
    """The turn-taking that is asked for ends a turn at shorter pauses than the truth's utterances have. So speech may
    be found to end and to begin again inside an utterance, but both edges must be right: within the tolerance of a
    pause that is there."""
    times = [edge.at_ms for edge in edges] + [float("inf")] * (len(edges) % 2)
    found = list(zip(times[::2], times[1::2], strict=True))
    between = [0.0, *((a.fades + b.rises) / 2 for a, b in pairwise(spans)), float("inf")]
    off: list[float] = []
    for span, (after, before) in zip(spans, pairwise(between), strict=True):
        begins = [begin for begin, _ in found if after <= begin < span.ends]
        ends = [end for _, end in found if span.begins < end < before]
        off.append(min((max(span.rises - at, at - span.begins, 0) for at in begins), default=float("inf")))
        off.append(min((max(span.ends - at, at - span.fades, 0) for at in ends), default=float("inf")))
    gaps = [(end, begin) for (_, end), (begin, _) in pairwise(found)]
    inside = [(gap, span) for gap in gaps for span in spans if span.begins < gap[0] and gap[1] < span.ends]
    split = sum(
        not any(low - tolerance_ms <= end <= high and low <= begin <= high + tolerance_ms for low, high in span.pauses)
        for (end, begin), span in inside
    )
    false = sum(
        all(end < span.rises - tolerance_ms or begin > span.fades + tolerance_ms for span in spans)
        for begin, end in found
    )
    return Marks(off, split, false)
