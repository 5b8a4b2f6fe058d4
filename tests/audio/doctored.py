"""Good recordings, and every way to spoil them: what the doctor is tried on."""

from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np

from noises import Floats, to_pcm16
from speech import FOLDER, speech
from trunkline.audio.doctor import Take
from trunkline.audio.format import AudioFormat, Encoding
from trunkline.audio.g711 import decode_alaw, decode_mulaw, encode_alaw, encode_mulaw

NAMES: Final = tuple(sorted(path.stem for path in FOLDER.glob("*.wav"))) or ("espeak",)
THROUGH: Final[dict[str, Callable[[bytes], bytes]]] = {
    "pcm16": bytes,
    "mu-law": lambda pcm16: decode_mulaw(encode_mulaw(pcm16)),
    "A-law": lambda pcm16: decode_alaw(encode_alaw(pcm16)),
}


@cache
def good(name: str, rate: int = 8000) -> Floats:
    return np.frombuffer(speech(name, AudioFormat(Encoding.PCM16, rate)), "<i2").astype(float)


@cache
def long(rate: int = 8000, first: int = 0) -> Floats:
    """All recordings one after another, beginning with another one each time: some half a minute."""
    return np.concatenate([good(name, rate) for name in (*NAMES[first:], *NAMES[:first])])


def take(*channels: Floats, rate: int = 8000, line: str = "pcm16") -> Take:
    return Take(tuple(np.frombuffer(THROUGH[line](to_pcm16(x)), "<i2") for x in channels), rate)


# --- one channel, spoilt -------------------------------------------------------------------------------------------


def overdriven(x: Floats, by: float, then: float = 1) -> Floats:
    """``by`` times as loud as fits, and turned down afterwards."""
    return np.asarray(np.clip(x * by * 32767 / np.abs(x).max(), -32768, 32767) * then)


def turned_down(x: Floats, db: float) -> Floats:
    return x * 10 ** (-db / 20)


def packets_lost(x: Floats, rate: int, share: float, ms: int = 20, repeat: bool = False) -> Floats:
    x, size, dice = x.copy(), rate * ms // 1000, np.random.default_rng(3)
    for at in range(size, len(x) - size, size):
        if dice.random() < share:
            x[at : at + size] = x[at - size : at] if repeat else 0
    return x


def run_dry(x: Floats, rate: int, every_s: float, ms: float) -> Floats:
    """Silence put in between, of about ``ms``, about every so many seconds."""
    dice, pieces, at = np.random.default_rng(4), [], 0
    while at < len(x):
        end = at + int(rate * every_s * (0.5 + dice.random()))
        pieces += [x[at:end], np.zeros(int(rate * ms / 1000 * (0.5 + dice.random())))]
        at = end
    return np.concatenate(pieces)


def clicking(x: Floats, rate: int, ms: int, height: float) -> Floats:
    x = x.copy()
    x[:: rate * ms // 1000] += height
    return x


def in_pieces(x: Floats, ms: int = 20) -> Floats:
    """8 kHz, low-pass filtered frame by frame, as if each were all there is."""
    taps = np.sinc(np.arange(-12, 13) * 0.9) * np.hamming(25)
    size = 8 * ms
    return np.concatenate([np.convolve(x[at : at + size], taps, "same") for at in range(0, len(x) - size + 1, size)])


def decimated(x: Floats, by: int) -> Floats:
    return x[::by]


def stretched(x: Floats, by: int, straight: bool) -> Floats:
    """``by`` times the rate: straight lines between the samples, or each sample repeated."""
    if straight:
        return np.interp(np.arange(by * len(x)) / by, np.arange(len(x)), x)
    return np.repeat(x, by)


def echoing(x: Floats, rate: int, ms: float, db: float) -> Floats:
    late = round(rate * ms / 1000)
    return np.asarray(0.7 * (x + 10 ** (-db / 20) * np.concatenate((np.zeros(late), x[:-late]))))


def late(x: Floats, rate: int, ms: float, db: float, ppm: float = 0) -> Floats:
    """``x`` so much later and softer, on a clock that is ``ppm`` slow."""
    at = np.arange(len(x)) * (1 - ppm * 1e-6) - rate * ms / 1000
    return np.asarray(np.interp(at, np.arange(len(x)), x, left=0) * 10 ** (-db / 20))
