"""How the replies of a cascade are made: the model asked, its words handed to the voice sentence by sentence, its
functions called.
"""

import asyncio
from typing import Final

from structlog.typing import FilteringBoundLogger

from trunkline.ai.base import Emit, Llm, TextDelta, ToolCall, TtsSession
from trunkline.ai.events import AgentFailed, DigitsWanted, Stage, StageReached
from trunkline.ai.excuses import Excuses
from trunkline.ai.fillers import Fillers
from trunkline.ai.reply import Reply
from trunkline.ai.sentences import Sentences
from trunkline.ai.toolbox import Toolbox
from trunkline.errors import AgentError

ROUNDS: Final = 5
"""Times a model may call functions before it has to speak: the caller waits for each."""

ENOUGH: Final = "Not now: answer the caller first, with what you know."
"""The result of calls beyond that."""


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
