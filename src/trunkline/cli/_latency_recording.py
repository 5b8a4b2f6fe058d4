"""Turns from a stereo recording alone, whoever made it."""

import io
from pathlib import Path
from typing import Any, Final, Literal

from trunkline.audio.energy import EnergyDetector
from trunkline.audio.files import convert_file
from trunkline.audio.sound_files import ContainerSound
from trunkline.audio.stretches import sounds, voices
from trunkline.audio.turns import CallerTurn, caller_turns
from trunkline.audio.vad import Detector
from trunkline.cli._latency_log import call_of
from trunkline.cli._latency_turns import MeasuredTurn, Reading, Recorded
from trunkline.errors import AudioError, ConfigError
from trunkline.store.recordings import record_beside

Side = Literal["left", "right"]
DetectorName = Literal["auto", "silero", "webrtc", "energy"]

RATE: Final = 8000
"""Hz at which recordings are listened to: the detectors' own."""
_OTHER: Final[dict[Side, Side]] = {"left": "right", "right": "left"}


class Ear:
    """Listens to recordings with one detector. Raises ``ConfigError`` where its model is missing."""

    def __init__(self, detector: DetectorName, caller: Side, models: Path | None = None) -> None:
        self._caller: Side = caller
        self._detector: Detector[Any]
        self.name, self._detector = _load(detector, models)

    def read(self, path: Path) -> Reading:
        """The caller's turns. Raises ``AudioError`` for what isn't a stereo recording of two voices."""
        try:
            with path.open("rb") as file:
                sound = ContainerSound(file, path.name)
                channels, seconds = sound.channels, (sound.frames or 0) / sound.rate
        except OSError as error:
            raise AudioError(f"{path.name} can't be read: {error.strerror}") from None
        if channels != 2:
            had = "one channel" if channels == 1 else f"{channels} channels"
            raise AudioError(f"{path.name} has {had}: expected two, the caller's and the agent's")
        said = voices(self._channel(path, self._caller), self._detector)
        if not said:
            raise AudioError(
                f"{path.name} has no voice on its {self._caller} channel: "
                f"is the caller on the other one (--caller-channel {_OTHER[self._caller]})?"
            )
        turns = caller_turns(said, sounds(self._channel(path, _OTHER[self._caller]), RATE), 1000 * seconds)
        call = _call(path)
        told = [_told(turn, i + 1, path.name, call) for i, turn in enumerate(turns)]
        return Reading(told, self._summary(path, seconds, turns))

    def _channel(self, path: Path, side: Side) -> bytes:
        out = io.BytesIO()
        convert_file(path, out, rate=RATE, encoding="pcm16", channel=side, container="raw")
        return out.getvalue()

    def _summary(self, path: Path, seconds: float, turns: list[CallerTurn]) -> Recorded:
        def count(outcome: str) -> int:
            return sum(turn.outcome == outcome for turn in turns)

        return Recorded(
            file=path.name,
            seconds=round(seconds, 3),
            detector=self.name,
            turns=len(turns) - count("back-channel"),
            answered=count("answered"),
            early=sum(turn.response_ms is not None and turn.response_ms < 0 for turn in turns),
            unanswered=count("unanswered"),
            interruptions=sum(turn.interrupts for turn in turns),
            talked_over=count("talked over"),
            back_channels=count("back-channel"),
        )


def _call(recording: Path) -> str:
    """The call's id, by the record that Trunkline keeps beside its recordings."""
    try:
        return call_of(record_beside(recording).read_bytes())
    except OSError:
        return ""


def _told(turn: CallerTurn, number: int, name: str, call: str) -> MeasuredTurn:
    stages = {}
    if turn.response_ms is not None and turn.response_ms >= 0:  # an agent that didn't wait is counted, not averaged
        stages["response"] = turn.response_ms
    if turn.silent_ms is not None and turn.interrupts:
        stages["silence"] = turn.silent_ms
    return MeasuredTurn(name, call, number, stages, at_ms=turn.end_ms, outcome=turn.outcome)


def _load(name: DetectorName, models: Path | None) -> tuple[str, Detector[Any]]:
    from trunkline.ai.models import find_silero

    file = find_silero(models) if name in ("auto", "silero") else None
    if file is not None:
        from trunkline.ai.providers.silero import load
        from trunkline.audio.silero import Silero

        return "silero", Silero(load(file))
    if name == "silero":
        raise ConfigError("the Silero model is not there: run 'trunkline models', or take --vad webrtc")
    if name == "energy":
        return "energy", EnergyDetector()
    from trunkline.ai.providers.webrtc import WebRtcDetector

    return "webrtc", WebRtcDetector()
