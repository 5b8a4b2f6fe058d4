"""What stands out of the background, where a model of speech can't tell: the second witness of voice activity.

A model knows a voice when it hears one, but not to the tenth of a second, and under noise as loud as the voice it
misses words. Noise, on the other hand, stays much the same, so what is more than the noise has been of late, in
whichever band, is something that sounds. That alone is no voice; together with the model it says where one begins and
ends.

Two levels are kept of each band: the *floor* follows its power while the model hears no voice, the *voice* follows it
while it does. Power counts for what it has over the floor, or over an echo of the voice where that is louder: a hall
goes on sounding when its speaker is silent. Power that is n times what was expected makes a change of level likelier
than chance by ``n - 1 - ln n`` nats per sample of it (the likelihood ratio of two variances). The mean over the bands
is the *excess*. A slice is judged by the power of five, two on either side, and by what the model thinks two frames
later, for a model trails the voice: that is when evidence comes (``dating.LATE``).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trunkline.audio.dating import Evidence

Floats = NDArray[np.float32]

RATE: Final = 8000
SLICE: Final = 128  # samples; each slice of 16 ms is seen through a window of two
FRAME: Final = 256
PER_FRAME: Final = FRAME // SLICE

# Hz: the critical bands of hearing (Zwicker) that a telephone carries.
EDGES: Final = (100, 200, 300, 400, 510, 630, 770, 920, 1080, 1270, 1480, 1720, 2000, 2320, 2700, 3150, 3500)
LEAST: Final = 1e-9  # of full scale squared, per bin: under what mu-law can say

# The two levels. Rates are shares of the way to the present power, per frame of 32 ms.
FLOOR_RATE: Final = 0.05
SINK: Final = 0.2  # the floor sinks at this share of that rate even under a voice, which it may have begun with
UNSETTLED: Final = 2.0  # a floor that n frames have shown may be higher by so many n-ths
VOICE_RATE: Final = 0.1
VOICE_DBFS: Final = -26.0  # a telephone's usual level (ITU-T P.56 and P.830), until the voice has shown its own
ECHO_DB: Final = -10.0  # so far under the voice is its echo
QUIET_DB: Final = 15.0  # a voice so far over the floor has no sounds that are covered

# What an excess is worth beside the model's log-odds, both in nats. Chosen on some 200 telephone prompts of five
# speakers, as they are and in made-up halls, in six noises at 0 to 20 dB; test_vad_noise.py measures with noise that
# nothing was chosen by.
CHANCE: Final = 0.035  # about what noise has in a frame
MEMORY: Final = 0.65  # of the excess of frames past, for whether what sounds now is voice or background
ENOUGH: Final = 0.5  # no frame adds more to that memory: what was loud is not remembered longer
EVEN: Final = 0.1  # a remembered excess that speaks neither for speech nor against it
AROUND: Final = 2  # slices on either side that a slice is judged with
CHANCE_AROUND: Final = 0.02  # about what noise has in so many
EVEN_AROUND: Final = 0.061  # an excess of them that speaks neither for a voice nor against it


class BackgroundStream:
    """What is kept of one stream: about a kilobyte."""

    __slots__ = ("memory", "tail")

    def __init__(self) -> None:
        self.tail: Floats = np.zeros(SLICE, np.float32)  # the samples before the next frame
        self.memory: Floats = _FRESH  # what _PARTS lists; replaced, never changed


class Background:
    """Weighs the frames of many streams at once, with what a model thinks of them. 8 kHz, 256 samples."""

    def weigh(
        self, streams: Sequence[BackgroundStream], frames: Sequence[bytes], probabilities: Sequence[float]
    ) -> list[Evidence]:
        """One PCM16 frame of each stream; what the stream's frame ``LATE`` frames ago is evidence of. Safe on another
        thread as a ``Detector`` is."""
        if not streams:
            return []
        powers = self._powers(streams, frames)
        memory = np.array([stream.memory for stream in streams])
        floor, voice, past, sounds, scalars = np.split(memory, _PARTS, axis=1)
        kept, quiet, spoken = scalars.T
        whole = (powers[:, 0] + powers[:, 1]) / 2
        new = quiet == 0  # nothing is known of it: what there is now is its background
        floor[new] = whole[new]

        echo = _ECHO * voice
        belief = _within(1e-4, np.array(probabilities, np.float32), 1 - 1e-4)
        odds = np.log(belief / (1 - belief))
        kept = MEMORY * kept + (1 - MEMORY) * np.minimum(_excess(whole / np.maximum(floor, echo)), ENOUGH)
        holds = 1 / (1 + np.exp(-odds - _within(-1.6, 1.5 * np.log((kept + CHANCE) / EVEN), 2.5)))
        # Bounded, so that neither witness can outvote the other for long with one strong word.
        weights = sounds + _within(-1, 0.5 * (odds + 1), 1)[:, None]
        louder_db = 10 * np.log10(voice @ _BINS / (floor @ _BINS))  # than the noise, the voice is
        covered = _within(0, (1 - louder_db / QUIET_DB).astype(np.float32), 1)

        settled = floor * (1 + UNSETTLED / (quiet + 1))[:, None]
        over = powers / np.maximum(settled, echo)[:, None]
        past = np.concatenate((past.reshape(len(streams), 2 * AROUND, _COUNT), over), axis=1)
        around = np.stack([past[:, i : i + 2 * AROUND + 1].mean(axis=1) for i in range(PER_FRAME)], axis=1)
        sounds = _within(-3, 4 * np.log((_excess(around) + CHANCE_AROUND) / EVEN_AROUND), 3)

        noise = 1 - holds
        quiet, spoken = quiet + noise, spoken + holds
        sinking = np.where(whole > floor, noise[:, None], np.maximum(noise, SINK)[:, None])
        floor += np.maximum(FLOOR_RATE, 1 / (quiet + 1))[:, None] * sinking * (whole - floor)
        voice += (np.maximum(VOICE_RATE, 1 / (spoken + 1)) * holds**2)[:, None] * (whole - voice)
        past = past[:, PER_FRAME:].reshape(len(streams), -1)
        after = np.concatenate((floor, voice, past, sounds, np.stack((kept, quiet, spoken), axis=1)), axis=1)
        for stream, row in zip(streams, after, strict=True):
            stream.memory = row.copy()
        return [Evidence(*each) for each in zip(weights.tolist(), covered.tolist(), strict=True)]

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


def _excess(times: Floats) -> Floats:
    """Of power that is so many times what was expected, over the last axis, the bands."""
    more = np.maximum(times, 1)
    mean: Floats = (more - 1 - np.log(more)) @ _WEIGHTS
    return mean


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
# Where the parts of a memory end: floor and voice by band, what the slices of late had over them, how they sound, and
# the rest, a number each.
_PARTS: Final = np.cumsum((_COUNT, _COUNT, 2 * AROUND * _COUNT, PER_FRAME))
_FRESH: Final[Floats] = np.concatenate(
    (np.zeros(_COUNT), _usual_voice(_BINS), np.ones(2 * AROUND * _COUNT), np.full(PER_FRAME, -3), np.zeros(3))
).astype(np.float32)
