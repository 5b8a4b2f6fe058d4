"""Parts of a cascade that do what the test says, and one call around them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Self

from trunkline.ai.base import (
    CallFacts,
    Emit,
    Message,
    SttEmit,
    SttSession,
    TextDelta,
    ToolCall,
    ToolSpec,
    TtsSession,
    VadSession,
)
from trunkline.ai.cascade import Cascade
from trunkline.ai.events import (
    AgentEvent,
    CallerSaid,
    ReplyAudio,
    ReplyEnded,
    ReplyHeard,
    ReplyInterrupted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
    Stage,
    StageReached,
)
from trunkline.audio.format import MULAW_8K, PCM16_8K, PCM16_16K, AudioFormat

FACTS = CallFacts("call", "test")


class _Part:
    name = "stand-in"

    def __init__(self) -> None:
        self.lifetime: list[str] = []

    async def warm_up(self) -> None:
        self.lifetime.append("warm")

    async def close(self) -> None:
        self.lifetime.append("closed")


class StandInVad(_Part):
    """Emits what the test has it emit."""

    hears: tuple[AudioFormat, ...] = (MULAW_8K, PCM16_8K)
    emit: Emit

    def __init__(self) -> None:
        super().__init__()
        self.heard = b""
        self.session_closed = False

    def open(self, *, hears: AudioFormat, emit: Emit) -> VadSession:
        self.emit = emit
        return _VadSession(self)


class _VadSession:
    def __init__(self, vad: StandInVad) -> None:
        self._vad = vad

    def hear(self, audio: bytes, now: float) -> None:
        self._vad.heard += audio

    def close(self) -> None:
        self._vad.session_closed = True


class StandInStt(_Part):
    """Emits what the test has it emit; is its own only session."""

    partials = True
    hears: tuple[AudioFormat, ...] = (PCM16_16K, PCM16_8K, MULAW_8K)
    emit: SttEmit

    def __init__(self, *, turns: bool = False) -> None:
        super().__init__()
        self.turns = turns
        self.heard = b""
        self.told: list[tuple[str, float]] = []

    def open(self, facts: CallFacts, *, hears: AudioFormat, emit: SttEmit) -> SttSession:
        self.emit = emit
        return self

    def hear(self, audio: bytes, now: float) -> None:
        self.heard += audio

    def turn_started(self, at_ms: float) -> None:
        self.told.append(("started", at_ms))

    def turn_ended(self, at_ms: float) -> None:
        self.told.append(("ended", at_ms))

    async def run(self) -> None: ...


class StandInLlm(_Part):
    """Gives the next scripted reply, an exception in it by raising. After ``hold`` each delta must be allowed."""

    tools = True

    def __init__(self, *replies: Sequence[str | ToolCall | Exception]) -> None:
        super().__init__()
        self.replies = list(replies)
        self.asked: list[tuple[Message, ...]] = []
        self.offered: list[str] = []
        self._permits: asyncio.Semaphore | None = None
        self.cancelled = 0

    def hold(self) -> None:
        self._permits = asyncio.Semaphore(0)

    def allow(self, deltas: int) -> None:
        assert self._permits is not None
        for _ in range(deltas):
            self._permits.release()

    async def reply(
        self, history: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> AsyncIterator[TextDelta | ToolCall]:
        self.asked.append(tuple(history))
        self.offered = [tool.name for tool in tools]
        try:
            for delta in self.replies.pop(0):
                if self._permits is not None:
                    await self._permits.acquire()
                if isinstance(delta, Exception):
                    raise delta
                yield TextDelta(delta) if isinstance(delta, str) else delta
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


class StandInTts(_Part):
    """Speaks each piece as its own letters, at once; if ``mute``, when ``release`` is called. Its own only session."""

    streams_text = False
    speaks: tuple[AudioFormat, ...] = (PCM16_8K, MULAW_8K)
    emit: Emit

    def __init__(self, *, mute: bool = False) -> None:
        super().__init__()
        self.mute = mute
        self.held: list[AgentEvent] = []
        self.cancelled: list[int] = []

    def open(self, facts: CallFacts, *, speaks: AudioFormat, emit: Emit) -> TtsSession:
        self.emit = emit
        return self

    def say(self, text: str, generation: int) -> None:
        self._out(StageReached(Stage.SYNTHESIS_STARTED, generation))
        self._out(ReplyText(text, generation))
        self._out(ReplyAudio(text.encode(), generation))

    def finish(self, generation: int) -> None:
        self._out(ReplyEnded(generation))

    def cancel(self, generation: int) -> None:
        self.cancelled.append(generation)

    async def run(self) -> None: ...

    def release(self) -> None:
        self.mute = False
        while self.held:
            self.emit(self.held.pop(0))

    def _out(self, event: AgentEvent) -> None:
        if self.mute:
            self.held.append(event)
        else:
            self.emit(event)


class OneCall:
    """A call with a session of ``cascade``. Use it as a context manager; ``idle`` lets happen what can happen.

    ``interrupts``: answers an event with a command while the event is being told, as the call's core would.
    """

    def __init__(self, cascade: Cascade) -> None:
        self.events: list[AgentEvent] = []
        self.interrupts: dict[type[AgentEvent], ReplyInterrupted | ReplyHeard] = {}
        self.session = cascade.open(FACTS, hears=MULAW_8K, speaks=MULAW_8K, emit=self._emit)
        self._vad, self._stt = cascade.vad, cascade.stt
        self._at_ms = 0.0

    async def __aenter__(self) -> Self:
        self._run = asyncio.create_task(self.session.run())
        await self.idle()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._run.cancel()
        await asyncio.wait([self._run])

    async def idle(self) -> None:
        for _ in range(30):
            await asyncio.sleep(0)

    def _emit(self, event: AgentEvent) -> None:
        self.events.append(event)
        if command := self.interrupts.pop(type(event), None):
            self.session.tell(command, 0)

    async def says(self, text: str, *, ms: float = 1000) -> None:
        """The caller speaks for ``ms``; the recogniser knows the words."""
        self.begins_to_speak()
        await self.idle()
        self.falls_silent(ms)
        self.words(text)
        await self.idle()

    def begins_to_speak(self) -> None:
        self._ears(SpeechStarted(self._at_ms))

    def falls_silent(self, ms: float = 1000) -> None:
        self._at_ms += ms
        self._ears(SpeechStopped(self._at_ms))

    def words(self, text: str, *, final: bool = True) -> None:
        assert isinstance(self._stt, StandInStt)
        self._stt.emit(CallerSaid(text, final))

    def _ears(self, event: AgentEvent) -> None:
        ears = self._vad or self._stt
        assert isinstance(ears, StandInVad | StandInStt)
        ears.emit(event)

    def of(self, *kinds: type[AgentEvent]) -> list[AgentEvent]:
        return [event for event in self.events if isinstance(event, kinds)]
