"""A recogniser that is replaced in mid-turn when its provider fails: the next one hears what nobody made words of, and
what the caller says while there is none.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from trunkline import logs
from trunkline.ai.backlog import Backlog
from trunkline.ai.base import CallFacts, Stt, SttEmit, SttSession
from trunkline.ai.events import CallerSaid, SpeechStarted, SpeechStopped, SttEvent
from trunkline.ai.formats import common
from trunkline.ai.standby import Duty, Standby
from trunkline.audio.format import AudioFormat
from trunkline.errors import ConfigError

KEEP_S: Final = 30.0
"""Of audio without words, for the provider that takes over. Longer turns lose their beginning."""

MARGIN_MS: Final = 300.0
"""Heard again before the turn in question: recognisers need to hear speech begin."""

UNSURE_MS: Final = 6000.0
"""Heard again where no turn was told of: one that never stood, or hangs, told of none, and its end is noticed only
after its limits for connecting and for silence."""


class FallbackStt:
    """An ``Stt`` made of several, preferred first. All must know turns, or none."""

    def __init__(self, parts: Sequence[Stt], clock: Callable[[], float]) -> None:
        if len({part.turns for part in parts}) > 1:
            raise ConfigError("recognisers that stand in for each other must all know turns, or none of them")
        self.name = "|".join(part.name for part in parts)
        self.hears = common(part.hears for part in parts)
        self.turns = parts[0].turns
        self.partials = all(part.partials for part in parts)
        self.standby = Standby(parts, clock)
        self.warm_up, self.close = self.standby.warm_up, self.standby.close

    def open(self, facts: CallFacts, *, hears: AudioFormat, emit: SttEmit) -> SttSession:
        return _Session(self, facts, hears, emit)


class _Session:
    def __init__(self, stt: FallbackStt, facts: CallFacts, hears: AudioFormat, emit: SttEmit) -> None:
        self._stt = stt
        self._facts = facts
        self._hears = hears
        self._emit = emit
        self._duty = Duty(stt.standby, logs.get(__name__).bind(call=facts.call_id, role="stt"))
        self._backlog = Backlog(hears, KEEP_S)
        self._margin_ms = UNSURE_MS if stt.turns else MARGIN_MS  # where we are told turns, those are known without it
        self._turn: tuple[float, float | None] | None = None  # from, until: of the turn without final words
        self._now = 0.0
        self._session: SttSession | None  # None while all have failed, and may come back
        self._take()

    # --- from the cascade ---

    def hear(self, audio: bytes, now: float) -> None:
        self._now = now
        self._backlog.push(audio)
        if self._turn is None:  # nothing before this can matter any more
            self._backlog.done(self._backlog.end_ms - self._margin_ms)
        if self._session is not None:
            self._session.hear(audio, now)

    def turn_started(self, at_ms: float) -> None:
        self._turn = (at_ms, None)
        if self._session is not None:
            self._session.turn_started(at_ms - self._offset_ms)

    def turn_ended(self, at_ms: float) -> None:
        if self._turn is not None:
            self._turn = (self._turn[0], at_ms)
        if self._session is not None:
            self._session.turn_ended(at_ms - self._offset_ms)

    async def run(self) -> None:
        await self._duty.run(self._run, self._leave, self._take)

    # --- inside ---

    async def _run(self) -> None:
        if self._session is not None:
            await self._session.run()

    def _leave(self) -> None:
        self._session = None

    def _take(self) -> None:
        """Go on with who is on duty: it hears what no words were made of, and is told what it missed."""
        self._offset_ms = self._backlog.start_ms
        self._session = session = self._duty.part.open(
            self._facts, hears=self._hears, emit=lambda event: self._said(session, event)
        )
        if rest := self._backlog.rest():
            session.hear(rest, self._now)
        if self._turn is not None and not self._stt.turns:
            began, ended = self._turn
            session.turn_started(began - self._offset_ms)
            if ended is not None:
                session.turn_ended(ended - self._offset_ms)

    def _said(self, session: SttSession, event: SttEvent) -> None:
        if session is not self._session:  # from one that was given up
            return
        match event:
            case SpeechStarted(at_ms):
                if self._turn is None:  # else told already, by the one that failed
                    self._turn = (at_ms + self._offset_ms, None)
                    self._backlog.done(self._turn[0] - MARGIN_MS)
                    self._emit(msgspec.structs.replace(event, at_ms=at_ms + self._offset_ms))
                return
            case SpeechStopped(at_ms):
                if self._turn is not None:
                    self._turn = (self._turn[0], at_ms + self._offset_ms)
                self._emit(msgspec.structs.replace(event, at_ms=at_ms + self._offset_ms))
                return
            case CallerSaid(final=True):
                self._duty.worked()
                ended = self._turn[1] if self._turn is not None else None
                self._turn = None
                self._backlog.done(self._backlog.end_ms - MARGIN_MS if ended is None else ended)
            case _:
                pass
        self._emit(event)
