"""Voice activity by loudness: needs nothing but a quiet line, and takes every loud sound for speech."""

from collections.abc import Mapping
from typing import Final

import msgspec

from trunkline.ai.base import AgentSettings, Emit, ProviderSpec, Vad, VadSession
from trunkline.ai.frames import HEARS
from trunkline.ai.inline_vad import InlineEar
from trunkline.audio.energy import EnergyDetector, EnergyRules
from trunkline.audio.format import AudioFormat
from trunkline.errors import ConfigError

OPTIONS: Final[Mapping[str, str]] = {
    "speech_energy_threshold": "threshold",
    "speech_start_threshold": "start_frames",
    "speech_stop_threshold": "stop_frames",
}
"""The options it understands, by the field of ``EnergyRules`` they set."""


class EnergyVad:
    """The detector as a part of a cascade."""

    name = "energy"
    hears = HEARS

    def __init__(self, rules: EnergyRules | None = None) -> None:
        self.rules = rules or EnergyRules()

    async def warm_up(self) -> None: ...

    def open(self, *, hears: AudioFormat, emit: Emit) -> VadSession:
        return InlineEar(EnergyDetector(self.rules.threshold), hears, emit, self.rules.endpointing)

    async def close(self) -> None: ...


class _Provider:
    spec = ProviderSpec(
        name="energy",
        title="Energy detector",
        about=(
            "Finds speech by level alone: `TRUNKLINE_SPEECH_ENERGY_THRESHOLD`, `SPEECH_START_THRESHOLD` and "
            "`SPEECH_STOP_THRESHOLD`. For quiet lines and for tests."
        ),
    )

    def vad(self, settings: AgentSettings) -> Vad:
        given = {field: settings.options[name] for name, field in OPTIONS.items() if settings.options.get(name)}
        try:
            return EnergyVad(msgspec.convert(given, EnergyRules, strict=False))
        except msgspec.ValidationError as error:
            raise ConfigError(f"{', '.join(OPTIONS)}: {error}") from None


PROVIDER = _Provider()
