"""The product's own side of a call, put into a scene: ``call.bridge.Bridge`` with virtual time and a kept outside."""

from collections.abc import Callable
from datetime import UTC, datetime
from math import isinf
from typing import Final

from trunkline.ai.base import AgentModel, AgentSession
from trunkline.call.bridge import Bridge, Link
from trunkline.call.effects import CallOver, Note
from trunkline.call.session import CallSession
from trunkline.call.settings import CallSettings
from trunkline.testing.clock import VirtualClock
from trunkline.wire.base import GatewayCodec, HttpCall, WireSpec

DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""The date of every simulated call."""


class BridgeEnd:
    """A ``Bridge`` and all it did to the outside: HTTP requests (not made), recording, log lines, the final record."""

    def __init__(
        self,
        link: Link,
        clock: VirtualClock,
        *,
        codec: GatewayCodec,
        spec: WireSpec,
        model: AgentModel,
        settings: CallSettings,
    ) -> None:
        self.sessions: list[AgentSession] = []
        self.requests: list[HttpCall] = []
        self.recording = bytearray()
        self.notes: list[Note] = []
        self.session: CallSession | None = None
        """The record of the call, once it is over."""
        self.bridge = Bridge(
            codec=codec,
            spec=spec,
            model=model,
            settings=settings,
            link=link,
            outside=self,
            clock=lambda: clock.now,
            started_at=DAY,
        )
        self.received = self.bridge.received
        self.lost = self.bridge.lost
        self.tick = self.bridge.tick

    @property
    def deadline(self) -> float | None:
        """When the call wants to be woken."""
        return None if isinf(self.bridge.wake_at) else self.bridge.wake_at

    def closed(self, code: int, reason: str, now: float) -> None:
        """The telephone closed the media socket."""
        self.bridge.lost(f"closed with {code} {reason}".rstrip(), now, clean=code in (1000, 1001))

    # --- call.bridge.Outside: what leaves the bridge is kept here ------------------------------------------------

    def enter(self, call_id: str) -> None:
        """Nobody else is there."""

    def hand_over(self, call_id: str) -> bool:
        """Nobody else is there."""
        return False

    def opened(self, session: AgentSession) -> None:
        """Keep the agent's session; its ``run`` is not run: there is no event loop."""
        self.sessions.append(session)

    def request(self, call: HttpCall) -> None:
        """Keep the request."""
        self.requests.append(call)

    def save(self, pcm: bytes) -> None:
        """Keep the recording."""
        self.recording += pcm

    def note(self, note: Note) -> None:
        """Keep the log line."""
        self.notes.append(note)

    def wake(self, at: float) -> None:
        """The clock asks for ``deadline`` before each step."""

    def over(self, effect: CallOver) -> None:
        """Keep the record."""
        self.session = effect.session


def bridge_end(
    *, codec: GatewayCodec, spec: WireSpec, model: AgentModel, settings: CallSettings | None = None
) -> Callable[[Link, VirtualClock], BridgeEnd]:
    """For ``scene.play``: what makes the bridge when the socket is open."""
    return lambda link, clock: BridgeEnd(
        link, clock, codec=codec, spec=spec, model=model, settings=settings or CallSettings()
    )
