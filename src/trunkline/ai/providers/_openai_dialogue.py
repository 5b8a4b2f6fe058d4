"""Whose turn it is in a realtime call, and what is to be said.

The server finds the caller's turns, and is told neither to answer them by itself nor to fall silent when the caller
speaks: whether somebody interrupts the agent or only says "mm-hm" is decided in the call, in two steps, by what the
caller has heard. So a turn is answered when it is over and no reply of ours is still to be heard, or when the call has
said that the reply was interrupted.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from structlog.typing import FilteringBoundLogger

from trunkline.ai.base import AgentSettings
from trunkline.ai.events import AgentEvent, CallerSaid, HangUpWanted, ReplyInterrupted
from trunkline.ai.handover import HandedOver
from trunkline.ai.no_input import NoInput
from trunkline.ai.providers import _openai_commands as ours
from trunkline.ai.providers import _openai_messages as wire
from trunkline.ai.providers import _openai_opening as opening
from trunkline.ai.providers._openai_account import OpenAISettings
from trunkline.ai.providers._openai_account import failed as vendors_error
from trunkline.ai.providers._openai_functions import Functions, calls
from trunkline.ai.providers._openai_hearing import Hearing
from trunkline.ai.providers._openai_history import History, pressed
from trunkline.ai.providers._openai_mouth import Mouth
from trunkline.ai.providers._openai_prompt import PromptAnswers
from trunkline.ai.providers._openai_reply import Reply
from trunkline.ai.providers._openai_unanswered import Unanswered
from trunkline.ai.toolbox import Toolbox
from trunkline.audio.format import AudioFormat

AGAIN_S: Final = 1.5
"""How long a new connection may take to find the turn it was sent again."""
SOON_S: Final = 0.05
"""Before a response that failed is asked for again."""
BACKOFF_S: Final = (0.5, 1.0, 2.0)
"""The same, where it failed for want of room. After so many tries the reply is given up."""


class Link(Protocol):
    """The session, as the dialogue sees it."""

    standing: bool

    def send(self, message: ours.ClientMessage) -> None:
        """To a session that stands; another is told everything when it does."""
        ...

    def emit(self, event: AgentEvent) -> None:
        """To the call."""
        ...

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this beside everything else."""
        ...

    def renew(self) -> None:
        """This is a good moment for another connection."""
        ...


class Dialogue:
    """One call's."""

    def __init__(
        self,
        own: OpenAISettings,
        settings: AgentSettings,
        toolbox: Toolbox,
        formats: tuple[AudioFormat, AudioFormat],
        link: Link,
        log: FilteringBoundLogger,
    ) -> None:
        self.renewal_due = False
        """The connection has lasted long enough."""
        self.history = History()
        self.hearing = Hearing(formats[0], opening.padding_ms(own))
        self.mouth = Mouth(formats[1], settings.instructions, self.history, send=link.send, emit=link.emit)
        self.unanswered = Unanswered()
        self._link = link
        self._log = log
        self._settings = settings
        self._transcribes = bool(own.transcription_model)
        self._functions = Functions(
            toolbox,
            self.history,
            filler_after_s=settings.manners.filler_after_s,
            send=link.send,
            emit=link.emit,
            fill=self._fill,
            done=self.decide,
        )
        self._prompt = PromptAnswers(own, send=link.send, late=self.decide)
        self._no_input = NoInput(settings.manners, self._ask_caller)
        self._taken_over: HandedOver | None = None  # from another agent, who greeted
        self._again: asyncio.TimerHandle | None = None  # until the new connection must have found the turn
        self._timers: set[asyncio.TimerHandle] = set()

    # --- the connection -----------------------------------------------------------------------------------------------

    def break_off(self) -> None:
        """It is gone."""
        self._prompt.forget()
        self.mouth.void()

    def told(self) -> list[ours.Item]:
        """What a new one is told of the call so far."""
        self.unanswered.heard_again()
        self.history.forget_unknown()
        return self.history.items({number: reply.text for number, reply in self.mouth.live.items()})

    def resume(self, *, rehears: bool) -> None:
        """A new one stands; ``rehears``: it was sent a turn again that it has to find."""
        if rehears:
            self._again = self.later(AGAIN_S, self._found_nothing)
        self.decide()

    def _found_nothing(self) -> None:
        """The turn that was cut by the loss of a connection did not come again."""
        self._again = None
        self.tell(self.hearing.give_up())
        self.decide()

    def close(self) -> None:
        """The call is over."""
        self._no_input.stop()
        for timer in self._timers:
            timer.cancel()

    def take_over(self, instructions: str, call: HandedOver) -> None:
        """Before the first: go on with what others have said, under these instructions."""
        self.mouth.instructions = instructions
        self.history.earlier(call.history)
        self.hearing.hold()
        self._taken_over = call

    # --- the caller ---------------------------------------------------------------------------------------------------

    def greet(self) -> None:
        """The line is open, and the session stands."""
        if self._taken_over is not None:
            self._go_on(self._taken_over)
        elif self._settings.greeting:
            self.mouth.ask(self.mouth.begin(script=self._settings.greeting))
        else:
            self.mouth.ask(self.mouth.begin(instructions=opening.GREET), functions=False)

    def _go_on(self, call: HandedOver) -> None:
        """Where the other agent left the call."""
        mouth = self.mouth
        if not call.speaks:
            self._no_input.wait()
        elif rest := call.rest_of(self._settings.greeting):
            mouth.ask(mouth.begin(script=rest))
        else:
            mouth.ask(mouth.begin(instructions=opening.GO_ON + call.broken if call.broken else ""))

    def speech_started(self, item: str, at_ms: float) -> None:
        """The caller began to speak. A reply nobody has heard anything of would only be in their way."""
        event = self.hearing.started(item, at_ms)
        self._no_input.stop()
        if event is not None:
            self.mouth.take_back()
            self._link.emit(event)

    def turn_over(self, item: str) -> None:
        """A turn of the caller's is in the vendor's conversation."""
        turn = self.hearing.turns.get(item)
        if self._again is not None:
            self._again.cancel()
            self._again = None
        self.history.caller(item)
        self._no_input.answered()
        counts = turn is None or not turn.answered
        self.unanswered.turn(item, counts=counts, words_come=self._transcribes)
        if not self._transcribes:
            self.words(item, "")
        if counts:
            self._prompt.turn_over()
        self.decide()

    def some_words(self, item: str, delta: str) -> None:
        """Some more of a turn's words."""
        if (turn := self.hearing.turns.get(item)) is not None and delta:
            turn.text += delta
            self._link.emit(CallerSaid(turn.text, final=False))

    def words(self, item: str, text: str) -> None:
        """A turn's final words, or none."""
        text = text.strip()
        self.history.words(item, text)
        self.hearing.words(item)
        if self._transcribes:
            self._link.emit(CallerSaid(text, final=True))
        if self.unanswered.words(item, text):
            self.decide()

    def heard(self, generation: int, text: str) -> None:
        """The agent was heard to its end, whatever the caller said into it."""
        if self.mouth.heard(generation, text) is None or self.mouth.sounding:
            return
        self.unanswered.agreed()
        self.decide()
        if self._idle and not self.hearing.speaking:
            self._no_input.wait()

    def interrupted(self, command: ReplyInterrupted) -> None:
        """The caller cut it short."""
        reply = self.mouth.interrupted(command.generation, command.heard_ms, command.heard_text)
        if reply is not None:
            reply.leaves, reply.cut_short = None, True
            self._functions.interrupted()
            asyncio.get_running_loop().call_soon(self.decide)  # when all that was cut has been told

    def key(self, digit: str) -> None:
        """The caller pressed a key."""
        text = pressed(digit)
        self.history.wrote(text)
        self._link.send(ours.ItemCreate(item=ours.MessageItem(role="user", content=[ours.Content("input_text", text)])))
        self._no_input.stop()
        self._no_input.answered()
        self.mouth.take_back()
        self.unanswered.wanted = True
        asyncio.get_running_loop().call_soon(self.decide)

    def _ask_caller(self, text: str, last: bool) -> None:
        """The caller has been silent for long."""
        if self._link.standing and self._idle:
            reply = self.mouth.begin(script=text)
            reply.leaves = HangUpWanted("no input") if last else None
            self.mouth.ask(reply)

    # --- the reply ----------------------------------------------------------------------------------------------------

    @property
    def _idle(self) -> bool:
        """Nothing of ours is being made, done or heard."""
        return not self.mouth.busy and not self.mouth.live and not self._functions.running

    @property
    def _is_our_turn(self) -> bool:
        """There is something to answer, and it is not for the call to decide whether it was a turn."""
        if self.hearing.speaking or (self.unanswered.wanted and self.mouth.sounding):
            return False
        return self.unanswered.wanted or (self._functions.owed and not self._functions.running)

    def decide(self) -> None:
        """Answer, if it is the agent's turn and there is something to answer."""
        mouth, unanswered = self.mouth, self.unanswered
        if not self._link.standing or mouth.busy or self._prompt.due:
            return
        broken = mouth.broken
        if broken is not None and (broken.sounded or (self._again is None and not self.hearing.speaking)):
            unanswered.wanted = unanswered.wanted and broken.sounded
            mouth.ask(broken)
        elif self._is_our_turn:
            self._answer()
        self._prompt.let(self._idle)
        if self.renewal_due and self._idle and not self.hearing.speaking:
            self.renewal_due = False
            self._link.renew()

    def _answer(self) -> None:
        self.hearing.replied()
        self._no_input.stop()
        self._prompt.let(False)
        reply = self.mouth.begin()
        reply.leaves = self._functions.answering(caller=self.unanswered.wanted)
        self.unanswered.wanted = False
        self.mouth.ask(reply, functions=self._functions.allowed)

    def prompted(self) -> None:
        """The server has begun to answer by itself."""
        self.unanswered.wanted = False
        self._functions.answering(caller=True)
        self.hearing.replied()
        self._prompt.settled()
        self._prompt.let(False)

    def over(self, response: wire.Response, reply: Reply | None) -> None:
        """The vendor has done with a response."""
        if reply is None:
            self.decide()
        elif response.status == "failed":
            self.failed(reply, response.status_details.error if response.status_details else None)
        else:
            called = calls(response.output)
            if response.status == "completed" and called:
                self._link.start(self._functions.call(reply, called))
            self._finish(reply)

    def _finish(self, reply: Reply) -> None:
        """It has all been made."""
        self.mouth.end(reply)
        if reply.leaves is not None:
            self._link.emit(reply.leaves)
        self.decide()

    def failed(self, reply: Reply, error: wire.WhatFailed | None) -> None:
        """A response failed. It is tried again a few times; some of it may have been said."""
        problem = vendors_error(error.code, error.type) if error is not None else vendors_error(None)
        if problem.fault in ("bad key", "quota"):
            raise problem
        reply.tries += 1
        if reply.tries > len(BACKOFF_S) or problem.fault == "our fault":
            self._log.warning("reply cut short", reason=str(problem))
            self._finish(reply)
            return
        self._log.info("reply failed, and is tried again", reason=str(problem))
        self.mouth.trim(reply)
        limited = problem.fault == "rate limit"
        self.later(BACKOFF_S[reply.tries - 1] if limited else SOON_S, lambda: self._try_again(reply))

    def _try_again(self, reply: Reply) -> None:
        if self.mouth.live.get(reply.generation) is reply and not self.mouth.busy:
            self.mouth.broken = reply
            self.decide()

    def _fill(self) -> None:
        """A function takes its time: the caller is told to wait, without the model's knowledge."""
        fillers = self._settings.manners.fillers
        if (
            fillers
            and self._link.standing
            and not self.mouth.busy
            and not self.mouth.live
            and not self.hearing.speaking
        ):
            self.mouth.ask(self.mouth.begin(script=fillers[self._functions.rounds % len(fillers)], aside=True))

    # --- everything else ----------------------------------------------------------------------------------------------

    def later(self, seconds: float, what: Callable[[], object]) -> asyncio.TimerHandle:
        """Do ``what`` then, if the call lasts."""
        loop = asyncio.get_running_loop()
        self._timers = {timer for timer in self._timers if not timer.cancelled() and timer.when() > loop.time()}
        timer = loop.call_later(seconds, what)
        self._timers.add(timer)
        return timer

    def tell(self, events: list[AgentEvent]) -> None:
        """To the call."""
        for event in events:
            self._link.emit(event)
