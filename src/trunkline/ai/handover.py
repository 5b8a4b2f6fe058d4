"""Several agents in one call, one of them at a time: any models that have audio formats in common.

To the call they are one agent. The one who speaks hands over by ``HandOverWanted``; the next one's session is opened
then, told what was said so far if it can take that (``TakesOver``), and begins to speak behind what is still being
heard of the former (``ai.succession``).
"""

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol, runtime_checkable

import msgspec

from trunkline import logs
from trunkline.ai.base import AgentModel, AgentSession, CallFacts, Emit, Message
from trunkline.ai.events import (
    AgentCommand,
    AgentEvent,
    CallAnswered,
    CallerSaid,
    HandOverWanted,
    KeyPressed,
    SpeechStarted,
    SpeechStopped,
)
from trunkline.ai.succession import Succession
from trunkline.audio.format import AudioFormat
from trunkline.errors import ConfigError

WORDS_S: Final = 1.5
"""After the caller has stopped, their last words are waited for this long before somebody else takes over."""

MOST_IN_A_ROW: Final = 3
"""Hand-overs without a word of the caller: agents who send a caller round in a circle are stopped."""


DONE: Final = (
    "You have called these functions in this call already; what came of each stands behind it. What is done, do "
    "not do a second time:"
)


class HandedOver(msgspec.Struct, frozen=True):
    """What an agent is told that takes a call over (private).

    Where a ``sender`` is named, the caller has been told of it. Without one, the agent goes on in the place of one that
    failed, and the caller knows nothing. What they said that nobody answered is then given to ``hear`` next.
    """

    sender: str = ""
    about: str = ""
    history: tuple[Message, ...] = ()
    broken: str = ""  # the words so far of a reply that broke off: go on with the next
    speaks: bool = True  # it is for the agent to speak; else for the caller
    done: tuple[str, ...] = ()  # functions that were called, and what came of them

    def told(self, instructions: str) -> str:
        """The agent's own ``instructions``, and how it comes to this call."""
        notes = [instructions]
        if self.sender:
            notes.append(
                f"You take over a call from another agent, {self.sender}, who has told the caller so. {self.about}"
            )
        if self.done:
            notes.append("\n".join([DONE, *self.done]))
        return "\n\n".join(notes).strip()

    def rest_of(self, script: str) -> str:
        """What is left to be said of ``script``, if that is what broke off."""
        said, words = self.broken.split(), script.split()
        return " ".join(words[len(said) :]) if said and words[: len(said)] == said else ""

    def give_to(self, session: AgentSession, now: float) -> None:
        """Have ``session`` go on with the call. One that can't take over answers it as if called."""
        if isinstance(session, TakesOver):
            session.take_over(self)
        else:
            session.tell(CallAnswered(), now)


@runtime_checkable
class TakesOver(Protocol):
    """A session that can begin in the middle of a conversation."""

    def take_over(self, call: HandedOver) -> None:
        """In the place of ``CallAnswered``: go on with this call."""
        ...


class HandingOver:
    """The agents of a call as one. ``first`` answers it. Raises ``ConfigError`` if they have no format in common."""

    def __init__(self, members: Mapping[str, AgentModel], first: str) -> None:
        self.members = dict(members)
        self.first = first
        self.name = members[first].name
        self.hears = _common({name: model.hears for name, model in members.items()}, first, "hear")
        self.speaks = _common({name: model.speaks for name, model in members.items()}, first, "speak")

    def open(self, facts: CallFacts, *, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> AgentSession:
        return _Session(self, facts, hears, speaks, emit)

    async def warm_up(self) -> None:
        for model in self.members.values():
            await model.warm_up()

    async def close(self) -> None:
        for model in self.members.values():
            await model.close()


class _Session:
    """Whoever has the call now, and whom it goes to next."""

    def __init__(
        self, team: HandingOver, facts: CallFacts, hears: AudioFormat, speaks: AudioFormat, emit: Emit
    ) -> None:
        self._team = team
        self._emit = emit
        self._log = logs.get(__name__).bind(call=facts.call_id)
        self._speaking = False  # the caller is
        self._wanted: HandOverWanted | None = None
        self._timer: asyncio.Handle | None = None
        self._in_a_row = 0
        self._name = team.first
        self._succession = Succession(facts, hears, speaks, self._told)
        self._succession.take_in(team.members[team.first])
        self.hear = self._succession.hear

    # --- from the call ---

    def tell(self, command: AgentCommand, now: float) -> None:
        if isinstance(command, KeyPressed):
            self._in_a_row = 0
        self._succession.tell(command, now)

    async def run(self) -> None:
        try:
            await self._succession.run()
        finally:
            if self._timer is not None:
                self._timer.cancel()

    # --- from the agent who has the call ---

    def _told(self, event: AgentEvent) -> None:
        match event:
            case HandOverWanted():
                self._wanted = event
                self._hand_over()
            case SpeechStarted():
                self._speaking = True
                self._emit(event)
            case SpeechStopped():
                self._speaking = False
                self._emit(event)
                self._hand_over(after_s=WORDS_S)
            case CallerSaid(text, final=True):
                if text.strip():
                    self._in_a_row = 0
                self._emit(event)
                self._hand_over()
            case _:
                self._emit(event)

    # --- from one to the other ---

    def _hand_over(self, *, after_s: float = 0.0) -> None:
        """Do what is wanted, unless the caller is speaking; then when they have stopped."""
        if self._wanted is None or self._speaking:
            return
        if self._timer is not None:
            self._timer.cancel()
        # Never in the middle of the former agent's own doings, and before whatever it has planned.
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(after_s, self._switch) if after_s else loop.call_soon(self._switch)

    def _switch(self) -> None:
        wanted, self._timer = self._wanted, None
        if wanted is None or self._speaking or not self._succession.running:
            return
        self._wanted = None
        self._in_a_row += 1
        if wanted.to not in self._team.members or self._in_a_row > MOST_IN_A_ROW:
            self._log.warning("not handed over", in_a_row=self._in_a_row)
            return
        self._log.info("handed over", by_whom=self._name, to_whom=wanted.to)
        call = HandedOver(self._name, wanted.about, self._succession.spoken.lines())
        self._name = wanted.to
        session = self._succession.take_in(self._team.members[wanted.to])
        call.give_to(session, asyncio.get_running_loop().time())


def _common(formats: Mapping[str, tuple[AudioFormat, ...]], first: str, verb: str) -> tuple[AudioFormat, ...]:
    common = tuple(audio for audio in formats[first] if all(audio in other for other in formats.values()))
    if not common:
        raise ConfigError(f"{', '.join(formats)} {verb} no common audio format, so they can't share a call")
    return common
