"""A call's session with Gemini's Live API: its connections, and what passes over them."""

import asyncio
from typing import Any, Final, Protocol

import msgspec
from structlog.typing import FilteringBoundLogger

from trunkline import logs
from trunkline.ai.base import AgentSettings, CallFacts, Emit, Vad
from trunkline.ai.events import (
    AgentCommand,
    AgentEvent,
    CallAnswered,
    KeyPressed,
    ReplyHeard,
    ReplyInterrupted,
    SpeechStarted,
    SpeechStopped,
)
from trunkline.ai.handover import HandedOver
from trunkline.ai.outer_edge import OuterEdge
from trunkline.ai.patience import Patience
from trunkline.ai.providers import _gemini_commands as ours
from trunkline.ai.providers import _gemini_messages as wire
from trunkline.ai.providers import _gemini_opening as opening
from trunkline.ai.providers._gemini_account import NAME, GeminiSettings, closed, failed, refused, socket_address
from trunkline.ai.providers._gemini_dialogue import Dialogue
from trunkline.ai.providers._gemini_families import Family
from trunkline.ai.providers._gemini_hearing import Hearing
from trunkline.ai.providers._gemini_history import TRIMMED, as_text
from trunkline.ai.session import Address, ProviderSocket
from trunkline.ai.toolbox import Toolbox
from trunkline.audio.format import AudioFormat
from trunkline.errors import ProviderError

BEFORE_THE_END_S: Final = 5.0
"""Before a connection's announced end another one takes over, be it in the middle of something."""


class Model(Protocol):
    """What a session needs to know of its model."""

    own: GeminiSettings
    settings: AgentSettings
    model: str
    family: Family
    vad: Vad


class LiveSession:
    """One call. ``hear``, ``tell`` and ``run`` are ``AgentSession``'s, the rest is the socket's ``Peer``."""

    def __init__(self, model: Model, facts: CallFacts, hears: AudioFormat, emit: Emit) -> None:
        self.standing = False
        """The vendor has agreed to our settings, and knows what was said so far."""
        self._own, self._settings, self._family = model.own, model.settings, model.family
        self._log: FilteringBoundLogger = logs.get(__name__).bind(call=facts.call_id)
        toolbox = Toolbox.of(self._settings, facts, self._log)
        self._setup = opening.setup(self._own, self._settings, model.model, self._family, toolbox.specs)
        self._instructions = opening.instructions(self._settings)
        self._edge = OuterEdge("live session", emit, self._log)
        self.emit, self.start = self._edge.emit, self._edge.start
        self.hearing = Hearing(hears, self._own.input_rate, model.vad, send=self._voice, speech=self._speech)
        self._dialogue = Dialogue(self._own, self._settings, self._family, toolbox, self, self._log)
        self.hear = self.hearing.hear
        """The caller's voice. (The hearing's own method: a call less per frame.)"""
        self._socket: ProviderSocket | None = None
        self._handle = ""  # by which a new connection goes on with this session
        self._resuming = False  # the present one was opened with it
        self._begun = False  # it has stood before
        self._answered = False  # the line is open
        self._trimmed = False
        self._renewal: asyncio.TimerHandle | None = None
        self._expected: float | None = None

    # --- what the call does -------------------------------------------------------------------------------------------

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
        self._expect()

    def take_over(self, call: HandedOver) -> None:
        """Go on with a call another agent began."""
        self._instructions = call.told(self._instructions)
        self._dialogue.take_over(call)
        self.tell(CallAnswered(), 0.0)

    async def run(self) -> None:
        self._socket = ProviderSocket(NAME, self, patience=Patience.towards(self._settings), log=self._log)
        try:
            async with self._edge.tasks():
                await self._socket.run()
        finally:
            self.standing = False
            if self._renewal is not None:
                self._renewal.cancel()
            self._dialogue.close()
            self.hearing.close()

    # --- the connection -----------------------------------------------------------------------------------------------

    def address(self) -> Address:
        return socket_address(self._own)

    def opened(self) -> None:
        self._break_off()
        self._resuming = bool(self._handle)
        setup = opening.resuming(self._setup, self._handle)
        instructions = self._instructions
        if not self._resuming:
            self._dialogue.history.uncovered()
            lines = self._dialogue.untold()
            if lines and self._family.seed == "instructions":
                instructions += opening.EARLIER + as_text(lines)
            if lines and self._family.seed == "history":
                setup = msgspec.structs.replace(setup, history_config=ours.HistoryConfig(True))
        setup = msgspec.structs.replace(setup, system_instruction=opening.instruction(instructions))
        self._send_now(ours.ClientMessage(setup=setup))

    def lost(self) -> None:
        self._break_off()

    def closed(self, code: int, reason: str) -> ProviderError:
        error = closed(code, reason)
        if error.fault not in ("our fault", "transient") or code == 1006:
            return error
        if self._resuming and not self.standing:
            self._forget_handle()
            return ProviderError(NAME, "transient", f"would not resume the session ({code})")
        if code == 1007 and self.standing and not self._trimmed:
            self._trimmed = True  # it may have been too much for it: once, with less
            self._dialogue.history.limit = TRIMMED
            self._forget_handle()
            return ProviderError(NAME, "transient", "closed the socket on the conversation so far (1007)")
        return error

    def refused(self, status: int, headers: dict[str, str], body: bytes) -> ProviderError:
        return refused(status, headers, body)

    def received(self, data: bytes, binary: bool) -> None:
        message = wire.read(data)  # the vendor sends its JSON in binary messages, and may send text
        if (failure := message.failure) is not None:
            raise failed(failure.code, failure.message, failure.status)
        if message.setup_complete is not None:
            self._stands()
        if message.server_content is not None:
            self._dialogue.content(message.server_content)
        elif message.tool_call is not None:
            self._dialogue.calls(message.tool_call.function_calls)
        elif message.session_resumption_update is None and message.setup_complete is None:
            self._rarely(data, message)
        if (update := message.session_resumption_update) is not None and update.resumable and update.new_handle:
            self._handle = update.new_handle
            self._dialogue.history.covered()
        self._expect()

    def _rarely(self, data: bytes, message: wire.ServerMessage) -> None:
        if message.tool_call_cancellation is not None:
            self._dialogue.functions.cancel(message.tool_call_cancellation.ids)
        elif message.go_away is not None:
            self._log.info("provider will close the connection", left_s=message.go_away.left_s)
            self._renew_soon(message.go_away.left_s)
        elif names := wire.unknown(data):
            self._log.debug("provider message not known", kind=", ".join(names))

    def _break_off(self) -> None:
        """What the vendor was about is void."""
        self.standing = False
        self._expected = None
        self._dialogue.break_off()

    def _stands(self) -> None:
        """Tell it what was said so far, and let it hear what nobody has answered."""
        if self.standing or self._socket is None:
            return
        lines = self._dialogue.untold()
        if lines and (self._resuming or self._family.seed != "instructions"):
            turns = [ours.says(line.text, "model" if line.who == "agent" else "user") for line in lines]
            announced = self._family.seed == "history" and not self._resuming
            self._send_now(ours.content(turns, answer=announced))  # what was announced is no question
        self._socket.ready()
        self.standing = True
        self._later(60 * self._own.session_minutes, self._renew_when_idle)
        self._dialogue.resume()
        if not self._begun and self._answered:
            self._dialogue.greet()
        self._begun = True

    def _forget_handle(self) -> None:
        self._handle = ""

    def _renew_soon(self, left_s: float) -> None:
        """When nobody speaks, but before so long."""
        self._later(max(0.0, left_s - BEFORE_THE_END_S), self.renew)
        self._dialogue.renewal_due = True
        self._dialogue.rest()

    def _renew_when_idle(self) -> None:
        self._dialogue.renewal_due = True
        self._dialogue.rest()

    def _later(self, seconds: float, what: Any) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
        self._renewal = asyncio.get_running_loop().call_later(seconds, what)

    def _expect(self) -> None:
        """How long the vendor may be silent, as things stand."""
        if self.standing and self._socket is not None:
            due = self._dialogue.due_s
            if due != self._expected:
                self._expected = due
                self._socket.expect(due)

    # --- for the dialogue ---------------------------------------------------------------------------------------------

    def send(self, message: ours.ClientMessage) -> None:
        """To a session that stands; another is told everything when it does."""
        if self.standing:
            self._send_now(message)

    def renew(self) -> None:
        """Another connection, before this one's end."""
        self._dialogue.renewal_due = False
        if self._socket is not None:
            self._socket.renew()

    def _speech(self, event: AgentEvent) -> None:
        """From our detector."""
        match event:
            case SpeechStarted() | SpeechStopped():
                self._dialogue.speech(event)
                self._expect()
            case _:
                self.emit(event)

    def _voice(self, message: bytes) -> None:
        if self.standing and self._socket is not None:
            self._socket.send(message)

    def _send_now(self, message: ours.ClientMessage) -> None:
        if self._socket is not None:
            self._socket.send(ours.encode(message))
