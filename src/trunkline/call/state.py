"""Where a call stands, as a table."""

from enum import StrEnum
from typing import Final


class CallState(StrEnum):
    """The states of a call, in the order a call usually goes through them."""

    RINGING = "ringing"  # announced by a webhook, no media socket yet
    CONNECTING = "connecting"  # the media socket is open, the stream has not started
    LISTENING = "listening"  # the caller's turn
    PROCESSING = "processing"  # the caller has finished, the agent has not begun to sound
    SPEAKING = "speaking"  # the agent's voice is on its way to the caller, or on hold under a possible barge-in
    PARKED = "parked"  # the media socket was lost, and the platform may open another
    ENDING = "ending"  # we are hanging up or handing over
    ENDED = "ended"  # over, as calls are
    FAILED = "failed"  # over, because something broke

    @property
    def is_active(self) -> bool:
        """True until the call is over."""
        return self not in (CallState.ENDED, CallState.FAILED)


class Trigger(StrEnum):
    """What moves a call from one state to another."""

    ANSWERED = "answered"
    STREAM_STARTED = "stream started"
    CALLER_SPOKE = "caller spoke"
    CALLER_FINISHED = "caller finished"
    AGENT_SPOKE = "agent spoke"
    AGENT_FINISHED = "agent finished"
    INTERRUPTED = "interrupted"
    LINK_LOST = "link lost"
    LINK_BACK = "link back"
    HANGING_UP = "hanging up"
    OVER = "over"
    BROKE = "broke"


# One rule a line; a missing key means "not allowed", and the call stays where it is.
# - Speech of the caller while the agent sounds changes nothing until it proves to be a barge-in (INTERRUPTED).
# - A caller who goes on speaking before the agent sounds takes the turn back (PROCESSING -> LISTENING).
# - A call that lost its socket waits for another; then it listens, until it is seen who speaks.
# - A call may end or break in any state that is active.
_S, _T = CallState, Trigger
_ENDS: Final = {_T.OVER: _S.ENDED, _T.BROKE: _S.FAILED}
TRANSITIONS: Final[dict[CallState, dict[Trigger, CallState]]] = {
    _S.RINGING: {_T.ANSWERED: _S.CONNECTING, **_ENDS},
    _S.CONNECTING: {_T.STREAM_STARTED: _S.LISTENING, _T.HANGING_UP: _S.ENDING, **_ENDS},
    _S.LISTENING: {
        _T.CALLER_FINISHED: _S.PROCESSING,
        _T.AGENT_SPOKE: _S.SPEAKING,
        _T.LINK_LOST: _S.PARKED,
        _T.HANGING_UP: _S.ENDING,
        **_ENDS,
    },
    _S.PROCESSING: {
        _T.CALLER_SPOKE: _S.LISTENING,
        _T.AGENT_SPOKE: _S.SPEAKING,
        _T.AGENT_FINISHED: _S.LISTENING,
        _T.LINK_LOST: _S.PARKED,
        _T.HANGING_UP: _S.ENDING,
        **_ENDS,
    },
    _S.SPEAKING: {
        _T.AGENT_FINISHED: _S.LISTENING,
        _T.INTERRUPTED: _S.LISTENING,
        _T.LINK_LOST: _S.PARKED,
        _T.HANGING_UP: _S.ENDING,
        **_ENDS,
    },
    _S.PARKED: {_T.LINK_BACK: _S.LISTENING, **_ENDS},
    _S.ENDING: _ENDS,
    _S.ENDED: {},
    _S.FAILED: {},
}


def after(state: CallState, trigger: Trigger) -> CallState | None:
    """The state that ``trigger`` leads to, or None where the table does not allow it."""
    return TRANSITIONS[state].get(trigger)
