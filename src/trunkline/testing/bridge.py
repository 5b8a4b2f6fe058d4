"""The product's own side of a call, put into a scene: ``call.bridge.Bridge`` with virtual time and a kept outside."""

from collections.abc import Callable
from datetime import UTC, datetime
from math import inf, isinf
from typing import Final

from trunkline.ai.base import AgentModel, AgentSession
from trunkline.call.bridge import Bridge, Link
from trunkline.call.desk import ALONE, Desk
from trunkline.call.effects import CallOver, Note
from trunkline.call.session import CallSession
from trunkline.call.settings import CallSettings
from trunkline.errors import Refused
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
        again: Callable[[], GatewayCodec] | None = None,
        desk: Desk = ALONE,
    ) -> None:
        self.sessions: list[AgentSession] = []
        self.requests: list[HttpCall] = []
        self.recording = bytearray()
        self.notes: list[Note] = []
        self._wake_at = inf
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
        self._clock = clock
        self._spec, self._model, self._settings = spec, model, settings
        self._again = again
        self._desk = desk
        self.received = self.bridge.received
        self.lost = self.bridge.lost

    @property
    def deadline(self) -> float | None:
        """When the call wants to be woken: as it asked, even if nothing is due by then, for so its real shell does."""
        return None if isinf(self._wake_at) else self._wake_at

    def tick(self, now: float) -> None:
        """Wake the call."""
        self._wake_at = inf
        self.bridge.tick(now)

    def closed(self, code: int, reason: str, now: float) -> None:
        """The telephone closed the media socket."""
        self.bridge.lost(f"closed with {code} {reason}".rstrip(), now, clean=code in (1000, 1001))

    def reopened(self, link: Link) -> "NextSocket":
        """The telephone opened another media socket: whoever receives there."""
        if self._again is None:
            raise ValueError("there is no codec for another socket: give bridge_end(again=door.codec)")
        return NextSocket(self, link, self._clock, self._again())

    # --- call.bridge.Outside: what leaves the bridge is kept here ------------------------------------------------

    def enter(self, call_id: str) -> None:
        """Ask the desk."""
        self._desk.enter(call_id)

    def hand_over(self, call_id: str) -> bool:
        """Ask the desk."""
        return self._desk.hand_over(call_id)

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
        self._wake_at = at

    def over(self, effect: CallOver) -> None:
        """Keep the record."""
        self.session = effect.session


class NextSocket:
    """A socket of which it is not known yet that it is for ``call``: until its first words a call of its own."""

    def __init__(self, call: BridgeEnd, link: Link, clock: VirtualClock, codec: GatewayCodec) -> None:
        self._call, self._link, self._clock = call, link, clock
        self.own = BridgeEnd(
            link, clock, codec=codec, spec=call._spec, model=call._model, settings=call._settings, desk=self
        )
        self._receiver = self.own

    def enter(self, call_id: str) -> None:
        """As the switchboard has it: no call has two sockets."""
        if call_id == self._call.bridge.call.session.call_id:
            raise Refused("the call is under way on another socket", status=409)

    def hand_over(self, call_id: str) -> bool:
        """Let the call have the socket."""
        known = call_id == self._call.bridge.call.session.call_id
        if not known or not self._call.bridge.resume(self._link, self._clock.now):
            return False
        self._receiver = self._call
        return True

    def received(self, data: bytes, binary: bool, now: float) -> None:
        """One message of the telephone."""
        self._receiver.received(data, binary, now)

    def lost(self, reason: str, now: float) -> None:
        """This socket is gone too."""
        self._receiver.lost(reason, now)

    def closed(self, code: int, reason: str, now: float) -> None:
        """The telephone closed this socket."""
        self._receiver.closed(code, reason, now)


def bridge_end(
    *,
    codec: GatewayCodec,
    spec: WireSpec,
    model: AgentModel,
    settings: CallSettings | None = None,
    again: Callable[[], GatewayCodec] | None = None,
) -> Callable[[Link, VirtualClock], BridgeEnd]:
    """For ``scene.play``: what makes the bridge when the socket is open. ``again`` makes the codecs of the sockets
    that replace it when it is lost, as ``door.codec`` does."""
    return lambda link, clock: BridgeEnd(
        link, clock, codec=codec, spec=spec, model=model, settings=settings or CallSettings(), again=again
    )
