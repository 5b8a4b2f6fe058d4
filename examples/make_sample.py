"""Makes ``sample.wav``: one second of a tone that climbs through the band of a phone line. No recording of anybody.

python examples/make_sample.py
"""

import wave
from pathlib import Path

import numpy as np

SAMPLE = Path(__file__).with_name("sample.wav")
RATE = 24000


def sample() -> bytes:
    """PCM16: from 200 to 3200 Hz, an octave each quarter of a second, faded in and out."""
    time = np.arange(RATE) / RATE
    octaves = np.log2(3200 / 200)
    cycles = 200 * (2 ** (octaves * time) - 1) / (octaves * np.log(2))
    fade = np.minimum(1, np.minimum(time, 1 - time) / 0.02)
    return bytes(np.rint(16000 * fade * np.sin(2 * np.pi * cycles)).astype("<i2"))


if __name__ == "__main__":
    with wave.open(str(SAMPLE), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(sample())
