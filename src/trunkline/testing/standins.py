"""A loopback server that stands in for the vendors of AI: every provider's own stand-in under ``/<provider>``.

Simulated throughout: the ears know their lines by heart, or only tell that somebody spoke; the mind is the rule-made
receptionist unless another is given; the voice is espeak-ng where it is installed, else a hum of the right length.
"""

import asyncio
import logging
import shutil
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from trunkline import registry
from trunkline.ai.base import Message, ToolSpec
from trunkline.ai.providers.receptionist import Receptionist
from trunkline.ai.standin import (
    CUT,
    Answer,
    EarEvent,
    Ears,
    Mind,
    Play,
    StandInProvider,
    TurnBegan,
    TurnEnded,
    TurnText,
)
from trunkline.audio.convert import Converter
from trunkline.audio.format import PCM16_8K, AudioFormat
from trunkline.audio.wav_stream import WavStream
from trunkline.testing.gate import Gate
from trunkline.testing.scripted_stt import Fixture, ScriptedStt

HANG_MS: Final = 200
"""Silence after which a caller's turn is over."""

HUM_MS: Final = 60
"""Of hum for each letter: the pace of speech."""


# --- ears ------------------------------------------------------------------------------------------------------


class LineEars:
    """Hear turns by level alone, and take the words from ``lines`` in order; after the last, from the first again."""

    def __init__(self, audio: AudioFormat, lines: Sequence[str], *, hang_ms: float = HANG_MS) -> None:
        self._gate = Gate(audio, hang_ms=hang_ms)
        self._lines = lines
        self._turns = 0

    def push(self, audio: bytes) -> list[EarEvent]:
        events: list[EarEvent] = []
        for edge in self._gate.push(audio):
            at_ms = 1000 * edge.sample / self._gate.wire.rate
            line = self._lines[self._turns % len(self._lines)] if self._lines else ""
            if edge.began:
                events += [TurnBegan(at_ms), TurnText(line.partition(" ")[0])]
            else:
                self._turns += 1
                events.append(TurnEnded(at_ms, line))
        return events

    def flush(self) -> list[EarEvent]:
        return self.push(self._gate.wire.silence(self._gate.wire.rate)) if self._gate.speaking else []


class FixtureEars:
    """Hear turns by level, and recognise the recordings they know by heart. What they don't know has no words."""

    def __init__(self, audio: AudioFormat, stt: ScriptedStt, *, hang_ms: float = HANG_MS) -> None:
        self._gate = Gate(audio, hang_ms=hang_ms)
        self._stt = stt
        self._converter = Converter(audio, PCM16_8K)
        self._heard = bytearray()
        self._began_ms = 0.0

    def push(self, audio: bytes) -> list[EarEvent]:
        self._heard += self._converter.process(audio)
        events: list[EarEvent] = []
        for edge in self._gate.push(audio):
            at_ms = 1000 * edge.sample / self._gate.wire.rate
            if edge.began:
                self._began_ms = at_ms
                events.append(TurnBegan(at_ms))
            else:
                begin, end = (2 * max(0, int(8 * ms)) for ms in (self._began_ms - 60, at_ms + 60))
                events.append(TurnEnded(at_ms, self._stt.recognise(bytes(self._heard[begin:end]))[0]))
        return events

    def flush(self) -> list[EarEvent]:
        return self.push(self._gate.wire.silence(self._gate.wire.rate)) if self._gate.speaking else []


# --- mind ------------------------------------------------------------------------------------------------------


def receptionist() -> Mind:
    """The rule-made receptionist as a vendor's model."""
    rules = Receptionist(recogniser=True)

    def answer(history: Sequence[Message], tools: Sequence[ToolSpec]) -> Answer:
        text, call = rules.answer(history, frozenset(tool.name for tool in tools))
        return Answer(text, call.name, call.arguments) if call else Answer(text)

    return answer


# --- voice -----------------------------------------------------------------------------------------------------


class Hum:
    """A voice-like hum, as long as the text would take: nothing is understood, everything can be measured."""

    async def speak(self, text: str, audio: AudioFormat) -> bytes:
        time_s = np.arange(len(text) * HUM_MS * 8) / 8000
        # Syllables at 4 Hz over a 150 Hz voice with two harmonics.
        buzz = sum(np.sin(2 * np.pi * 150 * k * time_s) / k for k in (1, 2, 3))
        pcm = (6000 * buzz * (0.55 - 0.45 * np.cos(2 * np.pi * 4 * time_s))).astype("<i2").tobytes()
        return _converted(pcm, PCM16_8K, audio)


class Espeak:
    """espeak-ng. Texts that were spoken before are kept, so that a benchmark measures no synthesis."""

    def __init__(self) -> None:
        self._spoken: dict[tuple[str, AudioFormat], bytes] = {}

    async def speak(self, text: str, audio: AudioFormat) -> bytes:
        if not text.strip():
            return b""
        if (text, audio) not in self._spoken:
            process = await asyncio.create_subprocess_exec(
                "espeak-ng", "--stdin", "--stdout", "-z", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            wav, _ = await process.communicate(text.encode())
            stream = WavStream()
            pcm = stream.push(wav)
            assert stream.format is not None  # noqa: S101 - espeak-ng writes a whole header at once
            self._spoken[text, audio] = _converted(pcm, stream.format, audio)
        return self._spoken[text, audio]


def best_voice() -> Espeak | Hum:
    """espeak-ng if it is installed."""
    return Espeak() if shutil.which("espeak-ng") else Hum()


def _converted(pcm: bytes, source: AudioFormat, wanted: AudioFormat) -> bytes:
    converter = Converter(source, wanted)
    return converter.process(pcm) + converter.flush()


# --- the server ------------------------------------------------------------------------------------------------


def play(
    lines: Sequence[str] = ("What are your opening hours?", "Thank you, goodbye."),
    *,
    fixtures: Sequence[Fixture] = (),
    mind: Mind | None = None,
    voice: Any = None,
    hang_ms: float = HANG_MS,
    **timing: Any,
) -> Play:
    """A play whose callers say ``lines``, or what ``fixtures`` hold. ``timing``, and ``troubles``, are ``Play``'s."""
    stt = ScriptedStt(fixtures) if fixtures else None

    def ears(audio: AudioFormat) -> Ears:
        return FixtureEars(audio, stt, hang_ms=hang_ms) if stt else LineEars(audio, lines, hang_ms=hang_ms)

    return Play(ears=ears, mind=mind or receptionist(), voice=voice or best_voice(), **timing)


class StandIns:
    """Where the vendors are while the server runs."""

    def __init__(self, base_url: str, play: Play) -> None:
        self.base_url = base_url
        self.play = play

    def settings(self, name: str) -> Mapping[str, Any]:
        """The settings of provider ``name`` that lead here."""
        provider: StandInProvider = registry.load("ai.providers", name)
        return provider.stand_in_settings(f"{self.base_url}/{name}")


def vendors() -> list[str]:
    """The providers that have a stand-in."""
    names = registry.names("ai.providers")
    return [name for name in names if isinstance(registry.load("ai.providers", name), StandInProvider)]


@asynccontextmanager
async def standing_in(play: Play, *, port: int = 0, names: Sequence[str] = ()) -> AsyncIterator[StandIns]:
    """The vendors ``names``, or all there are, on one loopback port, on this event loop, for as long as the context
    lasts."""
    providers = {name: registry.load("ai.providers", name) for name in names or vendors()}
    routes = [Mount(f"/{name}", routes=one.stand_in(play)) for name, one in providers.items()]
    async with serving(routes, port=port) as base_url:
        yield StandIns(base_url, play)


@asynccontextmanager
async def serving(routes: Sequence[BaseRoute], *, port: int = 0) -> AsyncIterator[str]:
    """``routes`` on a loopback port, in the same way. Gives the base URL."""
    config = uvicorn.Config(
        Starlette(routes=routes),
        http=_Http,
        ws=_Cuttable,
        log_config=None,
        lifespan="off",
        ws_per_message_deflate=False,
        access_log=False,
    )
    server = _Server(config)
    with socket.create_server(("127.0.0.1", port)) as listener:
        # asyncio leaves it off sockets it has not made itself: the second of two messages would come 40 ms late.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = asyncio.create_task(server._serve([listener]))  # ``serve`` would take the process's signals
        try:
            await server.up.wait()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.force_exit = True  # sockets that stall never finish
            server.enough.set()
            await task
            await server.stop_stalls()


class _Server(uvicorn.Server):
    """uvicorn, which says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()
        self.enough = asyncio.Event()

    async def main_loop(self) -> None:
        """Until ``enough``. uvicorn's own looks ten times a second whether it is; tests start hundreds of servers."""
        await self.on_tick(0)
        await self.enough.wait()

    async def stop_stalls(self) -> None:
        """End what was forced to be left."""
        left = [task for task in self.server_state.tasks if task.cancel()]
        await asyncio.gather(*left, return_exceptions=True)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self.up.set()


class _Unordered(logging.Filter):
    """Faults, but not what a play has ordered: a connection cut by us, or one that stalls until we end."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write it."""
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, asyncio.CancelledError | ConnectionResetError)


_log = logging.getLogger("uvicorn.error.standins")
_log.addFilter(_Unordered())


class _Http(HttpToolsProtocol):
    """uvicorn's own HTTP."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.logger = _log


class _Cuttable(WebSocketsSansIOProtocol):
    """uvicorn's own socket, whose application can cut it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.logger = _log

    async def run_asgi(self) -> None:
        extensions: dict[str, Any] = self.scope.setdefault("extensions", {})
        extensions[CUT] = self.transport.abort
        await super().run_asgi()
