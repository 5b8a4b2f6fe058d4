"""Signal to noise without knowing either: the noise is what is left when nobody speaks."""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

_FLOOR: Final = 0.05  # this share of the frames is nobody's speech: pauses, or at least the closures inside words
_NOISE: Final = 2.0  # a frame up to 3 dB over the floor is noise …
_VOICE: Final = 2.5  # … and one 4 dB over the noise is signal. What lies between is neither's.
_NEVER_SILENT: Final = 10**-2.5  # of the loudest frame: signal, where there is no noise to stand out from
_FEWEST: Final = 10  # frames of signal: a click is not one


class Powers(msgspec.Struct, frozen=True, gc=False):
    """Sums over frames of their power (mean square), so that stretches of a call can be added."""

    noise: float = 0.0
    noise_frames: int = 0
    signal: float = 0.0  # noise and all
    signal_frames: int = 0

    def __add__(self, other: "Powers") -> "Powers":
        return Powers(
            self.noise + other.noise,
            self.noise_frames + other.noise_frames,
            self.signal + other.signal,
            self.signal_frames + other.signal_frames,
        )

    @property
    def snr_db(self) -> float | None:
        """None where nothing stands out from the noise, or where there is none: digital silence between words."""
        if self.signal_frames < _FEWEST or not self.noise:
            return None
        noise = self.noise / self.noise_frames
        return 10 * float(np.log10(max(self.signal / self.signal_frames / noise - 1, 1e-3)))

    @property
    def level(self) -> float | None:
        """The signal's power, None where there is no signal."""
        return self.signal / self.signal_frames if self.signal_frames >= _FEWEST else None

    @property
    def steady(self) -> float | None:
        """The power of a sound that never pauses, which is taken for noise; None where there was nothing."""
        return self.noise / self.noise_frames if self.noise_frames else None


def part(powers: NDArray[np.float64]) -> tuple[float, float]:
    """Up to which power a frame is noise, and from which it is signal. ``powers``: frames of the last seconds."""
    floor = float(np.partition(powers, at := int(_FLOOR * len(powers)))[at])
    if floor < 1:  # digital silence tells nothing of the noise
        return -1.0, max(_NEVER_SILENT * float(powers.max()), 1.0)
    noise = float(powers[powers <= _NOISE * floor].mean())
    return _NOISE * floor, _VOICE * noise


def share_out(powers: NDArray[np.float64], limits: tuple[float, float]) -> Powers:
    """Counts each frame as noise, as signal, or as neither, by the limits of ``part``."""
    noise, signal = powers[powers <= limits[0]], powers[powers >= limits[1]]
    return Powers(float(noise.sum()), len(noise), float(signal.sum()), len(signal))
