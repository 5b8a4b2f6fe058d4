"""How a Realtime session is opened, and what its model is asked to say when it is not simply its turn."""

from typing import Final

from msgspec import UNSET

from trunkline.ai.base import AgentSettings, ToolSpec
from trunkline.ai.providers._openai_account import OpenAISettings
from trunkline.ai.providers._openai_commands import (
    Audio,
    AudioInput,
    AudioOutput,
    Format,
    Function,
    NoiseReduction,
    Reasoning,
    SemanticVad,
    ServerVad,
    Session,
    SessionUpdate,
    Transcription,
)
from trunkline.ai.providers._openai_messages import Resolved
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_24K, AudioFormat

FORMATS: Final = {
    PCM16_24K: Format(type="audio/pcm", rate=24000),
    MULAW_8K: Format(type="audio/pcmu"),
    ALAW_8K: Format(type="audio/pcma"),
}

VOICE: Final = "marin"

SAY: Final = (
    "Say exactly the following to the caller, word for word, in the language it is written in. "
    "Say nothing before it and nothing after it:\n"
)
GREET: Final = "The caller has just been connected. Greet them and ask what you can do for them, in one short sentence."
GO_ON: Final = (
    "A fault on the line cut off your last message. The caller heard it up to the words below, and no further. "
    "Go on with the very next word: repeat nothing, and do not mention the fault. The words were:\n"
)


def session(own: OpenAISettings, wanted: AgentSettings, hears: AudioFormat, speaks: AudioFormat) -> Session:
    """The whole configuration but for the functions."""
    transcription = Transcription(model=own.transcription_model, language=wanted.language.partition("-")[0] or UNSET)
    audio = Audio(
        input=AudioInput(
            format=FORMATS[hears],
            turn_detection=turn_detection(own, answers=False),
            transcription=transcription if own.transcription_model else UNSET,
            noise_reduction=NoiseReduction(type=own.noise_reduction) if own.noise_reduction else UNSET,
        ),
        output=AudioOutput(
            format=FORMATS[speaks], voice=wanted.voice or VOICE, speed=own.speed if own.speed != 1 else UNSET
        ),
    )
    return Session(
        audio=audio,
        output_modalities=["audio"],
        instructions=wanted.instructions or UNSET,
        max_output_tokens=own.max_output_tokens or UNSET,
        reasoning=Reasoning(effort=own.reasoning_effort) if own.reasoning_effort else UNSET,
    )


def turn_detection(own: OpenAISettings, *, answers: bool) -> ServerVad | SemanticVad:
    """Events about the caller's speech; whether the server answers turns by itself. It never cancels a reply by itself:
    whether the caller interrupts or only agrees is decided in the call."""
    if own.turn_detection == "semantic":
        return SemanticVad(eagerness=own.eagerness, create_response=answers, interrupt_response=False)
    return ServerVad(
        threshold=own.vad_threshold,
        prefix_padding_ms=own.prefix_ms,
        silence_duration_ms=own.silence_ms,
        create_response=answers,
        interrupt_response=False,
    )


def answering(own: OpenAISettings, *, answers: bool) -> SessionUpdate:
    """In mid-session: the server may answer by itself, or may not."""
    detection = turn_detection(own, answers=answers)
    return SessionUpdate(session=Session(audio=Audio(input=AudioInput(turn_detection=detection))))


def padding_ms(own: OpenAISettings) -> tuple[float, float]:
    """How far the vendor's edges of speech lie outside it: ``server_vad`` counts its padding and its silence in."""
    return (own.prefix_ms, own.silence_ms) if own.turn_detection == "server" else (0.0, 0.0)


def functions(specs: tuple[ToolSpec, ...]) -> list[Function]:
    """What the model may call."""
    return [Function(name=spec.name, description=spec.description, parameters=spec.parameters) for spec in specs]


def agrees(resolved: Resolved, asked: Session) -> bool:
    """Whether the server speaks and hears the formats it was asked for, as far as it says so."""
    audio = resolved.audio
    pairs = () if audio is None else ((audio.input, asked.audio.input), (audio.output, asked.audio.output))
    for theirs, ours in pairs:
        if theirs and theirs.format and ours and ours.format and theirs.format.type != ours.format.type:
            return False
    return True
