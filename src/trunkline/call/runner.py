"""The asyncio shell of one call: the clock, one timer, one task group."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from math import inf
from typing import Any, Protocol

from trunkline.ai.base import AgentModel, AgentSession
from trunkline.ai.events import AgentFailed
from trunkline.call.bridge import Bridge, Link
from trunkline.call.desk import ALONE, Desk
from trunkline.call.effects import CallOver, Note
from trunkline.call.session import CallSession
from trunkline.call.settings import CallSettings
from trunkline.call.state import CallState
from trunkline.wire.base import GatewayCodec, HttpCall, WireSpec

HttpSender = Callable[[HttpCall], Awaitable[None]]
"""Makes one HTTP request; logs what went wrong and raises nothing."""

Log = Callable[[str, str, dict[str, Any]], None]
"""Writes one log line of this call: level, event, fields."""


class RecordingSink(Protocol):
    """Where a call's recording goes. ``write`` returns at once."""

    def open(self, session: CallSession) -> None:
        """The recording begins: ``session.rate`` Hz, stereo PCM16. Sets ``session.recording`` to where it will be."""
        ...

    def write(self, pcm: bytes) -> None:
        """Append interleaved stereo PCM16."""
        ...

    async def close(self) -> None:
        """Everything was written: finish the file."""
        ...


class CallRunner:
    """Runs one call from its accepted socket to its end.

    Hand in what the socket gives with ``received`` and ``lost``, and await ``run``; it returns the call's record, after
    handing it to ``keep``.
    """

    def __init__(
        self,
        *,
        codec: GatewayCodec,
        spec: WireSpec,
        model: AgentModel,
        settings: CallSettings,
        link: Link,
        http: HttpSender,
        log: Log,
        sink: RecordingSink | None = None,
        keep: Callable[[CallSession], None] | None = None,
        desk: Desk = ALONE,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._log = log
        self._http = http
        self._keep = keep
        self.enter = desk.enter  # what the bridge asks, it asks the desk
        self.hand_over = desk.hand_over
        self._sink = sink if settings.record else None
        self._sink_open = False
        self._timer: asyncio.TimerHandle | None = None
        self._over: asyncio.Future[CallSession] = self._loop.create_future()
        self._work: list[Awaitable[None]] = []  # begun before run() is there to take it
        self._group: asyncio.TaskGroup | None = None
        self._agent_task: asyncio.Task[None] | None = None
        self._bridge = Bridge(
            codec=codec,
            spec=spec,
            model=model,
            settings=settings,
            link=link,
            outside=self,
            clock=self._clock,
            started_at=datetime.now(UTC),
        )

    @property
    def session(self) -> CallSession:
        """The call's record as it stands."""
        return self._bridge.call.session

    # --- from the socket ------------------------------------------------------------------------------------------

    def received(self, data: bytes, binary: bool) -> None:
        """One whole message."""
        self._bridge.received(data, binary, self._clock())

    def lost(self, reason: str, *, clean: bool = False) -> None:
        """The socket is gone. ``clean``: the platform closed it in good order."""
        self._bridge.lost(reason, self._clock(), clean=clean)

    def fault(self, reason: str, close_code: int) -> None:
        """What came could not even be a message."""
        self._bridge.fault(reason, close_code, self._clock())

    def resume(self, link: Link) -> bool:
        """Another socket came for this call: hand in what it gives from now on. False: the call can't go on."""
        return self._bridge.resume(link, self._clock())

    @property
    def parked(self) -> bool:
        """Whether the call has lost its socket and waits for another."""
        return self.session.state is CallState.PARKED

    def end(self, reason: str) -> None:
        """Hang up now."""
        self._bridge.end(reason, self._clock())

    async def run(self) -> CallSession:
        """Until the call is over. Cancelling it drops the call."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for work in self._work:
                    self._spawn(work)
                self._work.clear()
                session = await self._over
                if self._agent_task is not None:
                    self._agent_task.cancel()
                await self._close_recording()
            if self._keep is not None:
                self._keep(session)
        finally:
            if self._timer is not None:
                self._timer.cancel()
            if not self._over.done():
                self._over.cancel()
            await self._close_recording()  # of a call that was dropped
        return session

    async def _close_recording(self) -> None:
        if self._sink is None or not self._sink_open:
            return
        self._sink_open = False
        try:
            await self._sink.close()
        except OSError as error:
            self._log("error", "recording failed", {"error": error.strerror or type(error).__name__})

    # --- what the bridge can't do ---------------------------------------------------------------------------------

    def opened(self, session: AgentSession) -> None:
        """Run the agent's own work."""
        self._start(self._run_agent(session))

    def request(self, call: HttpCall) -> None:
        """Make an HTTP request, aside from the call."""
        self._start(self._http(call))

    def save(self, pcm: bytes) -> None:
        """Append to the recording."""
        if self._sink is None:
            return
        if not self._sink_open:
            self._sink.open(self.session)
            self._sink_open = True
        self._sink.write(pcm)

    def note(self, note: Note) -> None:
        """Write a log line."""
        self._log(note.level, note.event, note.fields)

    def over(self, effect: CallOver) -> None:
        """The record is final."""
        effect.session.ended_at = datetime.now(UTC)
        if not self._over.done():
            self._over.set_result(effect.session)

    # --- time and tasks -------------------------------------------------------------------------------------------

    def wake(self, at: float) -> None:
        """Let the timer fire then. It is only ever moved to an earlier moment: one that fires too soon costs less than
        moving it with every frame."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if at == inf else self._loop.call_at(at, self._fired)

    def _fired(self) -> None:
        self._timer = None
        self._bridge.tick(self._clock())

    def _start(self, work: Awaitable[None]) -> None:
        if self._group is None:
            self._work.append(work)
        else:
            self._spawn(work)

    def _spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        assert self._group is not None  # noqa: S101 - only run() calls this, or _start after it
        return self._group.create_task(_awaiting(work))

    async def _run_agent(self, session: AgentSession) -> None:
        if self._over.done():  # before it could begin
            return
        self._agent_task = asyncio.current_task()
        try:
            await session.run()
        except asyncio.CancelledError:
            pass  # the call is over
        except Exception as error:  # the outer edge: whatever the agent's code did, the call ends cleanly
            frames = traceback.format_tb(error.__traceback__)
            self._log("error", "agent raised", {"exception": type(error).__name__, "trace": frames})
            self._bridge.emit(AgentFailed(type(error).__name__))


async def _awaiting(work: Awaitable[None]) -> None:
    await work
