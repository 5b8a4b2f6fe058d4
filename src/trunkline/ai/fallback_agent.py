"""A whole agent that is replaced in mid-call when its provider fails.

The next one is told what was said so far, and goes on with what the caller is owed: the rest of a reply that broke off,
an answer to words that are known, or one to speech that nobody made words of, which it hears again. It begins to speak
behind what is still being heard of the one that failed.
"""

import asyncio
from collections.abc import Callable, Sequence
from math import inf
from typing import Final

import msgspec

from trunkline import logs
from trunkline.ai.backlog import Backlog
from trunkline.ai.base import AgentModel, AgentSession, CallFacts, Emit
from trunkline.ai.deeds import Deeds
from trunkline.ai.events import (
    AgentCommand,
    AgentEvent,
    AgentFailed,
    CallAnswered,
    ReplyAudio,
    ReplyStarted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
)
from trunkline.ai.formats import common
from trunkline.ai.handover import HandedOver
from trunkline.ai.owed import Owed
from trunkline.ai.progress import Progress
from trunkline.ai.standby import Duty, Standby
from trunkline.ai.succession import Succession
from trunkline.audio.format import AudioFormat
from trunkline.errors import AgentError

KEEP_S: Final = 30.0
"""Of audio that was not answered, for the agent that takes over. Longer turns lose their beginning."""

MARGIN_MS: Final = 300.0
"""Heard again before a turn in question: agents need to hear speech begin."""

UNSURE_MS: Final = 6000.0
"""Heard again where no turn was told of: an agent that never stood, or hangs, told of none."""

SAME_MS: Final = 400.0
"""Ends of the same speech, found by two agents, lie no further apart."""


class FallbackAgent:
    """An ``AgentModel`` made of several, preferred first. ``deeds``: those their settings name. Raises ``ConfigError``
    if they have no format in common."""

    def __init__(self, parts: Sequence[AgentModel], clock: Callable[[], float], deeds: Deeds | None = None) -> None:
        self.deeds = deeds or Deeds()
        self.name = "|".join(part.name for part in parts)
        self.hears = common(part.hears for part in parts)
        self.speaks = common(part.speaks for part in parts)
        self.standby = Standby(parts, clock)
        self.warm_up, self.close = self.standby.warm_up, self.standby.close

    def open(self, facts: CallFacts, *, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> AgentSession:
        return _Session(self, facts, hears, speaks, emit)


class _Session:
    """Whoever answers now."""

    def __init__(
        self, agent: FallbackAgent, facts: CallFacts, hears: AudioFormat, speaks: AudioFormat, emit: Emit
    ) -> None:
        self._call_id = facts.call_id
        self._deeds = agent.deeds
        self._hears, self._speaks = hears, speaks
        self._emit = emit
        self._duty = Duty(agent.standby, logs.get(__name__).bind(call=facts.call_id, role="agent"))
        self._handed: HandedOver | None = None  # the call, by somebody else, before it came to us
        self._owed = Owed()
        self._voice = Progress()
        self._edges = _Edges()
        self._backlog = Backlog(hears, KEEP_S)
        self._now = 0.0
        self._failed = False
        self._over = False  # the call is
        self._timer: asyncio.Handle | None = None
        self._succession = Succession(facts, hears, speaks, self._told)
        self._session = self._succession.take_in(self._duty.part)

    # --- from the call ---

    def hear(self, audio: bytes, now: float) -> None:
        self._now = now
        self._backlog.push(audio)
        if self._backlog.end_ms > self._edges.doubted_from_ms:
            self._emit(self._edges.none())
            self._owed.mistaken()
        if self._owed.since_ms is None:  # nothing before this can matter any more
            self._backlog.done(self._backlog.end_ms - UNSURE_MS)
        self._succession.hear(audio, now)

    def tell(self, command: AgentCommand, now: float) -> None:
        self._owed.told(command)
        self._succession.tell(command, now)

    def take_over(self, call: HandedOver) -> None:
        """Go on with a call another agent began."""
        self._handed = call
        self._succession.spoken.earlier(call.history)
        self._owed.told(CallAnswered())
        call.give_to(self._session, self._now)

    async def run(self) -> None:
        try:
            await self._succession.run()
        finally:
            self._over = True
            self._deeds.forget(self._call_id)
            if self._timer is not None:
                self._timer.cancel()

    # --- from whoever answers ---

    def _told(self, event: AgentEvent) -> None:
        if isinstance(event, AgentFailed):
            if not self._failed and not self._over:
                self._failed = True
                # Never in the middle of its own doings.
                self._timer = asyncio.get_running_loop().call_soon(self._replace, event)
            return
        if isinstance(event, SpeechStarted | SpeechStopped):
            for edge in self._edges.news(event):
                self._owed.event(edge)
                self._emit(edge)
            if self._owed.since_ms is not None:
                self._backlog.done(self._owed.since_ms - MARGIN_MS)
            return
        match event:
            case ReplyAudio(audio):
                self._voice.piece_ms += self._speaks.ms(len(audio))
            case ReplyText(text):
                self._voice.announce(text)
            case ReplyStarted():
                self._voice.announce("")
            case _:
                pass
        if self._owed.event(event):
            self._duty.worked()
        self._backlog.done(self._owed.settled_ms)
        self._emit(event)

    def _replace(self, failed: AgentFailed) -> None:
        """By another one; if nobody is left, by one that may have come back."""
        self._succession.dismiss()
        pause_s = self._duty.failed(failed.error or AgentError(failed.reason))
        if pause_s is None:
            self._emit(failed)
        elif pause_s:
            self._timer = asyncio.get_running_loop().call_later(pause_s, self._go_on)
        else:
            self._go_on()

    def _go_on(self) -> None:
        """With who is on duty now."""
        self._failed = False
        spoken, owed = self._succession.spoken, self._owed
        for silent in owed.unsounded:
            spoken.heard(silent, "")
        owed.left(spoken.broke_off(owed.saying, self._voice.unsaid))
        self._edges.again(self._backlog.end_ms + UNSURE_MS)
        rest = self._backlog.rest()
        self._session = self._succession.take_in(self._duty.part, again_ms=self._hears.ms(len(rest)))
        call = self._handed or HandedOver()
        done = self._deeds.of(self._call_id)
        call = msgspec.structs.replace(call, history=spoken.lines(), broken=owed.broken, speaks=owed.speaks, done=done)
        if self._handed is not None or call.history or done:
            call.give_to(self._session, self._now)
        elif owed.speaks:  # nobody has said anything yet
            self._session.tell(CallAnswered(), self._now)
        if rest:
            self._session.hear(rest, self._now)


class _Edges:
    """The edges of the caller's speech, each told once, though two agents hear the same."""

    def __init__(self) -> None:
        self._speaking = False
        self._told_ms = 0.0  # the latest edge
        self._known_ms = -inf  # the latest that a former agent told
        self.doubted_from_ms = inf
        """Speech that only a former agent heard begin was none if nobody else has heard of it by then."""

    def again(self, by_ms: float) -> None:
        """Another agent hears some of it again. What it makes of speech that goes on it has told ``by_ms``."""
        self._known_ms = self._told_ms
        self.doubted_from_ms = by_ms if self._speaking else inf

    def none(self) -> SpeechStopped:
        """It was none."""
        self._speaking, self.doubted_from_ms = False, inf
        return SpeechStopped(self._told_ms)

    def news(self, event: SpeechStarted | SpeechStopped) -> list[SpeechStarted | SpeechStopped]:
        """What the call is to know of it."""
        known_ms, at_ms = self._known_ms, event.at_ms
        self.doubted_from_ms = inf
        if isinstance(event, SpeechStarted):
            if self._speaking or at_ms < known_ms:
                return []
            self._speaking, self._told_ms = True, at_ms
            return [event]
        if not self._speaking and at_ms <= known_ms + SAME_MS:
            return []
        went_on = not self._speaking and known_ms > -inf  # while nobody listened
        self._speaking, self._told_ms = False, max(self._told_ms, at_ms)
        return [SpeechStarted(known_ms), event] if went_on else [event]
