"""How good a call sounds, measured while it goes on, cheaply enough to do it on every call.

    push ─ every 20 ms: level meter, counters ─┐
         └ every 2 s: 64 to 128 ms looked at for a tone; noise and signal told apart; limits checked ─> alerts

Time is counted in samples. ``metrics`` looks back ten seconds, ``summary`` over the whole call.
"""

from collections import deque
from collections.abc import Callable
from math import inf, log10
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from trunkline.audio._kernels import level
from trunkline.audio.format import AudioFormat, Encoding
from trunkline.audio.g711 import decode_alaw, decode_mulaw
from trunkline.audio.level import ALAW_CEILING, FULL_SCALE, MULAW_CEILING
from trunkline.audio.quality_noise import Powers, part, share_out
from trunkline.audio.quality_score import QualityMetrics, QualityThresholds, limits
from trunkline.audio.quality_tone import find_tone

__all__ = ["AudioQualityMonitor", "QualityAlert", "QualityMetrics", "QualityThresholds"]

FRAME_MS: Final = 20
WINDOW_FRAMES: Final = 100
RECENT_WINDOWS: Final = 5
ALERT_EVERY_MS: Final = 10_000
"""A condition that comes and goes alerts no more often than this."""

_LONGEST_DROPOUT_FRAMES: Final = 20  # longer silence is somebody's wish
_EDGE_MS: Final = 2.5  # sound this close to a hole was cut off by it …
_CUT_SHARE: Final = 0.2  # … if it is still this large against the frame's peak
_LOUD: Final = (FULL_SCALE * 0.005) ** 2  # mean square; holes in less are not heard
_TONE_POWER: Final = (FULL_SCALE * 0.003) ** 2

# The loudest sample an encoding can say, and the largest there is in its silence.
_EXTREMES: Final = {
    Encoding.PCM16: (FULL_SCALE - 1, 0),
    Encoding.MULAW: (MULAW_CEILING, 0),
    Encoding.ALAW: (ALAW_CEILING, 8),
}
_DECODE: Final[dict[Encoding, Callable[[bytes], bytes] | None]] = {
    Encoding.PCM16: None,
    Encoding.MULAW: decode_mulaw,
    Encoding.ALAW: decode_alaw,
}


class QualityAlert(msgspec.Struct, frozen=True):
    """A limit was broken: ``condition`` is the name of a ``Limit``. It is told once, until it holds again."""

    condition: str
    value: float
    limit: float
    at_ms: float  # of the stream


class _Window(msgspec.Struct, gc=False):
    """Counted over some frames."""

    samples: int = 0
    clipped: int = 0
    total: int = 0
    peak: int = 0
    dropouts: int = 0
    dropout_samples: int = 0
    powers: Powers = Powers()
    thd_percent: float | None = None
    tone_snr_db: float | None = None

    def add(self, other: "_Window") -> None:
        self.samples += other.samples
        self.clipped += other.clipped
        self.total += other.total
        self.peak = max(self.peak, other.peak)
        self.dropouts += other.dropouts
        self.dropout_samples += other.dropout_samples
        self.powers = self.powers + other.powers
        if other.thd_percent is not None:  # the worst is what is complained of
            self.thd_percent = max(self.thd_percent or 0.0, other.thd_percent)
        if other.tone_snr_db is not None:
            self.tone_snr_db = min(self.tone_snr_db or inf, other.tone_snr_db)


class AudioQualityMonitor:
    """Listens to one direction of one call, in the wire's own format. ``on_alert`` is called from within ``push``."""

    def __init__(
        self,
        audio: AudioFormat,
        thresholds: QualityThresholds | None = None,
        on_alert: Callable[[QualityAlert], None] | None = None,
    ) -> None:
        self._audio: Final = audio
        self._thresholds: Final = thresholds or QualityThresholds()
        self._on_alert: Final = on_alert
        self._decode: Final = _DECODE[audio.encoding]
        self._ceiling, self._silence = _EXTREMES[audio.encoding]
        self._frame_samples: Final = audio.rate * FRAME_MS // 1000
        self._frame_bytes: Final = self._frame_samples * audio.sample_bytes
        self._sample: Final = 1024 if audio.rate <= 16000 else 2048  # samples looked at for a tone
        self._rest = b""
        self._window = _Window()
        self._squares: list[int] = []  # of each frame of the window
        self._frames: deque[bytes] = deque(maxlen=-(-self._sample // self._frame_samples))
        self._gap = 0  # silent frames in a row, after sound that was cut off
        self._recent: deque[tuple[_Window, NDArray[np.float64]]] = deque(maxlen=RECENT_WINDOWS)
        self._call = _Window()
        self._raised: set[str] = set()
        self._alerted_at: dict[str, float] = {}
        self.alerts = 0

    def push(self, audio: bytes) -> None:
        """The next piece, of any length. What doesn't fill a frame of 20 ms waits for the next piece."""
        if len(audio) == self._frame_bytes and not self._rest:
            self._measure(audio)
            return
        audio = self._rest + audio
        size = self._frame_bytes
        whole = len(audio) - len(audio) % size
        self._rest = audio[whole:]
        for at in range(0, whole, size):
            self._measure(audio[at : at + size])

    def skip(self) -> None:
        """Audio was left out here: what comes next does not follow on what came before."""
        self._rest = b""
        self._gap = 0
        self._frames.clear()

    @property
    def metrics(self) -> QualityMetrics:
        """Of the last ten seconds, in steps of two; before the first two seconds, of nothing."""
        recent = _Window()
        for window, _ in self._recent:
            recent.add(window)
        if self._recent:
            powers = np.concatenate([powers for _, powers in self._recent])
            recent.powers = share_out(powers, part(powers))
        return self._metrics(recent)

    def summary(self) -> QualityMetrics:
        """Of the whole call up to now."""
        call = _Window()
        call.add(self._call)
        if self._squares:
            last, powers = msgspec.structs.replace(self._window), self._powers()
            self._finish(last, powers, np.concatenate([*(past for _, past in self._recent), powers]))
            call.add(last)
        return self._metrics(call)

    # --- every frame ---

    def _measure(self, frame: bytes) -> None:
        if self._decode is not None:
            frame = self._decode(frame)
        low, high, total, squares, clipped, n = level(frame, self._ceiling)
        squares -= total * total // n  # DC is no sound
        window = self._window
        window.total += total
        window.clipped += clipped
        if high > window.peak:
            window.peak = high
        if -low > window.peak:
            window.peak = -low
        if high <= self._silence and -low <= self._silence:
            self._hush()
        elif self._gap:
            self._resume(frame)
        self._squares.append(squares)
        self._frames.append(frame)
        if len(self._squares) == WINDOW_FRAMES:
            self._close()

    def _hush(self) -> None:
        """A frame of silence."""
        if self._gap:
            self._gap += 1
        elif self._frames and self._squares and self._cut_off(self._frames[-1], self._squares[-1]):
            self._gap = 1

    def _resume(self, frame: bytes) -> None:
        """Sound after a hole."""
        if self._gap <= _LONGEST_DROPOUT_FRAMES and level(frame, self._ceiling)[3] >= _LOUD * self._frame_samples:
            self._window.dropouts += 1
            self._window.dropout_samples += self._gap * self._frame_samples
        self._gap = 0

    def _cut_off(self, frame: bytes, squares: int) -> bool:
        """Whether ``frame`` ends in the midst of sound."""
        if squares < _LOUD * self._frame_samples:
            return False
        low, high, *_ = level(frame, self._ceiling)
        edge_low, edge_high, *_ = level(frame[-2 * int(_EDGE_MS * self._audio.rate / 1000) :], self._ceiling)
        return max(edge_high, -edge_low) >= _CUT_SHARE * max(high, -low)

    # --- every window ---

    def _close(self) -> None:
        window, powers = self._window, self._powers()
        self._window, self._squares = _Window(), []
        self._recent.append((window, powers))
        self._finish(window, powers, np.concatenate([past for _, past in self._recent]))
        self._call.add(window)
        self._check()

    def _powers(self) -> NDArray[np.float64]:
        """Mean squares of the window's frames up to now."""
        return np.array(self._squares, np.float64) / self._frame_samples

    def _finish(self, window: _Window, powers: NDArray[np.float64], recent: NDArray[np.float64]) -> None:
        """Tell noise from signal by what the last seconds were like, and look for a tone."""
        window.samples = len(powers) * self._frame_samples
        window.powers = share_out(powers, part(recent))
        if powers[-1] < _TONE_POWER:
            return
        pcm16 = b"".join(self._frames)[-2 * self._sample :]
        if len(pcm16) == 2 * self._sample and (
            tone := find_tone(np.frombuffer(pcm16, "<i2").astype(np.float64), self._audio.rate)
        ):
            window.thd_percent, window.tone_snr_db = tone.thd_percent, tone.snr_db

    def _check(self) -> None:
        if self._on_alert is None:
            return
        now = self._call.samples * 1000 / self._audio.rate
        for limit in limits(self.metrics, self._thresholds):
            if not limit.broken:
                self._raised.discard(limit.condition)
            elif limit.condition not in self._raised:
                if now - self._alerted_at.get(limit.condition, -inf) < ALERT_EVERY_MS:
                    continue
                self._raised.add(limit.condition)
                self._alerted_at[limit.condition] = now
                self.alerts += 1
                assert limit.value is not None  # noqa: S101 - what is broken was measured
                self._on_alert(QualityAlert(limit.condition, limit.value, limit.limit, now))

    def _metrics(self, over: _Window) -> QualityMetrics:
        samples = max(over.samples, 1)
        snr = over.powers.snr_db
        power = over.powers.level
        if power is None and over.tone_snr_db is not None:
            power = over.powers.steady
        return QualityMetrics(
            ms=over.samples * 1000 / self._audio.rate,
            snr_db=over.tone_snr_db if snr is None else snr,
            thd_percent=over.thd_percent,
            clipping_percent=100 * over.clipped / samples,
            dc_percent=100 * over.total / samples / FULL_SCALE,
            level_dbfs=None if not power else 10 * log10(power) - 20 * log10(FULL_SCALE),
            peak_dbfs=20 * log10(over.peak / FULL_SCALE) if over.peak else None,
            dropouts=over.dropouts,
            dropout_percent=100 * over.dropout_samples / samples,
        )
