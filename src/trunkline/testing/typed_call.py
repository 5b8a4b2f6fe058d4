"""A call without sound: type what the caller says, read what the agent answers. For trying a conversation out, and for
testing an application's own functions.

    model = agent_model(agent, Config.load())
    async with TypedCall(model) as call:
        print(await call.greeting())
        print(await call.say("A table for two, please."))

Model, functions and conversation are the agent's own; its ears and its voice are simulated.
"""

import asyncio

import msgspec

from trunkline.ai.base import AgentModel, CallFacts, Emit, SttEmit, SttSession, TtsSession
from trunkline.ai.cascade import Cascade
from trunkline.ai.events import (
    AgentEvent,
    AgentFailed,
    CallAnswered,
    CallerSaid,
    HangUpWanted,
    KeyPressed,
    ReplyAudio,
    ReplyEnded,
    ReplyHeard,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
    TransferWanted,
)
from trunkline.audio.format import MULAW_8K, AudioFormat
from trunkline.errors import AgentError, ConfigError

FACTS = CallFacts("typed", "typed")
SOUND = b"\xff"  # that there was some


class _Ears:
    """A recogniser, and its only session, that is told what it hears."""

    name = "typed (simulated)"
    turns = True
    partials = False
    hears: tuple[AudioFormat, ...] = (MULAW_8K,)

    def open(self, facts: CallFacts, *, hears: AudioFormat, emit: SttEmit) -> SttSession:
        self.emit = emit
        return self

    def hear(self, audio: bytes, now: float) -> None: ...

    def turn_started(self, at_ms: float) -> None: ...

    def turn_ended(self, at_ms: float) -> None: ...

    async def run(self) -> None: ...

    async def warm_up(self) -> None: ...

    async def close(self) -> None: ...


class _Voice:
    """A voice, and its only session, that makes no more sound than it has to."""

    name = "typed (simulated)"
    streams_text = False
    speaks: tuple[AudioFormat, ...] = (MULAW_8K,)

    def open(self, facts: CallFacts, *, speaks: AudioFormat, emit: Emit) -> TtsSession:
        self._emit = emit
        return self

    def say(self, text: str, generation: int) -> None:
        self._emit(ReplyText(text, generation))
        self._emit(ReplyAudio(SOUND, generation))

    def finish(self, generation: int) -> None:
        self._emit(ReplyEnded(generation))

    def cancel(self, generation: int) -> None: ...

    async def run(self) -> None: ...

    async def warm_up(self) -> None: ...

    async def close(self) -> None: ...


class TypedCall:
    """One call to a cascade. ``over`` is how the agent ended it, if it did. Raises ``ConfigError`` for other agents."""

    def __init__(self, model: AgentModel, facts: CallFacts = FACTS) -> None:
        if not isinstance(model, Cascade):
            raise ConfigError(f"{model.name} can't be typed to: it is not made of parts")
        self.over: HangUpWanted | TransferWanted | None = None
        self._ears = _Ears()
        self._model = Cascade(
            stt=self._ears,
            llm=model.llm,
            tts=_Voice(),
            instructions=model.instructions,
            greeting=model.greeting,
            transfer_to=model.transfer_to,
            tools=model.tools,
            manners=msgspec.structs.replace(model.manners, no_input_s=0, fillers=()),  # typing takes its time
            escalation=model.escalation,
        )
        self._facts = facts
        self._texts: list[str] = []
        self._replied: asyncio.Future[str] | None = None

    async def __aenter__(self) -> "TypedCall":
        await self._model.llm.warm_up()
        self._session = self._model.open(self._facts, hears=MULAW_8K, speaks=MULAW_8K, emit=self._told)
        self._task = asyncio.create_task(self._session.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._model.llm.close()

    async def greeting(self) -> str:
        """The call is answered: what the agent says to that, if it says anything."""
        if not self._model.greeting:
            return ""
        replied = self._next_reply()
        self._session.tell(CallAnswered(), 0)
        return await replied

    async def say(self, text: str) -> str:
        """The caller says something: what the agent answers. Raises ``AgentError``."""
        replied = self._next_reply()
        for event in (SpeechStarted(0), SpeechStopped(1000), CallerSaid(text, final=True)):
            self._ears.emit(event)
        return await replied

    async def press(self, digit: str) -> str:
        """The caller presses a key: what the agent answers. Raises ``AgentError``."""
        replied = self._next_reply()
        self._session.tell(KeyPressed(digit), 0)
        return await replied

    def _next_reply(self) -> asyncio.Future[str]:
        self._texts.clear()
        self._replied = asyncio.get_running_loop().create_future()
        return self._replied

    def _told(self, event: AgentEvent) -> None:
        match event:
            case ReplyText(text):
                self._texts.append(text)
            case ReplyEnded(generation):
                asyncio.get_running_loop().call_soon(self._heard, generation)
            case HangUpWanted() | TransferWanted():
                self.over = event
            case AgentFailed(reason) if self._replied is not None and not self._replied.done():
                self._replied.set_exception(AgentError(reason))
            case _:
                pass

    def _heard(self, generation: int) -> None:
        text = "".join(self._texts)
        self._session.tell(ReplyHeard(generation, text), 0)
        if self._replied is not None and not self._replied.done():
            self._replied.set_result(text.strip())
