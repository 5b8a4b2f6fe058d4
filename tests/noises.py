"""Noise for tests: several kinds, always the same, at a given ratio to the speech it is added to."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from trunkline.audio.g711 import decode_mulaw, encode_mulaw

Floats = NDArray[np.float64]

KINDS: Final = ("white", "pink", "room", "car", "hum", "line")
"""Flat; falling 3 dB an octave; as in offices (5 dB, after Hoth); deep; mains and its harmonics; 300 to 3400 Hz."""


def noise(kind: str, samples: int, *, rate: int = 8000, seed: int = 7) -> Floats:
    """Of any level."""
    white = np.random.default_rng(seed).standard_normal(samples)
    hz = np.fft.rfftfreq(samples, 1 / rate)
    spectrum = np.fft.rfft(white)
    match kind:
        case "pink":
            spectrum /= np.sqrt(np.maximum(hz, 50))
        case "room":
            spectrum /= np.maximum(hz, 100) ** 0.85
        case "car":
            spectrum /= 1 + (hz / 200) ** 2
        case "line":
            spectrum[(hz < 300) | (hz > 3400)] = 0
        case "hum":
            turn = 2 * np.pi * 50 * np.arange(samples) / rate
            return sum((np.sin(turn * k) / k for k in (2, 4, 6, 8)), start=0.1 * white)
    return np.fft.irfft(spectrum, samples)


def to_pcm16(samples: Floats) -> bytes:
    return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()


def voiced_power(clean: Floats, spans: list[tuple[float, float]], rate: int = 8000) -> float:
    """Mean square of the speech itself, pauses left out. ``spans`` in ms."""
    per_ms = rate / 1000
    return float(np.mean(np.concatenate([clean[int(a * per_ms) : int(b * per_ms)] for a, b in spans]) ** 2))


def add(clean: Floats, kind: str, power: float, *, seed: int = 7) -> bytes:
    """``clean`` with noise of this power, through mu-law, as PCM16."""
    added = noise(kind, len(clean), seed=seed)
    return decode_mulaw(encode_mulaw(to_pcm16(clean + added * np.sqrt(power / np.mean(added**2)))))
