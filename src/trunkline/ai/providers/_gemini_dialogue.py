"""Who speaks in a Live call, and what is done with all that the vendor says.

The vendor answers each turn that it is told is over, and each text that it is told to answer.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol

from structlog.typing import FilteringBoundLogger

from trunkline.ai.base import AgentSettings
from trunkline.ai.events import AgentEvent, HangUpWanted, ReplyInterrupted, SpeechStarted, SpeechStopped
from trunkline.ai.handover import HandedOver
from trunkline.ai.no_input import NoInput
from trunkline.ai.providers import _gemini_commands as ours
from trunkline.ai.providers import _gemini_messages as wire
from trunkline.ai.providers import _gemini_opening as opening
from trunkline.ai.providers._gemini_account import GeminiSettings
from trunkline.ai.providers._gemini_asking import Asking
from trunkline.ai.providers._gemini_families import Family
from trunkline.ai.providers._gemini_functions import Functions
from trunkline.ai.providers._gemini_hearing import Hearing
from trunkline.ai.providers._gemini_history import History, Line, pressed
from trunkline.ai.providers._gemini_mouth import Mouth
from trunkline.ai.providers._gemini_reply import Farewell, Reply
from trunkline.ai.providers._gemini_turns import Turns
from trunkline.ai.toolbox import Toolbox
from trunkline.audio.format import PCM16_24K


class Link(Protocol):
    """The session, as the dialogue sees it."""

    standing: bool
    hearing: Hearing

    def send(self, message: ours.ClientMessage) -> None:
        """To a session that stands; another is told everything when it does."""
        ...

    def emit(self, event: AgentEvent) -> None: ...

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
        own: GeminiSettings,
        settings: AgentSettings,
        family: Family,
        toolbox: Toolbox,
        link: Link,
        log: FilteringBoundLogger,
    ) -> None:
        self.renewal_due = False
        """The connection has lasted long enough."""
        self.history = History()
        self.asking = Asking(own, family, link, log, begun=self._begun, over=self._over)
        clock = asyncio.get_running_loop().time
        self.mouth = Mouth(PCM16_24K, self.history, emit=link.emit, clock=clock, may_end=self.asking.is_whole)
        self.turns = Turns(
            lambda: link.hearing,
            self.mouth,
            self.history,
            link,
            prefix_ms=own.prefix_ms,
            server_finds_them=own.turns == "server",
            ask=self._asked,
            refused=self._no_turn,
        )
        self.functions = Functions(
            toolbox,
            self.history,
            scheduling=partial(opening.scheduling, own, family),
            emit=link.emit,
            send=link.send,
            start=link.start,
            told=self._results_told,
            untold=self.asking.prompt,
        )
        self.asking.mouth, self.asking.turns = self.mouth, self.turns
        self._own = own
        self._settings = settings
        self._family = family
        self._link = link
        self._log = log
        self._no_input = NoInput(settings.manners, self._ask_caller)
        self._taken_over: HandedOver | None = None  # from another agent, who greeted
        self._broken: Reply | None = None  # that the connection took with it
        self._held_calls: list[wire.FunctionCall] = []

    # --- the connection -----------------------------------------------------------------------------------------------

    def break_off(self) -> None:
        """It is gone."""
        self.asking.stop()
        if self.mouth.current is not None:
            self.turns.settle_words()  # the next session is to be told them
        self._broken = self.mouth.void() or self._broken
        self._held_calls.clear()
        self.turns.break_off()
        self.functions.new_connection()

    def untold(self) -> list[Line]:
        """What the next is to be told of the call so far. A turn that it has to answer, it will hear."""
        speaking = {number: reply.text for number, reply in self.mouth.live.items()}
        turn = self.turns.turn
        heard_again = self.asking.owed and self._broken is None and turn is not None and not turn.answered
        return self.history.untold(speaking, turn.key if turn is not None and heard_again else None)

    def resume(self) -> None:
        """Another stands."""
        broken, self._broken = self._broken, None
        self.asking.resume(broken)
        self.turns.resume()
        self.rest()

    def close(self) -> None:
        """The call is over."""
        self._no_input.stop()
        self.asking.stop()
        self.turns.close()

    @property
    def due_s(self) -> float | None:
        """How long the vendor may be silent, as things stand; None: silence is fine."""
        return self.asking.due_s if not self.functions.running else None

    # --- the caller ---------------------------------------------------------------------------------------------------

    def take_over(self, call: HandedOver) -> None:
        """Before the first connection: go on with what others have said."""
        self.history.earlier(call.history)
        self._link.hearing.keep(0.0)
        self._taken_over = call

    def greet(self) -> None:
        """The line is open, and the session stands."""
        call, greeting = self._taken_over, self._settings.greeting
        if call is not None:
            self._go_on(call)
        else:
            self.asking.prompt(opening.SAY + greeting if greeting else opening.GREET, script=greeting)

    def _go_on(self, call: HandedOver) -> None:
        """Where the other agent left the call."""
        if not call.speaks:
            self.rest()
        elif rest := call.rest_of(self._settings.greeting):
            self.asking.prompt(opening.SAY + rest, script=rest)
        elif call.broken:
            self.asking.prompt(opening.GO_ON + call.broken)
        else:
            self.asking.prompt(opening.TAKE_OVER if call.sender else opening.ANSWER)

    def speech(self, event: SpeechStarted | SpeechStopped) -> None:
        """Our detector has found something."""
        if isinstance(event, SpeechStarted):
            self._no_input.stop()
            self._no_input.answered()
            self.turns.started(event)
        else:
            self.turns.stopped(event)

    def key(self, digit: str) -> None:
        """The caller pressed a key."""
        self._no_input.stop()
        self._no_input.answered()
        self.functions.caller_spoke()
        if self.turns.speaking and self.turns.turn is not None and self.turns.turn.sent:
            self.history.note(pressed(digit))
            self._link.send(ours.content([ours.says(pressed(digit))], answer=False))  # with the turn
        else:
            self.asking.prompt(pressed(digit))
            self.history.note(pressed(digit))

    def heard(self, generation: int, text: str) -> None:
        """A reply was heard to its end, whatever the caller said into it."""
        if self.mouth.heard(generation, text) is None or self.mouth.sounding:
            return
        self.turns.look()
        self.rest()

    def interrupted(self, command: ReplyInterrupted) -> None:
        """The caller cut it short."""
        if self.mouth.cut(command.generation, command.heard_text) is not None:
            self.functions.caller_spoke()
            self.turns.interrupted()

    def rest(self) -> None:
        """If there is nothing more to do, it is the caller's turn; and a good moment for another connection."""
        turn = self.turns.turn
        if not self._idle or (turn is not None and turn.waits):
            return
        if self.renewal_due:
            self.renewal_due = False
            self._link.renew()
        self._no_input.wait()

    @property
    def _idle(self) -> bool:
        """Nobody says or does anything, and nobody is about to."""
        busy = self.mouth.waiting or self.mouth.generating or self.mouth.live or self.functions.running
        return not busy and not self.turns.speaking and not self.asking.owed

    def _ask_caller(self, text: str, last: bool) -> None:
        """The caller has been silent for long."""
        if self._link.standing and self._idle:
            self.mouth.leaves = HangUpWanted("no input") if last else None
            self.asking.prompt(opening.SAY + text, script=text)

    # --- answers ------------------------------------------------------------------------------------------------------

    def _asked(self, again: Callable[[], None], doubtful: bool) -> None:
        """For an answer to the caller's turn."""
        self.functions.caller_spoke()
        self.asking.for_turn(again, doubtful)

    def _begun(self) -> None:
        """An answer is due."""
        self._no_input.stop()

    def _over(self) -> None:
        """It has come, or will not."""
        self.turns.answered()
        self.rest()

    def _no_turn(self) -> None:
        """What the caller said was no turn: its answer is dropped, and whatever the model would do about it."""
        if self._held_calls:
            self.functions.refuse(self._held_calls)
            self._held_calls.clear()
        self.asking.settle()
        self._over()

    def _results_told(self, farewell: Farewell | None) -> None:
        """The model goes on from what its functions gave."""
        self.mouth.leaves = farewell or self.mouth.leaves
        if not (self.turns.speaking and self.turns.turn is not None and self.turns.turn.sent):
            self.asking.ask(partial(self.asking.prompt, opening.ANSWER))

    # --- from the vendor ----------------------------------------------------------------------------------------------

    def content(self, content: wire.Content) -> None:
        """Several things at once; what was heard comes before what is said to it."""
        mouth, waited = self.mouth, self.mouth.waiting
        if (heard := content.input_transcription) is not None:
            self.turns.words(heard.text, finished=heard.finished)
        if content.interrupted:
            self._left_off()
        if (said := content.output_transcription) is not None and said.text:
            mouth.text(said.text)
        for part in content.model_turn.parts if content.model_turn is not None else ():
            if part.inline_data is not None and part.inline_data.mime_type.startswith("audio/"):
                mouth.audio(part.inline_data.audio())
            elif part.thought:
                mouth.thought()
        self._came(waited)
        if content.generation_complete:
            mouth.generation_complete()
            self._made()
        if content.turn_complete and content.interaction_status != "IN_PROGRESS":
            if mouth.turn_complete():
                self.asking.nothing()
            else:
                self._made()

    def calls(self, calls: list[wire.FunctionCall]) -> None:
        """The model wants functions called."""
        waited, reply = self.mouth.waiting, self.mouth.current
        if self.mouth.holds:
            self._held_calls += calls
        if not self.mouth.calls(partial(self._call, calls, reply)):
            self.functions.refuse(calls)
        self._came(waited)

    def _call(self, calls: list[wire.FunctionCall], reply: Reply | None) -> None:
        self._held_calls.clear()
        self.asking.settle()
        self.turns.answered()
        self.functions.call(calls, reply)

    def _came(self, waited: bool) -> None:
        """If that was the first of an answer."""
        if waited and not self.mouth.waiting:
            self.asking.comes()
            self.turns.words_due()

    def _made(self) -> None:
        """All of something was made."""
        if not self.mouth.generating and not self.mouth.waiting:
            self.turns.words_due()
            turn = self.turns.turn
            if turn is None or not turn.doubtful:
                if not self.functions.running:
                    self.asking.settle()
                    self._over()
                self.turns.look()

    def _left_off(self) -> None:
        """The vendor was interrupted. If it heard somebody whom our detector did not, the call is to know."""
        if self._own.turns == "server" and not self.turns.speaking and self.mouth.sounding:
            at_ms = self._link.hearing.heard_ms
            self._link.emit(SpeechStarted(at_ms))
            self._link.emit(SpeechStopped(at_ms))
        self.mouth.interrupted()
