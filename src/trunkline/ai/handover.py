"""Several agents in one call, one of them at a time: any models that have audio formats in common.

To the call they are one agent. The one who speaks hands over by ``HandOverWanted``; the next one's session is opened
then, told what was said so far if it can take that (``TakesOver``), and begins to speak behind what is still being
heard of the former. Numbers of replies and positions in the audio are made to go on.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol, runtime_checkable

import msgspec

from trunkline import logs
from trunkline.ai.base import AgentModel, AgentSession, CallFacts, Emit, Message, Role
from trunkline.ai.events import (
    AgentCommand,
    AgentEvent,
    CallAnswered,
    CallerSaid,
    HandOverWanted,
    KeyPressed,
    ReplyAudio,
    ReplyEnded,
    ReplyHeard,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
    StageReached,
)
from trunkline.audio.format import AudioFormat
from trunkline.errors import ConfigError

WORDS_S: Final = 1.5
"""After the caller has stopped, their last words are waited for this long before somebody else takes over."""

MOST_IN_A_ROW: Final = 3
"""Hand-overs without a word of the caller: agents who send a caller round in a circle are stopped."""


class HandedOver(msgspec.Struct, frozen=True):
    """What an agent is told that takes a call over (private)."""

    sender: str
    about: str
    history: tuple[Message, ...]

    def told(self, instructions: str) -> str:
        """The agent's own ``instructions``, and how it comes to this call."""
        note = f"You take over a call from another agent, {self.sender}, who has told the caller so. {self.about}"
        return f"{instructions}\n\n{note}".strip()


@runtime_checkable
class TakesOver(Protocol):
    """A session that can begin in the middle of a conversation."""

    def take_over(self, call: HandedOver) -> None:
        """In the place of ``CallAnswered``: go on with this call, and speak."""
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
    """Whoever has the call now, and what was said in it."""

    def __init__(
        self, team: HandingOver, facts: CallFacts, hears: AudioFormat, speaks: AudioFormat, emit: Emit
    ) -> None:
        self._team = team
        self._facts = facts
        self._hears, self._speaks = hears, speaks
        self._emit = emit
        self._log = logs.get(__name__).bind(call=facts.call_id)
        self._group: asyncio.TaskGroup | None = None
        self._task: asyncio.Task[None] | None = None
        self._spoken = Spoken()
        self._heard_bytes = 0
        self._speaking = False  # the caller is
        self._wanted: HandOverWanted | None = None
        self._timer: asyncio.Handle | None = None
        self._in_a_row = 0
        self._newest = 0  # generation, as the call counts
        self._ended = 0
        self._take_in(team.first)

    def _take_in(self, name: str) -> None:
        """A new session, of the agent ``name``."""
        self._name = name
        self._before = self._newest  # generations of those who had the call before
        self._before_ms = self._hears.ms(self._heard_bytes)
        mine = self._turn = object()

        def told(event: AgentEvent) -> None:
            if self._turn is mine:  # else somebody who has handed over
                self._told(event)

        self._inner = self._team.members[name].open(self._facts, hears=self._hears, speaks=self._speaks, emit=told)
        self._hear = self._inner.hear
        if self._group is not None:
            self._task = self._group.create_task(self._inner.run())

    # --- from the call ---

    def hear(self, audio: bytes, now: float) -> None:
        self._heard_bytes += len(audio)
        self._hear(audio, now)

    def tell(self, command: AgentCommand, now: float) -> None:
        match command:
            case ReplyHeard(generation, heard_text):
                self._spoken.heard(generation, heard_text)
                if generation > self._before:
                    self._inner.tell(ReplyHeard(generation - self._before, heard_text), now)
            case ReplyInterrupted(generation, heard_ms, heard_text):
                self._spoken.heard(generation, heard_text)
                if generation > self._before:
                    self._inner.tell(ReplyInterrupted(generation - self._before, heard_ms, heard_text), now)
            case KeyPressed(digit):
                self._spoken.caller("key", digit)
                self._in_a_row = 0
                self._inner.tell(command, now)
            case CallAnswered():
                self._inner.tell(command, now)

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._task = group.create_task(self._inner.run())
                await asyncio.get_running_loop().create_future()  # until cancelled
        finally:
            self._group = None
            if self._timer is not None:
                self._timer.cancel()

    # --- from the agent who has the call ---

    def _told(self, event: AgentEvent) -> None:
        before = self._before
        match event:
            case ReplyAudio(audio, generation):
                self._emit(event if not before else ReplyAudio(audio, generation + before))
            case ReplyStarted(generation):
                self._newest = max(self._newest, generation + before)
                self._spoken.began(generation + before)
                self._emit(ReplyStarted(generation + before))
            case ReplyText(text, generation):
                self._spoken.text(generation + before, text)
                self._emit(ReplyText(text, generation + before))
            case ReplyEnded(generation):
                self._ended = max(self._ended, generation + before)
                self._emit(ReplyEnded(generation + before))
            case StageReached(stage, generation, ago_ms):
                self._emit(StageReached(stage, generation + before, ago_ms))
            case SpeechStarted(at_ms):
                self._speaking = True
                self._emit(SpeechStarted(at_ms + self._before_ms))
            case SpeechStopped(at_ms):
                self._speaking = False
                self._emit(SpeechStopped(at_ms + self._before_ms))
                self._hand_over(after_s=WORDS_S)
            case CallerSaid(text, final):
                if final and text.strip():
                    self._spoken.caller("caller", text)
                    self._in_a_row = 0
                self._emit(event)
                if final:
                    self._hand_over()
            case HandOverWanted():
                self._wanted = event
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
        if wanted is None or self._speaking or self._group is None:
            return
        self._wanted = None
        self._in_a_row += 1
        if wanted.to not in self._team.members or self._in_a_row > MOST_IN_A_ROW:
            self._log.warning("not handed over", in_a_row=self._in_a_row)
            return
        self._log.info("handed over", by_whom=self._name, to_whom=wanted.to)
        call = HandedOver(self._name, wanted.about, self._spoken.lines())
        if self._task is not None:
            self._task.cancel()
        self._turn = object()
        if self._ended < self._newest:  # it left without an end
            self._ended = self._newest
            self._emit(ReplyEnded(self._newest))
        self._take_in(wanted.to)
        if isinstance(self._inner, TakesOver):
            self._inner.take_over(call)
        else:
            self._inner.tell(CallAnswered(), asyncio.get_running_loop().time())


class Spoken:
    """What was said in the call, by whomever. A reply's place is where it began."""

    def __init__(self) -> None:
        self._lines: list[Message] = []
        self._place: dict[int, int] = {}  # of replies that were not heard to their end yet

    def caller(self, role: Role, text: str) -> None:
        """The caller spoke, or pressed a key."""
        self._lines.append(Message(role, text))

    def began(self, generation: int) -> None:
        """A reply begins."""
        self._place[generation] = len(self._lines)
        self._lines.append(Message("agent"))

    def text(self, generation: int, text: str) -> None:
        """More of it; it counts as said until it is known how much was heard."""
        if (at := self._place.get(generation)) is not None:
            self._lines[at] = Message("agent", self._lines[at].text + text)

    def heard(self, generation: int, text: str) -> None:
        """So much of it was heard."""
        if (at := self._place.pop(generation, None)) is not None:
            self._lines[at] = Message("agent", text)

    def lines(self) -> tuple[Message, ...]:
        """All of it, as a history."""
        return tuple(line for line in self._lines if line.text.strip())


def _common(formats: Mapping[str, tuple[AudioFormat, ...]], first: str, verb: str) -> tuple[AudioFormat, ...]:
    common = tuple(audio for audio in formats[first] if all(audio in other for other in formats.values()))
    if not common:
        raise ConfigError(f"{', '.join(formats)} {verb} no common audio format, so they can't share a call")
    return common
