"""Agents that do what the test says."""

import asyncio

from trunkline.ai.base import AgentSession, CallFacts, Emit
from trunkline.ai.events import (
    AgentCommand,
    ReplyAudio,
    ReplyEnded,
    ReplyStarted,
    ReplyText,
    Stage,
    StageReached,
)
from trunkline.ai.handover import HandedOver
from trunkline.audio.format import MULAW_8K, PCM16_8K, AudioFormat


class Puppet:
    """A model whose sessions do what the test says."""

    hears: tuple[AudioFormat, ...] = (MULAW_8K, PCM16_8K)
    speaks: tuple[AudioFormat, ...] = (MULAW_8K,)

    def __init__(self, name: str, *, takes_over: bool = True) -> None:
        self.name = name
        self.sessions: list[PuppetSession] = []
        self._kind = TakingOver if takes_over else PuppetSession

    def open(self, facts: CallFacts, *, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> AgentSession:
        self.sessions.append(self._kind(emit))
        return self.sessions[-1]

    async def warm_up(self) -> None: ...

    async def close(self) -> None: ...


class PuppetSession:
    def __init__(self, emit: Emit) -> None:
        self.emit = emit
        self.heard = b""
        self.told: list[AgentCommand | HandedOver] = []
        self.running: bool | None = None

    def hear(self, audio: bytes, now: float) -> None:
        self.heard += audio

    def tell(self, command: AgentCommand, now: float) -> None:
        self.told.append(command)

    async def run(self) -> None:
        self.running = True
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.running = False

    def reply(self, text: str, generation: int = 1, *, end: bool = True) -> None:
        self.emit(ReplyStarted(generation))
        self.emit(StageReached(Stage.MODEL_STARTED, generation, 5))
        self.emit(ReplyText(text, generation))
        self.emit(ReplyAudio(text.encode(), generation))
        if end:
            self.emit(ReplyEnded(generation))


class TakingOver(PuppetSession):
    def take_over(self, call: HandedOver) -> None:
        self.told.append(call)
