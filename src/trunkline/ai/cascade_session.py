"""A cascade in one call.

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

**A recogniser that speculates** has a reply begun on trial (``ai.trial``), unless one is waiting to be heard.
"""

import asyncio
import traceback
from typing import TYPE_CHECKING, Final

from trunkline import logs
from trunkline.ai.base import CallFacts, Emit, Message
from trunkline.ai.conversation import Conversation
from trunkline.ai.escalation import EscalationWatch
from trunkline.ai.events import (
    AgentCommand,
    AgentEvent,
    AgentFailed,
    CallAnswered,
    CallerMayBeDone,
    CallerSaid,
    CallerWentOn,
    HangUpWanted,
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
    TransferWanted,
)
from trunkline.ai.fillers import Fillers, Silence
from trunkline.ai.handover import HandedOver
from trunkline.ai.no_input import NoInput
from trunkline.ai.reply import Farewell, Reply, ReplyMaker
from trunkline.ai.toolbox import Toolbox
from trunkline.ai.trial import Trial
from trunkline.audio.format import AudioFormat

if TYPE_CHECKING:
    from trunkline.ai.cascade import Cascade

MUMBLE_MS: Final = 400
"""Speech at least this long of which no word is known was meant for us: the agent asks. Shorter, it was a cough."""


class CascadeSession:
    """The agent in one call."""

    def __init__(
        self, cascade: "Cascade", facts: CallFacts, hears: AudioFormat, speaks: AudioFormat, emit: Emit
    ) -> None:
        self._cascade = cascade
        self._facts = facts
        self._emit = emit
        self._log = logs.get(__name__).bind(call=facts.call_id)
        self._loop = asyncio.get_running_loop()
        self._hears, self._speaks = hears, speaks
        self._vad = cascade.vad.open(hears=hears, emit=self._heard) if cascade.vad else None
        self._stt = cascade.stt.open(facts, hears=hears, emit=self._heard) if cascade.stt else None
        self._tts = cascade.tts.open(facts, speaks=speaks, emit=self._spoken)
        manners = cascade.manners
        self._silence = Silence(self._loop.time())
        self._fillers = Fillers(manners, self._silence, self._fill)
        self._no_input = NoInput(manners, self._ask)
        tools = Toolbox(
            cascade.tools, facts, transfer_to=cascade.transfer_to, timeout_s=manners.tool_timeout_s, log=self._log
        )
        self._maker = ReplyMaker(cascade.llm, self._tts, tools, self._fillers, self._spoken, self._log)
        self._conversation = Conversation(cascade.instructions)
        self._watch = EscalationWatch(cascade.escalation) if cascade.escalation and cascade.stt else None
        self._escalated = False  # and nobody has told the caller yet
        self._group: asyncio.TaskGroup | None = None
        self._generation = 0
        self._reply: Reply | None = None
        self._trial: Trial | None = None
        self._speaking = False  # the caller is
        self._words_due = False  # the turn is over, its final text not there yet
        self._turn_ms = (0.0, 0.0)
        self._heard_bytes = 0

    # --- from the call ---

    def hear(self, audio: bytes, now: float) -> None:
        self._heard_bytes += len(audio)
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
                else:
                    self._no_input.wait()
            case KeyPressed(digit):
                self._conversation.caller("key", digit)
                self._no_input.answered()
                self._silence.caller_stopped(self._loop.time())
                self._loop.call_soon(self._answer)
            case ReplyHeard(generation, heard_text) if self._is_live(generation):
                self._settle(heard_text)
                self._conversation.unanswered = False
            case ReplyInterrupted(generation, _, heard_text) if self._is_live(generation):
                self._silence.emptied(self._loop.time())
                self._stop_making()
                self._settle(heard_text)
                self._decide_soon()
            case _:  # about a reply that is settled already
                pass

    def take_over(self, call: HandedOver) -> None:
        """Go on with a call another agent began."""
        note = f"You take over a call from another agent, {call.sender}, who has told the caller so. {call.about}"
        instructions = f"{self._cascade.instructions}\n\n{note}".strip()
        self._conversation = Conversation(instructions, call.history)
        self._begin()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._tts.run())
                if self._stt is not None:
                    group.create_task(self._stt.run())
                if self._reply is not None:  # the call was answered before this ran
                    self._make(self._reply)
                await self._loop.create_future()  # until cancelled
        except* Exception as broken:  # the outer edge of the session's tasks
            first = broken.exceptions[0]
            # Without its text: that may hold what somebody said.
            frames = traceback.format_tb(first.__traceback__)
            self._log.error("cascade broke", exception=type(first).__name__, trace=frames)
            self._emit(AgentFailed(f"the cascade broke: {type(first).__name__}"))
        finally:
            self._group = None
            self._no_input.stop()
            self._fillers.stop()
            if self._vad is not None:
                self._vad.close()

    # --- from the ears ---

    def _heard(self, event: SttEvent) -> None:
        match event:
            case CallerMayBeDone(text):
                self._try(text)
            case CallerWentOn():
                self._drop_trial()
            case SpeechStarted(at_ms):
                self._speaking = True
                self._turn_ms = (at_ms, at_ms)
                self._drop_trial()
                self._no_input.stop()
                self._silence.caller_speaks()
                self._emit(event)
                if self._stt is not None and self._vad is not None:
                    self._stt.turn_started(at_ms)
            case SpeechStopped(at_ms):
                self._speaking = False
                self._turn_ms = (self._turn_ms[0], at_ms)
                self._words_due = self._stt is not None
                self._silence.caller_stopped(self._loop.time() - self._ago_s(at_ms))
                self._wait_for_caller()
                self._emit(event)
                if self._stt is None:
                    self._words("")
                elif self._vad is not None:
                    self._stt.turn_ended(at_ms)
            case CallerSaid(text, final):
                self._emit(event)
                if final:
                    self._words_due = False
                    if self._trial is not None and not self._trial.answers(text):
                        self._drop_trial()
                    self._words(text)
            case _:
                self._emit(event)

    def _ago_s(self, at_ms: float) -> float:
        """How long ago that position of the caller's audio was heard."""
        return max(0.0, self._hears.ms(self._heard_bytes) - at_ms) / 1000

    def _words(self, text: str) -> None:
        """A turn's final words, or none."""
        if text.strip():
            self._conversation.caller("caller", text)
            self._no_input.answered()
        elif self._turn_ms[1] - self._turn_ms[0] >= MUMBLE_MS:
            self._conversation.caller("voice")
            self._no_input.answered()
        else:  # a cough
            self._decide_soon()
            return
        if self._watch is not None and (found := self._watch.heard(text)):
            self._cascade.notices.send(self._facts, found)
            self._escalated = self._watch.transfers
        self._decide_soon()

    def _wait_for_caller(self) -> None:
        """It is the caller's turn, if nobody speaks or is about to be heard."""
        if self._reply is None and not self._speaking:
            self._no_input.wait()

    # --- the reply ---

    def _decide_soon(self) -> None:
        self._loop.call_soon(self._decide)

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
        if self._escalated:
            self._escalated = False
            self._begin(self._cascade.manners.connecting, TransferWanted(self._cascade.transfer_to))
        else:
            self._begin()

    def _ask(self, text: str, last: bool) -> None:
        """The caller said nothing for too long."""
        self._begin(text, HangUpWanted("no input") if last else None)

    def _begin(self, script: str = "", then: Farewell | None = None) -> None:
        """The reply to all there is, or a ``script`` to say word for word."""
        self._no_input.stop()
        history = self._conversation.messages()
        trial = self._trial
        if trial is not None and not script and trial.fits(history):
            self._trial = None
            self._reply = reply = trial.reply
        else:
            trial = None
            self._drop_trial()
            self._reply = reply = self._new(history, script, then)
        reply.wanted.set()
        self._conversation.reply_begun()
        self._emit(ReplyStarted(reply.generation))
        if trial is None:
            self._make(reply)
            return
        for event in trial.release():
            self._spoken(event)  # which sees to it that an interruption ends this

    def _new(self, history: tuple[Message, ...], script: str = "", then: Farewell | None = None) -> Reply:
        self._generation += 1
        return Reply(self._generation, history, script, then)

    def _make(self, reply: Reply) -> None:
        if self._group is not None:
            reply.task = self._group.create_task(self._maker.make(reply))

    def _fill(self, reply: Reply, text: str) -> None:
        self._tts.say(reply.say(text, filler=True), reply.generation)

    def _spoken(self, event: AgentEvent) -> None:
        """From the model and the voice. What belongs to a reply that is no more goes nowhere."""
        match event:
            case ReplyAudio() | ReplyText() | StageReached() | ReplyEnded():
                if self._reply is not None and event.generation == self._reply.generation:
                    self._made(self._reply, event)
                elif self._trial is not None and event.generation == self._trial.reply.generation:
                    self._trial.hold(event)
            case _:
                self._emit(event)

    def _made(self, reply: Reply, event: ReplyAudio | ReplyText | StageReached | ReplyEnded) -> None:
        if isinstance(event, ReplyAudio):
            reply.sounded = True
            self._silence.filled(self._loop.time(), self._speaks.ms(len(event.audio)))
        self._emit(event)
        if not isinstance(event, ReplyEnded):
            return
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
        self._reply.cut_short()
        self._tts.cancel(self._reply.generation)

    def _settle(self, heard_text: str) -> None:
        if self._reply is not None:
            self._conversation.reply_settled(heard_text, self._reply.steps)
        self._reply = None
        self._wait_for_caller()

    def _is_live(self, generation: int) -> bool:
        return self._reply is not None and self._reply.generation == generation

    # --- on trial ---

    def _try(self, text: str) -> None:
        """The caller may be done: begin the reply to what they seem to have said."""
        if self._trial is not None and self._trial.answers(text):
            return
        self._drop_trial()
        if self._reply is None and self._group is not None and text.strip():
            history = (*self._conversation.messages(), Message("caller", text))
            self._trial = Trial(text, self._new(history))
            self._make(self._trial.reply)

    def _drop_trial(self) -> None:
        if self._trial is not None:
            reply, self._trial = self._trial.reply, None
            if reply.task is not None:
                reply.task.cancel()
            self._tts.cancel(reply.generation)
