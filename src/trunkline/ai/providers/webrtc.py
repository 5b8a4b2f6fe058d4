"""The voice activity detector of WebRTC: tiny, needs no model file, and takes some music and noise for speech."""

from collections.abc import Sequence
from typing import Final

import webrtcvad

from trunkline.ai.base import AgentSettings, Emit, ProviderSpec, Vad, VadSession
from trunkline.ai.frames import HEARS
from trunkline.ai.inline_vad import InlineEar
from trunkline.audio.format import AudioFormat

MODE: Final = 3
"""How strict it is, 0 to 3. The strictest, because it is still the most easily fooled of our detectors."""


class WebRtcDetector:
    """A ``Detector`` that says only 0 or 1. One frame costs 1.4 µs."""

    rate = 8000
    frame_samples = 160

    def stream(self) -> webrtcvad.Vad:
        return webrtcvad.Vad(MODE)

    def probabilities(self, streams: Sequence[webrtcvad.Vad], frames: Sequence[bytes]) -> list[float]:
        return [float(vad.is_speech(frame, self.rate)) for vad, frame in zip(streams, frames, strict=True)]


class WebRtcVad:
    """The detector as a part of a cascade."""

    name = "webrtc"
    hears = HEARS

    async def warm_up(self) -> None: ...

    def open(self, *, hears: AudioFormat, emit: Emit) -> VadSession:
        return InlineEar(WebRtcDetector(), hears, emit)

    async def close(self) -> None: ...


class _Provider:
    spec = ProviderSpec(
        name="webrtc",
        title="WebRTC voice activity detector",
        about="Finds speech by the statistics of the sound: no model, very cheap, easily fooled by noise.",
    )

    def vad(self, settings: AgentSettings) -> Vad:
        return WebRtcVad()


PROVIDER = _Provider()
