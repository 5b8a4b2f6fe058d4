"""A language model that is replaced in mid-reply when its provider fails: the next one goes on where it broke off.

If all have failed, they are asked again in a moment; so is one that stands alone.

One that is silent has not failed yet, but the caller waits: after ``IMPATIENT_S`` the next one is asked too, and
whoever writes first goes on.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Final

from trunkline import logs
from trunkline.ai.base import Llm, Message, TextDelta, ToolCall, ToolSpec
from trunkline.ai.standby import Standby, Tries
from trunkline.errors import AgentError, ProviderError

GO_ON: Final = (
    "You were cut off in the middle of your last message. The caller has heard it. Go on with exactly what comes "
    "next: repeat nothing, apologise for nothing, and say nothing of this."
)

IMPATIENT_S: Final = 0.8
"""A caller is to wait 1.5 s longer than usual at most. The rest of it is the next model's, to its first word."""

ALIKE_LETTERS: Final = 12
"""A continuation that begins like the reply it continues has begun the reply anew: so many letters tell."""


class FallbackLlm:
    """An ``Llm`` made of one or several, preferred first."""

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
        said, called = "", False
        tries, at_work = Tries(self.standby, logs.get(__name__).bind(role="llm")), list[_Writer]()
        loop = asyncio.get_running_loop()
        waiting_since = loop.time()

        def begin(place: int) -> None:
            asked = [*history, Message("agent", said), Message("system", GO_ON)] if said else history
            tries.begins(place)
            at_work.append(_Writer(place, _without_repetition(said, self.standby.parts[place].reply(asked, tools))))

        try:
            while True:
                other = None if called else tries.next()
                if not at_work:
                    assert other is not None  # noqa: S101 - there is at least one, and the last to fail raised
                    begin(other)
                    continue
                writer = await _first(at_work, IMPATIENT_S if other is not None and len(at_work) == 1 else None)
                if writer is None:
                    assert other is not None  # noqa: S101 - else nobody was impatient
                    begin(other)
                    continue
                try:
                    delta = writer.next.result()
                except AgentError as error:
                    at_work.remove(writer)
                    tries.failed(writer.place, error)
                    if at_work:
                        continue
                    if called:
                        raise
                    if tries.next() is None:
                        if (pause_s := tries.again(loop.time() - waiting_since)) is None:
                            raise
                        await asyncio.sleep(pause_s)
                    continue
                await self._drop(at_work, writer, tries)
                if delta is None:
                    tries.worked(writer.place)
                    return
                if isinstance(delta, TextDelta):
                    said += delta.text
                else:
                    called = True
                yield delta
                waiting_since = loop.time()
                writer.go_on()
        finally:
            for writer in at_work:
                await writer.stop()

    async def _drop(self, at_work: "list[_Writer]", ahead: "_Writer", tries: Tries[Llm]) -> None:
        """``ahead`` was there first. Who began before it has failed; who began later may be wanted again."""
        late = True
        for writer in tuple(at_work):
            if writer is ahead:
                late = False
                continue
            at_work.remove(writer)
            await writer.stop()
            if late:
                name = self.standby.parts[writer.place].name
                error = ProviderError(name, "transient", f"wrote nothing for {IMPATIENT_S:g} s, and another did")
                tries.failed(writer.place, error)
            else:
                tries.unneeded(writer.place)


class _Writer:
    """A model at work on a reply. ``next``: what it writes next; None when it has written all."""

    def __init__(self, place: int, deltas: AsyncGenerator[TextDelta | ToolCall, None]) -> None:
        self.place = place
        self._deltas = deltas
        self.go_on()

    def go_on(self) -> None:
        """Have the next piece written."""
        self.next = asyncio.create_task(self._write())

    async def stop(self) -> None:
        """Nothing more is wanted of it."""
        self.next.cancel()
        await asyncio.wait([self.next])
        if not self.next.cancelled():
            self.next.exception()  # it may have failed in the same moment; nobody minds
        await self._deltas.aclose()

    async def _write(self) -> TextDelta | ToolCall | None:
        return await anext(self._deltas, None)


async def _first(writers: "Sequence[_Writer]", seconds: float | None) -> "_Writer | None":
    """Who of them has something, the one that began first if there are two; None: nobody in time."""
    await asyncio.wait([writer.next for writer in writers], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    return next((writer for writer in writers if writer.next.done()), None)


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
