"""The low-pass of each rate pair: designed once a process, as integers, shared by every stream.

A Kaiser-windowed sinc made minimum phase. Delay is what a listener on the phone notices, so all of the filter's
energy comes as early as its magnitude allows: 0.3 ms at 1 kHz instead of the 3 ms of its symmetric twin. The price
is 1 ms more delay at the band's upper edge, which speech does not mind. All figures scale with the lower rate.
"""

from functools import cache
from math import gcd
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trunkline.audio._kernels import Taps
from trunkline.audio.format import RATES
from trunkline.errors import AudioError

TAPS: Final = 48
"""Length of the filter in samples of the lower rate."""
CUTOFF: Final = 0.91
"""Middle of the transition band, as a share of the lower rate's Nyquist frequency: 3.64 kHz on a phone line. Where it
lies matters more to the ear than the number of taps."""
STOPBAND_DB: Final = 70.0
"""Attenuation of images and aliases."""
FLOOR_DB: Final = 130.0
"""The zeros of the stop band are filled up to here before the logarithm, else its cepstrum would not die away. The
floor counts once for each of up to 640 rows, so that it lies well below the stop band."""

ANY_RATE: Final = (2000, 192_000)
"""Rates recordings may have, in Hz."""
MAX_RATIO: Final = 8000
"""The larger number of the ratio, in lowest terms: a filter has 48 times as many taps."""

Floats = NDArray[np.float64]


def taps(from_rate: int, to_rate: int) -> Taps | None:
    """The filter that takes ``from_rate`` to ``to_rate`` (Hz); None where they are the same.

    Raises ``AudioError`` for a rate that is not among ``RATES``.
    """
    for rate in (from_rate, to_rate):
        if type(rate) is not int or rate not in RATES:
            raise AudioError(f"a rate of {rate!r} Hz is not supported: use one of {', '.join(map(str, RATES))}")
    return None if from_rate == to_rate else _design(from_rate, to_rate)


def taps_from(rate: int, to_rate: int) -> list[Taps]:
    """The filters that take a recording of nearly any rate (Hz) to one of ``RATES``, one after the other; none where
    they are the same. What is faster than any of ``RATES`` is first brought down by a whole number.

    Raises ``AudioError`` for a rate outside of ``ANY_RATE``, or in no simple ratio to the other.
    """
    lowest, highest = ANY_RATE
    if not lowest <= rate <= highest:
        raise AudioError(f"a rate of {rate!r} Hz is not supported: use one from {lowest} to {highest}")
    times = -(-rate // RATES[-1])
    slower = rate // times
    if rate % times or max(slower, to_rate) // gcd(slower, to_rate) > MAX_RATIO:
        raise AudioError(f"{rate} Hz is in no simple ratio to {to_rate} Hz: use one of {', '.join(map(str, RATES))}")
    stages = [(rate, slower), (slower, to_rate)]
    return [_design(begin, end) for begin, end in stages if begin != end]


@cache  # a call's first frame must not wait for a design; all 56 pairs together hold less than 2 MiB
def _design(from_rate: int, to_rate: int) -> Taps:
    common = gcd(from_rate, to_rate)
    up, down = to_rate // common, from_rate // common
    per_sample = max(up, down)
    response = minimum_phase(low_pass(TAPS * per_sample, per_sample))
    rows, unity = whole_numbers(polyphase(response, up))
    return Taps(
        up=up,
        down=down,
        width=rows.shape[1],
        tail=-(-len(response) // up) - 1,
        unity=unity,
        delay_ms=1000 * group_delay(response, 1000 / (from_rate * up)) / (from_rate * up),
        rows=rows.tobytes(),
    )


def low_pass(length: int, per_sample: int) -> Floats:
    """A windowed sinc of ``length`` points, ``per_sample`` of them to a sample of the lower rate."""
    time = (np.arange(length) - (length - 1) / 2) / per_sample
    beta = 0.1102 * (STOPBAND_DB - 8.7)  # Kaiser's formula for more than 50 dB
    return np.sinc(CUTOFF * time) * np.kaiser(length, beta)


def minimum_phase(response: Floats) -> Floats:
    """The filter of the same magnitude and length whose energy comes first, by way of the real cepstrum.

    Folding a cepstrum's negative times onto the positive ones keeps the magnitude and makes the phase minimal
    (Oppenheim and Schafer, Discrete-Time Signal Processing, on complex cepstra of causal sequences).
    """
    points = max(8192, 1 << (2 * len(response) - 1).bit_length())  # room for the cepstrum to die away
    power = np.abs(np.fft.rfft(response, points)) ** 2
    power += power.max() * 10 ** (-FLOOR_DB / 10)
    cepstrum = np.fft.irfft(0.5 * np.log(power))
    cepstrum[1 : points // 2] *= 2
    cepstrum[points // 2 + 1 :] = 0
    return np.fft.irfft(np.exp(np.fft.rfft(cepstrum)))[: len(response)]


def polyphase(response: Floats, up: int) -> Floats:
    """One row for each of the ``up`` places an output can have between two inputs; the newest sample's tap is last.

    Each row adds up to one: a steady level passes unchanged and raises no tone at the rate of the rows. Width is
    padded to whole vectors.
    """
    width = -(-len(response) // up)
    padded = -(-width // 16) * 16
    rows = np.zeros((padded, up))
    rows.reshape(-1)[: len(response)] = response
    turned = rows.T[:, ::-1]
    return np.ascontiguousarray(turned / turned.sum(axis=1, keepdims=True))


def whole_numbers(rows: Floats) -> tuple[NDArray[np.int16], int]:
    """The rows as integers, and what each of them adds up to: as much as 32-bit sums allow (see ``_kernels.Taps``)."""
    unity = int((65535 - rows.shape[1]) / np.abs(rows).sum(axis=1).max())
    exact = rows * unity
    whole = np.rint(exact)
    missing = unity - whole.sum(axis=1).astype(int)
    # What rounding took from a row goes back to the taps it took most from.
    order = np.argsort((whole - exact) * np.sign(missing)[:, None], axis=1, kind="stable")
    ranks = np.argsort(order, axis=1)
    whole += np.where(ranks < np.abs(missing)[:, None], np.sign(missing)[:, None], 0)
    return whole.astype(np.int16), unity


def group_delay(response: Floats, frequency: float) -> float:
    """In samples, at ``frequency`` in cycles per sample."""
    times: NDArray[Any] = np.arange(len(response))
    turning = response * np.exp(-2j * np.pi * frequency * times)
    return float(np.real((times * turning).sum() / turning.sum()))
