"""A call's session with OpenAI's Live API: a model that hears and speaks all the time, and decides itself when.

It has no turns, no bookkeeping of what was heard and no way to be cut off: a caller who interrupts it is heard by it,
and it yields. So the call is told of the caller's words, and of speech only while the agent is silent: it never holds
or cuts the agent's voice here, but for keys.
"""

import asyncio
import time
from typing import Final

from msgspec import UNSET
from structlog.typing import FilteringBoundLogger

from trunkline import logs
from trunkline.ai.base import CallFacts, Emit, ToolCall
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
from trunkline.ai.providers import _openai_live_messages as wire
from trunkline.ai.providers._openai_account import NAME, closed, failed, refused, socket_address
from trunkline.ai.providers._openai_history import History, pressed
from trunkline.ai.providers._openai_live_functions import LiveFunctions
from trunkline.ai.providers._openai_live_pacing import Pacer
from trunkline.ai.providers._openai_live_voice import LiveVoice
from trunkline.ai.providers._openai_live_words import CallerWords
from trunkline.ai.providers._openai_messages import Unknown
from trunkline.ai.providers._openai_opening import GO_ON, GREET, SAY, VOICE, functions
from trunkline.ai.providers._openai_realtime import Line
from trunkline.ai.providers._openai_waiting import patience
from trunkline.ai.session import Address, ProviderSocket
from trunkline.ai.toolbox import Toolbox
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_16K, PCM16_24K, AudioFormat
from trunkline.errors import ProviderError

FORMATS: Final = {
    PCM16_24K: wire.Format("audio/pcm", 24000),
    MULAW_8K: wire.Format("audio/pcmu", 8000),
    ALAW_8K: wire.Format("audio/pcma", 8000),
    PCM16_16K: wire.Format("audio/pcm", 16000),
}
"""One for both directions."""

ANSWER: Final = "A fault on the line cut you off before you could answer. Answer the caller's last words now."
NOBODY: Final = "There is nobody to ask. Answer with what you know."

SILENT_S: Final = 0.7
"""A stream that is known to be continuous, or a voice, does not stop for longer."""


class LiveSession:
    """One call. ``hear``, ``tell`` and ``run`` are ``AgentSession``'s, the rest is the socket's ``Peer``."""

    def __init__(self, line: Line, facts: CallFacts, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> None:
        self._own, self._settings, self._model = line.own, line.settings, line.model
        self._log: FilteringBoundLogger = logs.get(__name__).bind(call=facts.call_id)
        toolbox = Toolbox.of(self._settings, facts, self._log)
        delegate = self._own.live_delegate
        self._config = wire.Session(
            model=self._model,
            audio=wire.Audio(FORMATS[hears], wire.Output(self._settings.voice or VOICE)),
            instructions=self._settings.instructions or UNSET,
            delegation=wire.functions(functions(toolbox.specs), delegate) if delegate else UNSET,
            store=False,
        )
        self._edge = OuterEdge("live session", emit, self._log)
        self._history = History()
        self._pacer = Pacer(hears)
        self._voice = LiveVoice(
            hears, speaks, self._history, self._edge.emit, began=self._reply_began, ended=self._reply_ended
        )
        self._words = CallerWords(self._edge.emit, self._history)
        self._functions = LiveFunctions(toolbox, send=self._send, emit=self._edge.emit)
        self._socket: ProviderSocket | None = None
        self._standing = False
        self._begun = False
        self._answered = False
        self._taken_over: HandedOver | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._renew_at = float("inf")
        self._losses = 0  # of connections, since the last reply
        self._unanswered = False

    # --- what the call does -------------------------------------------------------------------------------------------

    def hear(self, audio: bytes, now: float) -> None:
        for piece in self._pacer.hear(audio, now):
            self._append(piece)

    def tell(self, command: AgentCommand, now: float) -> None:
        match command:
            case CallAnswered():
                self._answered = True
                if self._standing:
                    self._greet()
            case KeyPressed(digit):
                self._history.wrote(pressed(digit))
                self._instruct(f"{pressed(digit)} Answer that.")
            case ReplyHeard(generation, heard_text):
                self._voice.settled(generation, heard_text, cut=False)
            case ReplyInterrupted(generation, _, heard_text):
                if self._voice.settled(generation, heard_text, cut=True):
                    self._functions.interrupted()

    def take_over(self, call: HandedOver) -> None:
        """Go on with a call another agent began."""
        self._config.instructions = call.told(self._settings.instructions)
        self._history.earlier(call.history)
        self._taken_over = call
        self.tell(CallAnswered(), 0.0)

    async def run(self) -> None:
        socket = ProviderSocket(NAME, self, patience=Patience.towards(self._settings), log=self._log)
        self._socket = socket
        try:
            async with self._edge.tasks() as group:
                group.create_task(socket.run())
                try:
                    await asyncio.get_running_loop().create_future()  # until cancelled
                finally:
                    socket.send(wire.encode(wire.SessionClose()))
        finally:
            self._standing = False
            self._words.close()
            if self._timer is not None:
                self._timer.cancel()

    # --- the connection -----------------------------------------------------------------------------------------------

    def address(self) -> Address:
        return socket_address(self._own, "/live/sessions")

    def opened(self) -> None:
        self._break_off()
        self._words.settle()
        said = [
            wire.Earlier("assistant" if who == "agent" else "user", [wire.Text(text)])
            for who, text in self._history.texts(self._voice.said)
        ]
        self._config.input = said or UNSET
        if self._socket is not None:
            self._socket.send(wire.encode(wire.SessionStart(session=self._config)))

    def lost(self) -> None:
        self._losses += 1
        self._break_off()

    def _break_off(self) -> None:
        """What the vendor was about is void."""
        self._standing = False
        if self._timer is not None:
            self._timer.cancel()
        self._pacer.stop()
        self._functions.lost()

    def closed(self, code: int, reason: str) -> ProviderError:
        return closed(code, reason)

    def refused(self, status: int, headers: dict[str, str], body: bytes) -> ProviderError:
        return refused(status, headers, body)

    def received(self, data: bytes, binary: bool) -> None:
        match wire.read(data):
            case wire.OutputAudio(delta):
                self._voice.push(delta, asyncio.get_running_loop().time())
            case wire.OutputWords(delta):
                self._voice.words(delta, asyncio.get_running_loop().time())
            case wire.InputWords(delta, start_ms, end_ms):
                self._unanswered = True
                places = self._pacer.position_ms(start_ms), self._pacer.worded(end_ms)
                self._words.heard(delta, *places, agent_sounds=bool(self._voice.said))
            case wire.SessionStarted(session):
                self._started(session)
            case wire.ResponseEvent(event):
                self._nested(event)
            case wire.DelegationCreated(delegation):
                if delegation.target == "client":
                    self._send(wire.ThinkingAppend(content=NOBODY, delegation_id=delegation.id))
            case wire.SessionClosed(reason):
                raise ProviderError(
                    NAME, "our fault" if reason == "content" else "transient", f"ended the session ({named(reason)})"
                )
            case wire.Failed(error):
                self._error(failed(error.code, error.type), error.type)
            case Unknown(kind):
                if kind not in wire.OF_NO_USE:
                    self._log.debug("provider message not known", kind=named(kind))
        self._expect()

    def _started(self, session: wire.Started) -> None:
        if self._standing or self._socket is None:
            return
        loop = asyncio.get_running_loop()
        self._socket.ready()
        self._standing = True
        lasts_s = 60 * self._own.session_minutes
        if session.expires_at is not None:
            left_s = session.expires_at - time.time()
            lasts_s = min(lasts_s, max(left_s - 120, left_s / 2))
        self._renew_at = loop.time() + lasts_s
        for piece in self._pacer.start(loop.time()):
            self._append(piece)
        self._wake()
        broken = self._voice.broken()
        if not self._begun:
            if self._answered:
                self._greet()
        elif broken:
            self._instruct(GO_ON + broken)
        elif self._unanswered:
            self._instruct(ANSWER)
        self._begun = True

    def _error(self, problem: ProviderError, kind: str | None) -> None:
        if not self._standing or problem.fault in ("bad key", "quota") or kind == "server_error":
            raise problem
        self._log.debug("provider complains", reason=str(problem))

    # --- the agent's voice --------------------------------------------------------------------------------------------

    def _greet(self) -> None:
        call, greeting = self._taken_over, self._settings.greeting
        if call is None:
            self._instruct(SAY + greeting if greeting else GREET)
        elif rest := call.rest_of(greeting):
            self._instruct(SAY + rest)
        elif call.broken:
            self._instruct(GO_ON + call.broken)
        elif call.speaks:
            self._instruct("Go on with the call now.")

    def _reply_began(self) -> None:
        self._words.settle()
        self._unanswered = False

    def _reply_ended(self) -> None:
        self._losses = 0
        self._functions.said()

    # --- functions ----------------------------------------------------------------------------------------------------

    def _nested(self, event: wire.Nested) -> None:
        item = event.item
        if event.type == "response.output_item.done" and item is not None and item.type == "function_call":
            self._functions.called(ToolCall(item.name, item.arguments, item.call_id))
        elif event.type == "response.completed" and self._functions.any:
            self._edge.start(self._functions.carry_out())

    # --- time ---------------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """The timer of a session that stands: fills holes, and notices what has not come."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not self._standing:
            return
        for piece in self._pacer.tick(now):
            self._append(piece)
        self._voice.tick(now)
        if now >= self._renew_at and not self._voice.speaking and not self._words.speaking and self._socket is not None:
            self._renew_at = float("inf")
            self._socket.renew()
        self._timer = loop.call_at(max(self._pacer.due, now + 0.005), self._wake)

    def _expect(self) -> None:
        if self._standing and self._socket is not None:
            self._socket.expect(SILENT_S * patience(self._losses) if self._voice.is_continuous else None)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _append(self, piece: bytes) -> None:
        if self._socket is not None:
            self._socket.send(wire.append(piece))

    def _instruct(self, text: str) -> None:
        self._send(wire.InstructionsAppend(content=text, delegation_id=None))

    def _send(self, message: wire.ClientMessage) -> None:
        if self._standing and self._socket is not None:
            self._socket.send(wire.encode(message))
