"""Where speech begins and ends under noise: edges that are off by more than 100 ms, before and after they are dated.

    python benchmarks/speech_edges.py

The takes, the noise and the truth are those of ``tests/audio/test_vad_noise.py``: the recordings of
``TRUNKLINE_SPEECH_DIR`` and sentences of espeak-ng, through mu-law, in six kinds of noise. The babble is made of the
recordings themselves, each twice and begun elsewhere. Costs are the least of five runs.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # what the tests measure by is measured by here

from listening import RECORDINGS, SAID, Recording, decisions, in_noise, marks, recording, spoken
from noises import Floats, to_pcm16, voiced_power
from trunkline.ai.models import find_silero
from trunkline.ai.providers import silero
from trunkline.audio.background import FRAME, Background, BackgroundStream
from trunkline.audio.g711 import decode_mulaw, encode_mulaw
from trunkline.audio.silero import Silero

OFF_MS = 100
SEEDS = (23, 29)
BATCHES = (1, 32, 100)
FRAMES = 100


def babble(takes: Sequence[Recording], samples: int, seed: int) -> Floats:
    """Twelve voices, or two of each take, of equal power."""
    random = np.random.default_rng(seed)
    sum_: Floats = np.zeros(samples)
    for take in [*takes, *takes]:
        voice = np.roll(np.resize(take.clean, samples), int(random.integers(samples)))
        sum_ += voice / voice.std()
    return sum_


def in_babble(take: Recording, takes: Sequence[Recording], snr_db: float) -> list[bytes]:
    """The recording among others, once for each seed."""
    power = voiced_power(take.clean, take.voiced) / 10 ** (snr_db / 10)
    noises = [babble(takes, len(take.clean), seed) for seed in SEEDS]
    mixed = [to_pcm16(take.clean + noise * np.sqrt(power / np.mean(noise**2))) for noise in noises]
    return [decode_mulaw(encode_mulaw(pcm16)) for pcm16 in mixed]


def tally(
    detector: Silero,
    takes: Sequence[Recording],
    noisy: Callable[[Recording], list[bytes]],
    background: Background | None,
) -> tuple[int, int, list[float]]:
    """Edges off, edges, and how long after the last sound each end was decided that is not far off."""
    off, decided_ms = list[bool](), list[float]()
    for take in takes:
        for edges in decisions(detector, noisy(take), background=background):
            off += [error > OFF_MS for error in marks([edge for edge, _ in edges], take.spans).off_ms]
            ends = [(edge.at_ms, at_ms) for edge, at_ms in edges if not edge.speaking]
            decided_ms += [
                at_ms - span.fades for end_ms, at_ms in ends for span in take.spans if abs(span.fades - end_ms) < 150
            ]
    return sum(off), len(off), decided_ms


def microseconds(work: Callable[[], object], frames: int) -> float:
    """The least of five runs, per frame."""
    took = []
    for _ in range(5):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return min(took) / frames * 1e6


def costs(detector: Silero, calls: int) -> tuple[float, float]:
    """Of the model and of the dating, for a frame of one call among ``calls``."""
    noise = np.random.default_rng(1).integers(-3000, 3000, FRAMES * FRAME).astype("<i2").tobytes()
    batches = [[noise[at : at + 2 * FRAME]] * calls for at in range(0, len(noise), 2 * FRAME)]
    streams = [detector.stream() for _ in range(calls)]
    around, background = [BackgroundStream() for _ in range(calls)], Background()
    doubt = [0.5] * calls
    return (
        microseconds(lambda: [detector.probabilities(streams, batch) for batch in batches], FRAMES * calls),
        microseconds(lambda: [background.weigh(around, batch, doubt) for batch in batches], FRAMES * calls),
    )


def main() -> None:
    file = find_silero()
    if file is None or not RECORDINGS:
        sys.exit("the Silero model (trunkline models) and recordings (TRUNKLINE_SPEECH_DIR) are wanted")
    detector, background = Silero(silero.load(file)), Background()
    recorded, synthetic = [recording(path) for path in RECORDINGS], [spoken(text) for text in SAID]
    print("| SNR | recordings | espeak-ng | end decided, p50 / p95 |\n|---:|---:|---:|---:|")
    for snr_db in (20, 15, 10, 5, 0):
        cells = []
        for takes in (recorded, synthetic):

            def noisy(take: Recording, snr_db: float = snr_db) -> list[bytes]:
                return [pcm16 for seed in SEEDS for pcm16 in in_noise(take, snr_db, seed)]

            before, edges, _ = tally(detector, takes, noisy, None)
            after, _, decided_ms = tally(detector, takes, noisy, background)
            cells.append((before, after, edges, np.percentile(decided_ms, [50, 95])))
        (a, b, n, (p50, p95)), (c, d, m, _) = cells
        print(f"| {snr_db} dB | {a} → {b} of {n} | {c} → {d} of {m} | {p50:.0f} / {p95:.0f} ms |")
    for snr_db in (20, 15, 10, 5):
        off, edges, _ = tally(detector, recorded, lambda take: in_babble(take, recorded, snr_db), background)  # noqa: B023
        print(f"babble, {snr_db} dB: {off} of {edges}")
    for calls in BATCHES:
        model, dating = costs(detector, calls)
        print(
            f"{calls} calls: Silero {model:.1f} µs a frame, the dating {dating:.1f} ({dating / model:.2f} times that)"
        )


if __name__ == "__main__":
    main()
