"""How long the Realtime server may be silent before its connection is taken for dead."""

from typing import Final

from trunkline.ai.providers._openai_account import OpenAISettings
from trunkline.ai.providers._openai_mouth import Phase

CREATED_S: Final = 0.7
"""A response that was asked for is announced at once."""
THINKING_S: Final = 6.0
"""Until the first words, or the next item: models that reason take their time."""
SPEAKING_S: Final = 0.7
"""Between two pieces of one stretch of audio, which is made faster than it is played."""
WORDS_S: Final = 4.0
"""Until the words of a turn that is over."""
QUIET_S: Final = 0.7
"""Until it is told that the caller fell silent, over the silence the server waits for."""
SEMANTIC_MS: Final = 8000.0
"""The longest a semantic detector waits for a caller to go on."""


def quiet_limit_ms(own: OpenAISettings) -> float:
    """So much silence ends a turn."""
    return SEMANTIC_MS if own.turn_detection == "semantic" else own.silence_ms


def patience(losses: int) -> int:
    """How many times longer to wait after so many losses without a reply between them: what is slow and not dead would
    otherwise never get to answer."""
    return 1 << min(losses, 3)


def due_s(phase: Phase, *, overdue: bool, wordless: bool) -> float | None:
    """When the next message is due; None: silence is fine. ``overdue``: the caller fell silent and nobody said so."""
    match phase:
        case "asked":
            return CREATED_S
        case "thinking":
            return THINKING_S
        case "speaking":
            return SPEAKING_S
        case "idle" if overdue:
            return QUIET_S
        case "idle" if wordless:
            return WORDS_S
        case "idle":
            return None
