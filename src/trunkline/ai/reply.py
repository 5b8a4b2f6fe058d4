"""One reply of a cascade: the model asked, its words handed to the voice sentence by sentence, its functions called."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from trunkline.ai.base import Emit, Llm, Message, TextDelta, ToolCall, TtsSession
from trunkline.ai.conversation import Step
from trunkline.ai.events import (
    AgentFailed,
    DigitsWanted,
    HandOverWanted,
    HangUpWanted,
    Stage,
    StageReached,
    TransferWanted,
)
from trunkline.ai.excuses import Excuses
from trunkline.ai.fillers import Fillers
from trunkline.ai.sentences import Sentences
from trunkline.ai.toolbox import Toolbox
from trunkline.errors import AgentError

ROUNDS: Final = 5
"""Times a model may call functions before it has to speak: the caller waits for each."""

ENOUGH: Final = "Not now: answer the caller first, with what you know."
"""The result of calls beyond that."""

UNDONE: Final = "The caller spoke before that: it was not done."

Farewell = HangUpWanted | TransferWanted | HandOverWanted


class Reply:
    """A reply from its beginning until it was heard or interrupted.

    Until it is ``wanted`` it is made on trial: it may call no function.
    """

    def __init__(
        self, generation: int, history: tuple[Message, ...], script: str = "", then: Farewell | None = None
    ) -> None:
        self.generation = generation
        self.history = history  # what it answers
        self.script = script  # said word for word; empty: the model is asked
        self.then = then  # when all of it was said
        self.steps: list[Step] = []
        self.task: asyncio.Task[None] | None = None
        self.wanted = asyncio.Event()
        self.sounded = False
        self.failed = False  # on trial
        self._farewells: set[str] = set()  # calls that asked for what is to come then

    def say(self, text: str, *, filler: bool = False) -> str:
        """Note that ``text`` goes to the voice. Gives it as it goes there: after a break with a space before it."""
        if filler or self._broke_off:
            before = self.steps[-1].said if self.steps else ""
            if before and not before[-1].isspace():
                text = f" {text}"
            self.steps.append(Step(filler=filler))
        self.steps[-1].said += text
        return text

    def calls(self, calls: Sequence[ToolCall]) -> Step:
        """The model calls these functions after what it said so far. Each gets an id of its own if it has none."""
        if self._broke_off:
            self.steps.append(Step())
        step = self.steps[-1]
        taken: set[str] = {call.id for earlier in self.steps for call in earlier.calls} | {""}
        for call in calls:
            if call.id in taken:  # some servers leave it out, or repeat it
                call = msgspec.structs.replace(call, id=f"call-{self.generation}-{len(taken)}")
            taken.add(call.id)
            step.calls += (call,)
        return step

    def wish(self, wish: Farewell, call: ToolCall) -> None:
        """A function's wish for when all was said."""
        self.then = wish
        self._farewells.add(call.id)

    def cut_short(self) -> None:
        """The caller interrupted: what was to come after the last word will not."""
        self.then = None
        for step in self.steps:
            step.results |= {call.id: UNDONE for call in step.calls if call.id in self._farewells}

    @property
    def _broke_off(self) -> bool:
        return not self.steps or self.steps[-1].filler or bool(self.steps[-1].calls)

    @property
    def so_far(self) -> tuple[Message, ...]:
        """What the model is to go on from: what it answers, and all it said and called since."""
        own = (line for step in self.steps if not step.filler for line in step.lines(step.said.strip()))
        return (*self.history, *own)

    @property
    def said_all(self) -> bool:
        """A model that says goodbye and hangs up has said all. One that hangs up without a word is asked for one, and
        one that called something else besides may want to tell what came of it."""
        if isinstance(self.then, HandOverWanted):
            return True
        last = next((step.calls for step in reversed(self.steps) if step.calls), ())
        return self.then is not None and self.spoke and all(call.id in self._farewells for call in last)

    @property
    def spoke(self) -> bool:
        """The model said something."""
        return any(step.said.strip() for step in self.steps if not step.filler)

    @property
    def owes_words(self) -> bool:
        """The model said nothing, or nothing about what its latest functions gave."""
        own = [step for step in self.steps if not step.filler]
        return not own or not own[-1].said.strip() or bool(own[-1].calls)


class ReplyMaker:
    """Makes the replies of one call."""

    def __init__(
        self,
        llm: Llm,
        tts: TtsSession,
        tools: Toolbox,
        fillers: Fillers,
        excuses: Excuses,
        emit: Emit,
        log: FilteringBoundLogger,
        *,
        seamless: bool = False,  # the voice takes pieces smaller than a sentence
    ) -> None:
        self._seamless = seamless
        self._llm = llm
        self._tts = tts
        self._tools = tools
        self._specs = tools.specs if llm.tools else ()
        self._fillers = fillers
        self._excuses = excuses
        self._emit = emit
        self._log = log

    async def make(self, reply: Reply) -> None:
        """Until all of the reply's text is with the voice. To stop it, cancel it, and the voice's generation."""
        try:
            if reply.script:
                self._say(reply, reply.script)
            else:
                await self._ask(reply)
                self._excuses.answered()
        except AgentError as error:
            if not reply.wanted.is_set():
                reply.failed = True  # it is tried again if it is wanted at all
                return
            if error.then == "end call":
                self._emit(AgentFailed(str(error)))
                return
            self._log.warning("reply cut short", reason=str(error))
            if reply.owes_words and reply.then is None:
                self._excuse(reply)
        finally:
            self._fillers.stop(reply)
        self._tts.finish(reply.generation)

    def _excuse(self, reply: Reply) -> None:
        """The model failed when it was to speak. What is said instead is no more its own than a filler is."""
        text, then = self._excuses.lost_for_words()
        self._tts.say(reply.say(text, filler=True), reply.generation)
        reply.then = then

    async def _ask(self, reply: Reply) -> None:
        """The model speaks and calls functions in turn, until it has nothing to call."""
        generation = reply.generation
        self._emit(StageReached(Stage.MODEL_STARTED, generation))
        for rounds in range(ROUNDS + 2):
            calls = await self._listen(reply, first=not rounds)
            if not calls:
                break
            if rounds > ROUNDS:
                self._log.warning("model only calls functions")
                break
            leaving = reply.then is not None
            await self._carry_out(reply, calls, allowed=rounds < ROUNDS)
            if reply.said_all or (leaving and not reply.spoke):
                break
        self._emit(StageReached(Stage.MODEL_ENDED, generation))

    async def _listen(self, reply: Reply, *, first: bool) -> list[ToolCall]:
        """The model's words, on their way to the voice; gives the functions it calls."""
        sentences, calls = Sentences(seamless=self._seamless), []
        self._fillers.wait(reply)
        async for delta in self._llm.reply(reply.so_far, self._specs):
            self._fillers.stop(reply)
            if first:
                first = False
                self._emit(StageReached(Stage.MODEL_FIRST_TOKEN, reply.generation))
            if isinstance(delta, TextDelta):
                for piece in sentences.push(delta.text):
                    self._say(reply, piece)
            else:
                calls.append(delta)
        if rest := sentences.flush():
            self._say(reply, rest)
        return calls

    async def _carry_out(self, reply: Reply, calls: list[ToolCall], *, allowed: bool) -> None:
        """Call the functions, all at once. A result is noted when it is there: an interruption keeps those."""
        await reply.wanted.wait()
        step = reply.calls(calls)

        async def one(call: ToolCall) -> None:
            if not allowed:
                step.results[call.id] = ENOUGH
                return
            result = await self._tools.call(call)
            step.results[call.id] = result.output
            if isinstance(result.wish, DigitsWanted):
                self._emit(result.wish)
            elif result.wish is not None:
                reply.wish(result.wish, call)

        self._fillers.wait(reply)
        await asyncio.gather(*map(one, step.calls))

    def _say(self, reply: Reply, text: str) -> None:
        self._tts.say(reply.say(text), reply.generation)
