"""OpenAI's end of the Live socket, simulated: one session, whose output is a stream in real time, silence and all.

What the simulated model does when it is interrupted: it talks on for a while, and then yields.
"""

import asyncio
import time
from base64 import b64encode
from collections import deque
from typing import Any, Final

import msgspec
from msgspec import UNSET
from starlette.websockets import WebSocket

from trunkline.ai.base import Message, ToolSpec
from trunkline.ai.providers import _openai_live_messages as wire
from trunkline.ai.providers._openai_live import ANSWER, FORMATS
from trunkline.ai.providers._openai_opening import GO_ON, SAY
from trunkline.ai.providers._openai_standin_door import End, Strange
from trunkline.ai.providers._openai_standin_realtime import GREETING
from trunkline.ai.standin import Answer, Ears, Place, Play, TurnBegan, TurnEnded
from trunkline.audio.format import MULAW_8K, AudioFormat

_CLIENT: Final[msgspec.json.Decoder[wire.ClientMessage]] = msgspec.json.Decoder(wire.ClientMessage)

DELTA_MS: Final = 20
YIELDS_MS: Final = 300
"""How long it talks on into an interruption."""
EARLY_MS: Final = 200
"""Audio may come so much faster than the clock."""
SESSION_S: Final = 3600


class LiveEnd(End):
    """One socket."""

    def __init__(self, socket: WebSocket, play: Play) -> None:
        super().__init__(socket, play)
        self._format: AudioFormat = MULAW_8K
        self._ears: Ears | None = None
        self._history: list[Message] = []
        self._tools: list[ToolSpec] = []
        self._began = 0.0  # 0: not started
        self._heard_ms = 0.0
        self._voice: deque[tuple[str, bytes]] = deque()  # words, and the audio that begins with them
        self._yield_at: float | None = None
        self._calls: dict[str, str] = {}  # by call id: the delegation
        self._results: list[str] = []
        self._session: dict[str, Any] = {}

    async def take(self, data: str | bytes) -> None:
        try:
            message = _CLIENT.decode(data)
        except msgspec.ValidationError as error:
            raise Strange("unknown_parameter" if "unknown field" in str(error) else "invalid_value") from None
        except msgspec.DecodeError:
            raise Strange("invalid_json") from None
        if isinstance(message, wire.SessionStart) is bool(self._began):
            raise Strange("invalid_session_state")
        match message:
            case wire.SessionStart(session):
                await self._start(session)
            case wire.AudioAppend(audio):
                await self._hear(audio)
            case wire.InstructionsAppend(content):
                await self._appended("instructions")
                self.soon(self._obey(content))
            case wire.ThinkingAppend():
                await self._appended("thinking")
            case wire.ResponseItemCreate(output):
                if self._calls.pop(output.call_id, None) is None:
                    raise Strange("invalid_value")
                self._results.append(output.output)
            case wire.ResponseCreate():
                if self._calls or not self._results:
                    raise Strange("invalid_value")
                self._history += [Message("tool", text) for text in self._results]
                self._results.clear()
                self.soon(self._answer())
            case wire.SessionClose():
                usage = {"seconds": self._now_ms / 1000}
                closed = {"reason": "close_requested", "session": self._session, "usage": usage}
                await self.send({"type": "session.closed", **closed})
                await self.socket.close(1000)

    def error(self, code: str, kind: str = "invalid_request_error", event_id: str | None = None) -> dict[str, Any]:
        return {"type": "error", "error": {"type": kind, "code": code, "message": "simulated", "param": None}}

    async def _appended(self, what: str) -> None:
        at = int(self._now_ms)
        await self.send({"type": f"session.{what}.appended", "start_ms": at, "end_ms": at})

    @property
    def _now_ms(self) -> float:
        return 1000 * (asyncio.get_running_loop().time() - self._began)

    # --- the session --------------------------------------------------------------------------------------------------

    async def _start(self, session: wire.Session) -> None:
        formats = [audio for audio, known in FORMATS.items() if known == session.audio.format]
        if not formats or not session.model.startswith("gpt-live"):
            raise Strange("invalid_value")
        self._format = formats[0]
        self._ears = self.play.ears(self._format)
        if session.input is not UNSET:
            if len(session.input) > 128:
                raise Strange("invalid_value")
            roles: dict[str, Any] = {"user": "caller", "assistant": "agent", "developer": "system"}
            self._history = [Message(roles[item.role], item.content[0].text) for item in session.input]
        if session.delegation is not UNSET:
            given = session.delegation.responses.tools
            self._tools = [ToolSpec(tool.name, tool.description, tool.parameters) for tool in given]
        self._began = asyncio.get_running_loop().time()
        resolved = {"id": "sess_simulated", "status": "active", "expires_at": int(time.time()) + SESSION_S}
        self._session = msgspec.to_builtins(session) | resolved
        await self.send({"type": "session.started", "session": self._session})
        self.soon(self._speak())

    # --- the caller ---------------------------------------------------------------------------------------------------

    async def _hear(self, audio: bytes) -> None:
        if not audio or len(audio) % self._format.sample_bytes or self._ears is None:
            raise Strange("invalid_value")
        self._heard_ms += self._format.ms(len(audio))
        if self._heard_ms > self._now_ms + 2 * EARLY_MS:
            raise Strange("input_audio_too_fast")
        for event in self._ears.push(audio):
            match event:
                case TurnBegan():
                    if self._voice:
                        self._yield_at = self._now_ms + YIELDS_MS
                    if (trouble := self.play.trouble(Place.HEARING)) is not None:
                        await self.misbehave(trouble)
                case TurnEnded(at_ms, text):
                    self.soon(self._turn(int(at_ms), text))

    async def _turn(self, at_ms: int, text: str) -> None:
        await asyncio.sleep(self.play.stt_ms / 1000)
        words = [f" {word}" if i else word for i, word in enumerate(text.split())]
        for i, word in enumerate(words):
            start = max(0, at_ms - 200 * (len(words) - i))
            about = {"delta": word, "start_ms": start, "end_ms": min(at_ms, start + 200)}
            await self.send({"type": "session.input_transcript.delta", **about})
        self._history.append(Message("caller", text))
        await self._answer()

    # --- the model ----------------------------------------------------------------------------------------------------

    async def _obey(self, content: str) -> None:
        if self._voice:
            self._yield_at = self._now_ms + YIELDS_MS
            await asyncio.sleep(2 * YIELDS_MS / 1000)
        await asyncio.sleep(self.play.model_ms / 1000)
        _, cut, said = content.partition(GO_ON)
        if content.startswith(SAY):
            await self._say(content.removeprefix(SAY))
        elif cut:
            while self._history and self._history[-1].role == "agent":
                self._history.pop()
            await self._say(self._think().text.removeprefix(said).strip())
        elif content == ANSWER or self._history:
            if content != ANSWER:
                self._history.append(Message("caller", content))
            await self._answer()
        else:
            await self._say(GREETING)

    def _think(self) -> Answer:
        return self.play.mind(self._history, self._tools) if self._history else Answer(GREETING)

    async def _answer(self) -> None:
        if (trouble := self.play.trouble(Place.ANSWERING)) is not None:
            await self.misbehave(trouble)
        await asyncio.sleep(self.play.model_ms / 1000)
        answer = self._think()
        if answer.text:
            await self._say(answer.text)
        if answer.tool:
            await self._delegate(answer)

    async def _delegate(self, answer: Answer) -> None:
        delegation, call = self.id("del"), self.id("call")
        self._calls[call] = delegation
        about = {"id": delegation, "target": "responses", "type": "delegation", "response_id": self.id("resp")}
        await self.send({"type": "session.delegation.created", "delegation": about, "offset_ms": int(self._now_ms)})
        item = {"type": "function_call", "call_id": call, "name": answer.tool, "arguments": answer.arguments}
        for event in (
            {"type": "response.output_item.done", "item": item, "output_index": 0},
            {"type": "response.completed", "response": {"output": []}},
        ):
            await self.send({"type": "response.event", "event": event, "delegation_id": delegation})

    async def _say(self, text: str) -> None:
        await asyncio.sleep(self.play.voice_ms / 1000)
        voice = await self.play.voice.speak(text, self._format)
        words = [f" {word}" if i else word for i, word in enumerate(text.split())]
        self._history.append(Message("agent", text))
        unit = self._format.sample_bytes
        for i, word in enumerate(words):
            begin, end = (len(voice) // unit * k // len(words) * unit for k in (i, i + 1))
            self._voice.append((word, voice[begin:end]))

    # --- its voice ----------------------------------------------------------------------------------------------------

    async def _speak(self) -> None:
        """The stream: every 20 ms as much of the voice, or silence."""
        size, position, spoken, left = self._format.bytes_for(DELTA_MS), 0.0, 0.0, b""
        while True:
            if self._yield_at is not None and self._now_ms >= self._yield_at:
                self._voice.clear()
                self._yield_at, left = None, b""
            while len(left) < size and self._voice:
                word, audio = self._voice.popleft()
                left += audio
                spoken += 1
                about = {
                    "delta": word,
                    "start_ms": int(position),
                    "end_ms": int(position + self._format.ms(len(audio))),
                }
                await self.send({"type": "session.output_transcript.delta", **about})
                if spoken == 3 and (trouble := self.play.trouble(Place.SPEAKING)) is not None:
                    await self.misbehave(trouble)
            if not left:
                spoken = 0
            piece, left = left[:size], left[size:]
            piece += self._format.silence(self._format.samples(size - len(piece)))
            await self.send({"type": "session.output_audio.delta", "delta": b64encode(piece).decode()}, named=False)
            position += DELTA_MS
            await asyncio.sleep((position - self._now_ms) / 1000)
