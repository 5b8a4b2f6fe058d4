"""Deepgram's two recognisers, simulated: Nova (``/v1/listen``) and Flux (``/v2/listen``)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from trunkline.ai.providers._deepgram_standin_door import (
    Strange,
    audio_of,
    between,
    misbehave,
    request_id,
    send,
    told,
)
from trunkline.ai.standin import EarEvent, Place, Play, TurnBegan, TurnEnded, TurnText
from trunkline.audio.format import AudioFormat

UPDATE_MS: Final = 250
"""Flux says something about each stretch of audio as long as this."""

IDLE_S: Final = 10.0
"""Nova closes a socket on which it hears nothing for so long."""

FINALIZE_MS: Final = 40
"""How soon ``Finalize`` is answered at the latest."""

_COMMON: Final = {"model", "encoding", "sample_rate", "mip_opt_out", "tag"}
_NOVA: Final = _COMMON | {
    "language", "channels", "interim_results", "endpointing", "utterance_end_ms", "vad_events", "smart_format",
    "punctuate", "numerals", "keyterm",
}  # fmt: skip
_FLUX: Final = _COMMON | {
    "eot_threshold", "eager_eot_threshold", "eot_timeout_ms", "keyterm", "language_hint", "numerals",
}  # fmt: skip

# --- what both recognisers do ------------------------------------------------------------------------------------


class Recogniser:
    """One client's recogniser: hears, and lets the subclass put into words what the play's ears find."""

    def __init__(self, socket: WebSocket, play: Play, audio: AudioFormat) -> None:
        self.socket, self.play, self.audio = socket, play, audio
        self.id = request_id()
        self.ears = play.ears(audio)
        self.heard_ms = 0.0
        self.began_ms = 0.0
        self.group: asyncio.TaskGroup

    async def run(self, control: Callable[[str], Awaitable[None]], idle_s: float | None = None) -> None:
        """Until the client goes."""
        try:
            async with asyncio.TaskGroup() as self.group:
                try:
                    await self._receive(control, idle_s)
                finally:
                    self.stop()
        except* (WebSocketDisconnect, RuntimeError):
            pass  # gone
        except* Strange as strange:
            await self.socket.close(1008, f"DATA-0000 {strange.exceptions[0]}")
        except* TimeoutError:
            await self.socket.close(1011, "NET-0001")

    async def _receive(self, control: Callable[[str], Awaitable[None]], idle_s: float | None) -> None:
        while True:
            async with asyncio.timeout(idle_s):
                message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(1000)
            if (text := message.get("text")) is not None:
                await control(text)
            elif audio := message.get("bytes"):
                self.heard_ms += self.audio.ms(len(audio))
                for event in self.ears.push(audio):
                    await self.happened(event)
                await self.pushed()

    async def happened(self, event: EarEvent) -> None:
        """The ears found something."""

    async def pushed(self) -> None:
        """Some audio was heard to its end."""

    def stop(self) -> None:
        """The client is gone."""

    async def trouble(self, place: Place) -> None:
        """If it is this place's turn."""
        if (trouble := self.play.trouble(place)) is not None:
            await misbehave(self.socket, trouble)

    def words(self, text: str, until_ms: float) -> list[dict[str, Any]]:
        """The words of a turn, spread evenly over it."""
        each = text.split()
        step = (until_ms - self.began_ms) / 1000 / max(1, len(each))
        return [
            {
                "word": word,
                "confidence": 0.97,
                "start": round(self.began_ms / 1000 + i * step, 3),
                "end": round(self.began_ms / 1000 + (i + 1) * step, 3),
            }
            for i, word in enumerate(each)
        ]


# --- Flux --------------------------------------------------------------------------------------------------------


class FluxEnd(Recogniser):
    """``/v2/listen``."""

    def __init__(self, socket: WebSocket, play: Play, audio: AudioFormat) -> None:
        super().__init__(socket, play, audio)
        self._eager = "eager_eot_threshold" in socket.query_params
        self._sequence = -1
        self._turn = 0
        self._active = False
        self._unsaid = False  # a turn has begun, and was not told
        self._awaiting = False  # an EagerEndOfTurn was sent
        self._before = self._text = ""
        self._told_ms = 0.0
        self._end: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """The session."""
        await self._send({"type": "Connected"})
        await self.run(self._control)

    async def happened(self, event: EarEvent) -> None:
        match event:
            case TurnBegan(at_ms) if not self._active:
                self._active = True
                self.began_ms = at_ms
                self._before = self._text = ""
                self._unsaid = True
            case TurnBegan():  # it was not over yet
                self.stop()
                self._before, self._text = f"{self._text} ", self._text
                if self._awaiting:
                    self._awaiting = False
                    await self._info("TurnResumed")
            case TurnText(text) if text:
                self._text = self._before + text
                await (self._start() if self._unsaid else self._info("Update"))
            case TurnEnded(at_ms, text):
                if self._unsaid:
                    await self._start()
                self._text = self._before + text
                await self.trouble(Place.ANSWERING)
                if self._eager and self._text:
                    self._awaiting = True
                    await self._info("EagerEndOfTurn", at_ms)
                late_ms = max(0.0, self.play.stt_ms - (self.heard_ms - at_ms))
                self._end = self.group.create_task(self._over("model", at_ms, late_ms))

    async def pushed(self) -> None:
        if self._unsaid:  # ears that have no words yet
            await self._start()
        if self.heard_ms - self._told_ms >= UPDATE_MS:
            await self._info("Update")

    def stop(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None

    async def _control(self, text: str) -> None:
        match told(text, {"ForceEndTurn", "CloseStream"})["type"]:
            case "CloseStream":
                await self.socket.close(1000)
                raise WebSocketDisconnect(1000)
            case "ForceEndTurn" if self._active:
                self.stop()
                await self._over("manual", self.heard_ms, 0)
            case _:
                warning = {"code": "FORCE_END_TURN_NO_ACTIVE_TURN", "description": "no turn is active"}
                await self._send({"type": "Warning", **warning})

    async def _start(self) -> None:
        self._unsaid = False
        await self._info("StartOfTurn")
        await self.trouble(Place.HEARING)

    async def _over(self, trigger: str, at_ms: float, late_ms: float) -> None:
        await asyncio.sleep(late_ms / 1000)
        self._end = None
        self._active = self._awaiting = False
        await self._info("EndOfTurn", at_ms, trigger=trigger)
        self._turn += 1
        self._text = ""

    async def _info(self, event: str, until_ms: float | None = None, **more: str) -> None:
        self._told_ms = self.heard_ms
        words = self.words(self._text, self.heard_ms if until_ms is None else until_ms)
        await self._send(
            {
                "type": "TurnInfo",
                "event": event,
                "turn_index": self._turn,
                "audio_window_start": round(self.began_ms / 1000, 3),
                "audio_window_end": round(self.heard_ms / 1000, 3),
                "transcript": self._text,
                "words": words,
                "end_of_turn_confidence": 0.9 if event == "EndOfTurn" else 0.1,
                **more,
            }
        )

    async def _send(self, message: dict[str, Any]) -> None:
        self._sequence += 1
        await send(self.socket, {**message, "request_id": self.id, "sequence_id": self._sequence})


def flux_audio(query: Any) -> AudioFormat:
    """What ``/v2/listen`` takes. Raises ``Strange``."""
    audio = audio_of(query, _FLUX, "flux-general-")
    between(query, "eot_threshold", 0.5, 1.0)
    between(query, "eager_eot_threshold", 0.3, 0.9)
    between(query, "eot_timeout_ms", 500, 60_000)
    if "language_hint" in query and query["model"] != "flux-general-multi":
        raise Strange("language_hint is for flux-general-multi")
    return audio


# --- Nova --------------------------------------------------------------------------------------------------------


class NovaEnd(Recogniser):
    """``/v1/listen``."""

    def __init__(self, socket: WebSocket, play: Play, audio: AudioFormat) -> None:
        super().__init__(socket, play, audio)
        query = socket.query_params
        self._interim = query.get("interim_results") == "true"
        self._utterance_ms = float(query.get("utterance_end_ms", 0))
        self._final_ms = 0.0  # up to here results are final
        self._waiting: tuple[str, float] | None = None  # text and end of a turn that is over
        self._last_word_ms: float | None = None  # of an utterance whose end was not told
        self._task: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """The session."""
        await self.run(self._control, IDLE_S)

    async def happened(self, event: EarEvent) -> None:
        match event:
            case TurnBegan(at_ms):
                await self._say()
                self.began_ms = at_ms
                self._last_word_ms = None
                await self.trouble(Place.HEARING)
            case TurnText(text) if text and self._interim:
                await self._results(text, self.heard_ms, is_final=False)
            case TurnEnded(at_ms, text):
                await self.trouble(Place.ANSWERING)
                self._waiting = (text, at_ms)
                self._say_in(max(0.0, self.play.stt_ms - (self.heard_ms - at_ms)))

    async def pushed(self) -> None:
        last_ms = self._last_word_ms
        if self._utterance_ms and last_ms is not None and self.heard_ms >= last_ms + self._utterance_ms:
            self._last_word_ms = None
            await send(self.socket, {"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": last_ms / 1000})

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _control(self, text: str) -> None:
        match told(text, {"KeepAlive", "Finalize", "CloseStream"})["type"]:
            case "Finalize":
                for event in self.ears.flush():
                    await self.happened(event)
                self._say_in(min(FINALIZE_MS, self.play.stt_ms), from_finalize=True)
            case "CloseStream":
                await self._say()
                await send(
                    self.socket,
                    {
                        "type": "Metadata",
                        "transaction_key": "deprecated",
                        "request_id": self.id,
                        "sha256": "0" * 64,
                        "created": "2026-01-01T00:00:00.000Z",
                        "duration": self.heard_ms / 1000,
                        "channels": 1,
                    },
                )
                await self.socket.close(1000)
                raise WebSocketDisconnect(1000)
            case _:
                pass

    def _say_in(self, ms: float, *, from_finalize: bool = False) -> None:
        self.stop()
        self._task = self.group.create_task(self._later(ms, from_finalize=from_finalize))

    async def _later(self, ms: float, *, from_finalize: bool) -> None:
        await asyncio.sleep(ms / 1000)
        self._task = None
        await self._say(from_finalize=from_finalize)

    async def _say(self, *, from_finalize: bool = False) -> None:
        if self._task is not None:
            self.stop()
        text, at_ms = self._waiting or ("", self.heard_ms)
        if self._waiting or from_finalize:
            had_words, self._waiting = self._waiting is not None, None
            await self._results(text, at_ms, is_final=True, speech_final=had_words, from_finalize=from_finalize)
            if had_words and text:
                self._last_word_ms = at_ms
            self._final_ms = self.heard_ms

    async def _results(self, text: str, until_ms: float, **flags: bool) -> None:
        words = self.words(text, until_ms)
        best = {"transcript": text, "confidence": 0.97 if text else 0.0, "words": words}
        await send(
            self.socket,
            {
                "type": "Results",
                "channel_index": [0, 1],
                "start": round(self._final_ms / 1000, 3),
                "duration": round((self.heard_ms - self._final_ms) / 1000, 3),
                "speech_final": False,
                "from_finalize": False,
                **flags,
                "channel": {"alternatives": [best]},
                "metadata": {
                    "request_id": self.id,
                    "model_info": {"name": "general-nova-3", "version": "2026-01-01.0", "arch": "nova-3"},
                    "model_uuid": "00000000-0000-4000-8000-000000000003",
                },
            },
        )


def nova_audio(query: Any) -> AudioFormat:
    """What ``/v1/listen`` takes. Raises ``Strange``."""
    audio = audio_of(query, _NOVA, "nova-")
    if "utterance_end_ms" in query:
        between(query, "utterance_end_ms", 1000, 5000)
        if query.get("interim_results") != "true":
            raise Strange("utterance_end_ms needs interim_results")
    return audio
