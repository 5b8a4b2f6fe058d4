"""What is done about a caller who needs a person.

``Agent(..., escalate="notify", on_escalation=tell_the_shop)`` tells the application; ``escalate="transfer"`` sends the
caller to ``transfer_to`` besides. Neither is done unless asked for.

The rule: whoever asks for a person or complains is escalated at once (``intents.ESCALATES``), each such intent once in
a call. An utterance without any intent we know (``confidence`` below ``intents.SURE_ENOUGH``) counts for nothing by
itself, because callers say their names and spell their streets; so many in a row (``unclear_turns``) do.
"""

import asyncio
import inspect
import traceback
from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from trunkline import logs
from trunkline.ai.base import AgentModel, AgentSession, CallFacts, Emit
from trunkline.ai.events import AgentCommand, AgentEvent, CallerSaid, TransferWanted
from trunkline.ai.handover import TakesOver
from trunkline.ai.intents import ESCALATES, Intent, Understanding, analyse
from trunkline.ai.toolbox import in_thread
from trunkline.audio.format import AudioFormat
from trunkline.errors import ConfigError

NOTICE_S: Final = 10.0
"""How long telling the application may take. It outlives the call: callers hang up when they are angry."""

Notify = Callable[[CallFacts, Understanding], Any]
"""An application's function, plain or async."""


class Escalation(msgspec.Struct, frozen=True):
    """Whether an agent escalates, and how."""

    by: Literal["transfer", "notify"] = "notify"
    notify: Notify | None = None
    unclear_turns: int = 2
    """Utterances in a row that nobody could understand; 0: those never escalate."""


class EscalationWatch:
    """One call's. Give it what the caller says; what it gives back is to be acted on."""

    def __init__(self, rule: Escalation) -> None:
        self._rule = rule
        self._unclear = 0
        self._acted: set[Intent] = set()
        self.transfers = rule.by == "transfer"

    def heard(self, text: str) -> Understanding | None:
        """A turn's final words; empty when none was recognised."""
        found = analyse(text)
        clear = found.intent is not Intent.UNKNOWN
        self._unclear = 0 if clear else self._unclear + 1
        due = found.intent in ESCALATES if clear else 0 < self._rule.unclear_turns <= self._unclear
        if not due or found.intent in self._acted:
            return None
        self._acted.add(found.intent)
        return found


class Notices:
    """Tells the application, on the side. One per agent."""

    def __init__(self, rule: Escalation) -> None:
        self._rule = rule
        self._under_way: set[asyncio.Task[None]] = set()

    def send(self, facts: CallFacts, found: Understanding) -> None:
        """A line in the log, and the application's function called."""
        log = logs.get(__name__).bind(call=facts.call_id)
        log.info("escalation", intent=found.intent, tone=found.tone, confidence=found.confidence, by=self._rule.by)
        if self._rule.notify is not None:
            task = asyncio.get_running_loop().create_task(self._tell(self._rule.notify, facts, found))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """Wait for those under way."""
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _tell(self, notify: Notify, facts: CallFacts, found: Understanding) -> None:
        try:
            async with asyncio.timeout(NOTICE_S):
                if inspect.iscoroutinefunction(notify):
                    await notify(facts, found)
                else:
                    await in_thread(notify, facts, found)
        except Exception as error:  # the outer edge of the application's code
            frames = traceback.format_tb(error.__traceback__)
            log = logs.get(__name__).bind(call=facts.call_id)
            log.error("escalation not told", exception=type(error).__name__, trace=frames)


class Escalating:
    """An agent that can't escalate by itself, watched by what its caller says. It transfers without a word of its own.

    Raises ``ConfigError``.
    """

    def __init__(self, model: AgentModel, rule: Escalation, transfer_to: str = "") -> None:
        check(rule, transfer_to)
        self.name, self.hears, self.speaks = model.name, model.hears, model.speaks
        self.rule, self.transfer_to = rule, transfer_to
        self.notices = Notices(rule)
        self._model = model

    def open(self, facts: CallFacts, *, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> AgentSession:
        return _Watched(self, self._model, facts, hears, speaks, emit)

    async def warm_up(self) -> None:
        await self._model.warm_up()

    async def close(self) -> None:
        await self._model.close()
        await self.notices.close()


class _Watched:
    """A session of the agent's; passes on everything."""

    def __init__(
        self,
        escalating: Escalating,
        model: AgentModel,
        facts: CallFacts,
        hears: AudioFormat,
        speaks: AudioFormat,
        emit: Emit,
    ) -> None:
        self._escalating = escalating
        self._facts = facts
        self._emit = emit
        self._watch = EscalationWatch(escalating.rule)
        self._inner = model.open(facts, hears=hears, speaks=speaks, emit=self._told)
        self._hear = self._inner.hear
        if isinstance(self._inner, TakesOver):
            self.take_over = self._inner.take_over

    def hear(self, audio: bytes, now: float) -> None:
        self._hear(audio, now)

    def tell(self, command: AgentCommand, now: float) -> None:
        self._inner.tell(command, now)

    async def run(self) -> None:
        await self._inner.run()

    def _told(self, event: AgentEvent) -> None:
        self._emit(event)
        if isinstance(event, CallerSaid) and event.final and (found := self._watch.heard(event.text)):
            self._escalating.notices.send(self._facts, found)
            if self._watch.transfers:
                self._emit(TransferWanted(self._escalating.transfer_to))


def check(rule: Escalation, transfer_to: str) -> None:
    """Raises ``ConfigError`` if it can't be carried out."""
    if rule.by == "transfer" and not transfer_to:
        raise ConfigError('escalate="transfer" needs transfer_to: the number or SIP address of a person')
