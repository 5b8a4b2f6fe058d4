"""Cartesia's recogniser, simulated: with turns of its own (``/stt/turns/websocket``), and told when to finish
(``/stt/websocket``)."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from trunkline.ai.providers._cartesia_standin_door import (
    Strange,
    between,
    heard_format,
    misbehave,
    refused,
    request_id,
    send,
)
from trunkline.ai.standin import EarEvent, Place, Play, TurnBegan, TurnEnded, TurnText
from trunkline.audio.format import AudioFormat

FINALIZE_MS: Final = 40
"""How soon ``finalize`` is answered at the latest."""

_COMMON: Final = {"model", "encoding", "sample_rate", "keyterm"}
_TURN: Final = {"start_threshold", "eager_end_threshold", "end_threshold", "end_timeout_ms"}


class Recogniser:
    """One client's. The subclass puts into words what the play's ears find."""

    def __init__(self, socket: WebSocket, play: Play) -> None:
        self.socket, self.play = socket, play
        self.id = request_id()
        self.heard_ms = 0.0
        self.group: asyncio.TaskGroup
        self.task: asyncio.Task[None] | None = None  # words that are on their way

    async def run(self) -> None:
        """Until the client goes."""
        try:
            audio = self.asked(self.socket.query_params)
            ears = self.play.ears(audio)
            await self.greet()
            async with asyncio.TaskGroup() as self.group:
                try:
                    while True:
                        message = await self.socket.receive()
                        if message["type"] == "websocket.disconnect":
                            raise WebSocketDisconnect(1000)
                        if (text := message.get("text")) is not None:
                            events = ears.flush() if await self.control(text) else []
                        else:
                            heard = message.get("bytes") or b""
                            self.heard_ms += audio.ms(len(heard))
                            events = ears.push(heard)
                        for event in events:
                            await self.happened(event)
                finally:
                    self.stop()
        except* (WebSocketDisconnect, RuntimeError, KeyError):
            pass  # gone
        except* (Strange, ValueError) as strange:
            await send(self.socket, refused(400, "invalid_request", str(strange.exceptions[0])))
            await self.socket.close(1008)

    def asked(self, query: Mapping[str, str]) -> AudioFormat:
        """What the client wants. Raises ``Strange``."""
        raise NotImplementedError

    async def greet(self) -> None:
        """Before anything else."""

    async def control(self, text: str) -> bool:
        """A client's command. Whether the ears are to give what they have. Raises ``Strange``."""
        raise NotImplementedError

    async def happened(self, event: EarEvent) -> None:
        """The ears found something."""

    def stop(self) -> None:
        """No more words are on their way."""
        if self.task is not None:
            self.task.cancel()
            self.task = None

    async def send(self, kind: str, **more: Any) -> None:
        """One message."""
        await send(self.socket, {"type": kind, "request_id": self.id, **more})

    async def trouble(self, place: Place) -> None:
        """If it is this place's turn."""
        if (trouble := self.play.trouble(place)) is not None:
            await misbehave(self.socket, trouble)


# --- turns -------------------------------------------------------------------------------------------------------


class TurnsEnd(Recogniser):
    """``/stt/turns/websocket``. It says nothing when nothing is new, and never where in the audio."""

    def __init__(self, socket: WebSocket, play: Play) -> None:
        super().__init__(socket, play)
        self._active = False
        self._eager = False
        self._before = self._text = ""

    def asked(self, query: Mapping[str, str]) -> AudioFormat:
        audio = heard_format(query, _COMMON | {f"turn_{name}" for name in _TURN}, ("ink-2",))
        between(query, "turn_start_threshold", 0.5, 0.9)
        between(query, "turn_eager_end_threshold", 0.3, 0.6)
        between(query, "turn_end_threshold", 0.05, 0.5)
        between(query, "turn_end_timeout_ms", 640, 11_200)
        return audio

    async def greet(self) -> None:
        await self.send("connected")

    async def control(self, text: str) -> bool:
        try:
            command = msgspec.json.decode(text, type=dict)
        except msgspec.DecodeError:
            raise Strange("not JSON") from None
        match command:
            case {"type": "close", **rest} if not rest:
                await self.socket.close(1000)
                raise WebSocketDisconnect(1000)
            case {"type": "config", **rest} if not set(rest) - {"turn"} and not set(rest.get("turn", ())) - _TURN:
                return False
        raise Strange("no such command")

    async def happened(self, event: EarEvent) -> None:
        match event:
            case TurnBegan() if not self._active:
                self._active = True
                self._before = self._text = ""
                await self.send("turn.start")
                await self.trouble(Place.HEARING)
            case TurnBegan():  # it was not over yet
                self.stop()
                self._before, self._text = f"{self._text} ", self._text
                if self._eager:
                    self._eager = False
                    await self.send("turn.resume")
            case TurnText(text) if text:
                self._text = self._before + text
                await self.send("turn.update", transcript=self._text)
            case TurnEnded(at_ms, text):
                self._text = self._before + text
                await self.trouble(Place.ANSWERING)
                if self._text:
                    self._eager = True
                    await self.send("turn.eager_end", transcript=self._text)
                self.task = self.group.create_task(self._over(self.play.stt_ms - (self.heard_ms - at_ms)))
            case _:
                pass

    async def _over(self, late_ms: float) -> None:
        await asyncio.sleep(late_ms / 1000)
        self.task = None
        self._active = self._eager = False
        await self.send("turn.end", transcript=self._text)


# --- manual ------------------------------------------------------------------------------------------------------


class ManualEnd(Recogniser):
    """``/stt/websocket``. Its commands are bare words."""

    def __init__(self, socket: WebSocket, play: Play) -> None:
        super().__init__(socket, play)
        self._said = ""  # so far, with the spaces between turns
        self._waiting = ""  # of a turn that is over

    def asked(self, query: Mapping[str, str]) -> AudioFormat:
        known = _COMMON | {"language"}
        if query.get("model", "").startswith("ink-whisper"):
            known |= {"max_silence_duration_secs", "min_volume"}
        return heard_format(query, known, ("ink-2", "ink-whisper"))

    async def control(self, text: str) -> bool:
        match text:
            case "finalize":
                late_ms = min(FINALIZE_MS, self.play.stt_ms)
                self.group.create_task(self._flushed(late_ms))
                return True
            case "close":
                await self._words()
                await self.send("done")
                await self.socket.close(1000)
                raise WebSocketDisconnect(1000)
        raise Strange("no such command")

    async def happened(self, event: EarEvent) -> None:
        match event:
            case TurnBegan():
                await self._words()
                await self.trouble(Place.HEARING)
            case TurnText(text) if text:
                await self._transcript(text, is_final=False)
            case TurnEnded(at_ms, text):
                await self.trouble(Place.ANSWERING)
                self._waiting = text
                self.stop()
                late_ms = self.play.stt_ms - (self.heard_ms - at_ms)
                self.task = self.group.create_task(self._later(late_ms))
            case _:
                pass

    async def _later(self, ms: float) -> None:
        await asyncio.sleep(ms / 1000)
        await self._words()

    async def _flushed(self, ms: float) -> None:
        await asyncio.sleep(ms / 1000)
        self.stop()
        await self._words()
        await self.send("flush_done")

    async def _words(self) -> None:
        text, self._waiting = self._waiting, ""
        if text:
            await self._transcript(text, is_final=True)
            self._said += text

    async def _transcript(self, text: str, *, is_final: bool) -> None:
        # What is told is the continuation of the final words: its space comes with it.
        text = f" {text}" if self._said else text
        await self.send("transcript", text=text, is_final=is_final, duration=self.heard_ms / 1000, language="en")
