"""What happened in a simulated call, told from the telephone's side.

``at_ms`` counts from the start of the stream. An edge of speech is written down a little after it happened, with the
time at which it happened: sort by ``at_ms`` to read the log as a story. Nothing here holds a word, a digit or audio.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec


class CallerStarted(msgspec.Struct, frozen=True, gc=False):
    """The caller began to speak."""

    at_ms: float


class CallerStopped(msgspec.Struct, frozen=True, gc=False):
    """The caller fell silent."""

    at_ms: float


class AgentStarted(msgspec.Struct, frozen=True, gc=False):
    """The agent's voice reached the caller's ear."""

    at_ms: float


class AgentStopped(msgspec.Struct, frozen=True, gc=False):
    """The agent's voice fell silent in the caller's ear."""

    at_ms: float


class KeySent(msgspec.Struct, frozen=True, gc=False):
    """The caller pressed a key."""

    at_ms: float


class MarkPlayed(msgspec.Struct, frozen=True, gc=False):
    """A mark was echoed because the audio before it had been played."""

    at_ms: float
    name: str


class MarkFlushed(msgspec.Struct, frozen=True, gc=False):
    """A mark was echoed because of a clear."""

    at_ms: float
    name: str


class Cleared(msgspec.Struct, frozen=True, gc=False):
    """The gateway cleared the buffer; ``samples`` were dropped unheard."""

    at_ms: float
    samples: int


class SocketLost(msgspec.Struct, frozen=True, gc=False):
    """The media socket was lost without a goodbye, and ``samples`` that were not played yet with it."""

    at_ms: float
    samples: int


class SocketBack(msgspec.Struct, frozen=True, gc=False):
    """There is another media socket in the place of the lost one."""

    at_ms: float


class RanDry(msgspec.Struct, frozen=True, gc=False):
    """An under-run: for ``ms`` from here on there was nothing to play in the middle of an utterance."""

    at_ms: float
    ms: float


class ReplyMissing(msgspec.Struct, frozen=True, gc=False):
    """The caller waited for the agent to speak, or to stop, and gave up."""

    at_ms: float


class Complaint(msgspec.Struct, frozen=True, gc=False):
    """The gateway sent something the vendor would refuse."""

    at_ms: float
    what: str
    where: str


class CallEnded(msgspec.Struct, frozen=True, gc=False):
    """The call was over, by whose doing and in which words."""

    at_ms: float
    by: Literal["caller", "gateway", "network", "time limit"]
    reason: str


Fact = (
    CallerStarted
    | CallerStopped
    | AgentStarted
    | AgentStopped
    | KeySent
    | MarkPlayed
    | MarkFlushed
    | Cleared
    | SocketLost
    | SocketBack
    | RanDry
    | ReplyMissing
    | Complaint
    | CallEnded
)


class Turn(msgspec.Struct, frozen=True, gc=False):
    """The caller finished (a sentence or a key) and then heard the agent begin."""

    asked_ms: float
    answered_ms: float

    @property
    def latency_ms(self) -> float:
        """What the caller waited."""
        return self.answered_ms - self.asked_ms


def turns(log: Iterable[Fact]) -> list[Turn]:
    """The turns in a log: each is the agent's first voice after the caller finished and before they spoke again."""
    found: list[Turn] = []
    asked: float | None = None
    for fact in sorted(log, key=lambda fact: fact.at_ms):
        match fact:
            case CallerStopped(at_ms=at) | KeySent(at_ms=at):
                asked = at
            case CallerStarted():
                asked = None
            case AgentStarted(at_ms=at) if asked is not None:
                found.append(Turn(asked_ms=asked, answered_ms=at))
                asked = None
            case _:
                pass
    return found
