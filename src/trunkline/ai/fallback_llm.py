"""A language model that is replaced in mid-reply when its provider fails: the next one goes on where it broke off."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Final

from trunkline import logs
from trunkline.ai.base import Llm, Message, TextDelta, ToolCall, ToolSpec
from trunkline.ai.standby import Standby
from trunkline.errors import AgentError

GO_ON: Final = (
    "You were cut off in the middle of your last message. The caller has heard it. Go on with exactly what comes "
    "next: repeat nothing, apologise for nothing, and say nothing of this."
)

ALIKE_LETTERS: Final = 12
"""A continuation that begins like the reply it continues has begun the reply anew: so many letters tell."""

_log = logs.get(__name__)


class FallbackLlm:
    """An ``Llm`` made of several, preferred first."""

    def __init__(self, parts: Sequence[Llm], clock: Callable[[], float]) -> None:
        self.name = "|".join(part.name for part in parts)
        self.tools = all(part.tools for part in parts)
        self.standby = Standby(parts, clock)
        self.warm_up, self.close = self.standby.warm_up, self.standby.close

    async def reply(
        self, history: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> AsyncIterator[TextDelta | ToolCall]:
        """As ``Llm.reply``. A model that fails after it called a function is not replaced: the call may have been
        carried out."""
        said, tried = "", list[int]()
        while True:
            place = self.standby.choose(tried)
            assert place is not None  # noqa: S101 - there is at least one, and the last to fail raised
            asked = [*history, Message("agent", said), Message("system", GO_ON)] if said else history
            called = False
            try:
                async with aclosing(_without_repetition(said, self.standby.parts[place].reply(asked, tools))) as deltas:
                    async for delta in deltas:
                        if isinstance(delta, TextDelta):
                            said += delta.text
                        else:
                            called = True
                        yield delta
            except AgentError as error:
                tried.append(place)
                self.standby.failed(place, error, _log)
                if called or self.standby.choose(tried) is None:
                    raise
            else:
                self.standby.worked(place)
                return


async def _without_repetition(
    said: str, deltas: AsyncIterator[TextDelta | ToolCall]
) -> AsyncGenerator[TextDelta | ToolCall, None]:
    """The deltas, without the beginning that was ``said`` already, if the model begins with it nevertheless."""
    judged, begun, skip = not said, "", 0
    async for delta in deltas:
        if isinstance(delta, ToolCall) or judged:
            if begun:
                yield TextDelta(begun)
                begun = ""
            if isinstance(delta, TextDelta) and skip:
                text, skip = delta.text[skip:], max(0, skip - len(delta.text))
                if not text:
                    continue
                delta = TextDelta(text)
            yield delta
            continue
        begun += delta.text
        length = min(ALIKE_LETTERS, len(said))
        if len(begun) < length and said.startswith(begun):
            continue  # too short to tell
        judged = True
        if begun[:length] == said[:length]:
            skip = max(0, len(said) - len(begun))
            begun = begun[len(said) :]
        if begun:
            yield TextDelta(begun)
        begun = ""
    if begun and not judged:
        yield TextDelta(begun)
