"""What stands out of the background, where a model of speech can't tell: the second witness of voice activity.

A model knows a voice when it hears one, but not to the tenth of a second, and under noise as loud as the voice it
misses words. Noise, on the other hand, stays much the same, so what is more than the noise has been of late, in
whichever band, is something that sounds. That alone is no voice; together with the model it says where one begins and
ends.

Two levels are kept of each band: the *floor* follows its power while the model hears no voice, the *voice* follows it
while it does. Power counts for what it has over the floor, or over an echo of the voice where that is louder: a hall
goes on sounding when its speaker is silent. Power that is n times what was expected makes a change of level likelier
than chance by ``n - 1 - ln n`` nats per sample of it (the likelihood ratio of two variances). The mean over the bands
is the *excess*.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trunkline.audio.vad import Evidence

Floats = NDArray[np.float32]

RATE: Final = 8000
SLICE: Final = 128  # samples; each slice of 16 ms is seen through a window of two
FRAME: Final = 256

# Hz: the critical bands of hearing (Zwicker) that a telephone carries.
EDGES: Final = (100, 200, 300, 400, 510, 630, 770, 920, 1080, 1270, 1480, 1720, 2000, 2320, 2700, 3150, 3500)
LEAST: Final = 1e-9  # of full scale squared, per bin: under what mu-law can say

# The two levels. Rates are shares of the way to the present power, per frame of 32 ms.
FLOOR_RATE: Final = 0.05
SINK: Final = 0.2  # the floor sinks at this share of that rate even under a voice, which it may have begun with
VOICE_RATE: Final = 0.1
VOICE_DBFS: Final = -26.0  # a telephone's usual level (ITU-T P.56 and P.830), until the voice has shown its own
ECHO_DB: Final = -10.0  # so far under the voice is its echo

# What an excess is worth beside the model's log-odds, both in nats. Chosen on recordings of some fifteen people, in six
# noises at 0 to 20 dB; test_vad_noise.py measures with noise and a voice they were not chosen by.
CHANCE: Final = 0.035  # about what noise has
MEMORY: Final = 0.65  # of the excess of frames past, for whether what sounds now is voice or background
ENOUGH: Final = 0.5  # no frame adds more to that memory: what was loud is not remembered longer
EVEN: Final = 0.1  # a remembered excess that speaks neither for speech nor against it
USUAL: Final = -4.0  # the log-odds of speech a model gives noise; followed
EVEN_SLICE: Final = 0.24  # … and one of a slice alone, which is left more to chance


class BackgroundStream:
    """What is kept of one stream: under a kilobyte."""

    __slots__ = ("memory", "tail")

    def __init__(self) -> None:
        self.tail: Floats = np.zeros(SLICE, np.float32)  # the samples before the next frame
        self.memory: Floats = _FRESH  # floor and voice by band, then what weigh() lists; replaced, never changed


class Background:
    """Weighs the frames of many streams at once, with what a model thinks of them. 8 kHz, 256 samples."""

    def weigh(
        self, streams: Sequence[BackgroundStream], frames: Sequence[bytes], probabilities: Sequence[float]
    ) -> list[Evidence]:
        """What one PCM16 frame of each stream is evidence of. Safe on another thread as a ``Detector`` is."""
        if not streams:
            return []
        powers = self._powers(streams, frames)
        memory = np.array([stream.memory for stream in streams])
        floor, voice = memory[:, :_COUNT], memory[:, _COUNT : 2 * _COUNT]
        kept, usual, quiet, spoken = memory[:, 2 * _COUNT :].T
        whole = (powers[:, 0] + powers[:, 1]) / 2
        new = quiet == 0  # nothing is known of it: what there is now is its background
        floor[new] = whole[new]

        expected = np.maximum(floor, _ECHO * voice)
        times = np.maximum(np.concatenate((whole[:, None], powers), axis=1) / expected[:, None], 1)
        excess = (times - 1 - np.log(times)) @ _WEIGHTS
        kept = MEMORY * kept + (1 - MEMORY) * np.minimum(excess[:, 0], ENOUGH)
        belief = _within(1e-4, np.array(probabilities, np.float32), 1 - 1e-4)
        odds = np.log(belief / (1 - belief))
        holds = 1 / (1 + np.exp(-odds - _within(-1.6, 1.5 * np.log((kept + CHANCE) / EVEN), 2.5)))
        sounds = 3 * np.log((excess[:, 1:] + CHANCE) / EVEN_SLICE)
        # How sure the model is of a voice says when one ends; that it is less sure of noise than usual, when one began.
        # Bounded, so that neither witness can outvote the other for long with one strong word.
        begins = _within(-3, sounds, 3) + _within(-2, odds - np.maximum(usual, -6) - 1, 2)[:, None]
        ends = _within(-2, sounds, 1.5) + _within(-2, odds, 1.6)[:, None]

        noise = 1 - holds
        quiet, spoken = quiet + noise, spoken + holds
        sinking = np.where(whole > floor, noise[:, None], np.maximum(noise, SINK)[:, None])
        floor += np.maximum(FLOOR_RATE, 1 / (quiet + 1))[:, None] * sinking * (whole - floor)
        voice += (np.maximum(VOICE_RATE, 1 / (spoken + 1)) * holds**2)[:, None] * (whole - voice)
        followed = usual + FLOOR_RATE * noise * (odds - usual)
        scalars = np.stack((kept, followed, quiet, spoken), axis=1)
        after = np.concatenate((floor, voice, scalars), axis=1)
        for stream, row in zip(streams, after, strict=True):
            stream.memory = row.copy()
        return [Evidence(*each) for each in zip(begins.tolist(), ends.tolist(), strict=True)]

    @staticmethod
    def _powers(streams: Sequence[BackgroundStream], frames: Sequence[bytes]) -> Floats:
        """Per stream, slice and band: the power of a bin, full scale being 1."""
        heard = np.frombuffer(b"".join(frames), "<i2").reshape(len(frames), FRAME) * np.float32(1 / 32768)
        audio = np.concatenate([np.array([stream.tail for stream in streams]), heard], axis=1)
        for stream, row in zip(streams, heard, strict=True):
            stream.tail = row[-SLICE:].copy()  # a view would keep the whole batch alive
        spectra = np.fft.rfft(audio[:, _WINDOWS] * _HANN)
        power = (spectra.real**2 + spectra.imag**2).astype(np.float32, copy=False)
        return power @ _TO_BANDS + np.float32(LEAST)


def _within(low: float, values: Floats, high: float) -> Floats:
    """As ``np.clip``, which takes five times as long for so few."""
    inside: Floats = np.minimum(np.maximum(values, low), high)
    return inside


def _to_bands() -> tuple[Floats, Floats]:
    """The matrix from bins to bands, and how many bins each has."""
    hz = np.arange(SLICE + 1) * RATE / (2 * SLICE)
    inside = np.array([(low <= hz) & (hz < high) for low, high in pairwise(EDGES)])
    bins = inside.sum(axis=1)
    return (inside / bins[:, None]).T.astype(np.float32), bins.astype(np.float32)


def _usual_voice(bins: Floats) -> Floats:
    """The spectrum of speech as it is on average (flat to 500 Hz, then falling 12 dB an octave), at its usual level."""
    middles = np.array([(low + high) / 2 for low, high in pairwise(EDGES)])
    shape = np.minimum(1, (500 / middles) ** 2)
    usual: Floats = (shape * 10 ** (VOICE_DBFS / 10) * (SLICE + 1) / 2 / (shape * bins).sum()).astype(np.float32)
    return usual


_TO_BANDS, _BINS = _to_bands()
_COUNT: Final = len(_BINS)
_WEIGHTS: Final = np.sqrt(_BINS) / np.sqrt(_BINS).sum()  # a wider band's power is steadier
_ECHO: Final = np.float32(10 ** (ECHO_DB / 10))
_WINDOWS: Final = np.arange(2 * SLICE) + np.array([[0], [SLICE]])
_HANN: Final[Floats] = (np.hanning(2 * SLICE + 1)[:-1] / np.sqrt(0.375 * 2 * SLICE)).astype(np.float32)
_FRESH: Final[Floats] = np.concatenate((np.zeros(_COUNT), _usual_voice(_BINS), (0, USUAL, 0, 0))).astype(np.float32)
