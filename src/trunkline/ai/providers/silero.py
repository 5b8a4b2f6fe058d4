"""Silero voice activity detection through onnxruntime: one model for all calls."""

import asyncio
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime

from trunkline.ai.base import AgentSettings, Emit, ProviderSpec, Vad, VadSession
from trunkline.ai.frames import HEARS
from trunkline.ai.models import find_silero
from trunkline.ai.vad_hub import VadHub
from trunkline.audio.background import Background
from trunkline.audio.format import AudioFormat
from trunkline.audio.silero import Floats, Infer, Silero, SileroStream
from trunkline.errors import ConfigError

_ONLY_ERRORS: Final = 3  # onnxruntime's severity: the branchless file warns of initializers it does not use


def load(file: Path) -> Infer:
    """Opens the model: tens of milliseconds, once per process. The function it returns may run on any thread."""
    options = onnxruntime.SessionOptions()
    # A frame is 50 µs of work: spreading it over cores costs more than it gives, and the cores are the calls'.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ONLY_ERRORS
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    rate = np.array(Silero.rate, np.int64)

    def infer(frames: Floats, state: Floats) -> tuple[Any, Any]:
        probabilities, after = session.run(None, {"input": frames, "state": state, "sr": rate})
        return probabilities, after

    return infer


class SileroVad:
    """The detector as a part of a cascade. ``models`` is the folder of fetched models, where there is one."""

    name = "silero"
    hears = HEARS

    def __init__(self, models: Path | None = None) -> None:
        self._models = models
        self.hub: VadHub[SileroStream] | None = None

    async def warm_up(self) -> None:
        file = find_silero(self._models)
        if file is None:
            raise ConfigError("the Silero model is not there: run 'trunkline models'")
        if self.hub is None:
            infer = await asyncio.get_running_loop().run_in_executor(None, load, file)
            self.hub = VadHub(Silero(infer), background=Background())

    def open(self, *, hears: AudioFormat, emit: Emit) -> VadSession:
        if self.hub is None:
            raise ConfigError("the Silero detector was not warmed up")
        return self.hub.open(hears, emit)

    async def close(self) -> None:
        if self.hub is not None:
            self.hub.close()
            self.hub = None


class _Provider:
    spec = ProviderSpec(
        name="silero",
        title="Silero",
        about=(
            "Finds speech with a small neural network, batched over all calls. Its model file comes with the "
            "`silero-vad` wheel, or by `trunkline models`."
        ),
    )

    def vad(self, settings: AgentSettings) -> Vad:
        return SileroVad(Path(settings.models) if settings.models else None)


PROVIDER = _Provider()
