"""How a Live session is opened, and what its model is asked to say when nobody has just spoken."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from trunkline.ai.base import AgentSettings, ToolSpec
from trunkline.ai.providers import _gemini_commands as ours
from trunkline.ai.providers._gemini_account import GeminiSettings
from trunkline.ai.providers._gemini_families import Family
from trunkline.ai.providers._gemini_schema import parameters
from trunkline.ai.toolbox import hang_up, send_digits, transfer

SAY: Final = (
    "(Say exactly the following to the caller, word for word, in the language it is written in. "
    "Say nothing before it and nothing after it:)\n"
)
GREET: Final = (
    "(The caller has just been connected. Greet them and ask what you can do for them, in one short sentence.)"
)
GO_ON: Final = (
    "(A fault on the line cut off your last message. The caller heard it up to the words below, and no further. "
    "Go on with the very next word: repeat nothing, and do not mention the fault. The words were:)\n"
)
ANSWER: Final = "(The caller is waiting for your answer. Give it now.)"
TAKE_OVER: Final = "(You have the caller now. Go on with what they want.)"

_INSTANT: Final = frozenset({hang_up.name, transfer.name, send_digits.name})

EARLIER: Final = "\n\nThis was said in the call before you came to it:\n"
"""In the instructions of a model that heeds no turns it is told of."""


def setup(
    own: GeminiSettings, wanted: AgentSettings, model: str, family: Family, specs: Sequence[ToolSpec]
) -> ours.Setup:
    """All of it but for what becomes of an earlier session."""
    return ours.Setup(
        model=f"models/{model}",
        generation_config=ours.GenerationConfig(
            response_modalities=["AUDIO"],
            speech_config=_speech(wanted, family),
            thinking_config=_thinking(own, family),
            max_output_tokens=own.max_output_tokens or UNSET,
        ),
        system_instruction=instruction(instructions(wanted)),
        tools=[ours.Functions([_function(own, family, spec) for spec in specs])] if specs else UNSET,
        realtime_input_config=_hearing(own),
        input_audio_transcription=ours.Nothing(),
        output_audio_transcription=ours.Nothing(),
        session_resumption=ours.Resumption(),
        context_window_compression=(
            ours.Compression(own.compress_at_tokens, ours.Window(own.compress_to_tokens))
            if own.compress_at_tokens
            else UNSET
        ),
        proactivity=ours.Proactivity(True) if own.proactive and family.proactive else UNSET,
    )


def instruction(text: str) -> Any:
    """The model's instructions; nothing if there are none."""
    return ours.Instruction([ours.Part(text)]) if text else UNSET


def instructions(wanted: AgentSettings) -> str:
    """The application's, and that the caller is to be told when a function takes its time: nobody else can."""
    fillers = wanted.manners.fillers
    if not wanted.tools or not fillers:
        return wanted.instructions
    return f"{wanted.instructions}\n\nBefore you call a function that may take a while, say: {fillers[0]}".strip()


def behavior(own: GeminiSettings, family: Family, name: str) -> Any:
    """Whether the model waits for a function, where that can be chosen: for those that are done at once it does."""
    if not family.behavior:
        return ""
    return "BLOCKING" if name in _INSTANT else own.tool_behavior or family.behavior


def scheduling(own: GeminiSettings, family: Family, name: str) -> str:
    """When the model goes on from a function's result, where that can be chosen."""
    return family.scheduling if behavior(own, family, name) == "NON_BLOCKING" else ""


def resuming(setup: ours.Setup, handle: str) -> ours.Setup:
    """The same for a session that goes on from another. A handle that is null would be refused."""
    return msgspec.structs.replace(setup, session_resumption=ours.Resumption(handle or UNSET))


def _function(own: GeminiSettings, family: Family, spec: ToolSpec) -> ours.Function:
    return ours.Function(
        spec.name, spec.description, behavior(own, family, spec.name) or UNSET, parameters(spec.parameters) or UNSET
    )


def _speech(wanted: AgentSettings, family: Family) -> Any:
    voice = ours.VoiceConfig(ours.PrebuiltVoice(wanted.voice)) if wanted.voice else UNSET
    language, _, country = wanted.language.partition("-")
    code = f"{language.lower()}-{country.upper()}" if country else language.lower()
    if voice is UNSET and not (family.language and code):
        return UNSET
    return ours.SpeechConfig(voice, code if family.language and code else UNSET)


def _thinking(own: GeminiSettings, family: Family) -> Any:
    if family.thinking == "level" and own.thinking_level:
        return ours.ThinkingConfig(thinking_level=own.thinking_level.upper())
    if family.thinking == "budget" and own.thinking_budget >= 0:
        return ours.ThinkingConfig(thinking_budget=own.thinking_budget)
    return UNSET


def _hearing(own: GeminiSettings) -> ours.RealtimeConfig:
    if own.turns == "ours":
        return ours.RealtimeConfig(ours.Detection(disabled=True))
    start, end = own.start_sensitivity.upper(), own.end_sensitivity.upper()
    return ours.RealtimeConfig(
        ours.Detection(
            start_of_speech_sensitivity=f"START_SENSITIVITY_{start}" if start else UNSET,
            end_of_speech_sensitivity=f"END_SENSITIVITY_{end}" if end else UNSET,
            prefix_padding_ms=own.prefix_ms,
            silence_duration_ms=own.silence_ms,
        ),
        activity_handling="START_OF_ACTIVITY_INTERRUPTS",
    )
