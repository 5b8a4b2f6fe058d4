"""A call's session with OpenAI's Realtime API: its connection, and what passes over it."""

import asyncio
from typing import Final, Protocol

from structlog.typing import FilteringBoundLogger

from trunkline import logs
from trunkline.ai.base import AgentSettings, CallFacts, Emit
from trunkline.ai.chat.faults import named
from trunkline.ai.events import (
    AgentCommand,
    CallAnswered,
    KeyPressed,
    ReplyHeard,
    ReplyInterrupted,
)
from trunkline.ai.handover import HandedOver
from trunkline.ai.outer_edge import OuterEdge
from trunkline.ai.patience import Patience
from trunkline.ai.providers import _openai_commands as ours
from trunkline.ai.providers import _openai_messages as wire
from trunkline.ai.providers import _openai_opening as opening
from trunkline.ai.providers._openai_account import (
    ENDS_THE_SESSION,
    NAME,
    OpenAISettings,
    closed,
    failed,
    refused,
    socket_address,
)
from trunkline.ai.providers._openai_dialogue import Dialogue
from trunkline.ai.providers._openai_waiting import due_s, patience, quiet_limit_ms
from trunkline.ai.session import Address, ProviderSocket
from trunkline.ai.toolbox import Toolbox
from trunkline.audio.format import AudioFormat
from trunkline.errors import ProviderError

REPLAY_MS: Final = 500.0
"""Of audio in one message, when a new connection hears what the old one had heard."""


class Line(Protocol):
    """What a session needs to know of its model."""

    own: OpenAISettings
    settings: AgentSettings
    model: str


class RealtimeSession:
    """One call. ``hear``, ``tell`` and ``run`` are ``AgentSession``'s, the rest is the socket's ``Peer``."""

    def __init__(self, line: Line, facts: CallFacts, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> None:
        self.standing = False
        """The vendor has agreed to our settings, and heard what it has to catch up with."""
        self._own, self._settings, self._model = line.own, line.settings, line.model
        self._log: FilteringBoundLogger = logs.get(__name__).bind(call=facts.call_id)
        toolbox = Toolbox.of(self._settings, facts, self._log)
        self._config = opening.session(self._own, self._settings, hears, speaks)
        self._config.tools = opening.functions(toolbox.specs)
        self._edge = OuterEdge("realtime session", emit, self._log)
        self.emit, self.start = self._edge.emit, self._edge.start
        self._hears = hears
        self._quiet_limit_ms = quiet_limit_ms(self._own)
        self._dialogue = Dialogue(self._own, self._settings, toolbox, (hears, speaks), self, self._log)
        self._hearing, self._mouth = self._dialogue.hearing, self._dialogue.mouth
        self._socket: ProviderSocket | None = None
        self._begun = False  # it has stood before
        self._answered = False  # the line is open
        self._renewal: asyncio.TimerHandle | None = None
        self._expected: float | None = None
        self._losses = 0  # of connections, since the last reply
        self._overdue = False  # the caller has fallen silent, and the server should have noticed

    # --- what the call does -------------------------------------------------------------------------------------------

    def hear(self, audio: bytes, now: float) -> None:
        self._hearing.hear(audio)
        if self.standing and self._socket is not None:
            self._socket.send(ours.append(audio))
            overdue = self._hearing.speaking and self._hearing.quiet_ms >= self._quiet_limit_ms
            if overdue is not self._overdue:
                self._overdue = overdue
                self._expect()

    def tell(self, command: AgentCommand, now: float) -> None:
        match command:
            case CallAnswered():
                self._answered = True
                if self.standing:
                    self._dialogue.greet()
            case KeyPressed(digit):
                self._dialogue.key(digit)
            case ReplyHeard(generation, heard_text):
                self._dialogue.heard(generation, heard_text)
            case ReplyInterrupted():
                self._dialogue.interrupted(command)

    def take_over(self, call: HandedOver) -> None:
        """Go on with a call another agent began."""
        self._config.instructions = instructions = call.told(self._settings.instructions)
        self._dialogue.take_over(instructions, call)
        self.tell(CallAnswered(), 0.0)

    async def run(self) -> None:
        self._socket = ProviderSocket(NAME, self, patience=Patience.towards(self._settings), log=self._log)
        try:
            async with self._edge.tasks():
                await self._socket.run()
        finally:
            self.standing = False
            self._dialogue.close()

    # --- the connection -----------------------------------------------------------------------------------------------

    def address(self) -> Address:
        return socket_address(self._own, "/realtime", model=self._model)

    def opened(self) -> None:
        self._break_off()
        self._send_now(ours.SessionUpdate(session=self._config))

    def lost(self) -> None:
        self._losses += 1
        self._break_off()

    def closed(self, code: int, reason: str) -> ProviderError:
        return closed(code, reason)

    def refused(self, status: int, headers: dict[str, str], body: bytes) -> ProviderError:
        return refused(status, headers, body)

    def received(self, data: bytes, binary: bool) -> None:
        message = wire.read(data)
        mouth, dialogue = self._mouth, self._dialogue
        match message:
            case wire.AudioDelta():
                mouth.audio(message)
            case wire.TranscriptDelta(response_id, delta):
                mouth.text(response_id, delta)
            case wire.ItemAdded(response_id, item):
                mouth.item(response_id, item)
            case wire.AudioDone(response_id) | wire.ItemDone(response_id):
                mouth.item_done(response_id)
            case wire.ResponseCreated(response):
                if mouth.created(response):
                    dialogue.prompted()
            case wire.ResponseDone(response):
                self._losses = 0
                dialogue.over(response, mouth.over(response))
            case wire.SpeechStarted(at_ms, item):
                dialogue.speech_started(item, at_ms)
            case wire.SpeechStopped(at_ms, item):
                dialogue.tell(self._hearing.stopped(item, at_ms))
            case wire.Committed(item):
                dialogue.turn_over(item)
            case wire.WordsDelta(item, delta):
                dialogue.some_words(item, delta)
            case wire.WordsDone(item, transcript):
                dialogue.words(item, transcript)
            case wire.WordsFailed(item):
                dialogue.words(item, "")
            case wire.SessionUpdated(resolved):
                self._agreed_to(resolved)
            case wire.Failed(error):
                self._error(error)
            case wire.Unknown(kind):
                if kind not in wire.OF_NO_USE:
                    self._log.debug("provider message not known", kind=named(kind))
            case wire.SessionCreated():
                pass
        self._expect()

    def _break_off(self) -> None:
        """What the vendor was about is void."""
        self.standing = False
        self._dialogue.break_off()

    def _agreed_to(self, resolved: wire.Resolved) -> None:
        """The session stands: tell it what was said so far, and let it hear what nobody has words for."""
        if self.standing or self._socket is None:
            return
        if not opening.agrees(resolved, self._config):
            raise ProviderError(NAME, "our fault", "does not speak the audio format it was asked for")
        rehears = bool(self._hearing.turns) or self._hearing.speaking
        for item in self._dialogue.told():
            self._send_now(ours.ItemCreate(item=item))
        rest, step = self._hearing.restart(), self._hears.bytes_for(REPLAY_MS)
        for at in range(0, len(rest), step):
            self._socket.send(ours.append(rest[at : at + step]))
        self._socket.ready()
        self._expected = None
        self.standing = True
        if self._renewal is not None:
            self._renewal.cancel()
        self._renewal = self._dialogue.later(60 * self._own.session_minutes, self._renew_soon)
        if not self._begun and self._answered:
            self._dialogue.greet()
        self._begun = True
        self._dialogue.resume(rehears=rehears)

    def _renew_soon(self) -> None:
        self._dialogue.renewal_due = True
        self._dialogue.decide()

    def _error(self, error: wire.WhatFailed) -> None:
        if error.code in ENDS_THE_SESSION or not self.standing:
            raise failed(error.code, error.type)
        problem = failed(error.code, error.type)
        reply = self._mouth.refused(error.event_id)
        self._log.debug("provider complains", reason=str(problem))
        if reply is not None and error.code == "conversation_already_has_active_response":
            self._mouth.busy = True  # until that one is done
            self._mouth.broken = reply
        elif reply is not None:
            self._dialogue.failed(reply, error)
        elif problem.fault == "transient" and error.type == "server_error":
            raise problem

    def _expect(self) -> None:
        """How long the vendor may be silent, as things stand."""
        if self.standing and self._socket is not None:
            wordless = bool(self._dialogue.unanswered.wordless)
            due = due_s(self._mouth.phase, overdue=self._overdue, wordless=wordless)
            if due is not None:
                due *= patience(self._losses)
            if due != self._expected:
                self._expected = due
                self._socket.expect(due)

    # --- for the dialogue ---------------------------------------------------------------------------------------------

    def send(self, message: ours.ClientMessage) -> None:
        """To a session that stands; another is told everything when it does."""
        if self.standing:
            self._send_now(message)
            self._expect()

    def renew(self) -> None:
        """Another connection, before this one's end."""
        if self._socket is not None:
            self._socket.renew()

    def _send_now(self, message: ours.ClientMessage) -> None:
        if self._socket is not None:
            self._socket.send(ours.encode(message))
