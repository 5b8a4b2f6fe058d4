"""Bytes that were read as something they are not: the wrong law, PCM as G.711, G.711 as PCM, bytes swapped.

Nothing in a recording says how its bytes were meant. But speech can be predicted from its own last millisecond, and
bytes misread can't: each reading that could be meant is tried, and one that makes speech of what was noise is it.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from trunkline.audio.faults.base import Finding, Floats, Samples, Take, blocks
from trunkline.audio.g711 import decode_alaw, decode_mulaw, encode_alaw, encode_mulaw

ORDER: Final = 8
FRAME: Final = 160
_LONGEST: Final = 200_000  # samples looked at
_SPEECH_DB: Final = 8.0  # a reading that is predicted this well …
_CONTRAST_DB: Final = 10.0  # … and goes up and down this much may be speech; and it is …
_BETTER_DB: Final = 5.0  # … if the file as it stands is predicted so much worse
_STILL: Final = 16  # LSB from top to bottom: A-law's silence on both sides of zero
_GRID: Final = 0.999  # of the samples are values that law has, if the file was decoded by it

Reading = Callable[[bytes], bytes]


def _even(data: bytes) -> bytes:
    return data[: len(data) & ~1]


# Name, the decoder whose mistake it was (empty: none), how to read the file's PCM16 as it was meant.
_READINGS: Final[tuple[tuple[str, str, Reading], ...]] = (
    ("mu-law decoded as A-law", "alaw", lambda pcm16: decode_mulaw(encode_alaw(pcm16))),
    ("A-law decoded as mu-law", "mulaw", lambda pcm16: decode_alaw(encode_mulaw(pcm16))),
    ("PCM16 decoded as mu-law", "mulaw", lambda pcm16: _even(encode_mulaw(pcm16))),
    ("PCM16 decoded as mu-law, a byte off", "mulaw", lambda pcm16: _even(encode_mulaw(pcm16)[1:])),
    ("PCM16 decoded as A-law", "alaw", lambda pcm16: _even(encode_alaw(pcm16))),
    ("PCM16 decoded as A-law, a byte off", "alaw", lambda pcm16: _even(encode_alaw(pcm16)[1:])),
    ("mu-law taken for PCM16", "", decode_mulaw),
    ("A-law taken for PCM16", "", decode_alaw),
    ("big-endian PCM16 taken for little-endian", "", lambda pcm16: np.frombuffer(pcm16, ">i2").astype("<i2").tobytes()),
    ("PCM16 read from the middle of a sample", "", lambda pcm16: _even(pcm16[1:])),
)
_GRIDS: Final[dict[str, Reading]] = {
    "mulaw": lambda pcm16: decode_mulaw(encode_mulaw(pcm16)),
    "alaw": lambda pcm16: decode_alaw(encode_alaw(pcm16)),
}
_CAUSES: Final = {
    "decoded as": "The format agreed on and the format sent differ: check the payload type or the encoding that the"
    " platform's start message names.",
    "taken for": "The file or stream was opened as raw PCM16, and is not: decode it first.",
    "big-endian": "RTP's L16 is big-endian, WAV and most web platforms little-endian: swap the bytes on the way in.",
    "middle": "An odd number of bytes was cut off in front: keep the odd byte of each piece for the next.",
}


def find(take: Take) -> list[Finding]:
    """At most one for each channel: the reading that makes speech of it."""
    return [finding for where, samples in take if (finding := _misread(where, samples))]


def _misread(where: str, samples: Samples) -> Finding | None:
    samples = _sounding(samples)
    pcm16 = samples[:_LONGEST].astype("<i2").tobytes()
    grids = {name for name, grid in _GRIDS.items() if _share_alike(pcm16, grid(pcm16)) >= _GRID}
    now = speech_likeness(samples[:_LONGEST])
    best, best_name = (0.0, 0.0), ""
    for name, decoder, reading in _READINGS:
        if decoder and decoder not in grids:
            continue
        meant = np.frombuffer(reading(pcm16), "<i2")
        found = speech_likeness(meant)
        if found > best and found[0] >= max(_SPEECH_DB, now[0] + _BETTER_DB) and found[1] >= _CONTRAST_DB:
            best, best_name = found, name
    if not best_name:
        return None
    return Finding(
        fault=best_name,
        where=where,
        evidence=f"read so, it can be predicted to {best[0]:.0f} dB, and its pauses are {best[1]:.0f} dB down;"
        f" as it stands, {now[0]:.0f} and {now[1]:.0f} dB",
        cause=next(cause for sign, cause in _CAUSES.items() if sign in best_name),
    )


def _sounding(samples: Samples) -> Samples:
    """The frames in which anything happens. Read as something else, silence may be a tone, which predicts well."""
    frames = samples[: len(samples) - len(samples) % FRAME].reshape(-1, FRAME)
    heights = frames.max(axis=1).astype(np.int32) - frames.min(axis=1)
    return np.asarray(frames[heights > _STILL].ravel())


def _share_alike(one: bytes, other: bytes) -> float:
    return float((np.frombuffer(one, "<i2") == np.frombuffer(other, "<i2")).mean()) if one else 0.0


def speech_likeness(samples: Samples) -> tuple[float, float]:
    """How well the louder half of its frames is predicted from the samples before (dB), and how far its loud frames
    stand over its soft ones (dB)."""
    frames = blocks(samples, FRAME)
    frames = frames - frames.mean(axis=1, keepdims=True)
    power = (frames**2).mean(axis=1) + 1
    if len(frames) < 5:
        return 0.0, 0.0
    loud = frames[power >= np.median(power)]
    gain = float(np.median(prediction_gain_db(loud * np.hanning(FRAME))))
    contrast = 10 * float(np.log10(np.percentile(power, 90) / np.percentile(power, 10)))
    return gain, contrast


def prediction_gain_db(frames: Floats) -> Floats:
    """By how much a linear predictor shrinks each frame: Levinson and Durbin's recursion, all frames at once."""
    lags = np.stack([(frames[:, k:] * frames[:, : frames.shape[1] - k]).sum(axis=1) for k in range(ORDER + 1)], axis=1)
    lags[:, 0] = lags[:, 0] * 1.0001 + 1
    error = lags[:, 0].copy()
    coefficients = np.zeros_like(lags)
    coefficients[:, 0] = 1
    for order in range(1, ORDER + 1):
        reflection = -(coefficients[:, :order] * lags[:, order:0:-1]).sum(axis=1) / error
        coefficients[:, : order + 1] += reflection[:, None] * coefficients[:, order::-1]
        error *= 1 - reflection**2
    return np.asarray(10 * np.log10(lags[:, 0] / error))
