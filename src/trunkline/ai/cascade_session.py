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
  are not answered, unless they are the answer to a question ("yes" is, at its end), or more than a word and said while
  the agent was silent over a slow function;
- takes back by itself only a reply that has not sounded yet: the caller went on speaking, and is answered as a whole;
- decides one turn of the event loop after the words, so that the call, which is given them by ``emit``, has had its
  say first.

For every reply that sounded the call must therefore tell one of the two, or the agent stays silent for good. A key is
answered at once, whether or not the caller speaks; the call interrupts the reply before it tells of the key.

**A recogniser that speculates** has a reply begun on trial (``ai.trial``), unless one is waiting to be heard.
"""

import asyncio
from math import inf
from typing import Final

from trunkline import logs
from trunkline.ai.base import CallFacts, Emit, Message, SttSession
from trunkline.ai.cascade_parts import CascadeParts
from trunkline.ai.conversation import Conversation
from trunkline.ai.escalation import EscalationWatch
from trunkline.ai.events import (
    AgentCommand,
    CallAnswered,
    CallerMayBeDone,
    CallerSaid,
    CallerWentOn,
    HangUpWanted,
    KeyPressed,
    ReplyHeard,
    ReplyInterrupted,
    SpeechStarted,
    SpeechStopped,
    SttEvent,
    TransferWanted,
)
from trunkline.ai.excuses import Excuses
from trunkline.ai.fallback_llm import GO_ON
from trunkline.ai.fillers import Silence
from trunkline.ai.handover import HandedOver
from trunkline.ai.intents import Intent, guess
from trunkline.ai.mouth import Mouth
from trunkline.ai.no_input import NoInput
from trunkline.ai.outer_edge import OuterEdge
from trunkline.audio.format import AudioFormat
from trunkline.errors import AgentError

MUMBLE_MS: Final = 400
"""Speech at least this long of which no word is known was meant for us: the agent asks. Shorter, it was a cough."""

ANSWER_S: Final = 1.5
"""Words into a question that end so shortly before its end, or after it, are its answer, be it only "mm-hm"."""


class CascadeSession:
    """The agent in one call."""

    def __init__(
        self, cascade: CascadeParts, facts: CallFacts, hears: AudioFormat, speaks: AudioFormat, emit: Emit
    ) -> None:
        self._cascade = cascade
        self._facts = facts
        self._emit = emit
        self._log = logs.get(__name__).bind(call=facts.call_id)
        self._loop = asyncio.get_running_loop()
        self._hears = hears
        self._vad = cascade.vad.open(hears=hears, emit=self._heard) if cascade.vad else None
        self._stt = cascade.stt.open(facts, hears=hears, emit=self._heard) if cascade.stt else None
        self._silence = Silence(self._loop.time())
        self._excuses = Excuses(cascade.manners, cascade.transfer_to)
        self._mouth = Mouth(
            cascade,
            facts,
            speaks,
            emit=emit,
            silence=self._silence,
            excuses=self._excuses,
            unheard=self._said_nothing,
            log=self._log,
        )
        self._no_input = NoInput(cascade.manners, self._ask)
        self._watch = EscalationWatch(cascade.escalation) if cascade.escalation and cascade.stt else None
        self._escalated = False  # and nobody has told the caller yet
        self._deaf = False  # no recogniser is left
        self._parting_due = False  # and the caller has not been told, or not to the end
        self._speaking = False  # the caller is
        self._words_due = False  # the turn is over, its final text not there yet
        self._turn_ms = (0.0, 0.0)
        self._into_silence = False  # of the agent the caller spoke last
        self._left_over = False  # words said into a gap of a reply, to be answered after it
        self._stopped_at = -inf  # the caller, on the loop's clock
        self._heard_bytes = 0

    # --- from the call ---

    def hear(self, audio: bytes, now: float) -> None:
        self._heard_bytes += len(audio)
        if self._deaf:  # nor shall a voice without words interrupt what is said about it
            return
        # The recogniser first: when the Vad finds a turn's end in this audio, the words must be in.
        if self._stt is not None:
            self._stt.hear(audio, now)
        if self._vad is not None:
            self._vad.hear(audio, now)

    def tell(self, command: AgentCommand, now: float) -> None:
        mouth = self._mouth
        match command:
            case CallAnswered():
                if self._cascade.greeting:
                    self._say(self._cascade.greeting)
                else:
                    self._no_input.wait()
            case KeyPressed(digit):
                mouth.conversation.caller("key", digit)
                self._no_input.answered()
                self._silence.caller_stopped(self._loop.time())
                self._loop.call_soon(self._answer)
            case ReplyHeard(generation, heard_text) if mouth.is_saying(generation):
                mouth.settle(heard_text)
                if not self._was_answered(heard_text) and not self._left_over:
                    mouth.conversation.unanswered = False
                self._left_over = False
                self._wait_for_caller()
                self._decide_soon()
            case ReplyInterrupted(generation, _, heard_text) if mouth.is_saying(generation):
                mouth.cut_short(heard_text)
                self._parting_due = self._deaf
                self._left_over = False
                self._wait_for_caller()
                self._decide_soon()
            case _:  # about a reply that is settled already
                pass

    def take_over(self, call: HandedOver) -> None:
        """Go on with a call another agent began."""
        rest = call.rest_of(self._cascade.greeting)
        goes_on = [Message("system", GO_ON)] if call.broken and not rest else []
        self._mouth.conversation = Conversation(call.told(self._cascade.instructions), [*call.history, *goes_on])
        if call.speaks:
            self._say(rest)
        else:
            self._wait_for_caller()

    async def run(self) -> None:
        try:
            async with OuterEdge("cascade", self._emit, self._log).tasks() as group:
                self._mouth.run(group)
                if self._stt is not None:
                    group.create_task(self._listen(self._stt))
                await self._loop.create_future()  # until cancelled
        finally:
            self._mouth.close()
            self._no_input.stop()
            if self._vad is not None:
                self._vad.close()

    # --- from the ears ---

    async def _listen(self, stt: SttSession) -> None:
        """As long as there is somebody who understands."""
        try:
            await stt.run()
        except AgentError as error:
            self._log.error("agent is deaf", reason=str(error))
            self._deaf, self._parting_due, self._words_due = True, True, False
            self._mouth.forget()
            self._no_input.stop()
            if self._speaking:
                self._heard(SpeechStopped(self._hears.ms(self._heard_bytes)))
            self._decide_soon()

    def _heard(self, event: SttEvent) -> None:
        match event:
            case CallerMayBeDone(text):
                self._mouth.attempt(text)
            case CallerWentOn():
                self._mouth.forget()
            case SpeechStarted(at_ms):
                self._speaking = True
                self._turn_ms = (at_ms, at_ms)
                self._mouth.forget()
                self._no_input.stop()
                self._into_silence = self._silence.since <= self._loop.time()
                self._silence.caller_speaks()
                self._emit(event)
                if self._stt is not None and self._vad is not None:
                    self._stt.turn_started(at_ms)
            case SpeechStopped(at_ms):
                self._speaking = False
                self._turn_ms = (self._turn_ms[0], at_ms)
                self._words_due = self._stt is not None and not self._deaf
                self._stopped_at = self._loop.time() - self._ago_s(at_ms)
                self._silence.caller_stopped(self._stopped_at)
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
                    self._mouth.forget(unless=text)
                    self._words(text)
            case _:
                self._emit(event)

    def _ago_s(self, at_ms: float) -> float:
        """How long ago that position of the caller's audio was heard."""
        return max(0.0, self._hears.ms(self._heard_bytes) - at_ms) / 1000

    def _words(self, text: str) -> None:
        """A turn's final words, or none."""
        if text.strip() or self._turn_ms[1] - self._turn_ms[0] >= MUMBLE_MS:
            self._mouth.conversation.caller("caller" if text.strip() else "voice", text.strip() and text)
            self._no_input.answered()
            # While the agent is silent over a slow function, that is no back-channel. "Okay" is no matter either.
            waiting = self._mouth.reply is not None and self._into_silence
            self._left_over |= waiting and len(text.split()) > 1 and guess(text).intent is not Intent.YES
            if self._watch is not None and (found := self._watch.heard(text)):
                self._cascade.notices.send(self._facts, found)
                self._escalated = self._watch.transfers
        self._decide_soon()

    # --- what to do about it ---

    def _decide_soon(self) -> None:
        self._loop.call_soon(self._decide)

    def _decide(self) -> None:
        if not self._speaking and not self._words_due:
            self._answer()

    def _answer(self) -> None:
        if not (self._parting_due if self._deaf else self._mouth.conversation.unanswered):
            return
        if self._mouth.reply is not None:
            if self._mouth.reply.sounded:
                return  # the call's decision
            self._mouth.take_back()
        if self._deaf:
            self._parting_due = False
            self._mouth.begin(*self._excuses.deaf())
        elif self._escalated:
            self._escalated = False
            self._no_input.stop()
            self._mouth.begin(self._cascade.manners.connecting, TransferWanted(self._cascade.transfer_to))
        else:
            self._say()

    def _say(self, script: str = "") -> None:
        self._no_input.stop()
        self._mouth.begin(script)

    def _ask(self, text: str, last: bool) -> None:
        """The caller said nothing for too long."""
        self._mouth.begin(text, HangUpWanted("no input") if last else None)

    def _said_nothing(self) -> None:
        """The model had nothing to say."""
        self._wait_for_caller()
        self._decide_soon()

    def _wait_for_caller(self) -> None:
        """It is the caller's turn, if nobody speaks or is about to be heard."""
        if self._mouth.reply is None and not self._speaking and not self._deaf:
            self._no_input.wait()

    def _was_answered(self, heard_text: str) -> bool:
        """Whether what the caller said into a reply, that was heard all the same, is the answer to it."""
        asked = heard_text.rstrip().endswith("?")
        return asked and (self._speaking or self._words_due or self._loop.time() - self._stopped_at < ANSWER_S)
