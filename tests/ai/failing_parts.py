"""Recognisers, voices and models that do what a test says: they fail, mostly."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from trunkline.ai.base import CallFacts, Emit, Message, SttEmit, TextDelta, ToolCall, ToolSpec
from trunkline.audio.format import MULAW_8K, AudioFormat
from trunkline.errors import Fault, ProviderError

FACTS = CallFacts("call-1", "twilio")
FRAME = MULAW_8K.silence(160)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def broken(name: str, fault: Fault = "transient") -> ProviderError:
    return ProviderError(name, fault, "gave up")


class EarSession:
    def __init__(self, emit: SttEmit) -> None:
        self.emit = emit
        self.heard = b""
        self.turns: list[tuple[str, float]] = []
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def hear(self, audio: bytes, now: float) -> None:
        self.heard += audio

    def turn_started(self, at_ms: float) -> None:
        self.turns.append(("started", at_ms))

    def turn_ended(self, at_ms: float) -> None:
        self.turns.append(("ended", at_ms))

    async def run(self) -> None:
        await self.end


class Ear:
    partials = True
    hears: tuple[AudioFormat, ...] = (MULAW_8K,)

    def __init__(self, name: str, *, turns: bool) -> None:
        self.name = name
        self.turns = turns
        self.sessions: list[EarSession] = []

    def open(self, facts: CallFacts, *, hears: AudioFormat, emit: SttEmit) -> EarSession:
        self.sessions.append(EarSession(emit))
        return self.sessions[-1]

    async def warm_up(self) -> None: ...

    async def close(self) -> None: ...


def listen(session: object, frames: int, start: int = 0) -> None:
    for n in range(start, start + frames):
        session.hear(bytes([n % 251]) * 160, n / 50)  # type: ignore[attr-defined]


class MouthSession:
    def __init__(self, emit: Emit) -> None:
        self.emit = emit
        self.said: list[tuple[str, int]] = []
        self.finished: list[int] = []
        self.cancelled: list[int] = []
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def say(self, text: str, generation: int) -> None:
        self.said.append((text, generation))

    def finish(self, generation: int) -> None:
        self.finished.append(generation)

    def cancel(self, generation: int) -> None:
        self.cancelled.append(generation)

    async def run(self) -> None:
        await self.end


class Mouth:
    streams_text = False
    speaks: tuple[AudioFormat, ...] = (MULAW_8K,)

    def __init__(self, name: str) -> None:
        self.name = name
        self.sessions: list[MouthSession] = []

    def open(self, facts: CallFacts, *, speaks: AudioFormat, emit: Emit) -> MouthSession:
        self.sessions.append(MouthSession(emit))
        return self.sessions[-1]

    async def warm_up(self) -> None: ...

    async def close(self) -> None: ...


class Writer:
    """A number among its deltas: seconds until the next."""

    tools = True

    def __init__(self, name: str, *deltas: str | ToolCall | ProviderError | float) -> None:
        self.name = name
        self.deltas = deltas
        self.asked: list[Message] = []
        self.stopped = False

    async def reply(
        self, history: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> AsyncIterator[TextDelta | ToolCall]:
        self.asked = list(history)
        try:
            for delta in self.deltas:
                if isinstance(delta, ProviderError):
                    raise delta
                if isinstance(delta, float):
                    await asyncio.sleep(delta)
                else:
                    yield TextDelta(delta) if isinstance(delta, str) else delta
        except (GeneratorExit, asyncio.CancelledError):
            self.stopped = True
            raise

    async def warm_up(self) -> None: ...

    async def close(self) -> None: ...
