"""Calls answered by agents that do what the test says, and stand in for each other."""

import asyncio
from collections.abc import Awaitable, Callable

from puppets import Puppet, PuppetSession
from stand_ins import FACTS
from virtual_loop import timeless

from trunkline.ai.base import Message
from trunkline.ai.events import (
    AgentEvent,
    AgentFailed,
    CallAnswered,
    CallerSaid,
    ReplyAudio,
    ReplyEnded,
    ReplyHeard,
    ReplyStarted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
)
from trunkline.ai.fallback_agent import FallbackAgent
from trunkline.ai.handover import HandedOver
from trunkline.audio.format import MULAW_8K
from trunkline.errors import Fault, ProviderError


class Line:
    """Calls answered by ``puppets``, with ``now`` for their breakers."""

    def __init__(self, *puppets: Puppet) -> None:
        self.puppets = puppets
        self.now = 0.0
        self.agent = FallbackAgent(self.puppets, lambda: self.now)
        self.open()

    def open(self) -> None:
        """A new call."""
        self.events: list[AgentEvent] = []
        self.session = self.agent.open(FACTS, hears=MULAW_8K, speaks=MULAW_8K, emit=self.events.append)

    def news(self) -> list[AgentEvent]:
        """What was emitted since."""
        new, self.events[:] = list(self.events), []
        return new

    def sessions(self, place: int) -> list[PuppetSession]:
        return self.puppets[place].sessions

    def hear(self, ms: int) -> None:
        """So much of the caller, each 20 ms told apart."""
        for _ in range(ms // 20):
            self.session.hear(bytes([round(self.now * 50) % 251]) * 160, self.now)
            self.now += 0.02

    async def fail(self, place: int = 0, fault: Fault = "transient") -> ProviderError:
        """The latest session of that agent gives up."""
        error = ProviderError(self.puppets[place].name, fault, "gave up")
        self.sessions(place)[-1].emit(AgentFailed(str(error), error))
        await self.idle()
        return error

    async def idle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


def line(test: Callable[[Line], Awaitable[None]], names: str = "ab") -> Callable[[], None]:
    @timeless
    async def run() -> None:
        call = Line(*map(Puppet, names))
        task = asyncio.create_task(call.session.run())
        await call.idle()
        await test(call)
        task.cancel()
        await asyncio.wait([task])

    run.__name__ = test.__name__
    return run


def words(session: PuppetSession, text: str = "Are you open?", *, begin_ms: float = 0, end_ms: float = 1000) -> None:
    session.emit(SpeechStarted(begin_ms))
    session.emit(SpeechStopped(end_ms))
    session.emit(CallerSaid(text, final=True))


def speaks(session: PuppetSession, generation: int, *pieces: tuple[str, int]) -> None:
    """A reply begins: so much of it in so many milliseconds."""
    session.emit(ReplyStarted(generation))
    for text, ms in pieces:
        session.emit(ReplyText(text, generation))
        session.emit(ReplyAudio(MULAW_8K.silence(8 * ms), generation))


def greeted(call: Line) -> PuppetSession:
    """The first agent has greeted, and was heard."""
    (a,) = call.sessions(0)
    call.session.tell(CallAnswered(), 0)
    speaks(a, 1, ("Hello.", 400))
    a.emit(ReplyEnded(1))
    call.session.tell(ReplyHeard(1, "Hello."), 0)
    call.news()
    return a


def handed(call: Line, place: int = 1) -> HandedOver:
    """What the agent that took over was told."""
    (told,) = call.sessions(place)[-1].told
    assert isinstance(told, HandedOver)
    return told


HELLO = Message("agent", "Hello.")
OPEN = Message("caller", "Are you open?")
