"""Comfort noise: what a line sounds like while nobody speaks (RFC 3389)."""

import numpy as np

_FULL_SCALE = 32768.0  # 0 dBov: the power of a square wave at the overload point
_AHEAD = 800  # samples made at one go
_SMOOTH = 0.6  # one pole: falls some 12 dB towards 4 kHz, as rooms and lines do


def noise_level(payload: bytes) -> int:
    """The level a comfort noise packet asks for, in −dBov; 70 where it asks for nothing. Its spectrum is ignored."""
    return payload[0] & 0x7F if payload else 70


class ComfortNoise:
    """An endless stream of quiet noise, the same for the same ``seed``. Give each call its own."""

    def __init__(self, *, seed: int, level_dbov: int = 70) -> None:
        self._random = np.random.default_rng(seed)
        self._last = 0.0
        self._ahead = b""  # made already, at this level:
        self._ahead_level = level_dbov
        self.level_dbov = level_dbov
        """In −dBov, as on the wire: 0 is the loudest, 127 is silence. May be changed at any time."""

    def next(self, samples: int) -> bytes:
        """The next ``samples`` samples as PCM16."""
        if samples <= 0:
            return b""
        if self.level_dbov >= 127:
            return bytes(2 * samples)
        if self.level_dbov != self._ahead_level:
            self._ahead, self._ahead_level = b"", self.level_dbov
        if len(self._ahead) < 2 * samples:
            # Frames are short: most of the work would be to begin it.
            self._ahead += self._make(max(_AHEAD, samples))
        now, self._ahead = self._ahead[: 2 * samples], self._ahead[2 * samples :]
        return now

    def _make(self, samples: int) -> bytes:
        rms = _FULL_SCALE * 10 ** (-self.level_dbov / 20)
        white = self._random.standard_normal(samples) * (rms * (1 - _SMOOTH**2) ** 0.5)
        # y[n] = x[n] + a·y[n−1], unrolled to a short kernel: a^16 is below the last bit that counts.
        kernel = _SMOOTH ** np.arange(16)
        shaped = np.convolve(white, kernel)[:samples]
        shaped[:16] += self._last * _SMOOTH ** np.arange(1, 17)[: len(shaped[:16])]
        self._last = float(shaped[-1])
        return np.clip(np.rint(shaped), -32768, 32767).astype("<i2").tobytes()
