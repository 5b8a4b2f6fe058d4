"""One call from socket bytes to agent and back, without a clock: codec, call and agent session, joined.

Everything that takes time or touches the world is given in: the link, the agent's model, what to do with effects that
leave this room. Tests and simulations drive it with a clock of their own; ``call.runner`` drives it with the real one.
"""

import traceback
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from math import inf
from typing import Protocol

from trunkline.ai.base import AgentModel, AgentSession
from trunkline.ai.events import AgentEvent, AgentFailed, ReplyAudio
from trunkline.call.absent import NO_CODEC, NO_LINK
from trunkline.call.core import Call
from trunkline.call.desk import Desk
from trunkline.call.effects import CallOver, Effect, Hear, Note, OpenAgent, Save, Tell
from trunkline.call.events import CallEvent, EndRequested, LinkBack, LinkLost, PeerFault
from trunkline.call.settings import CallSettings
from trunkline.call.state import CallState
from trunkline.errors import Refused, RemoteError
from trunkline.wire.base import (
    BinaryFrame,
    CloseSocket,
    GatewayCodec,
    HttpCall,
    Output,
    RefusingCodec,
    ResumingCodec,
    StartingCodec,
    TextFrame,
    WireSpec,
)
from trunkline.wire.events import AudioHeard, PlayAudio, StreamResumed, StreamStarted, WireCommand, WireEvent

# A peer that lets this much pile up unread is not listening any more: ten seconds of base64 G.711, and more than any
# network hiccup that a call survives.
MAX_UNREAD_BYTES = 128 * 1024
# Commands that wait while there is no socket: who speaks, what was said, keys to press. Sound is not among them.
MAX_OWED = 256


class Link(Protocol):
    """A media socket as a call sees it. None of these raises; after ``close`` they do nothing."""

    def send_text(self, data: bytes) -> None:
        """Send one text message."""
        ...

    def send_binary(self, data: bytes) -> None:
        """Send one binary message."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Close with this code; the second time does nothing."""
        ...

    def buffered(self) -> int:
        """Bytes the peer has not taken yet."""
        ...


class Outside(Desk, Protocol):
    """What the bridge can't do itself."""

    def opened(self, session: AgentSession) -> None:
        """The agent's session is open: run it."""
        ...

    def request(self, call: HttpCall) -> None:
        """Make this HTTP request."""
        ...

    def save(self, pcm: bytes) -> None:
        """Append to the recording."""
        ...

    def note(self, note: Note) -> None:
        """Write this log line."""
        ...

    def wake(self, at: float) -> None:
        """``tick`` is wanted at this time, sooner than was last asked for."""
        ...

    def over(self, effect: CallOver) -> None:
        """The call has ended. Last of all."""
        ...


class Bridge:
    """Feeds the call and carries out what it says. Methods take ``now`` in seconds of one monotonic clock."""

    def __init__(
        self,
        *,
        codec: GatewayCodec,
        spec: WireSpec,
        model: AgentModel,
        settings: CallSettings,
        link: Link,
        outside: Outside,
        clock: Callable[[], float],
        started_at: datetime,
    ) -> None:
        self.call = Call(
            spec=spec,
            agent=model.name,
            hears=model.hears,
            speaks=model.speaks,
            settings=settings,
            started_at=started_at,
            now=clock(),
        )
        self._codec: GatewayCodec = codec
        self._model = model
        self._link: Link = link
        self._outside = outside
        self._clock = clock
        self._session: AgentSession | None = None
        self._busy = False
        self._known = False  # the stream has started, and it may
        self._errors = 0  # messages that broke the protocol
        self._max_errors = spec.max_errors
        patience_s = spec.start_after_s if isinstance(codec, StartingCodec) else None
        self._start_at = inf if patience_s is None else clock() + patience_s  # whether the platform says so or not
        self._owed: deque[WireCommand] = deque(maxlen=MAX_OWED)
        self._wake_asked = inf
        self._waiting: deque[WireEvent | AgentEvent | CallEvent] = deque()

        self._ask_to_wake()

    @property
    def wake_at(self) -> float:
        """When to ``tick`` at the latest."""
        return min(self.call.wake_at, self._start_at)

    def received(self, data: bytes, binary: bool, now: float) -> None:
        """One whole message from the platform."""
        codec = self._codec
        try:
            events = codec.receive(data, binary=binary, now=now)
        except RemoteError as error:
            self._at_fault(error, now)
            return
        except Refused as error:
            self._feed(PeerFault(error.reason, error.close_code), now)
            return
        if not self._known and not self._introduced(events, now):
            return
        if codec.replies:
            self._reply()
        for event in events:
            if type(event) is AudioHeard and not self._busy:
                # The short way of nearly every message: nothing but the agent's ear comes of it.
                heard = self.call.hear(event.audio, now)
                if heard and self._session is not None:
                    try:
                        self._session.hear(heard, now)
                    except Exception as error:  # the edge of the agent's code: it ends its own call and no other
                        self._agent_raised(error, now)
                if now >= self.call.loose_end_at:
                    self._carry_out(self.call.tick(now), now)
            else:
                self._feed(event, now)

    def lost(self, reason: str, now: float, *, clean: bool = False) -> None:
        """The media socket is gone. ``clean``: the platform closed it in good order."""
        self._link = NO_LINK
        self._feed(LinkLost(reason, clean), now)

    def resume(self, link: Link, now: float) -> bool:
        """Another socket came for the call, which has lost its own or is about to. False: the call can't go on."""
        if not isinstance(self._codec, ResumingCodec):
            return False
        if self.call.state is not CallState.PARKED:
            self.lost("another socket came in its place", now)
        if self.call.state is not CallState.PARKED:
            return False
        self._link = link
        self._codec.resume(now)
        self._reply()
        while self._owed:
            self._put(self._codec.send(self._owed.popleft()))
        self._feed(LinkBack(), now)
        return True

    def end(self, reason: str, now: float) -> None:
        """End the call now."""
        self._feed(EndRequested(reason), now)

    def fault(self, reason: str, close_code: int, now: float) -> None:
        """The link found something wrong with what the peer sent."""
        self._feed(PeerFault(reason, close_code), now)

    def emit(self, event: AgentEvent) -> None:
        """The agent's way in."""
        if type(event) is ReplyAudio and not self._busy:
            now = self._clock()
            if effects := self.call.speak(event.audio, event.generation, now):
                self._carry_out(effects, now)
            elif self.call.wake_at < self._wake_asked:
                self._ask_to_wake()
        else:
            self._feed(event, self._clock())

    def tick(self, now: float) -> None:
        """``wake_at`` has come."""
        self._wake_asked = inf
        if now >= self._start_at:
            self._start(now)
        if self._link.buffered() > MAX_UNREAD_BYTES:
            self._feed(PeerFault(f"the peer left more than {MAX_UNREAD_BYTES} bytes unread", 1008), now)
            return
        self._carry_out(self.call.tick(now), now)

    def _feed(self, event: WireEvent | AgentEvent | CallEvent, now: float) -> None:
        if self._busy:  # from inside an effect, as when the agent answers in hear(): its turn comes right after
            self._waiting.append(event)
        else:
            self._carry_out(self.call.feed(event, now), now)

    def _carry_out(self, effects: Sequence[Effect], now: float) -> None:
        """Do each effect; what is fed meanwhile comes afterwards, in order."""
        self._busy = True
        try:
            while True:
                for effect in effects:
                    self._do(effect, now)
                if not self._waiting:
                    return
                effects = self.call.feed(self._waiting.popleft(), now)
        finally:
            self._busy = False
            if self.call.wake_at < self._wake_asked:
                self._ask_to_wake()

    def _introduced(self, events: Sequence[WireEvent], now: float) -> bool:
        """Whether the call goes on here. As soon as the stream's start says whose it is, the desk is asked."""
        for event in events:
            try:
                match event:
                    case StreamStarted(call_id=call_id):
                        self._outside.enter(call_id)
                        self._known = True
                    case StreamResumed(call_id=call_id):
                        if not self._outside.hand_over(call_id):
                            raise Refused("the call to resume is not under way")
                        self._link, self._codec = NO_LINK, NO_CODEC  # they are not ours any more
                        return False
            except Refused as refusal:
                codec, self._codec = self._codec, NO_CODEC
                if isinstance(codec, RefusingCodec):
                    self._put(codec.refuse(refusal.reason))
                self._feed(PeerFault(refusal.reason, refusal.close_code), now)
                return False
        return True

    def _at_fault(self, error: RemoteError, now: float) -> None:
        """A message broke the protocol. So many are borne: a call is worth more than a packet."""
        self._errors += 1
        if self._errors < self._max_errors:
            fields = {"reason": str(error), "errors": self._errors, "limit": self._max_errors}
            self._outside.note(Note("peer at fault, and borne", fields, "warning"))
        else:
            self._feed(PeerFault(str(error), error.close_code), now)

    def _start(self, now: float) -> None:
        """The platform has had its time to say that its stream starts."""
        self._start_at = inf
        if isinstance(self._codec, StartingCodec):
            events = self._codec.start(now)
            if self._introduced(events, now):
                for event in events:
                    self._feed(event, now)

    def _ask_to_wake(self) -> None:
        self._wake_asked = self.wake_at
        self._outside.wake(self._wake_asked)

    def _agent_raised(self, error: Exception, now: float) -> None:
        trace = traceback.format_tb(error.__traceback__)  # without the error's text, which may be private
        self._outside.note(Note("agent raised", {"exception": type(error).__name__, "trace": trace}, "error"))
        self._feed(AgentFailed(type(error).__name__), now)

    def _do(self, effect: Effect, now: float) -> None:
        if type(effect) is PlayAudio:
            for output in self._codec.send(effect):
                if type(output) is TextFrame:
                    self._link.send_text(output.data)
                else:
                    self._put((output,))
        elif isinstance(effect, Hear | Tell | OpenAgent):
            try:
                self._tell_agent(effect, now)
            except Exception as error:  # as in ``received``
                self._agent_raised(error, now)
        else:
            self._do_outside(effect)

    def _tell_agent(self, effect: Hear | Tell | OpenAgent, now: float) -> None:
        match effect:
            case OpenAgent(facts, hears, speaks):
                self._session = self._model.open(facts, hears=hears, speaks=speaks, emit=self.emit)
                self._outside.opened(self._session)
            case Hear(audio) if self._session is not None:
                self._session.hear(audio, now)
            case Tell(command) if self._session is not None:
                self._session.tell(command, now)
            case _:
                pass  # it could not be opened, or the call is over

    def _do_outside(self, effect: Note | Save | CloseSocket | CallOver | WireCommand) -> None:
        match effect:
            case Note():
                self._outside.note(effect)
            case Save(pcm):
                self._outside.save(pcm)
            case CloseSocket():
                self._put((effect,))
            case CallOver():
                self._session = None
                self._codec = NO_CODEC  # whatever still comes, and whoever else looks for this stream
                self._start_at = inf
                self._outside.over(effect)
            case command if self._link is NO_LINK:
                self._owed.append(command)
            case command:
                self._put(self._codec.send(command))

    def _reply(self) -> None:
        """Send what the protocol itself demands."""
        replies, self._codec.replies = self._codec.replies, []
        self._put(replies)

    def _put(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            if type(output) is TextFrame:
                self._link.send_text(output.data)
            elif type(output) is BinaryFrame:
                self._link.send_binary(output.data)
            elif type(output) is CloseSocket:
                self._link.close(output.code, output.reason)
            else:
                self._outside.request(output)  # type: ignore[arg-type]
