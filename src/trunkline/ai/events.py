"""What passes between a call and its agent.

``AgentEvent``: facts from the agent's side. ``AgentCommand``: what the call tells it. Audio is in the formats that
were agreed when the session was opened.

A *generation* numbers an agent's replies in the order the agent begins them; some may be left out. A reply that was
interrupted is dead, and whatever still arrives with its generation is dropped.

``at_ms`` positions count the audio handed to ``hear`` since the session opened, in milliseconds of that audio.
"""

from enum import StrEnum

import msgspec

from trunkline.errors import ProviderError


class Stage(StrEnum):
    """Moments in the making of a reply that only the agent can see."""

    MODEL_STARTED = "model started"
    MODEL_FIRST_TOKEN = "model first token"  # noqa: S105 - a language model's token, not a password
    MODEL_ENDED = "model ended"
    SYNTHESIS_STARTED = "synthesis started"
    SYNTHESIS_FIRST_BYTE = "synthesis first byte"


class SpeechStarted(msgspec.Struct, frozen=True, gc=False):
    """The caller began to speak at ``at_ms``; the agent noticed now."""

    at_ms: float


class SpeechStopped(msgspec.Struct, frozen=True, gc=False):
    """The caller fell silent at ``at_ms``; the agent is sure of it now."""

    at_ms: float


class CallerSaid(msgspec.Struct, frozen=True, gc=False):
    """Words of the caller (private). Partial texts replace each other until one is ``final``."""

    text: str
    final: bool
    confidence: float = 1.0


class ReplyStarted(msgspec.Struct, frozen=True, gc=False):
    """The agent began reply ``generation``."""

    generation: int


class ReplyText(msgspec.Struct, frozen=True, gc=False):
    """Words the agent is about to speak (private); their audio follows this event."""

    text: str
    generation: int


class ReplyAudio(msgspec.Struct, frozen=True, gc=False):
    """The agent's voice, any length, as fast as it is made."""

    audio: bytes
    generation: int


class ReplyEnded(msgspec.Struct, frozen=True, gc=False):
    """Reply ``generation`` has no more audio."""

    generation: int


class StageReached(msgspec.Struct, frozen=True, gc=False):
    """A latency stamp: it happened now, or ``ago_ms`` before now, while it was not yet known to belong to the call."""

    stage: Stage
    generation: int
    ago_ms: float = 0.0


class HangUpWanted(msgspec.Struct, frozen=True, gc=False):
    """End the call when all that was said so far has been heard."""

    reason: str = "agent finished"


class TransferWanted(msgspec.Struct, frozen=True, gc=False):
    """Send the caller to ``target`` (private) when all that was said so far has been heard."""

    target: str


class DigitsWanted(msgspec.Struct, frozen=True, gc=False):
    """Press keys towards the far end (private)."""

    digits: str


class HandOverWanted(msgspec.Struct, frozen=True, gc=False):
    """Let the agent named ``to`` speak from now on, after all that was said so far. For ``ai.handover``, which knows
    the agents of the call; to a call that has only one it means nothing."""

    to: str
    about: str = ""  # what the next agent should know, in the words of this one (private)


class AgentFailed(msgspec.Struct, frozen=True):
    """The agent can't go on. ``reason`` is for the log and holds nothing private."""

    reason: str
    error: ProviderError | None = None  # where a vendor was given up


AgentEvent = (
    SpeechStarted
    | SpeechStopped
    | CallerSaid
    | ReplyStarted
    | ReplyText
    | ReplyAudio
    | ReplyEnded
    | StageReached
    | HangUpWanted
    | TransferWanted
    | DigitsWanted
    | HandOverWanted
    | AgentFailed
)


# --- between a recogniser and its cascade only ---


class CallerMayBeDone(msgspec.Struct, frozen=True, gc=False):
    """The recogniser half expects the turn to be over, with these words (private): a reply may be begun on trial, of
    which nothing may be heard. ``CallerSaid`` settles it, ``CallerWentOn`` takes it back."""

    text: str


class CallerWentOn(msgspec.Struct, frozen=True, gc=False):
    """The turn that ``CallerMayBeDone`` expected to be over is not."""


SttEvent = AgentEvent | CallerMayBeDone | CallerWentOn


# --- what the call tells its agent ---


class CallAnswered(msgspec.Struct, frozen=True, gc=False):
    """The line is open: greet the caller, if the agent greets."""


class KeyPressed(msgspec.Struct, frozen=True, gc=False):
    """The caller pressed a key (private)."""

    digit: str


class ReplyInterrupted(msgspec.Struct, frozen=True, gc=False):
    """The caller cut reply ``generation`` short. Stop making it, and remember only what was heard.

    ``heard_ms`` is how much of the reply's audio reached the caller's ear; ``heard_text`` the words that were in it
    (private).
    """

    generation: int
    heard_ms: float
    heard_text: str


class ReplyHeard(msgspec.Struct, frozen=True, gc=False):
    """The caller heard reply ``generation`` to its end."""

    generation: int
    heard_text: str


AgentCommand = CallAnswered | KeyPressed | ReplyInterrupted | ReplyHeard
