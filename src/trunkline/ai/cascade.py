"""Speech to text to model to speech, as one agent.

    hear ─> Vad ─ turn began, turn ended ─┐
        └─> Stt ─ words ──────────────────┴─> Conversation ─> Llm ─ deltas ─> Sentences ─> Tts ─> emit

A reply is spoken sentence by sentence, and each sentence while it is being made.

**Who decides what, when the caller speaks into a reply.** The cascade never silences itself. The call hears
``SpeechStarted``, holds the agent's voice, and later either resumes it or tells ``ReplyInterrupted``. So the cascade:

- answers the caller's words when no reply of its own is waiting to be heard: the last one was ``ReplyHeard`` or
  ``ReplyInterrupted``;
- otherwise keeps them. If ``ReplyInterrupted`` comes, they are what interrupted it, and are answered once the caller
  has finished. If ``ReplyHeard`` comes, the call took them for a back-channel ("mm-hm"): they stay in the history and
  are not answered;
- takes back by itself only a reply that has not sounded yet: the caller went on speaking, and is answered as a whole;
- decides one turn of the event loop after the words, so that the call, which is given them by ``emit``, has had its
  say first.

For every reply that sounded the call must therefore tell one of the two, or the agent stays silent for good. A key is
answered at once, whether or not the caller speaks; the call interrupts the reply before it tells of the key.
"""

import asyncio
import traceback
from collections.abc import Iterable
from typing import Final

from trunkline import logs
from trunkline.ai.base import (
    AgentSession,
    CallFacts,
    Emit,
    Llm,
    Part,
    Stt,
    Tts,
    Vad,
)
from trunkline.ai.conversation import Conversation
from trunkline.ai.events import (
    AgentCommand,
    AgentEvent,
    AgentFailed,
    CallAnswered,
    CallerMayBeDone,
    CallerSaid,
    CallerWentOn,
    KeyPressed,
    ReplyAudio,
    ReplyEnded,
    ReplyHeard,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
    StageReached,
    SttEvent,
)
from trunkline.ai.reply import Reply, ReplyMaker
from trunkline.audio.format import AudioFormat
from trunkline.errors import ConfigError

MUMBLE_MS: Final = 400
"""Speech at least this long of which no word is known was meant for us: the agent asks. Shorter, it was a cough."""


class Cascade:
    """An agent made of parts. ``vad`` may be left out if ``stt`` knows turns; ``stt`` where there is no recogniser."""

    def __init__(
        self,
        *,
        llm: Llm,
        tts: Tts,
        vad: Vad | None = None,
        stt: Stt | None = None,
        instructions: str = "",
        greeting: str = "",
        transfer_to: str = "",
        name: str = "cascade",
    ) -> None:
        if stt is not None and stt.turns:
            vad = None
        elif vad is None:
            raise ConfigError("a cascade needs a voice activity detector, or a recogniser that knows turns")
        self.name = name
        self.llm, self.tts, self.vad, self.stt = llm, tts, vad, stt
        self.instructions, self.greeting, self.transfer_to = instructions, greeting, transfer_to
        self.hears = _common(part.hears for part in (vad, stt) if part is not None)
        self.speaks = tts.speaks

    def open(self, facts: CallFacts, *, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> AgentSession:
        return CascadeSession(self, facts, hears, speaks, emit)

    async def warm_up(self) -> None:
        for part in self._parts():
            await part.warm_up()

    async def close(self) -> None:
        for part in self._parts():
            await part.close()

    def _parts(self) -> list[Part]:
        return [part for part in (self.vad, self.stt, self.llm, self.tts) if part is not None]


class CascadeSession:
    """The agent in one call."""

    def __init__(self, cascade: Cascade, facts: CallFacts, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> None:
        self._cascade = cascade
        self._emit = emit
        self._log = logs.get(__name__).bind(call=facts.call_id)
        self._vad = cascade.vad.open(hears=hears, emit=self._heard) if cascade.vad else None
        self._stt = cascade.stt.open(facts, hears=hears, emit=self._heard) if cascade.stt else None
        self._tts = cascade.tts.open(facts, speaks=speaks, emit=self._spoken)
        self._maker = ReplyMaker(cascade.llm, self._tts, cascade.transfer_to, emit, self._log)
        self._conversation = Conversation(cascade.instructions)
        self._group: asyncio.TaskGroup | None = None
        self._generation = 0
        self._reply: Reply | None = None
        self._speaking = False  # the caller is
        self._words_due = False  # the turn is over, its final text not there yet
        self._turn_ms = (0.0, 0.0)

    # --- from the call ---

    def hear(self, audio: bytes, now: float) -> None:
        # The recogniser first: when the Vad finds a turn's end in this audio, the words must be in.
        if self._stt is not None:
            self._stt.hear(audio, now)
        if self._vad is not None:
            self._vad.hear(audio, now)

    def tell(self, command: AgentCommand, now: float) -> None:
        match command:
            case CallAnswered():
                if self._cascade.greeting:
                    self._begin(self._cascade.greeting)
            case KeyPressed(digit):
                self._conversation.caller("key", digit)
                asyncio.get_running_loop().call_soon(self._answer)
            case ReplyHeard(generation, heard_text) if self._is_live(generation):
                self._settle(heard_text)
                self._conversation.unanswered = False
            case ReplyInterrupted(generation, _, heard_text) if self._is_live(generation):
                self._stop_making()
                self._settle(heard_text)
                self._decide_soon()
            case _:  # about a reply that is settled already
                pass

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._tts.run())
                if self._stt is not None:
                    group.create_task(self._stt.run())
                if self._reply is not None:  # the call was answered before this ran
                    self._reply.task = group.create_task(self._maker.make(self._reply))
                await asyncio.get_running_loop().create_future()  # until cancelled
        except* Exception as broken:  # the outer edge of the session's tasks
            first = broken.exceptions[0]
            # Without its text: that may hold what somebody said.
            frames = traceback.format_tb(first.__traceback__)
            self._log.error("cascade broke", exception=type(first).__name__, trace=frames)
            self._emit(AgentFailed(f"the cascade broke: {type(first).__name__}"))
        finally:
            self._group = None
            if self._vad is not None:
                self._vad.close()

    # --- from the ears ---

    def _heard(self, event: SttEvent) -> None:
        match event:
            case CallerMayBeDone() | CallerWentOn():
                pass
            case SpeechStarted(at_ms):
                self._speaking = True
                self._turn_ms = (at_ms, at_ms)
                self._emit(event)
                if self._stt is not None and self._vad is not None:
                    self._stt.turn_started(at_ms)
            case SpeechStopped(at_ms):
                self._speaking = False
                self._turn_ms = (self._turn_ms[0], at_ms)
                self._words_due = self._stt is not None
                self._emit(event)
                if self._stt is None:
                    self._words("")
                elif self._vad is not None:
                    self._stt.turn_ended(at_ms)
            case CallerSaid(text, final):
                self._emit(event)
                if final:
                    self._words_due = False
                    self._words(text)
            case _:
                self._emit(event)

    def _words(self, text: str) -> None:
        """A turn's final words, or none."""
        if text.strip():
            self._conversation.caller("caller", text)
        elif self._turn_ms[1] - self._turn_ms[0] >= MUMBLE_MS:
            self._conversation.caller("voice")
        self._decide_soon()

    # --- the reply ---

    def _decide_soon(self) -> None:
        asyncio.get_running_loop().call_soon(self._decide)

    def _decide(self) -> None:
        if not self._speaking and not self._words_due:
            self._answer()

    def _answer(self) -> None:
        if not self._conversation.unanswered:
            return
        if self._reply is not None:
            if self._reply.sounded:
                return  # the call's decision
            self._take_back()
        self._begin()

    def _begin(self, greeting: str = "") -> None:
        self._generation += 1
        self._reply = reply = Reply(self._generation, self._conversation.messages(), greeting)
        self._conversation.reply_begun()
        self._emit(ReplyStarted(reply.generation))
        if self._group is not None:
            reply.task = self._group.create_task(self._maker.make(reply))

    def _spoken(self, event: AgentEvent) -> None:
        """From the voice. What belongs to a reply that is no more goes nowhere."""
        reply = self._reply
        match event:
            case ReplyAudio(_, generation):
                if reply is not None and generation == reply.generation:
                    reply.sounded = True
                    self._emit(event)
            case ReplyText(_, generation) | StageReached(_, generation):
                if self._is_live(generation):
                    self._emit(event)
            case ReplyEnded(generation):
                if reply is not None and generation == reply.generation:
                    self._ended(reply, event)
            case _:
                self._emit(event)

    def _ended(self, reply: Reply, event: ReplyEnded) -> None:
        self._emit(event)
        if reply.then is not None:  # and not interrupted while the event was told
            self._emit(reply.then)
        if self._reply is reply and not reply.sounded:  # nothing to wait for
            self._settle("")
            self._decide_soon()

    def _take_back(self) -> None:
        """A reply nobody has heard anything of is dropped for a better one."""
        assert self._reply is not None  # noqa: S101 - asked by the only caller
        self._stop_making()
        self._emit(ReplyEnded(self._reply.generation))
        self._settle("")

    def _stop_making(self) -> None:
        assert self._reply is not None  # noqa: S101 - asked by the callers
        if self._reply.task is not None:
            self._reply.task.cancel()
        self._reply.then = None
        self._tts.cancel(self._reply.generation)

    def _settle(self, heard_text: str) -> None:
        self._conversation.reply_settled(heard_text)
        self._reply = None

    def _is_live(self, generation: int) -> bool:
        return self._reply is not None and self._reply.generation == generation


def _common(choices: Iterable[tuple[AudioFormat, ...]]) -> tuple[AudioFormat, ...]:
    first, *others = choices
    common = tuple(audio for audio in first if all(audio in other for other in others))
    if not common:
        raise ConfigError("the parts of the cascade hear no common audio format")
    return common
