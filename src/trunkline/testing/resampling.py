"""What a resampler does to sound, measured from outside with tones: any resampler, ours or not.

``through`` takes a whole PCM16 recording at ``from_rate`` and gives what comes out at ``to_rate``; whether it works
in frames inside is its own affair. Frequencies and limits are those of a phone line, 300 to 3400 Hz within 4 kHz,
in proportion to the lower rate: ``scale`` is 1 where one side is 8 kHz.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from trunkline.audio.level import FULL_SCALE

Through = Callable[[bytes], bytes]
Floats = NDArray[np.float64]

PEAK = 0.7 * FULL_SCALE  # -3 dBFS: loud, and far from clipping
BAND_HZ = (300.0, 3400.0)
STOP_HZ = 4200.0


def scale(from_rate: int, to_rate: int) -> float:
    """The lower rate in units of a phone line's 8 kHz."""
    return min(from_rate, to_rate) / 8000


def tone(frequency: float, rate: int, seconds: float = 0.5) -> bytes:
    """A sine as PCM16."""
    time = np.arange(round(seconds * rate)) / rate
    return np.rint(PEAK * np.sin(2 * np.pi * frequency * time)).astype("<i2").tobytes()


def steady(pcm16: bytes, rate: int) -> tuple[Floats, Floats]:
    """Samples and their times in seconds, without the first 50 ms and the last 30, where filters start and end."""
    samples = np.frombuffer(pcm16, "<i2").astype(np.float64)
    kept = slice(rate // 20, len(samples) - rate * 3 // 100)
    return samples[kept], np.arange(len(samples))[kept] / rate


def heard(pcm16: bytes, rate: int, frequency: float) -> tuple[complex, float]:
    """The phasor of a tone in a recording by least squares, and the RMS of all that is not the tone."""
    samples, time = steady(pcm16, rate)
    turn = 2 * np.pi * frequency * time
    basis = np.column_stack([np.sin(turn), np.cos(turn)])
    (sine, cosine), *_ = np.linalg.lstsq(basis, samples, rcond=None)
    rest = samples - basis @ np.array([sine, cosine])
    return complex(sine, cosine), float(np.sqrt(np.mean(rest**2)))


def decibels(ratio: float) -> float:
    """Of an amplitude."""
    return float(20 * np.log10(max(ratio, 1e-12)))


def passband_db(through: Through, from_rate: int, to_rate: int, tones: int = 24) -> tuple[float, float]:
    """Lowest and highest gain over the speech band."""
    found = []
    for hz in np.linspace(*BAND_HZ, tones) * scale(from_rate, to_rate):
        phasor, _ = heard(through(tone(hz, from_rate)), to_rate, hz)
        found.append(decibels(abs(phasor) / PEAK))
    return min(found), max(found)


def stray_db(through: Through, from_rate: int, to_rate: int, tones: int = 40) -> float:
    """The loudest image (going up) or alias (going down) of tones beyond the stop frequency, against the tone."""
    stop = STOP_HZ * scale(from_rate, to_rate)
    if to_rate > from_rate:
        return max(
            _loudest_above(through(tone(hz, from_rate)), to_rate, stop)
            for hz in np.linspace(100, from_rate - stop, tones)
        )
    worst = -np.inf
    for hz in np.linspace(stop, from_rate / 2 - 100, tones):
        samples, _ = steady(through(tone(hz, from_rate)), to_rate)
        worst = max(worst, decibels(float(np.sqrt(2 * np.mean(samples**2))) / PEAK))
    return float(worst)


def _loudest_above(pcm16: bytes, rate: int, hz: float) -> float:
    samples, _ = steady(pcm16, rate)
    window = np.kaiser(len(samples), 14)  # leaks less than -100 dB
    spectrum = np.abs(np.fft.rfft(samples * window)) * 2 / window.sum()
    return decibels(float(spectrum[np.fft.rfftfreq(len(samples), 1 / rate) >= hz].max()) / PEAK)


def thd_n_db(through: Through, from_rate: int, to_rate: int, hz: float = 1013) -> float:
    """Everything that is not the tone, against the tone."""
    phasor, rest = heard(through(tone(hz, from_rate)), to_rate, hz)
    return decibels(rest * np.sqrt(2) / abs(phasor))


def delay_ms(through: Through, from_rate: int, to_rate: int, hz: float = 1000) -> float:
    """Group delay: how the phase turns between two neighbouring tones."""
    low, high = (heard(through(tone(f, from_rate)), to_rate, f)[0] for f in (hz - 10, hz + 10))
    return float(-1000 * np.angle(high / low) / (2 * np.pi * 20))
