"""Cartesia's voice, simulated (``/tts/websocket``): contexts, continued texts, times of words that come late.

A request is one of the vendor's own, or it is refused: unknown or missing fields, a context whose voice changes, text
for one that has ended. A context dies a second after its last audio. Cancelling is soft: what is being spoken is spoken
to its end, and sent.
"""

import asyncio
import base64
import re
from typing import Any, Final, Literal

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from trunkline.ai.providers._cartesia_standin_door import ENCODINGS, Strange, misbehave, refused, send
from trunkline.ai.standin import Place, Play
from trunkline.audio.format import AudioFormat

FIRST_MS: Final = 40
"""Of audio in a context's first message."""

CHUNK_MS: Final = 100
"""In the others."""

EXPIRES_S: Final = 1.0


class Output(msgspec.Struct, forbid_unknown_fields=True):
    container: Literal["raw"]
    encoding: str
    sample_rate: Literal[8000, 16000, 22050, 24000, 44100, 48000]


class VoiceId(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    mode: Literal["id"] = "id"


class Config(msgspec.Struct, forbid_unknown_fields=True):
    speed: float = 1.0
    volume: float = 1.0
    emotion: str | None = None


class Generate(msgspec.Struct, forbid_unknown_fields=True):
    """What a client may ask for."""

    context_id: str
    model_id: str
    transcript: str
    voice: str | VoiceId
    output_format: Output
    more: bool = msgspec.field(name="continue", default=False)
    language: str | None = None
    flush: bool = False
    max_buffer_delay_ms: int = 3000
    add_timestamps: bool = False
    add_phoneme_timestamps: bool = False
    use_normalized_timestamps: bool = False
    generation_config: Config = msgspec.field(default_factory=Config)
    pronunciation_dict_id: str | None = None

    @property
    def fixed(self) -> "Generate":
        """What must not change within a context."""
        return msgspec.structs.replace(self, transcript="", more=False, flush=False)

    def check(self) -> AudioFormat:
        """Raises ``Strange`` for values the vendor would refuse."""
        config = self.generation_config
        if not self.model_id.startswith("sonic"):
            raise Strange("no such model")
        if self.output_format.encoding not in ENCODINGS:
            raise Strange("this stand-in speaks no such encoding")
        if not 0 <= self.max_buffer_delay_ms <= 5000:
            raise Strange("max_buffer_delay_ms is out of range")
        if not (0.6 <= config.speed <= 1.5 and 0.5 <= config.volume <= 2.0):
            raise Strange("generation_config is out of range")
        if not (self.transcript or not self.more):
            raise Strange("a text that goes on needs some text")
        return AudioFormat(ENCODINGS[self.output_format.encoding], self.output_format.sample_rate)


class CancelContext(msgspec.Struct, forbid_unknown_fields=True):
    context_id: str
    cancel: Literal[True]


class Context:
    """One text on its way to being spoken."""

    def __init__(self, request: Generate, audio: AudioFormat) -> None:
        self.id = request.context_id
        self.fixed = request.fixed
        self.audio = audio
        self.texts: asyncio.Queue[tuple[str | None, float]] = asyncio.Queue()  # and when they came; None: no more
        self.has_all = False
        self.cancelled = False
        self.spoken_ms = 0.0


class SpeakEnd:
    """One client's socket."""

    def __init__(self, socket: WebSocket, play: Play) -> None:
        self._socket = socket
        self._play = play
        self._contexts: dict[str, Context] = {}
        self._ended: set[str] = set()
        self._chunks = 0
        self._group: asyncio.TaskGroup

    async def run(self) -> None:
        """Until the client goes."""
        try:
            async with asyncio.TaskGroup() as self._group:
                while True:
                    await self._control(await self._socket.receive_text())
        except* (WebSocketDisconnect, RuntimeError, KeyError):
            pass  # gone

    async def _control(self, text: str) -> None:
        context_id: str | None = None
        try:
            asked: Any = msgspec.json.decode(text)
            if not isinstance(asked, dict):
                raise Strange("not an object")
            context_id = asked.get("context_id")
            if "cancel" in asked:
                self._cancel(msgspec.convert(asked, CancelContext))
            else:
                self._generate(msgspec.convert(asked, Generate))
        except (Strange, msgspec.MsgspecError) as strange:
            about = {"context_id": context_id} if isinstance(context_id, str) else {}
            await send(self._socket, {**refused(400, "invalid_request", str(strange)), **about, "done": True})

    def _cancel(self, request: CancelContext) -> None:
        if context := self._contexts.pop(request.context_id, None):
            context.cancelled = True
            context.texts.put_nowait((None, 0))
            self._ended.add(context.id)

    def _generate(self, request: Generate) -> None:
        audio = request.check()
        now = asyncio.get_running_loop().time()
        if request.context_id in self._ended:
            raise Strange("the context has ended")
        context = self._contexts.get(request.context_id)
        if context is None:
            context = self._contexts[request.context_id] = Context(request, audio)
            self._group.create_task(self._serve(context))
        elif context.has_all:
            raise Strange("the context was told that it has all text")
        elif context.fixed != request.fixed:
            raise Strange("a context keeps its voice")
        if request.transcript:
            context.texts.put_nowait((request.transcript, now))
        if not request.more:
            context.has_all = True
            context.texts.put_nowait((None, now))

    async def _serve(self, context: Context) -> None:
        try:
            while True:
                try:
                    async with asyncio.timeout(EXPIRES_S if context.spoken_ms else None):
                        text, came_at = await context.texts.get()
                except TimeoutError:
                    break
                if text is None:
                    break
                await self._speak(context, text, came_at)
            self._contexts.pop(context.id, None)
            self._ended.add(context.id)
            if not context.cancelled:
                await self._send(context, {"type": "done", "done": True})
        except (WebSocketDisconnect, RuntimeError, KeyError):
            pass  # gone

    async def _speak(self, context: Context, text: str, came_at: float) -> None:
        await self._trouble(Place.ANSWERING, context)
        loop, audio = asyncio.get_running_loop(), context.audio
        sound = await self._play.voice.speak(text, audio)
        await asyncio.sleep(came_at + self._play.voice_ms / 1000 - loop.time())
        words = _timed(text, context.spoken_ms, audio.ms(len(sound)))
        at, size = 0, audio.bytes_for(CHUNK_MS if context.spoken_ms else FIRST_MS)
        began, start_ms = loop.time(), context.spoken_ms
        while at < len(sound):
            chunk = sound[at : at + size]
            at, size = at + len(chunk), audio.bytes_for(CHUNK_MS)
            context.spoken_ms = start_ms + audio.ms(at)
            data = base64.b64encode(chunk).decode()
            await self._send(context, {"type": "chunk", "data": data, "done": False, "step_time": 11.2})
            # Times come after their audio: the harder way round for a client.
            count = sum(end <= context.spoken_ms for _, _, end in words)
            if context.fixed.add_timestamps and count:
                await self._times(context, words[:count])
                words = words[count:]
            self._chunks += 1
            if self._chunks == 3:
                await self._trouble(Place.SPEAKING, context)
            await asyncio.sleep(began + (context.spoken_ms - start_ms) / 1000 / self._play.speed - loop.time())
        if context.fixed.add_timestamps and words:  # rounding
            await self._times(context, words)

    async def _times(self, context: Context, words: list[tuple[str, float, float]]) -> None:
        times = {
            "words": [word for word, _, _ in words],
            "start": [start / 1000 for _, start, _ in words],
            "end": [end / 1000 for _, _, end in words],
        }
        await self._send(context, {"type": "timestamps", "done": False, "word_timestamps": times})

    async def _send(self, context: Context, message: dict[str, Any]) -> None:
        status = 200 if message["done"] else 206
        await send(self._socket, {**message, "context_id": context.id, "status_code": status})

    async def _trouble(self, place: Place, context: Context) -> None:
        if (trouble := self._play.trouble(place)) is not None:
            await misbehave(self._socket, trouble, context_id=context.id, done=True)


def _timed(text: str, from_ms: float, length_ms: float) -> list[tuple[str, float, float]]:
    """The words of ``text``, where they are if all its letters, spaces too, last equally long."""
    letter_ms = length_ms / max(1, len(text))
    spans = ((word[0], *word.span()) for word in re.finditer(r"\S+", text))
    return [(word, round(from_ms + a * letter_ms, 3), round(from_ms + b * letter_ms, 3)) for word, a, b in spans]
