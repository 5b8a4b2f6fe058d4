"""What an operator may tune about a call. One frozen object, passed in."""

import msgspec

from trunkline.audio.quality_score import QualityThresholds
from trunkline.call.latency import Budgets

# What a listener says to mean "go on": alone, or several of them ("yeah, okay, right"), they don't take the turn. There
# is nothing here that may mean "stop" (no, wait, what, sorry, hello), nor what asks for something. "Yes" is: said into
# a sentence it agrees, and at the end of a question the agent takes it for the answer.
BACKCHANNELS = frozenset(
    {
        "ah", "aha", "ah ha", "alright", "all right", "exactly", "hm", "hmm", "mhm", "mhmm", "mm", "mm hm", "mm hmm",
        "mmm", "oh", "ok", "okay", "right", "sure", "uh", "uh huh", "uhm", "um", "yeah", "yep", "yes", "yup", "i see",
        "i know", "got it",
        "ach so", "genau", "ja", "klar", "verstehe",
        "claro", "sí", "vale", "ya",
        "d'accord", "oui", "ouais", "voilà",
        "certo", "sì", "va bene",
    }
)  # fmt: skip


class BargeIn(msgspec.Struct, frozen=True):
    """When a caller who speaks over the agent takes the turn."""

    enabled: bool = True
    commit_after_ms: float = 700
    """Speech this long is an interruption even if no word of it is known."""
    words_wait_ms: float = 600
    """How long after the speech its words may still come before the agent goes on where it stopped."""
    backchannels: frozenset[str] = BACKCHANNELS


class CallSettings(msgspec.Struct, frozen=True):
    """Limits and manners of one call."""

    barge_in: BargeIn = BargeIn()
    budgets: Budgets = Budgets()
    lead_ms: float | None = None
    """How far ahead of the playback to send; None takes the platform's own figure."""
    record: bool = False
    quality: bool = True
    """Measure how well the caller is heard, and say so when it gets bad."""
    quality_thresholds: QualityThresholds = QualityThresholds()
    start_timeout_s: float = 5
    """The platform must start its stream this soon after opening the socket."""
    silence_timeout_s: float = 30
    """No audio frame at all for this long ends the call: a live line sends silence as frames."""
    quiet_after_s: float = 1
    """No audio frame for this long, and the agent is given silence, so that it can tell the caller has stopped."""
    resume_timeout_s: float = 30
    """How long a call that has lost its socket waits for another, on platforms that open one."""
    hang_up_timeout_s: float = 5
    """How long a platform may take to end the stream after we asked for it."""
    max_queue_s: float = 600
    """Agent audio waiting to be sent. A reply longer than this loses its end, which is counted as cleared."""
