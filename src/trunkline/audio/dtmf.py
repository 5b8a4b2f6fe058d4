"""Keys as two tones: made, and heard in the audio itself (ITU-T Q.23, limits of Q.24).

In-band detection is the fallback: where the platform reports keys beside the audio (``rtp.telephone_event``, platform
messages), don't look for them here as well, or each is heard twice.
"""

from functools import cache
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from trunkline.errors import AudioError

LOW_HZ: Final = (697, 770, 852, 941)
HIGH_HZ: Final = (1209, 1336, 1477, 1633)
KEYS: Final = ("123A", "456B", "789C", "*0#D")
"""Rows are the low tones, columns the high ones (Q.23)."""

# A digital milliwatt: a sine of 0 dBm0 is 3.17 dB (mu-law) below full scale; A-law's 3.14 is the same for our purpose.
_FULL_SCALE_DBM0: Final = 3.17

# What Q.24 asks for: accept ±(1.5 % + 2 Hz), reject ±3.5 %; accept 40 ms, reject 24 ms; a pause of 40 ms ends a key,
# a drop-out of 10 ms doesn't; accept −25 dBm0, reject −29; high above low by 4 dB at most, below by 8 (AT&T's figures,
# the strictest of table 1). Limits here lie between what must be accepted and what must not.
_OFF_TUNE: Final = 0.022
_QUIETEST_DBM0: Final = -27.0
_TWIST_DB: Final = 5.0  # high above low
_REVERSE_TWIST_DB: Final = 9.0  # low above high
_PURITY: Final = 0.88  # of a window's power in the two tones: a voice has more than two
_WORTH_A_LOOK: Final = 0.4  # the same before off-tune tones are allowed for: most speech is done with here

_STEADY_DB: Final = 2.0  # from one window to the next; a voice gliding through the tones isn't

_HOP_S: Final = 0.005
_WINDOW_S: Final = 0.018
_HITS: Final = 5  # windows in a row: 35 ms of tone
_MISSES: Final = 6  # windows without it end a key: more than a drop-out of 10 ms spoils

_BLOCK_BYTES: Final = 1 << 16  # looked at together: an hour pushed at once should not need gigabytes

Samples = NDArray[np.float64]
Spectrum = NDArray[np.complex128]

_TONES: Final[Samples] = np.array(LOW_HZ + HIGH_HZ, dtype=float)


def dtmf(key: str, ms: float, *, rate: int = 8000, level_dbm0: float = -6.0, twist_db: float = 2.0) -> bytes:
    """PCM16 of one key, ``ms`` long. ``level_dbm0`` is the high tone's; it is ``twist_db`` above the low one, because
    lines lose more of it."""
    low, high = _tones(key)
    t = np.arange(int(ms * rate / 1000)) / rate
    level = 32767 * 10 ** ((level_dbm0 - _FULL_SCALE_DBM0) / 20)
    wave = np.sin(2 * np.pi * high * t) + 10 ** (-twist_db / 20) * np.sin(2 * np.pi * low * t)
    return np.rint(np.clip(level * wave, -32768, 32767)).astype("<i2").tobytes()


def _tones(key: str) -> tuple[int, int]:
    for low, row in zip(LOW_HZ, KEYS, strict=True):
        if len(key) == 1 and key.upper() in row:
            return low, HIGH_HZ[row.index(key.upper())]
    raise AudioError("not a key: use one of 0-9 * # A-D")


def _hamming_response(bins: Samples) -> Samples:
    """What the tapered filter leaves of a tone ``bins`` beside its middle."""
    beside = np.sinc(bins - 1) + np.sinc(bins + 1)
    response: Samples = np.sinc(bins) + 0.23 / 0.54 * beside
    return response


class _Bank(msgspec.Struct, frozen=True):
    """Eight tapered filters for one rate; shared by all calls."""

    window: int  # samples
    hop: int
    hop_s: float
    window_s: float
    basis: Samples  # window × 16: cosines, then negative sines
    taper_power: Samples
    gain: float  # from |X|² to the power of a sine
    quietest: float  # power of one tone


@cache
def _bank(rate: int) -> _Bank:
    window, hop = round(_WINDOW_S * rate), round(_HOP_S * rate)
    # Goertzel's recurrence, for all tones at once: its result is this projection on cosine and sine. Hamming's taper
    # keeps each tone out of the other's way: power, twist and tuning are then true to 1 %.
    phase = 2 * np.pi * np.outer(np.arange(window) / rate, _TONES)
    taper = np.hamming(window)
    return _Bank(
        window,
        hop,
        hop / rate,
        window / rate,
        np.hstack((np.cos(phase), -np.sin(phase))) * taper[:, None],
        taper**2,
        2 / float(taper.sum()) ** 2,
        10 ** ((_QUIETEST_DBM0 - _FULL_SCALE_DBM0) / 10) * 32767**2 / 2,
    )


class KeyHeard(msgspec.Struct, frozen=True, gc=False):
    """A key was pressed: ``key`` is private, ``at`` counts the samples pushed before its tone began."""

    key: str
    at: int


class DtmfDetector:
    """Listens for keys in PCM16 at ``rate`` Hz. ``push`` audio in pieces of any size."""

    def __init__(self, rate: int = 8000) -> None:
        if rate < 8000:
            raise AudioError(f"keys can't be heard at {rate} Hz: use 8000 or more")
        self._bank = _bank(rate)
        self._rest: Samples = np.zeros(0)
        self._odd = b""
        self._at = 0  # samples before _rest
        self._before: Spectrum = np.zeros((1, 8), dtype=complex)
        self._candidate = ""
        self._hits = 0
        self._pressed = ""
        self._misses = 0

    def push(self, pcm16: bytes) -> list[KeyHeard]:
        """Keys whose tones have lasted long enough, now that this audio has come."""
        blocks = (pcm16[at : at + _BLOCK_BYTES] for at in range(0, len(pcm16), _BLOCK_BYTES))
        return [key for block in blocks for key in self._push(block)]

    def _push(self, pcm16: bytes) -> list[KeyHeard]:
        pcm16 = self._odd + pcm16
        whole = len(pcm16) // 2 * 2
        self._odd = pcm16[whole:]
        samples = np.concatenate((self._rest, np.frombuffer(pcm16[:whole], "<i2")))
        window, hop = self._bank.window, self._bank.hop
        count = (len(samples) - window) // hop + 1
        if count < 1:
            self._rest = samples
            return []
        windows = samples[np.arange(count)[:, None] * hop + np.arange(window)]
        heard = [
            key
            for n, (found, steady) in enumerate(self._look(windows))
            if (key := self._listen(found, steady, self._at + n * hop)) is not None
        ]
        self._at += count * hop
        self._rest = samples[count * hop :]
        return heard

    def _look(self, windows: Samples) -> list[tuple[str, bool]]:
        """The key each window sounds like, or "", and whether it sounds as loud as the window before."""
        bank = self._bank
        both = windows @ bank.basis
        spectrum = both[:, :8] + 1j * both[:, 8:]
        power = both[:, :8] ** 2 + both[:, 8:] ** 2
        before, self._before = np.vstack((self._before, spectrum[:-1])), spectrum[-1:]
        energy = windows**2 @ bank.taper_power
        in_tones = (power[:, :4].max(axis=1) + power[:, 4:].max(axis=1)) * bank.gain * bank.taper_power.sum()
        loud = energy >= bank.quietest * bank.taper_power.sum()
        if not (loud & (in_tones >= _WORTH_A_LOOK * energy)).any():
            return [("", False)] * len(windows)
        return self._judge(spectrum, before, power, energy)

    def _judge(self, spectrum: Spectrum, before: Spectrum, power: Samples, energy: Samples) -> list[tuple[str, bool]]:
        """The key of each window that passes every limit, and whether its tones are steady."""
        bank = self._bank
        rows = np.arange(len(power))
        low = np.argmax(power[:, :4], axis=1)
        high = 4 + np.argmax(power[:, 4:], axis=1)
        powers = []
        good = np.ones(len(power), dtype=bool)
        steady = np.ones(len(power), dtype=bool)
        most = 10 ** (_STEADY_DB / 10)
        for tone in (low, high):
            # From one window to the next the phase of a tone turns by its frequency: that is finer than any filter.
            nominal = _TONES[tone]
            turn = np.angle(spectrum[rows, tone] * np.conj(before[rows, tone]))
            expected = 2 * np.pi * nominal * bank.hop_s
            off = np.angle(np.exp(1j * (turn - expected))) / (2 * np.pi * bank.hop_s)
            good &= np.abs(off) <= _OFF_TUNE * nominal
            # An off-tune tone lies beside the filter's middle; take out what that costs.
            powers.append(power[rows, tone] * bank.gain / _hamming_response(off * bank.window_s) ** 2)
            previous = np.abs(before[rows, tone]) ** 2
            steady &= (power[rows, tone] <= most * previous) & (previous <= most * power[rows, tone])
        low_power, high_power = powers
        with np.errstate(divide="ignore"):
            twist = 10 * np.log10(high_power / np.maximum(low_power, 1e-9))
        good &= (low_power + high_power) * bank.taper_power.sum() >= _PURITY * energy
        good &= np.minimum(low_power, high_power) >= bank.quietest
        good &= (twist <= _TWIST_DB) & (twist >= -_REVERSE_TWIST_DB)
        found = [KEYS[r][c - 4] if ok else "" for r, c, ok in zip(low, high, good, strict=True)]
        return list(zip(found, steady.tolist(), strict=True))

    def _listen(self, found: str, steady: bool, at: int) -> KeyHeard | None:
        """Follow the windows; a key when its tone has lasted, once."""
        if found and found == self._pressed:
            self._misses = 0
            return None
        if self._pressed:
            self._misses += 1
            if self._misses >= _MISSES:
                self._pressed = ""
        if found != self._candidate or not steady:
            self._candidate, self._hits = found, 0
        if not found:
            return None
        self._hits += 1
        if self._hits < _HITS:
            return None
        self._pressed, self._misses = found, 0
        return KeyHeard(found, max(0, at - (_HITS - 1) * self._bank.hop))
