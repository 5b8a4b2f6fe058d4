"""The functions a model may call in one call: the application's, and those every agent on a telephone needs.

Whatever a model asks for, it gets an answer it can go on with: unknown names, arguments that don't fit, time-outs and
exceptions become sentences that tell it what to do better.
"""

import asyncio
import inspect
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Annotated, Any, Final, Self

import msgspec
from structlog.typing import FilteringBoundLogger

from trunkline.ai.base import AgentSettings, CallFacts, ToolCall, ToolSpec
from trunkline.ai.deeds import Deeds
from trunkline.ai.events import DigitsWanted, HandOverWanted, HangUpWanted, TransferWanted
from trunkline.ai.tools import Tool, tool
from trunkline.errors import ConfigError, ToolError

TIMEOUT_S: Final = 10.0
"""How long a caller can be kept waiting for a function."""

MAX_OUTPUT_BYTES: Final = 32_768
"""Of one result: more is no answer on a telephone, and realtime servers refuse messages not much larger."""

THREADS: Final = 128
"""For functions that aren't async, over all calls. Many wait at the same time, for a database or a web server."""

Wish = HangUpWanted | TransferWanted | DigitsWanted | HandOverWanted

_SAID_OF: Final[dict[type[Wish], str]] = {
    HangUpWanted: "The call ends as soon as the caller has heard you. If you have not said goodbye, do it now.",
    TransferWanted: "The caller is connected as soon as they have heard you. If you have not told them so, do it now.",
    DigitsWanted: "The keys are pressed.",
    HandOverWanted: "The other agent speaks from now on. Say nothing more.",
}
"""What a model is told of its wish."""


class ToolResult(msgspec.Struct, frozen=True):
    """What came of a call. ``output`` (private) is for the model: JSON text, or a sentence that says what went wrong.

    Emit ``wish`` when what was said so far is said; ``DigitsWanted`` at once.
    """

    id: str
    name: str
    output: str
    failed: bool = False
    wish: Wish | None = None


class Toolbox:
    """One per call. ``specs`` is what to offer the model. ``left_behind`` counts plain functions that were still at it
    when their time was up: a thread can't be stopped.

    ``transfer_to`` is where a caller who asks for a person is sent: without it no transfer is offered. Which other
    places there are is the application's to say, in a function of its own that returns ``TransferWanted``. Raises
    ``ConfigError`` when two functions have the same name.
    """

    def __init__(
        self,
        tools: Sequence[Tool],
        facts: CallFacts,
        *,
        transfer_to: str = "",
        timeout_s: float = TIMEOUT_S,
        deeds: Deeds | None = None,
        log: FilteringBoundLogger,
    ) -> None:
        self._tools = {tool.name: tool for tool in all_tools(tools, transfer_to)}
        self._facts = facts
        self._timeout_s = timeout_s
        self._deeds = deeds
        self._log = log
        self.specs = tuple(map(spec_of, self._tools.values()))
        self.left_behind = 0

    @classmethod
    def of(cls, settings: AgentSettings, facts: CallFacts, log: FilteringBoundLogger) -> Self:
        """What an agent with these settings may call."""
        return cls(
            settings.tools,
            facts,
            transfer_to=settings.transfer_to,
            timeout_s=settings.manners.tool_timeout_s,
            deeds=settings.deeds,
            log=log,
        )

    async def call(self, call: ToolCall) -> ToolResult:
        """Do what the model wants. Raises nothing; when cancelled it stops an async function."""
        if (wanted := self._tools.get(call.name)) is None:
            self._log.warning("model called a function it was not offered")  # not its name: models make those up
            return ToolResult(call.id, call.name, f"There is no such function. Yours: {', '.join(self._tools)}.", True)
        clock = asyncio.get_running_loop().time
        began = clock()
        deed = self._deeds.begin(self._facts.call_id, call) if self._deeds is not None else None
        result = await self._call(wanted, call)
        if deed is not None:
            deed.came_of_it = result.output if result.wish is None else ""  # that is gone with who had it
        outcome = "failed" if result.failed else "done"
        self._log.info("tool called", tool=wanted.name, outcome=outcome, ms=round(1000 * (clock() - began)))
        return result

    async def _call(self, wanted: Tool, call: ToolCall) -> ToolResult:
        failed = partial(ToolResult, call.id, wanted.name, failed=True)
        try:
            # Models write "2" for 2: that is close enough. And they give a reason to functions that want none.
            said = call.arguments if call.arguments and wanted.parameters["properties"] else "{}"
            arguments = msgspec.json.decode(said, type=wanted.arguments, strict=False)
        except msgspec.DecodeError as error:  # its text may show what the model wrote: it is told to nobody else
            return failed(f"These arguments don't fit: {error}. Look at the function's schema and call it again.")
        given = {name: getattr(arguments, name) for name in wanted.arguments.__struct_fields__}
        given |= dict.fromkeys(wanted.facts, self._facts)
        is_async = inspect.iscoroutinefunction(wanted.function)
        try:
            async with asyncio.timeout(self._timeout_s) as limit:
                outcome = await (wanted.function(**given) if is_async else in_thread(wanted.function, **given))
                if inspect.isawaitable(outcome):  # a plain function in front of an async one
                    outcome = await outcome
            if isinstance(outcome, Wish):
                return ToolResult(call.id, wanted.name, _SAID_OF[type(outcome)], wish=outcome)
            output = "It is done." if outcome is None else outcome
            output = msgspec.json.encode(output, enc_hook=_plain).decode()
        except ToolError as error:
            return failed(str(error) or "It could not be done.")
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise  # we are cancelled, not something the function waited for
            return failed("It broke off. Go on without it.")
        except (Exception, SystemExit) as error:  # the outer edge of the application's code
            if isinstance(error, TimeoutError) and limit.expired():
                self.left_behind += not is_async
                self._log.warning("tool took too long", tool=wanted.name, left_behind=self.left_behind)
                return failed("It took too long and was given up; perhaps it was done all the same. Go on without it.")
            # Without its text: that may hold what somebody said.
            frames = traceback.format_tb(error.__traceback__)
            self._log.error("tool broke", tool=wanted.name, exception=type(error).__name__, trace=frames)
            return failed("It failed, through no fault of yours. Go on without it.")
        if len(output) > MAX_OUTPUT_BYTES:
            return failed("There is too much in the answer. Ask for less of it.")
        return ToolResult(call.id, wanted.name, output)


# --- which functions there are ---


@tool
async def hang_up() -> HangUpWanted:
    """End the call, after a goodbye, when the caller wants nothing more."""
    return HangUpWanted()


@tool
async def transfer() -> TransferWanted:
    """Connect the caller to a person, after saying so."""
    raise ToolError("Nobody can be reached.")  # where somebody can, the toolbox puts a function that says who


@tool
async def send_digits(digits: Annotated[str, msgspec.Meta(pattern="^[0-9*#A-D]{1,32}$")]) -> DigitsWanted:
    """Press keys on the telephone, when the other end is a machine that asks for some.

    Args:
        digits: The keys in their order: 0 to 9, * and #.
    """
    return DigitsWanted(digits)


def all_tools(tools: Iterable[Any], transfer_to: str = "") -> list[Tool]:
    """The built-in functions and the application's. Raises ``ConfigError`` when two can't be told apart."""
    everything = [hang_up, send_digits]
    if transfer_to:

        async def connect() -> TransferWanted:
            return TransferWanted(transfer_to)

        everything.append(msgspec.structs.replace(transfer, function=connect))
    taken = {hang_up.name, send_digits.name, transfer.name}
    for own in tools:
        if not isinstance(own, Tool):
            name = getattr(own, "__name__", type(own).__name__)
            raise ConfigError(f"{name} is not a tool: put @tool on the line above it")
        if own.name in taken:
            raise ConfigError(f"there are two tools {own.name!r}: rename one")
        taken.add(own.name)
        everything.append(own)
    return everything


def spec_of(tool: Tool) -> ToolSpec:
    """What a model is told of it."""
    return ToolSpec(tool.name, tool.description, tool.parameters)


# --- running them ---


async def in_thread(function: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """The application's own function, if it isn't async: no call waits for it, and no shutdown. Raises ``ToolError``
    when too many are still at it."""
    if not _threads.acquire(blocking=False):
        raise ToolError("Not now: too much else is going on.")
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
    context = copy_context()

    def settle(result: Any, error: BaseException | None) -> None:
        if not done.done():  # else nobody waits for it any more
            done.set_result((result, error))

    def work() -> None:
        result, error = None, None
        try:
            result = context.run(function, *given, **named)
        except BaseException as raised:  # as a value: a StopIteration set on a future would never come out of it
            error = raised
        finally:
            _threads.release()
        with suppress(RuntimeError):  # the loop is gone
            loop.call_soon_threadsafe(settle, result, error)

    # A thread of its own, that a stuck function may keep: those of a pool are waited for when the process ends.
    threading.Thread(target=work, name="tool", daemon=True).start()
    result, error = await done
    if isinstance(error, StopIteration):
        raise RuntimeError("StopIteration") from error
    if error is not None:
        raise error
    return result


_threads: Final = threading.BoundedSemaphore(THREADS)


def _plain(value: Any) -> Any:
    """A Pydantic model as what JSON knows."""
    if callable(dump := getattr(value, "model_dump", None)):
        return dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no JSON form")
