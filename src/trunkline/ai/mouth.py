"""What a cascade says in one call: one reply at a time, and perhaps the next one on trial.

It puts its replies into the conversation, as they were heard, and lets nothing out of one that is no more.
"""

import asyncio
from collections.abc import Callable

from structlog.contextvars import bound_contextvars
from structlog.typing import FilteringBoundLogger

from trunkline.ai.base import CallFacts, Emit, Message
from trunkline.ai.cascade_parts import CascadeParts
from trunkline.ai.conversation import Conversation
from trunkline.ai.events import AgentEvent, ReplyAudio, ReplyEnded, ReplyStarted, ReplyText, StageReached
from trunkline.ai.excuses import Excuses
from trunkline.ai.fillers import Fillers, Silence
from trunkline.ai.reply import Farewell, Reply
from trunkline.ai.reply_maker import ReplyMaker
from trunkline.ai.toolbox import Toolbox
from trunkline.ai.trial import Trial
from trunkline.audio.format import AudioFormat


class Mouth:
    """``silence`` is told what the caller hears; ``unheard`` is called after a reply that made no sound."""

    def __init__(
        self,
        cascade: CascadeParts,
        facts: CallFacts,
        speaks: AudioFormat,
        *,
        emit: Emit,
        silence: Silence,
        excuses: Excuses,
        unheard: Callable[[], None],
        log: FilteringBoundLogger,
    ) -> None:
        self.conversation = Conversation(cascade.instructions)
        self.reply: Reply | None = None
        """Being made, or made and neither heard nor interrupted yet."""
        self._call_id = facts.call_id
        self._emit = emit
        self._speaks = speaks
        self._silence = silence
        self._unheard = unheard
        self._loop = asyncio.get_running_loop()
        self._tts = cascade.tts.open(facts, speaks=speaks, emit=self._spoken)
        self._fillers = Fillers(cascade.manners, silence, self._fill)
        tools = Toolbox(
            cascade.tools,
            facts,
            transfer_to=cascade.transfer_to,
            timeout_s=cascade.manners.tool_timeout_s,
            deeds=cascade.deeds,
            log=log,
        )
        self._maker = ReplyMaker(
            cascade.llm, self._tts, tools, self._fillers, excuses, self._spoken, log, seamless=cascade.tts.streams_text
        )
        self._group: asyncio.TaskGroup | None = None
        self._trial: Trial | None = None
        self._generation = 0

    def run(self, group: asyncio.TaskGroup) -> None:
        """From now on there are tasks to do the work in."""
        self._group = group
        group.create_task(self._tts.run())
        if self.reply is not None:  # begun before there were
            self._make(self.reply)

    def close(self) -> None:
        """The call is over."""
        self._group = None
        self._fillers.stop()

    # --- replies ---

    def begin(self, script: str = "", then: Farewell | None = None) -> None:
        """The reply to all that was said, or a ``script`` to say word for word. There must be no other reply."""
        history = self.conversation.messages()
        trial, self._trial = self._trial, None
        if trial is not None and (script or not trial.fits(history)):
            self._stop(trial.reply)
            trial = None
        self.reply = reply = self._new(history, script, then) if trial is None else trial.reply
        reply.wanted.set()
        self.conversation.reply_begun()
        self._emit(ReplyStarted(reply.generation))
        if trial is None:
            self._make(reply)
            return
        for event in trial.release():
            self._spoken(event)  # which sees to it that an interruption ends this

    def is_saying(self, generation: int) -> bool:
        """Whether the reply is that one."""
        return self.reply is not None and self.reply.generation == generation

    def settle(self, heard_text: str) -> None:
        """The reply is over: so much of it was heard."""
        if self.reply is not None:
            self.conversation.reply_settled(heard_text, self.reply.steps)
        self.reply = None

    def cut_short(self, heard_text: str) -> None:
        """The caller interrupted the reply."""
        if self.reply is not None:
            self._silence.emptied(self._loop.time())
            self._stop(self.reply)
            self.reply.cut_short()
        self.settle(heard_text)

    def take_back(self) -> None:
        """A reply nobody has heard anything of is dropped for a better one."""
        if self.reply is not None:
            self._stop(self.reply)
            self.reply.cut_short()
            self._emit(ReplyEnded(self.reply.generation))
        self.settle("")

    def _new(self, history: tuple[Message, ...], script: str = "", then: Farewell | None = None) -> Reply:
        self._generation += 1
        return Reply(self._generation, history, script, then)

    def _make(self, reply: Reply) -> None:
        if self._group is not None:
            reply.task = self._group.create_task(self._work(reply))

    async def _work(self, reply: Reply) -> None:
        with bound_contextvars(call=self._call_id):  # for the log of models, which serve all calls
            await self._maker.make(reply)

    def _stop(self, reply: Reply) -> None:
        if reply.task is not None:
            reply.task.cancel()
        self._tts.cancel(reply.generation)

    def _fill(self, reply: Reply, text: str) -> None:
        self._tts.say(reply.say(text, filler=True), reply.generation)

    # --- on trial ---

    def attempt(self, text: str) -> None:
        """The caller may be done: begin the reply to what they seem to have said."""
        if self._trial is not None and self._trial.answers(text):
            return
        self.forget()
        if self.reply is None and self._group is not None and text.strip():
            history = (*self.conversation.messages(), Message("caller", text))
            self._trial = Trial(text, self._new(history))
            self._make(self._trial.reply)

    def forget(self, *, unless: str | None = None) -> None:
        """The caller was not done, or did not say that; ``unless`` they said just that."""
        if self._trial is not None and (unless is None or not self._trial.answers(unless)):
            self._stop(self._trial.reply)
            self._trial = None

    # --- from the model and the voice ---

    def _spoken(self, event: AgentEvent) -> None:
        match event:
            case ReplyAudio() | ReplyText() | StageReached() | ReplyEnded():
                if self.reply is not None and event.generation == self.reply.generation:
                    self._made(self.reply, event)
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
        if self.reply is reply and not reply.sounded:  # nothing to wait for
            self.settle("")
            self._unheard()
