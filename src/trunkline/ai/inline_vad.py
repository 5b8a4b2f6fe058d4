"""Voice activity by a detector so cheap that each call asks it in line."""

from typing import Generic, TypeVar

from trunkline.ai.base import Emit
from trunkline.ai.events import SpeechStarted, SpeechStopped
from trunkline.ai.frames import Framer
from trunkline.audio.format import AudioFormat
from trunkline.audio.vad import Detector, Endpointer, Endpointing, SpeechEdge

S = TypeVar("S")


def speech_event(edge: SpeechEdge) -> SpeechStarted | SpeechStopped:
    """What the call is told of an edge."""
    return SpeechStarted(edge.at_ms) if edge.speaking else SpeechStopped(edge.at_ms)


class InlineEar(Generic[S]):
    """A ``VadSession`` that has its answer before ``hear`` returns."""

    def __init__(self, detector: Detector[S], hears: AudioFormat, emit: Emit, rules: Endpointing | None = None) -> None:
        self._detector = detector
        self._stream = detector.stream()
        self._framer = Framer(hears, detector.frame_samples)
        self._endpointer = Endpointer(detector.frame_samples, detector.rate, rules)
        self._emit = emit
        self._closed = False

    def hear(self, audio: bytes, now: float) -> None:
        for frame in self._framer.push(audio, now):
            if frame.fresh:
                self._stream = self._detector.stream()
                self._report(self._endpointer.cut())
            (probability,) = self._detector.probabilities([self._stream], [frame.pcm16])
            self._report(self._endpointer.push(probability))

    def close(self) -> None:
        self._closed = True

    def _report(self, edge: SpeechEdge | None) -> None:
        if edge is not None and not self._closed:
            self._emit(speech_event(edge))
