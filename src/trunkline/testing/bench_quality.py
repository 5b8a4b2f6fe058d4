"""What listening to a call's quality costs, per 20 ms frame: python -m trunkline.testing.bench_quality"""

import time
from typing import Final

import numpy as np

from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat, Encoding
from trunkline.audio.quality import AudioQualityMonitor

FORMATS: Final = (MULAW_8K, ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat(Encoding.PCM16, 48000))
SECONDS: Final = 60
RUNS: Final = 5


def us_per_frame(audio: AudioFormat) -> float:
    """A minute of noise, the best of some runs. What is done every two seconds only is in it."""
    frame = audio.bytes_for(20)
    data = np.random.default_rng(1).integers(0, 256, SECONDS * 50 * frame, np.uint8).tobytes()
    frames = [data[at : at + frame] for at in range(0, len(data), frame)]
    best = float("inf")
    for _ in range(RUNS):
        monitor = AudioQualityMonitor(audio, on_alert=lambda alert: None)
        began = time.perf_counter()
        for piece in frames:
            monitor.push(piece)
        best = min(best, time.perf_counter() - began)
    return 1e6 * best / len(frames)


def rows() -> list[tuple[str, float]]:
    """(format, microseconds per frame)."""
    return [(str(audio), us_per_frame(audio)) for audio in FORMATS]


def main() -> None:
    for name, us in rows():
        print(f"{name:12} {us:5.2f} µs per frame")  # noqa: T201 - a benchmark prints


if __name__ == "__main__":
    main()
