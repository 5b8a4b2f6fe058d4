"""Deepgram's voices, simulated: Aura (``/v1/speak``) and Flux TTS (``/v2/speak``), on sockets and by HTTP."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from trunkline.ai import standin
from trunkline.ai.providers._deepgram_standin_door import (
    REFUSALS,
    Strange,
    admitted,
    audio_of,
    key_refusal,
    misbehave,
    refusal,
    request_id,
    send,
    told,
)
from trunkline.ai.standin import Place, Play, Trouble
from trunkline.audio.format import AudioFormat

CHUNK_MS: Final = 100
"""Of audio in one message."""

LONGEST_CHARS: Final = 2000
FLUSHES: Final = 20
MINUTE_S: Final = 60.0

_QUERY: Final = {"model", "encoding", "sample_rate", "mip_opt_out", "speed"}


async def _spoken(play: Play, text: str, audio: AudioFormat) -> AsyncIterator[bytes]:
    """The audio of ``text`` as fast as the play has it. None at all for what can't be spoken."""
    whole = await play.voice.speak(text, audio)
    await asyncio.sleep(play.voice_ms / 1000)
    step = audio.bytes_for(CHUNK_MS)
    for at in range(0, len(whole), step):
        yield whole[at : at + step]
        await asyncio.sleep(CHUNK_MS / 1000 / play.speed)


class SpeakEnd:
    """One client's voice on a socket."""

    def __init__(self, socket: WebSocket, play: Play, audio: AudioFormat) -> None:
        self.socket, self.play, self.audio = socket, play, audio
        self.text = ""
        self.waiting: deque[str] = deque()  # flushed, one after the other
        self.wake = asyncio.Event()
        self.making: asyncio.Task[None] | None = None
        self.sequence = 0
        self.stalled = False  # nothing more comes, whatever the client says
        self.left_over = b""  # the audio that is on its way when the client changes its mind

    async def run(self) -> None:
        """Until the client goes."""
        await self.greet()
        try:
            async with asyncio.TaskGroup() as group:
                speaker = group.create_task(self._speak(group))
                try:
                    while True:
                        said = await self.socket.receive_text()
                        if not self.stalled:
                            await self.control(said)
                finally:
                    speaker.cancel()
                    if self.making is not None:
                        self.making.cancel()
        except* (WebSocketDisconnect, RuntimeError):
            pass  # gone
        except* (Strange, KeyError) as strange:
            await self.socket.close(1008, f"DATA-0000 {strange.exceptions[0]}")

    async def greet(self) -> None:
        """Before anything else."""

    async def control(self, text: str) -> None:
        """One message of the client."""

    async def ended(self) -> None:
        """One flush was spoken."""

    def flush(self) -> None:
        """Speak what there is."""
        self.waiting.append(self.text)
        self.text = ""
        self.wake.set()

    def take(self, message: dict[str, Any]) -> None:
        """Some more text."""
        text = message.get("text")
        if not isinstance(text, str) or len(text) > LONGEST_CHARS:
            raise Strange("no text, or too much")
        self.text += text

    def drop(self) -> None:
        """Stop, and forget all there is."""
        self.text = ""
        self.waiting.clear()
        if self.making is not None:
            self.making.cancel()

    async def close(self) -> None:
        """The client is done."""
        await self.socket.close(1000)
        raise WebSocketDisconnect(1000)

    async def _speak(self, group: asyncio.TaskGroup) -> None:
        while True:
            await self.wake.wait()
            self.wake.clear()
            while self.waiting:
                self.making = group.create_task(self._make(self.waiting.popleft()))
                await asyncio.wait([self.making])
                self.making = None

    async def _make(self, text: str) -> None:
        await self._trouble(Place.ANSWERING)
        count = 0
        async for chunk in _spoken(self.play, text, self.audio):
            self.left_over = chunk
            await self.socket.send_bytes(chunk)
            count += 1
            if count == 3:
                await self._trouble(Place.SPEAKING)
        self.left_over = b""
        await self.ended()

    async def _trouble(self, place: Place) -> None:
        if (trouble := self.play.trouble(place)) is not None:
            self.stalled = trouble is Trouble.STALL
            await misbehave(self.socket, trouble)


class AuraEnd(SpeakEnd):
    """``/v1/speak``."""

    def __init__(self, socket: WebSocket, play: Play, audio: AudioFormat) -> None:
        super().__init__(socket, play, audio)
        self._flushes: deque[float] = deque()

    async def greet(self) -> None:
        await send(
            self.socket,
            {
                "type": "Metadata",
                "request_id": request_id(),
                "model_name": self.socket.query_params["model"],
                "model_version": "2026-01-01.0",
                "model_uuid": "00000000-0000-4000-8000-000000000001",
            },
        )

    async def control(self, text: str) -> None:
        message = told(text, {"Speak", "Flush", "Clear", "Close"}, frozenset({"text"}))
        match message["type"]:
            case "Speak":
                self.take(message)
            case "Flush":
                await self._flush()
            case "Clear":
                self.drop()
                if self.left_over:
                    await self.socket.send_bytes(self.left_over)
                await self._numbered("Cleared")
            case _:
                await self.close()

    async def ended(self) -> None:
        await self._numbered("Flushed")

    async def _flush(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._flushes and now - self._flushes[0] >= MINUTE_S:
            self._flushes.popleft()
        if len(self._flushes) >= FLUSHES:
            await send(
                self.socket, {"type": "Warning", "code": "EXCESSIVE_FLUSH", "description": "more than 20 in 60 s"}
            )
            return
        self._flushes.append(now)
        self.flush()

    async def _numbered(self, kind: str) -> None:
        await send(self.socket, {"type": kind, "sequence_id": self.sequence})
        self.sequence += 1


class FluxSpeakEnd(SpeakEnd):
    """``/v2/speak``."""

    def __init__(self, socket: WebSocket, play: Play, audio: AudioFormat) -> None:
        super().__init__(socket, play, audio)
        self._sounded = False

    async def greet(self) -> None:
        await send(
            self.socket,
            {
                "type": "Connected",
                "request_id": request_id(),
                "model_name": self.socket.query_params["model"],
                "model_version": "2026.06.01",
                "model_uuids": ["00000000-0000-4000-8000-000000000002"],
            },
        )

    async def control(self, text: str) -> None:
        message = told(text, {"Speak", "Flush", "Interrupt", "Close"}, frozenset({"text", "playback_offset"}))
        match message["type"]:
            case "Speak":
                if not self.text:
                    await send(self.socket, {"type": "SpeechStarted", "speech_id": self._id})
                self.take(message)
            case "Flush":
                self.flush()
                await send(self.socket, {"type": "Flushed", "speech_id": self._id})
            case "Interrupt":
                await self._interrupt()
            case _:
                await self.close()

    async def ended(self) -> None:
        self._sounded = True
        await send(self.socket, {"type": "SpeechMetadata", **self._metadata})
        self.sequence += 1

    async def _interrupt(self) -> None:
        code = "NO_ACTIVE_SPEECH" if self.making is None else "" if self.left_over else "NO_AUDIO_GENERATED"
        if code:
            await send(self.socket, {"type": "Warning", "code": code, "description": "nothing to interrupt"})
            return
        self.drop()
        await self.socket.send_bytes(self.left_over)
        await send(self.socket, {"type": "SpeechInterrupted", "audio_played_ms": 0, "metadata": self._metadata})
        self.sequence += 1

    @property
    def _id(self) -> str:
        return f"dg_sp_{self.sequence:012x}"

    @property
    def _metadata(self) -> dict[str, Any]:
        applied = {"pronunciations_applied": 0, "breaks_applied": 0, "pronunciation_warnings": 0}
        counts = {"audio_duration_ms": 0, "input_character_count": 0, "billable_character_count": 0}
        return {"speech_id": self._id, **counts, "controls_applied": applied}


# --- by HTTP -----------------------------------------------------------------------------------------------------


async def _batch(request: Request, play: Play, models: str) -> Response:
    query = request.query_params
    if refused := key_refusal(request.headers.get("authorization")):
        return refusal(*refused)
    trouble = play.trouble(Place.CONNECT) or play.trouble(Place.ANSWERING)
    match trouble:
        case Trouble.KEY | Trouble.QUOTA | Trouble.RATE_LIMIT | Trouble.FAULT:
            return refusal(*REFUSALS[trouble])
        case Trouble.CUT:
            request.scope["extensions"][standin.CUT]()
        case Trouble.STALL:
            await standin.stall()
        case Trouble.GARBAGE:
            return Response("<html>", media_type="text/html")
        case _:
            pass
    try:
        audio = audio_of(query, _QUERY | {"container"}, models)
        body = await request.json()
        text = body["text"]
        if query.get("container") != "none" or set(body) != {"text"} or len(text) > LONGEST_CHARS:
            raise Strange("container=none and a text are wanted here")
    except (Strange, ValueError, KeyError, TypeError) as strange:
        return refusal(400, "Bad Request", str(strange))

    async def audio_chunks() -> AsyncIterator[bytes]:
        count = 0
        async for chunk in _spoken(play, text, audio):
            yield chunk
            count += 1
            if count == 3 and (trouble := play.trouble(Place.SPEAKING)) is not None:
                if trouble is Trouble.STALL:
                    await standin.stall()
                if trouble in (Trouble.CUT, Trouble.FAULT):
                    raise ConnectionResetError

    return StreamingResponse(audio_chunks(), media_type="audio/mulaw", headers={"dg-request-id": request_id()})


def routes(play: Play) -> Sequence[BaseRoute]:
    """Both voices, both ways."""

    async def aura(socket: WebSocket) -> None:
        if audio := await admitted(socket, play, lambda query: audio_of(query, _QUERY, "aura-")):
            await AuraEnd(socket, play, audio).run()

    async def flux(socket: WebSocket) -> None:
        if audio := await admitted(socket, play, lambda query: audio_of(query, _QUERY | {"tag"}, "flux-")):
            await FluxSpeakEnd(socket, play, audio).run()

    async def aura_batch(request: Request) -> Response:
        return await _batch(request, play, "aura-")

    async def flux_batch(request: Request) -> Response:
        return await _batch(request, play, "flux-")

    return [
        WebSocketRoute("/v1/speak", aura),
        WebSocketRoute("/v2/speak", flux),
        Route("/v1/speak", aura_batch, methods=["POST"]),
        Route("/v2/speak", flux_batch, methods=["POST"]),
    ]
