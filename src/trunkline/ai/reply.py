"""One reply of a cascade: the model asked, its words handed to the voice sentence by sentence, its wishes noted."""

import asyncio
from typing import Final

from structlog.typing import FilteringBoundLogger

from trunkline.ai.base import Emit, Llm, Message, TextDelta, ToolCall, ToolSpec, TtsSession
from trunkline.ai.events import AgentFailed, HangUpWanted, Stage, StageReached, TransferWanted
from trunkline.ai.sentences import Sentences
from trunkline.errors import AgentError

HANG_UP: Final = ToolSpec("hang_up", "End the call, after a goodbye, when the caller wants nothing more.")
TRANSFER: Final = ToolSpec("transfer", "Connect the caller to a person, after saying so.")


class Reply:
    """A reply from its beginning until it was heard or interrupted."""

    __slots__ = ("generation", "greeting", "history", "sounded", "task", "then")

    def __init__(self, generation: int, history: tuple[Message, ...], greeting: str) -> None:
        self.generation = generation
        self.history = history  # what it answers
        self.greeting = greeting  # said word for word; empty: the model is asked
        self.task: asyncio.Task[None] | None = None
        self.sounded = False
        self.then: HangUpWanted | TransferWanted | None = None  # when all of it was said


class ReplyMaker:
    """Makes the replies of one call. ``transfer_to`` is where a caller can be sent; empty where they can't."""

    def __init__(self, llm: Llm, tts: TtsSession, transfer_to: str, emit: Emit, log: FilteringBoundLogger) -> None:
        self._llm = llm
        self._tts = tts
        self._transfer_to = transfer_to
        self._emit = emit
        self._log = log
        offered = (HANG_UP, TRANSFER) if transfer_to else (HANG_UP,)
        self._tools = offered if llm.tools else ()

    async def make(self, reply: Reply) -> None:
        """Until all of the reply's text is with the voice. To stop it, cancel it, and the voice's generation."""
        try:
            if reply.greeting:
                self._tts.say(reply.greeting, reply.generation)
            else:
                await self._ask(reply)
        except AgentError as error:
            if error.then == "end call":
                self._emit(AgentFailed(str(error)))
                return
            self._log.warning("reply cut short", reason=str(error))
        self._tts.finish(reply.generation)

    async def _ask(self, reply: Reply) -> None:
        sentences, generation = Sentences(), reply.generation
        self._emit(StageReached(Stage.MODEL_STARTED, generation))
        first = True
        async for delta in self._llm.reply(reply.history, self._tools):
            if first:
                first = False
                self._emit(StageReached(Stage.MODEL_FIRST_TOKEN, generation))
            if isinstance(delta, TextDelta):
                for piece in sentences.push(delta.text):
                    self._tts.say(piece, generation)
            else:
                reply.then = self._wish(delta) or reply.then
        self._emit(StageReached(Stage.MODEL_ENDED, generation))
        if rest := sentences.flush():
            self._tts.say(rest, generation)

    def _wish(self, call: ToolCall) -> HangUpWanted | TransferWanted | None:
        match call.name:
            case HANG_UP.name:
                return HangUpWanted()
            case TRANSFER.name if self._transfer_to:
                return TransferWanted(self._transfer_to)
            case _:  # models make up names
                self._log.warning("model called a function it was not offered")
                return None
