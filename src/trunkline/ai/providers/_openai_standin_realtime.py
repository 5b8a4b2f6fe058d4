"""OpenAI's end of the Realtime socket, simulated: one session. It refuses what the vendor refuses."""

import asyncio
import contextlib
from base64 import b64encode
from typing import Any, Final

import msgspec
from msgspec import UNSET
from starlette.websockets import WebSocket

from trunkline.ai.base import Message, ToolSpec
from trunkline.ai.providers import _openai_commands as ours
from trunkline.ai.providers._openai_opening import FORMATS, GO_ON, SAY
from trunkline.ai.providers._openai_standin_door import End, Strange
from trunkline.ai.providers._openai_standin_items import Item, audio_format, event_id_of, shown, told
from trunkline.ai.standin import Answer, Ears, Place, Play, Trouble, TurnBegan, TurnEnded
from trunkline.audio.format import PCM16_24K

_CLIENT: Final[msgspec.json.Decoder[ours.ClientMessage]] = msgspec.json.Decoder(ours.ClientMessage)

DELTA_MS: Final = 100
"""Of audio in one message."""
AHEAD: Final = 3
"""Words by which the transcript runs ahead of the audio."""

GREETING: Final = "Hello, this is a simulation. How can I help you?"

_FAILURES: Final = {
    Trouble.RATE_LIMIT: ("rate_limit_exceeded", "rate_limit_exceeded"),
    Trouble.FAULT: ("server_error", "server_error"),
    Trouble.QUOTA: ("insufficient_quota", "insufficient_quota"),
}


class Broken(Exception):
    """The response fails: a code and a type."""


class RealtimeEnd(End):
    """One socket."""

    def __init__(self, socket: WebSocket, play: Play, model: str) -> None:
        super().__init__(socket, play)
        self._model = model
        self._hears = self._speaks = PCM16_24K
        self._turn_detection: ours.ServerVad | ours.SemanticVad = ours.ServerVad(0.5, 300, 500, True, True)
        self._transcribes = False
        self._instructions = ""
        self._voice = "marin"
        self._tools: list[ours.Function] = []
        self._ears: Ears | None = None
        self._items: list[Item] = []
        self._turn = ""  # the item of the turn that is going on
        self._response: asyncio.Task[None] | None = None
        self._spoke = False

    async def begin(self) -> None:
        await self.send({"type": "session.created", "session": self._session()})

    async def take(self, data: str | bytes) -> None:
        try:
            message = _CLIENT.decode(data)
        except msgspec.ValidationError as error:
            unknown = "unknown field" in str(error)
            raise Strange("unknown_parameter" if unknown else "invalid_value", event_id_of(data)) from None
        except msgspec.DecodeError:
            raise Strange("invalid_json") from None
        match message:
            case ours.SessionUpdate(session):
                self._configure(session)
                await self.send({"type": "session.updated", "session": self._session()})
            case ours.AudioAppend(audio):
                await self._hear(audio)
            case ours.ItemCreate(item, previous):
                await self._add(told(item, self.id("item")), after=previous if previous is not UNSET else None)
            case ours.ItemTruncate(item_id, _, ms):
                await self._truncate(item_id, ms)
            case ours.ItemDelete(item_id):
                self._items.remove(self._find(item_id, "item_delete_invalid_item_id"))
                await self.send({"type": "conversation.item.deleted", "item_id": item_id})
            case ours.ResponseCreate(event_id, wanted):
                if self._response is not None:
                    code = "conversation_already_has_active_response"
                    raise Strange(code, None if event_id is UNSET else event_id)
                await self._respond(ours.Wanted() if wanted is UNSET else wanted)
            case ours.ResponseCancel():
                if self._response is None:
                    raise Strange("response_cancel_not_active")
                self._response.cancel()

    # --- the session --------------------------------------------------------------------------------------------------

    def _configure(self, session: ours.Session) -> None:
        given = session.audio.input
        if given.format is not UNSET:
            hears = audio_format(given.format)
            if self._ears is not None and hears != self._hears:
                raise Strange("invalid_value")
            self._hears = hears
        self._turn_detection = given.turn_detection
        self._transcribes = self._transcribes or given.transcription is not UNSET
        if session.audio.output is not UNSET:
            self._speaks = audio_format(session.audio.output.format)
            if (voice := session.audio.output.voice) is not UNSET:
                if self._spoke and voice != self._voice:
                    raise Strange("cannot_update_voice")
                self._voice = voice
        if session.instructions is not UNSET:
            self._instructions = session.instructions
        if session.tools is not UNSET:
            self._tools = session.tools

    def _session(self) -> dict[str, Any]:
        return {
            "type": "realtime",
            "object": "realtime.session",
            "id": "sess_simulated",
            "model": self._model,
            "output_modalities": ["audio"],
            "instructions": self._instructions,
            "tools": msgspec.to_builtins(self._tools),
            "tool_choice": "auto",
            "audio": {
                "input": {
                    "format": msgspec.to_builtins(FORMATS[self._hears]),
                    "turn_detection": msgspec.to_builtins(self._turn_detection),
                },
                "output": {"format": msgspec.to_builtins(FORMATS[self._speaks]), "voice": self._voice},
            },
        }

    # --- the caller ---------------------------------------------------------------------------------------------------

    async def _hear(self, audio: bytes) -> None:
        if self._ears is None:
            self._ears = self.play.ears(self._hears)
        vad = self._turn_detection
        before, after = (vad.prefix_padding_ms, vad.silence_duration_ms) if isinstance(vad, ours.ServerVad) else (0, 0)
        for event in self._ears.push(audio):
            match event:
                case TurnBegan(at_ms):
                    self._turn = self.id("item")
                    at = {"audio_start_ms": int(max(0, at_ms - before)), "item_id": self._turn}
                    await self.send({"type": "input_audio_buffer.speech_started", **at})
                    if vad.interrupt_response is True and self._response is not None:
                        self._response.cancel("turn_detected")
                    if (trouble := self.play.trouble(Place.HEARING)) is not None:
                        await self.misbehave(trouble)
                case TurnEnded(at_ms, text):
                    at = {"audio_end_ms": int(at_ms + after), "item_id": self._turn}
                    await self.send({"type": "input_audio_buffer.speech_stopped", **at})
                    await self._commit(text)
                    if vad.create_response is True and self._response is None:
                        await self._respond(ours.Wanted())

    async def _commit(self, text: str) -> None:
        id, previous = self._turn, self._items[-1].id if self._items else None
        await self.send({"type": "input_audio_buffer.committed", "item_id": id, "previous_item_id": previous})
        await self._add(Item(id, Message("caller", text)))
        if self._transcribes:
            self.soon(self._write_down(id, text))

    async def _write_down(self, id: str, text: str) -> None:
        await asyncio.sleep(self.play.stt_ms / 1000)
        kind = "conversation.item.input_audio_transcription"
        about = {"item_id": id, "content_index": 0}
        if text:
            await self.send({"type": f"{kind}.delta", **about, "delta": text})
        usage = {"type": "duration", "seconds": 1.0}
        await self.send({"type": f"{kind}.completed", **about, "transcript": text, "usage": usage})

    # --- the conversation ---------------------------------------------------------------------------------------------

    async def _add(self, item: Item, after: str | None = None) -> None:
        at = len(self._items)
        if after is not None:
            at = 1 + self._items.index(self._find(after, "invalid_previous_item_id"))
        previous = self._items[at - 1].id if at else None
        self._items.insert(at, item)
        for kind in ("added", "done"):
            about = {"item": shown(item), "previous_item_id": previous}
            await self.send({"type": f"conversation.item.{kind}", **about})

    async def _truncate(self, item_id: str, ms: int) -> None:
        item = self._find(item_id, "item_truncate_invalid_item_id")
        if item.audio_ms is None or ms > item.audio_ms or ms < 0:
            raise Strange("invalid_value")
        words = item.message.text.split()
        heard = " ".join(words[: int(len(words) * ms / item.audio_ms)]) if item.audio_ms else ""
        item.message, item.audio_ms = Message("agent", heard), ms
        about = {"item_id": item_id, "content_index": 0, "audio_end_ms": ms}
        await self.send({"type": "conversation.item.truncated", **about})

    def _find(self, id: str, code: str) -> Item:
        for item in self._items:
            if item.id == id:
                return item
        raise Strange(code)

    # --- the answer ---------------------------------------------------------------------------------------------------

    async def _respond(self, wanted: ours.Wanted) -> None:
        self._response = self.soon(self._make(wanted))
        await asyncio.sleep(0)  # a task that is cancelled before it began could not say so

    async def _make(self, wanted: ours.Wanted) -> None:
        response: dict[str, Any] = {"object": "realtime.response", "id": self.id("resp"), "output": []}
        response["metadata"] = None if wanted.metadata is UNSET else wanted.metadata
        details: dict[str, Any] | None = None
        try:
            trouble = self.play.trouble(Place.ANSWERING)
            if trouble is not None and trouble not in _FAILURES:
                await self.misbehave(trouble)
            await self.send({"type": "response.created", "response": response | {"status": "in_progress"}})
            if trouble in _FAILURES:
                raise Broken(*_FAILURES[trouble])
            await asyncio.sleep(self.play.model_ms / 1000)
            answer = self._think(wanted)
            if answer.text:
                await self._say(response, answer.text, aside=wanted.conversation == "none")
            if answer.tool:
                await self._call(response, answer)
            status = "completed"
        except asyncio.CancelledError as cancelled:
            status = "cancelled"
            details = {"type": status, "reason": cancelled.args[0] if cancelled.args else "client_cancelled"}
        except Broken as broken:
            status = "failed"
            code, kind = broken.args
            details = {"type": status, "error": {"code": code, "type": kind, "message": "simulated"}}
        self._response = None
        usage = {"total_tokens": 120, "input_tokens": 80, "output_tokens": 40}
        response |= {"status": status, "status_details": details, "usage": usage}
        limits = [{"name": "tokens", "limit": 40000, "remaining": 39000, "reset_seconds": 1.0}]
        with contextlib.suppress(RuntimeError):
            await self.send({"type": "response.done", "response": response})
            await self.send({"type": "rate_limits.updated", "rate_limits": limits})

    async def _trouble(self, place: Place) -> None:
        trouble = self.play.trouble(place)
        if trouble in _FAILURES:
            raise Broken(*_FAILURES[trouble])
        if trouble is not None:
            await self.misbehave(trouble)

    def _think(self, wanted: ours.Wanted) -> Answer:
        """A model that does as it is told."""
        asked = "" if wanted.instructions is UNSET else wanted.instructions
        history = [item.message for item in self._items]
        if asked.startswith(SAY):
            return Answer(asked.removeprefix(SAY))
        tools = (
            []
            if wanted.tool_choice == "none"
            else [ToolSpec(tool.name, tool.description, tool.parameters) for tool in self._tools]
        )
        _, cut, said = asked.partition(GO_ON)
        if cut:
            while history and history[-1].role == "agent":
                history.pop()
            return Answer(self._answer(history, tools).text.removeprefix(said).strip())
        return self._answer(history, tools)

    def _answer(self, history: list[Message], tools: list[ToolSpec]) -> Answer:
        if not history:
            return Answer(GREETING)
        system = [Message("system", self._instructions)] if self._instructions else []
        return self.play.mind([*system, *history], tools)

    async def _say(self, response: dict[str, Any], text: str, *, aside: bool) -> None:
        item = Item(self.id("item"), Message("agent", ""), 0.0)
        about = {"response_id": response["id"], "output_index": len(response["output"])}
        part = {"type": "audio", "transcript": ""}
        begun = shown(item) | {"status": "in_progress", "content": []}
        await self.send({"type": "response.output_item.added", **about, "item": begun})
        if not aside:
            await self._add(item)
        place = about | {"item_id": item.id, "content_index": 0}
        await self.send({"type": "response.content_part.added", **place, "part": part})
        await asyncio.sleep(self.play.voice_ms / 1000)
        voice = await self.play.voice.speak(text, self._speaks)
        await self._stream(item, place, text, voice)
        await self.send({"type": "response.output_audio.done", **place})
        await self.send({"type": "response.output_audio_transcript.done", **place, "transcript": text})
        await self.send({"type": "response.content_part.done", **place, "part": part | {"transcript": text}})
        response["output"].append(shown(item))
        await self.send({"type": "response.output_item.done", **about, "item": shown(item)})

    async def _stream(self, item: Item, place: dict[str, Any], text: str, voice: bytes) -> None:
        """Audio and transcript in turns, the transcript a little ahead."""
        words = [f" {word}" if i else word for i, word in enumerate(text.split())]
        size = self._speaks.bytes_for(DELTA_MS)
        loop = asyncio.get_running_loop()
        began, told = loop.time(), 0
        for at in range(0, len(voice), size):
            if at <= len(voice) // 2 < at + size:
                await self._trouble(Place.SPEAKING)
            piece = voice[at : at + size]
            due = min(len(words), AHEAD + len(words) * (at + size) // len(voice))
            for word in words[told:due]:
                item.message = Message("agent", item.message.text + word)
                await self.send({"type": "response.output_audio_transcript.delta", **place, "delta": word})
            told = max(told, due)
            item.audio_ms = self._speaks.ms(at + len(piece))
            delta = b64encode(piece).decode()
            await self.send({"type": "response.output_audio.delta", **place, "delta": delta})
            self._spoke = True
            await asyncio.sleep(began + item.audio_ms / 1000 / self.play.speed - loop.time())

    async def _call(self, response: dict[str, Any], answer: Answer) -> None:
        item = {
            "type": "function_call",
            "object": "realtime.item",
            "id": self.id("item"),
            "call_id": self.id("call"),
            "name": answer.tool,
        }
        about = {"response_id": response["id"], "output_index": len(response["output"])}
        begun = item | {"arguments": "", "status": "in_progress"}
        await self.send({"type": "response.output_item.added", **about, "item": begun})
        place = about | {"item_id": item["id"], "call_id": item["call_id"]}
        kind = "response.function_call_arguments"
        await self.send({"type": f"{kind}.delta", **place, "delta": answer.arguments})
        whole = {"name": answer.tool, "arguments": answer.arguments}
        await self.send({"type": f"{kind}.done", **place, **whole})
        done = item | {"arguments": answer.arguments, "status": "completed"}
        response["output"].append(done)
        await self.send({"type": "response.output_item.done", **about, "item": done})
