"""What is to be said in a Live call, and what is done where the vendor says nothing, or leaves off.

The vendor answers each turn that it is told is over, and each text that it is told to answer. ``_asked`` is how to ask
again for what it owes: a new connection knows nothing of it, or not all.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, Protocol

from structlog.typing import FilteringBoundLogger

from trunkline.ai.base import AgentSettings, Message
from trunkline.ai.events import AgentEvent, HangUpWanted, ReplyInterrupted, SpeechStarted, SpeechStopped
from trunkline.ai.no_input import NoInput
from trunkline.ai.providers import _gemini_commands as ours
from trunkline.ai.providers import _gemini_messages as wire
from trunkline.ai.providers import _gemini_opening as opening
from trunkline.ai.providers._gemini_account import GeminiSettings
from trunkline.ai.providers._gemini_families import Family
from trunkline.ai.providers._gemini_functions import Functions
from trunkline.ai.providers._gemini_hearing import Hearing
from trunkline.ai.providers._gemini_history import History, Line, pressed
from trunkline.ai.providers._gemini_mouth import Mouth
from trunkline.ai.providers._gemini_reply import Farewell, Reply
from trunkline.ai.providers._gemini_turns import Turns
from trunkline.ai.toolbox import Toolbox
from trunkline.audio.format import PCM16_24K

LONGER: Final = 1.25
"""A vendor that says something else has this much more time for the first sound than one that says nothing at all."""
WORTH_ASKING_MS: Final = 600.0
"""A turn without words that was at least so long is worth an answer all the same."""
SPEAKING_S: Final = 0.7
"""Between two pieces of audio, which is made faster than it is played."""
THINKING_S: Final = 6.0
"""After anything else of an answer."""


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
        self._loop = asyncio.get_running_loop()
        self.mouth = Mouth(PCM16_24K, self.history, emit=link.emit, clock=self._loop.time, may_end=self._is_whole)
        self.turns = Turns(
            lambda: link.hearing,
            self.mouth,
            self.history,
            link,
            prefix_ms=own.prefix_ms,
            server_finds_them=own.turns == "server",
            ask=self._ask_for_turn,
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
            untold=self._prompt,
        )
        self._own = own
        self._settings = settings
        self._family = family
        self._link = link
        self._log = log
        self._no_input = NoInput(settings.manners, self._ask_caller)
        self._takes_over = False  # from another agent, who greeted
        self._asked: Callable[[], None] | None = None
        self._nudged = False
        self._broken: Reply | None = None  # that the connection took with it
        self._held_calls: list[wire.FunctionCall] = []
        self._punctuated = False  # the vendor's transcripts have marks
        self._timer: asyncio.TimerHandle | None = None

    # --- the connection -----------------------------------------------------------------------------------------------

    def break_off(self) -> None:
        """It is gone."""
        self._cancel()
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
        heard_again = self._asked is not None and self._broken is None and turn is not None and not turn.answered
        return self.history.untold(speaking, turn.key if turn is not None and heard_again else None)

    def resume(self) -> None:
        """Another stands."""
        broken, self._broken = self._broken, None
        alive = broken is not None and broken.generation in self.mouth.live
        if broken is not None and alive and broken.text.strip():
            self.turns.answered()
            self._continue(broken)
        elif self._asked is not None:
            self._asked()
            if broken is not None and alive:
                self.mouth.ask(into=broken)
        self.turns.resume()
        self.rest()

    def close(self) -> None:
        """The call is over."""
        self._no_input.stop()
        self._cancel()
        self.turns.close()

    @property
    def due_s(self) -> float | None:
        """How long the vendor may be silent, as things stand; None: silence is fine."""
        if self.mouth.generating:
            return SPEAKING_S if self.mouth.sounds else THINKING_S
        return self._own.answer_s if self.mouth.waiting and not self.functions.running else None

    # --- the caller ---------------------------------------------------------------------------------------------------

    def take_over(self, history: Sequence[Message]) -> None:
        """Before the first connection: go on with what others have said."""
        self.history.earlier(history)
        self._takes_over = True

    def greet(self) -> None:
        """The line is open, and the session stands."""
        if self._takes_over:
            self._prompt(opening.TAKE_OVER)
        else:
            greeting = self._settings.greeting
            self._prompt(opening.SAY + greeting if greeting else opening.GREET, script=greeting)

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
            self._prompt(pressed(digit))
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
        return not busy and not self.turns.speaking and self._asked is None

    def _ask_caller(self, text: str, last: bool) -> None:
        """The caller has been silent for long."""
        if self._link.standing and self._idle:
            self.mouth.leaves = HangUpWanted("no input") if last else None
            self._prompt(opening.SAY + text, script=text)

    # --- asking -------------------------------------------------------------------------------------------------------

    def _ask_for_turn(self, again: Callable[[], None], doubtful: bool) -> None:
        """The caller's turn is over, and the vendor knows. One who answers by itself may have begun."""
        if self._own.turns == "server" and (self.mouth.generating or self.mouth.waiting):
            return
        self.functions.caller_spoke()
        self._ask(again, doubtful=doubtful)

    def _prompt(self, text: str, *, into: Reply | None = None, script: str = "", nudge: bool = False) -> None:
        """Have the vendor answer a text."""
        self.mouth.interrupt()
        self._link.send(ours.content([ours.says(text)], answer=True))
        if self._family.kick:
            self._link.send(ours.KICK)
        if nudge:
            self.mouth.ask()
            self._wait()
        else:
            self._ask(partial(self._prompt, text, script=script), into=into, script=script)

    def _continue(self, reply: Reply) -> None:
        """Have the vendor go on with what it left off."""
        text = opening.SAY + reply.rest_of_script if reply.script else opening.GO_ON + reply.text.strip()
        self._prompt(text, into=reply)

    def _ask(
        self, again: Callable[[], None], *, doubtful: bool = False, into: Reply | None = None, script: str = ""
    ) -> None:
        self._no_input.stop()
        self._asked, self._nudged = again, False
        if self._link.standing:
            self.mouth.ask(doubtful=doubtful, into=into, script=script)
            self._wait()

    def _wait(self) -> None:
        self._cancel()
        self._timer = self._loop.call_later(LONGER * self._own.answer_s, self._no_answer)

    def _no_answer(self) -> None:
        """The vendor is there and owes an answer, and nothing of one has come."""
        self._cancel()
        self.turns.settle_words()
        turn = self.turns.turn
        if turn is not None and turn.doubtful:
            self._wait()  # until the call has judged it
            return
        answers_turn = turn is not None and turn.asked and not turn.answered
        worth_it = not answers_turn or turn is None or turn.text or (turn.end_ms or 0) - turn.begin_ms > WORTH_ASKING_MS
        if worth_it and not self._nudged and self._asked is not None:
            self._nudged = True
            self._log.info("no answer came, and is asked for again")
            self._prompt(opening.ANSWER, nudge=True)
            return
        self._log.warning("no answer came")
        self.mouth.interrupt()
        self._done()

    def _done(self) -> None:
        """What was asked for has come, or will not."""
        self._cancel()
        self._asked = None
        self.turns.answered()
        self.rest()

    def _no_turn(self) -> None:
        """What the caller said was no turn: its answer is dropped, and whatever the model would do about it."""
        if self._held_calls:
            self.functions.refuse(self._held_calls)
            self._held_calls.clear()
        self._done()

    def _results_told(self, farewell: Farewell | None) -> None:
        """The model goes on from what its functions gave."""
        self.mouth.leaves = farewell or self.mouth.leaves
        if not (self.turns.speaking and self.turns.turn is not None and self.turns.turn.sent):
            self._ask(partial(self._prompt, opening.ANSWER))

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
        self._began(waited)
        if content.generation_complete:
            mouth.generation_complete()
            self._made()
        if content.turn_complete and content.interaction_status != "IN_PROGRESS":
            if mouth.turn_complete():
                self._no_answer()
            else:
                self._made()

    def calls(self, calls: list[wire.FunctionCall]) -> None:
        """The model wants functions called."""
        waited, reply = self.mouth.waiting, self.mouth.current
        if self.mouth.holds:
            self._held_calls += calls
        if not self.mouth.calls(partial(self._call, calls, reply)):
            self.functions.refuse(calls)
        self._began(waited)

    def _call(self, calls: list[wire.FunctionCall], reply: Reply | None) -> None:
        self._held_calls.clear()
        self._asked = None
        self._cancel()
        self.turns.answered()
        self.functions.call(calls, reply)

    def _began(self, waited: bool) -> None:
        """If that was the first of an answer."""
        if waited and not self.mouth.waiting:
            self._cancel()
            self.turns.words_due()

    def _made(self) -> None:
        """All of something was made."""
        if not self.mouth.generating and not self.mouth.waiting:
            self.turns.words_due()
            turn = self.turns.turn
            if turn is None or not turn.doubtful:
                if not self.functions.running:
                    self._done()
                self.turns.look()

    def _left_off(self) -> None:
        """The vendor was interrupted. If it heard somebody whom our detector did not, the call is to know."""
        if self._own.turns == "server" and not self.turns.speaking and self.mouth.sounding:
            at_ms = self._link.hearing.heard_ms
            self._link.emit(SpeechStarted(at_ms))
            self._link.emit(SpeechStopped(at_ms))
        self.mouth.interrupted()

    def _is_whole(self, reply: Reply) -> bool:
        """Models leave off in mid-sentence at times: then they are asked to go on, once."""
        self._punctuated = self._punctuated or reply.punctuated
        leaves_off = self._punctuated and reply.sounded and not reply.ends_well
        if reply.script:
            leaves_off = reply.sounded and bool(reply.rest_of_script)
        if not leaves_off or reply.went_on or not self._own.finish_sentences or self.turns.speaking:
            return True
        if self.mouth.holds or not self._link.standing:
            return True
        reply.went_on = True
        self._loop.call_soon(self._go_on, reply)
        return False

    def _go_on(self, reply: Reply) -> None:
        if self.mouth.current is not reply:
            return
        self._log.info("a reply left off in mid-sentence, and is continued")
        self.mouth.put_down()
        self._continue(reply)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
