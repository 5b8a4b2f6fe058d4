"""What to play where a packet is missing: the last pitch periods, repeated and faded (after ITU-T G.711 Appendix I).

Give every received piece to ``Concealer.received`` and call ``lost`` for every missing one; play what they return.
Both give back as many samples as they were given or asked for, 3.75 ms late: the end of the last good piece has to be
blended into the repetition, so it is held back. Call ``flush`` at the end for the samples held.

Three things differ from the Recommendation because ``benchmarks/concealment.py`` says so, for 20 ms packets: the sound
fades to three fifths at once and then slowly to silence after 300 ms (there: evenly to silence after 60 ms, in which
bursts lose to plain repetition); two periods are repeated, not three; and good audio is blended in over a quarter
period however long the loss was (there: 4 ms more for every 10 ms lost).

Concealed sound is made up. Don't let it start an utterance: keep it from voice activity detection.
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trunkline.errors import AudioError

Samples = NDArray[np.float64]

# In samples at 8 kHz, from Appendix I; other rates scale them.
_PITCH_MIN: Final = 40  # 200 Hz
_PITCH_MAX: Final = 120  # 66 Hz
_CORRELATED: Final = 160
_FIRST: Final = 80  # for 10 ms one period is repeated, two from then on
_PERIODS: Final = 3  # of history, so that the second one too has something before it to blend with

_FADE_MS: Final = (0, 5, 20, 300)
_FADE_GAIN: Final = (1.0, 1.0, 0.6, 0.0)
_MIN_POWER: Final = 250.0  # keeps the correlation of near-silence from dividing by nothing
_NOTHING: Final[Samples] = np.zeros(0)


class Concealer:
    """Bridges losses in one stream of PCM16 at ``rate`` Hz, a multiple of 8000.

    An erasure's first 10 ms repeat the last pitch period. What follows repeats two, which sounds less like a buzzer,
    and fades. The first good audio is blended with what would have gone on.
    """

    def __init__(self, rate: int = 8000) -> None:
        if rate <= 0 or rate % 8000:
            raise AudioError(f"concealment at {rate} Hz is not supported: use a multiple of 8000")
        self._scale = rate // 8000
        self.delay = _PITCH_MAX * self._scale // 4
        """Samples by which the output is late."""
        # Three of the longest periods, and the quarter that is blended in front of them: 390 samples at 8 kHz.
        self._history_bytes = 2 * (_PITCH_MAX * self._scale * _PERIODS + self.delay)
        self._fade = _fade(rate, self.delay)
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._history = bytes(self._history_bytes)  # the newest samples, among them those held back
        self._erased = 0  # samples since the erasure began; 0 outside one
        self._made = _NOTHING  # the erasure's sound, not faded
        self._overlap = 0  # a quarter of the pitch
        self._ghost = _NOTHING  # the repetition's way out, to be added to good audio
        self._rise = _NOTHING  # and the good audio's way in, of the same length

    @property
    def concealing(self) -> bool:
        """Whether the last piece was a lost one."""
        return self._erased > 0

    def received(self, pcm16: bytes) -> bytes:
        """Good audio, any number of samples."""
        if len(pcm16) % 2:
            raise AudioError(f"{len(pcm16)} bytes are not whole samples of PCM16")
        if self._erased and pcm16:
            self._end_erasure()
        if self._ghost.size:
            pcm16 = self._blend_back(pcm16)
        return self._play(pcm16)

    def lost(self, samples: int) -> bytes:
        """``samples`` samples are missing here."""
        if samples <= 0:
            return b""
        if not self._erased:
            self._begin_erasure()
        piece = slice(self._erased, self._erased + samples)
        made = _to_bytes(self._made[piece] * self._fade[piece])
        self._erased += samples
        return self._play(made + bytes(2 * samples - len(made)))

    def flush(self) -> bytes:
        """The samples held back. The concealer is as new then."""
        held = self._history[-2 * self.delay :]
        self.reset()
        return held

    def _play(self, pcm16: bytes) -> bytes:
        joined = self._history + pcm16
        self._history = joined[-self._history_bytes :]
        end = len(joined) - 2 * self.delay
        return joined[end - len(pcm16) : end]

    def _begin_erasure(self) -> None:
        before = np.frombuffer(self._history, "<i2").astype(np.float64)
        pitch = _pitch(before, self._scale)
        self._overlap = pitch // 4
        self._made = _repetition(before, pitch, self._overlap, _FIRST * self._scale, len(self._fade))
        self._ghost = self._rise = _NOTHING
        # The last quarter period hasn't been played: let it lead into the repetition.
        joint = _loop(before, pitch, self._overlap)[-self._overlap :]
        self._history = self._history[: -2 * self._overlap] + _to_bytes(joint)

    def _end_erasure(self) -> None:
        overlap = self._overlap
        at = min(self._erased, len(self._made) - overlap)  # behind the fade there is silence anyway
        self._rise = np.arange(1, overlap + 1) / overlap
        self._ghost = self._made[at : at + overlap] * self._fade[at] * (1 - self._rise)
        self._made = _NOTHING
        self._erased = 0

    def _blend_back(self, pcm16: bytes) -> bytes:
        good = np.frombuffer(pcm16, "<i2").astype(np.float64)
        count = min(len(good), len(self._ghost))
        good[:count] = good[:count] * self._rise[:count] + self._ghost[:count]
        self._ghost, self._rise = self._ghost[count:], self._rise[count:]
        return _to_bytes(good)


@cache
def _fade(rate: int, more: int) -> Samples:
    """Gain of every sample of an erasure, and ``more`` of silence. Shared by all calls."""
    times = np.arange(_FADE_MS[-1] * rate // 1000 + more) * (1000 / rate)
    fade: Samples = np.interp(times, _FADE_MS, _FADE_GAIN)
    return fade


def _pitch(before: Samples, scale: int) -> int:
    """The lag at which the last 20 ms resemble what came before, by normalised correlation.

    Appendix I searches every other sample first to save work; one matrix product doesn't need that.
    """
    shortest, longest, window = _PITCH_MIN * scale, _PITCH_MAX * scale, _CORRELATED * scale
    recent = before[-window:]
    span = before[-window - longest : -shortest]  # holds all lags, the longest first
    products = np.correlate(span, recent, "valid")
    running = np.concatenate(([0.0], np.cumsum(span * span)))
    power = running[window:] - running[:-window]
    best = int(np.argmax(products / np.sqrt(np.maximum(power, _MIN_POWER))))
    return longest - best


def _loop(before: Samples, length: int, overlap: int) -> Samples:
    """The last ``length`` samples, their end blended so that their beginning may follow it."""
    loop = before[-length:].copy()
    loop[-overlap:] = _cross_fade(loop[-overlap:], before[-length - overlap : -length])
    return loop


def _repetition(before: Samples, pitch: int, overlap: int, first: int, total: int) -> Samples:
    """``total`` samples to follow ``before``: one period repeated for ``first`` samples, then two."""
    once = _loop(before, pitch, overlap).take(np.arange(first + overlap), mode="wrap")
    at = first % pitch  # back by whole periods: the phase is kept
    twice = _loop(before, 2 * pitch, overlap).take(np.arange(at, at + total - first), mode="wrap")
    twice[:overlap] = _cross_fade(once[first:], twice[:overlap])
    return np.concatenate((once[:first], twice))


def _cross_fade(out: Samples, into: Samples) -> Samples:
    weight = np.arange(1, len(out) + 1) / len(out)
    return out * (1 - weight) + into * weight


def _to_bytes(samples: Samples) -> bytes:
    return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()
