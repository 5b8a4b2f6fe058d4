"""How well the caller can be heard, sampled: on every call, and cheaply enough for it."""

from typing import Final

import msgspec

from trunkline.audio.format import AudioFormat
from trunkline.audio.quality import AudioQualityMonitor, QualityAlert
from trunkline.audio.quality_score import QualityMetrics, QualityThresholds
from trunkline.call.effects import Effect, Note

# A call is listened to at first, then for LISTEN_S in every PERIOD_S: a line that is bad is bad for longer than that.
FIRST_S: Final = 8.0
LISTEN_S: Final = 2.5
PERIOD_S: Final = 10.0


class Listening:
    """Samples the caller's audio for quality. ``monitor`` is None while it does not listen: then push nothing."""

    __slots__ = ("_alerts", "_began_at", "_monitor", "monitor")

    def __init__(self, audio: AudioFormat, thresholds: QualityThresholds, now: float) -> None:
        self._alerts: list[QualityAlert] = []
        self._monitor = AudioQualityMonitor(audio, thresholds, self._alerts.append)
        self._began_at = now
        self.monitor: AudioQualityMonitor | None = self._monitor

    def tick(self, now: float, out: list[Effect]) -> None:
        """Once a second or so: says what was noticed, and decides whether to listen on."""
        for alert in self._alerts:
            out.append(Note("caller hard to hear", msgspec.structs.asdict(alert), "warning"))
        self._alerts.clear()
        elapsed = now - self._began_at
        listens = elapsed < FIRST_S or elapsed % PERIOD_S < LISTEN_S
        if listens and self.monitor is None:
            self._monitor.skip()
            self.monitor = self._monitor
        elif not listens:
            self.monitor = None

    @property
    def summary(self) -> QualityMetrics:
        """Of everything that was listened to."""
        return self._monitor.summary()
