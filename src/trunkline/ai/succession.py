"""One agent's session after another in the same call. To the call they are one: numbers of replies and positions in the
audio go on, and what was said is kept for whoever comes next.
"""

import asyncio
from collections.abc import Iterable

from trunkline.ai.base import AgentModel, AgentSession, CallFacts, Emit, Message, Role
from trunkline.ai.events import (
    AgentCommand,
    AgentEvent,
    CallAnswered,
    CallerSaid,
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


class Succession:
    """One call's. ``emit`` gets what the present session tells, as the call counts. ``take_in`` the first at once."""

    def __init__(self, facts: CallFacts, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> None:
        self.spoken = Spoken()
        self.running = False
        self._facts = facts
        self._hears, self._speaks = hears, speaks
        self._emit = emit
        self._session: AgentSession
        self._turn: object = None  # the present session's
        self._group: asyncio.TaskGroup | None = None
        self._task: asyncio.Task[None] | None = None
        self._heard_bytes = 0
        self._newest = 0  # generation, as the call counts
        self._ended = 0

    def take_in(self, model: AgentModel, *, again_ms: float = 0.0) -> AgentSession:
        """The next session, of ``model``, in the place of the present one. It is told nothing yet; ``again_ms``: it
        will first be given so much that the former has heard."""
        self.dismiss()
        self._turn = mine = object()
        if self._ended < self._newest:  # the former left without an end
            self._ended = self._newest
            self._emit(ReplyEnded(self._newest))
        self._before = self._newest  # generations of those who had the call before
        self._before_ms = self._hears.ms(self._heard_bytes) - again_ms

        def told(event: AgentEvent) -> None:
            if self._turn is mine:  # else somebody who had the call before
                self._told(event)

        self._session = session = model.open(self._facts, hears=self._hears, speaks=self._speaks, emit=told)
        self._hear = session.hear
        if self._group is not None:
            self._task = self._group.create_task(session.run())
        return session

    def dismiss(self) -> None:
        """The present session is not listened to any more, and hears nothing."""
        self._turn, self._hear = None, _nothing
        if self._task is not None:
            self._task.cancel()

    def hear(self, audio: bytes, now: float) -> None:
        """As ``AgentSession.hear``."""
        self._heard_bytes += len(audio)
        self._hear(audio, now)

    def tell(self, command: AgentCommand, now: float) -> None:
        """As ``AgentSession.tell``."""
        before = self._before
        match command:
            case ReplyHeard(generation, heard_text):
                self.spoken.heard(generation, heard_text)
                if generation > before:
                    self._session.tell(ReplyHeard(generation - before, heard_text), now)
            case ReplyInterrupted(generation, heard_ms, heard_text):
                self.spoken.heard(generation, heard_text)
                if generation > before:
                    self._session.tell(ReplyInterrupted(generation - before, heard_ms, heard_text), now)
            case KeyPressed(digit):
                self.spoken.caller("key", digit)
                self._session.tell(command, now)
            case CallAnswered():
                self._session.tell(command, now)

    async def run(self) -> None:
        """As ``AgentSession.run``."""
        async with asyncio.TaskGroup() as group:
            self._group, self.running = group, True
            try:
                self._task = group.create_task(self._session.run())
                await asyncio.get_running_loop().create_future()  # until cancelled
            finally:
                self._group, self.running = None, False  # who is still on the way out has no successor

    def _told(self, event: AgentEvent) -> None:
        before = self._before
        match event:
            case ReplyAudio(audio, generation):
                event = event if not before else ReplyAudio(audio, generation + before)
            case ReplyStarted(generation):
                self._newest = max(self._newest, generation + before)
                self.spoken.began(generation + before)
                event = ReplyStarted(generation + before)
            case ReplyText(text, generation):
                self.spoken.text(generation + before, text)
                event = ReplyText(text, generation + before)
            case ReplyEnded(generation):
                self._ended = max(self._ended, generation + before)
                event = ReplyEnded(generation + before)
            case StageReached(stage, generation, ago_ms):
                event = StageReached(stage, generation + before, ago_ms)
            case SpeechStarted(at_ms):
                event = SpeechStarted(at_ms + self._before_ms)
            case SpeechStopped(at_ms):
                event = SpeechStopped(at_ms + self._before_ms)
            case CallerSaid(text, final=True) if text.strip():
                self.spoken.caller("caller", text)
            case _:
                pass
        self._emit(event)


def _nothing(audio: bytes, now: float) -> None:
    """Nobody hears it."""


class Spoken:
    """What was said in the call, by whomever. A reply's place is where it began."""

    def __init__(self) -> None:
        self._lines: list[Message] = []
        self._place: dict[int, int] = {}  # of replies that were not heard to their end yet

    def earlier(self, lines: Iterable[Message]) -> None:
        """Before it began."""
        self._lines += lines

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

    def broke_off(self, generation: int, unsaid: str) -> str:
        """It ends here, before the words ``unsaid`` at its end. Gives those that were said."""
        if (at := self._place.get(generation)) is None:
            return ""
        said = self._lines[at].text.removesuffix(unsaid)
        self._lines[at] = Message("agent", said)
        return said.strip()

    def lines(self) -> tuple[Message, ...]:
        """All of it, as a history."""
        return tuple(line for line in self._lines if line.text.strip())
