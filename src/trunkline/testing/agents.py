"""An agent that plays by a script on virtual time: the AI side of a scene, with no AI and no event loop.

It hears by level alone, takes what the caller says from its script, and makes its replies in bursts faster than real
time, as models do. Hand the agent to ``scene.play(also=[agent])``, which wakes it.
"""

from collections.abc import Callable, Mapping, Sequence
from heapq import heapify, heappop, heappush

import msgspec

from trunkline.ai.base import CallFacts, Emit
from trunkline.ai.events import (
    AgentCommand,
    AgentEvent,
    CallAnswered,
    CallerSaid,
    KeyPressed,
    ReplyAudio,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
    Stage,
    StageReached,
)
from trunkline.audio.format import MULAW_8K, AudioFormat
from trunkline.testing.gate import Gate


class Reply(msgspec.Struct, frozen=True):
    """What the agent says: pieces of text, each with its audio in the session's ``speaks`` format.

    The first audio comes ``after_ms`` after its cause; then a piece of ``piece_ms`` leaves ``speed`` times as fast as
    it will be played. ``then`` is emitted after the end.
    """

    parts: tuple[tuple[str, bytes], ...]
    after_ms: float = 300
    piece_ms: float = 100
    speed: float = 10
    then: AgentEvent | None = None


class Answer(msgspec.Struct, frozen=True):
    """One utterance of the caller: what the recogniser makes of it, and the reply to it, if any.

    ``partial`` is recognised ``partial_ms`` after the agent noticed the voice, ``text`` when it has fallen silent.
    """

    text: str = ""
    reply: Reply | None = None
    partial: str = ""
    partial_ms: float = 100


class ScriptedAgent:
    """Satisfies ``AgentModel``. Utterances are answered in the order of ``answers``; further ones are not.

    ``cues`` are events and replies at milliseconds after the call was answered. A ``stubborn`` agent goes on sending
    a reply that was interrupted, as a model does whose audio is already on its way.
    """

    name = "scripted"

    def __init__(
        self,
        answers: Sequence[Answer] = (),
        *,
        greeting: Reply | None = None,
        keys: Mapping[str, Reply] | None = None,
        cues: Sequence[tuple[float, AgentEvent | Reply]] = (),
        wire: AudioFormat = MULAW_8K,
        hang_ms: float = 200,
        stubborn: bool = False,
    ) -> None:
        self.hears: tuple[AudioFormat, ...] = (wire,)
        self.speaks: tuple[AudioFormat, ...] = (wire,)
        self.answers = answers
        self.greeting = greeting
        self.keys = keys or {}
        self.cues = cues
        self.hang_ms = hang_ms
        self.stubborn = stubborn
        self.sessions: list[ScriptedSession] = []

    def open(self, facts: CallFacts, *, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> "ScriptedSession":
        """A session by this script. It is kept in ``sessions``."""
        session = ScriptedSession(self, hears=hears, speaks=speaks, emit=emit)
        self.sessions.append(session)
        return session

    async def warm_up(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free."""

    @property
    def deadline(self) -> float | None:
        """When the first session wants to be woken."""
        return min((at for session in self.sessions if (at := session.deadline) is not None), default=None)

    def tick(self, now: float) -> None:
        """Wake all sessions."""
        for session in self.sessions:
            session.tick(now)


class ScriptedSession:
    """The agent in one call. ``told`` holds every command with the time it came, ``heard_bytes`` counts the audio."""

    def __init__(self, script: ScriptedAgent, *, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> None:
        self.told: list[tuple[float, AgentCommand]] = []
        self.heard_bytes = 0
        self._script = script
        self._hears = hears
        self._speaks = speaks
        self._emit = emit
        self._gate = Gate(hears, hang_ms=script.hang_ms)
        self._answers = iter(script.answers)
        self._answer = Answer()
        self._generation = 0
        self._number = 0
        self._due: list[tuple[float, int, int, AgentEvent | Callable[[float], None]]] = []  # at, order, generation

    async def run(self) -> None:
        """The scene drives this session, not a task."""

    @property
    def deadline(self) -> float | None:
        """When the next event is due."""
        return self._due[0][0] if self._due else None

    def tick(self, now: float) -> None:
        """Emit what is due."""
        while self._due and self._due[0][0] <= now:
            at, _, _, what = heappop(self._due)
            if callable(what):
                what(at)
            else:
                self._emit(what)

    def hear(self, audio: bytes, now: float) -> None:
        """Listen for the edges of speech."""
        self.heard_bytes += len(audio)
        for edge in self._gate.push(audio):
            at_ms = 1000 * edge.sample / self._hears.rate
            if edge.began:
                self._answer = next(self._answers, Answer())
                self._emit(SpeechStarted(at_ms))
                if self._answer.partial:
                    self._plan(now + self._answer.partial_ms / 1000, CallerSaid(self._answer.partial, final=False))
            else:
                self._emit(SpeechStopped(at_ms))
                if self._answer.text:
                    self._emit(CallerSaid(self._answer.text, final=True))
                if self._answer.reply:
                    self._begin(self._answer.reply, now)

    def tell(self, command: AgentCommand, now: float) -> None:
        """Greet, answer a key, or drop a reply that was interrupted."""
        self.told.append((now, command))
        match command:
            case CallAnswered():
                if self._script.greeting:
                    self._begin(self._script.greeting, now)
                for at_ms, cue in self._script.cues:
                    self._cue(now + at_ms / 1000, cue)
            case KeyPressed(digit=digit) if digit in self._script.keys:
                self._begin(self._script.keys[digit], now)
            case ReplyInterrupted(generation=generation) if not self._script.stubborn:
                self._due = [due for due in self._due if due[2] != generation]
                heapify(self._due)
            case _:
                pass

    def _cue(self, at: float, cue: AgentEvent | Reply) -> None:
        if isinstance(cue, Reply):
            self._plan(at, lambda now: self._begin(cue, now))
        else:
            self._plan(at, cue)

    def _begin(self, reply: Reply, now: float) -> None:
        """Number the reply and lay out its events in time."""
        self._generation += 1
        mine = self._generation
        at = now + reply.after_ms / 1000
        self._plan(now, StageReached(Stage.MODEL_STARTED, mine), mine)
        self._plan(at, ReplyStarted(mine), mine)
        self._plan(at, StageReached(Stage.MODEL_FIRST_TOKEN, mine), mine)
        self._plan(at, StageReached(Stage.SYNTHESIS_STARTED, mine), mine)
        self._plan(at, StageReached(Stage.SYNTHESIS_FIRST_BYTE, mine), mine)
        size = self._speaks.bytes_for(reply.piece_ms)
        for text, audio in reply.parts:
            self._plan(at, ReplyText(text, mine), mine)
            for start in range(0, len(audio), size):
                piece = audio[start : start + size]
                self._plan(at, ReplyAudio(piece, mine), mine)
                at += self._speaks.ms(len(piece)) / 1000 / reply.speed
        self._plan(at, StageReached(Stage.MODEL_ENDED, mine), mine)
        self._plan(at, ReplyEnded(mine), mine)
        if reply.then is not None:
            self._plan(at, reply.then, mine)

    def _plan(self, at: float, what: AgentEvent | Callable[[float], None], generation: int = 0) -> None:
        self._number += 1
        heappush(self._due, (at, self._number, generation, what))
