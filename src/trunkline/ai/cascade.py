"""Speech to text to model to speech, as one agent. What it does in a call is in ``ai.cascade_session``."""

from trunkline.ai.base import AgentSession, CallFacts, Emit, Part
from trunkline.ai.cascade_parts import CascadeParts
from trunkline.ai.cascade_session import CascadeSession
from trunkline.audio.format import AudioFormat


class Cascade(CascadeParts):
    """An agent made of parts."""

    def open(self, facts: CallFacts, *, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> AgentSession:
        return CascadeSession(self, facts, hears, speaks, emit)

    async def warm_up(self) -> None:
        for part in self._parts():
            await part.warm_up()

    async def close(self) -> None:
        for part in self._parts():
            await part.close()
        await self.notices.close()

    def _parts(self) -> list[Part]:
        return [part for part in (self.vad, self.stt, self.llm, self.tts) if part is not None]
