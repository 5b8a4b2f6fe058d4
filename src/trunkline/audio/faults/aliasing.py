"""What a missing filter leaves behind when the rate is changed: sound mirrored at half the lower rate.

Going down, everything above comes back below: the recording is as loud right up to its last hertz as just before it,
which no filter allows. Going up, everything below shows again above, as a mirror image that moves with it.
"""

from typing import Final

import numpy as np

from trunkline.audio.faults.base import Finding, Floats, Samples, Take, step

_SIZE: Final = 512
_WINDOW: Final = np.blackman(_SIZE)
_LOWER_RATES: Final = (8000, 11025, 16000)
_NARROW: Final = 11025  # beyond, a law's own noise is as loud as the voice at the last hertz
_IMAGE: Final = 0.65  # correlation of a band with its mirror image, in time and frequency
_TOP: Final = slice(-12, None)  # bins: the last 5 % of the band …
_BELOW: Final = slice(-36, -20)  # … and what no usual filter has begun to take from
_HISSES: Final = slice(-48, -12)  # where a hiss is loud …
_VOICE: Final = slice(13, 160)  # … and a voice is
_HISSING: Final = 0.4  # of the frames with anything up there, those that hiss most: a vowel fades by itself
_EDGE_DB: Final = -3.0  # no filter: -2.5 and up. The softest in use, half open at the last hertz: -3.5 and down
_HISS_DB: Final = 12.0  # a frame tells something if its top is this much over the background
_FEWEST: Final = 8  # frames: each alone is off by several dB


def find(take: Take) -> list[Finding]:
    found = []
    for where, samples in take:
        if finding := _image(where, samples, take.rate) or _folded(where, samples, take.rate):
            found.append(finding)
    return found


def _spectra(samples: Samples) -> Floats:
    """Power, one frame a row, _SIZE // 2 + 1 bins."""
    whole = len(samples) - len(samples) % _SIZE
    frames = samples[:whole].reshape(-1, _SIZE) * _WINDOW
    return np.asarray(np.abs(np.fft.rfft(frames, axis=1)) ** 2)


def _image(where: str, samples: Samples, rate: int) -> Finding | None:
    power = _spectra(samples)
    if len(power) < 10:
        return None
    for lower in _LOWER_RATES:
        middle = round(_SIZE * (lower / 2) / rate)  # the bin everything is mirrored at
        width = min(middle, _SIZE // 2 - middle) * 3 // 4
        if lower >= rate or width < 16:
            continue
        low, high = power[:, middle - width : middle - 3][:, ::-1], power[:, middle + 4 : middle + width + 1]
        loud = low.sum(axis=1) > np.median(low.sum(axis=1))
        alike = _alike(np.log(low[loud] + 1), np.log(high[loud] + 1))
        level = 10 * float(np.log10((high[loud].sum() + 1) / (low[loud].sum() + 1)))
        if alike >= _IMAGE:
            return Finding(
                fault="aliasing",
                where=where,
                evidence=f"the sound above {lower / 2000:g} kHz is the mirror image of what lies below (correlation"
                f" {alike:.2f}, {level:.0f} dB)",
                cause=f"Brought from {lower} to {rate} Hz by repeating samples, or by straight lines between them:"
                " resample through a filter.",
            )
    return None


def _alike(one: Floats, other: Floats) -> float:
    """Correlation once each bin's mean over time and each frame's mean slope are taken away."""
    deviations = []
    for spectra in (one, other):
        rest = spectra - spectra.mean(axis=0)
        deviations.append(rest - rest.mean(axis=1, keepdims=True))
    a, b = deviations
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum() + 1e-9))


def _folded(where: str, samples: Samples, rate: int) -> Finding | None:
    if rate > _NARROW:
        return None
    power = _spectra(samples)
    if len(power) < 10:
        return None
    top, hiss = power[:, _TOP].mean(axis=1), power[:, _HISSES].mean(axis=1)
    # Noise from behind the converter, and that of rounding, reach every hertz: only what rises above them tells.
    rounding = step(samples) ** 2 / 12 * float((_WINDOW**2).sum())
    noise = max(float(np.percentile(top, 20)), rounding) + 1
    background = max(float(np.percentile(hiss, 20)), rounding) + 1
    telling = np.flatnonzero(hiss > 10 ** (_HISS_DB / 10) * background)
    if len(telling) < _FEWEST:
        return None
    voice = power[telling, _VOICE].mean(axis=1) + 1
    hissing = telling[np.argsort(-hiss[telling] / voice)[: max(_FEWEST, int(_HISSING * len(telling)))]]
    falls = np.maximum(top[hissing] - noise, 1) / (power[hissing, _BELOW].mean(axis=1) + 1)
    edge = 10 * float(np.log10(np.median(falls)))
    if edge < _EDGE_DB:
        return None
    return Finding(
        fault="aliasing",
        where=where,
        evidence=f"its hisses are as loud at {rate / 2000:g} kHz as just below ({edge:.0f} dB): sound from beyond is"
        " folded in",
        cause=f"Brought down to {rate} Hz by dropping samples, or by straight lines between them: resample through a"
        " filter.",
    )
