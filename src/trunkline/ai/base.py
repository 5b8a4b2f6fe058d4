"""What an agent is to a call: a session that hears audio and emits events."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from trunkline.ai.events import AgentCommand, AgentEvent
from trunkline.audio.format import AudioFormat

Emit = Callable[[AgentEvent], None]
"""Hands an event to the call. Call it on the event loop's thread only; it never blocks and never raises."""


class CallFacts(msgspec.Struct, frozen=True):
    """What an agent may know about the call it joins."""

    call_id: str
    platform: str
    caller: str = ""  # private
    callee: str = ""  # private
    parameters: dict[str, str] = {}


class AgentSession(Protocol):
    """One agent in one call. ``hear`` and ``tell`` return at once; work that takes time belongs in ``run``."""

    def hear(self, audio: bytes, now: float) -> None:
        """The caller's voice, any length, in the agreed ``hears`` format. May emit before it returns."""
        ...

    def tell(self, command: AgentCommand, now: float) -> None:
        """Something happened in the call. May emit before it returns."""
        ...

    async def run(self) -> None:
        """The session's own work until cancelled; returns at once if it has none. Failures are emitted as
        ``AgentFailed``, not raised. Cancelled when the call is over; it then frees what it holds."""
        ...


class AgentModel(Protocol):
    """What can open agent sessions: a realtime model, a cascade, an echo. One per process, shared by all calls."""

    name: str
    hears: tuple[AudioFormat, ...]
    """Formats it can hear, preferred first. A phone that speaks one of them is passed straight through."""
    speaks: tuple[AudioFormat, ...]
    """Formats it can speak, preferred first."""

    def open(self, facts: CallFacts, *, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> AgentSession:
        """A session for one call, in formats taken from ``hears`` and ``speaks``. Does no I/O: ``run`` does."""
        ...

    async def warm_up(self) -> None:
        """Load what is loaded once, before the first call. Raises ``ConfigError`` or ``MissingProgram``."""
        ...

    async def close(self) -> None:
        """Free what ``warm_up`` took. Called once, after the last session."""
        ...
