"""One simulated call's worth of an agent session: audio in faster than real time, replies heard as they would be, and
everything that went over the vendor's wire kept.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any, Final

import numpy as np
from voices import Letters
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from trunkline import registry
from trunkline.ai.base import AgentModel, AgentSettings, CallFacts
from trunkline.ai.events import (
    AgentEvent,
    AgentFailed,
    CallAnswered,
    CallerSaid,
    ReplyAudio,
    ReplyEnded,
    ReplyHeard,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
)
from trunkline.ai.standin import Answer, Play
from trunkline.audio import g711
from trunkline.audio.format import MULAW_8K, AudioFormat
from trunkline.testing.standins import play, standing_in

FACTS: Final = CallFacts("call-1", "test")
FASTER: Final = 8
KEYS: Final = ("Authorization", "x-goog-api-key")  # the headers in which a vendor is shown our key


def tone(ms: float, hz: float = 300) -> bytes:
    """A sound that is taken for speech, in mu-law."""
    at = np.arange(int(8 * ms)) / 8000
    return g711.encode_mulaw((8000 * np.sin(2 * np.pi * hz * at)).astype("<i2").tobytes())


def quiet(ms: float) -> bytes:
    """Silence in mu-law."""
    return MULAW_8K.silence(int(8 * ms))


def quick(mind: Any = None, lines: Sequence[str] = ("What now?", "And then?"), **more: Any) -> Play:
    """A vendor that answers soon, and speaks much faster than life."""
    timing: dict[str, Any] = {"stt_ms": 20, "model_ms": 10, "voice_ms": 5, "speed": 60}
    return play(lines, mind=mind, voice=Letters(), **(timing | more))


def always(text: str) -> Any:
    """A mind that has one answer to everything."""
    return lambda history, tools: Answer(text)


class Tap:
    """A proxy in front of the stand-in that keeps what was said, both ways: (seconds, from us, message)."""

    def __init__(self) -> None:
        self.said: list[tuple[float, bool, dict[str, Any]]] = []
        self.sockets = 0

    def of(self, ours: bool) -> list[dict[str, Any]]:
        """All that one side said."""
        return [message for _, whose, message in self.said if whose is ours]

    @asynccontextmanager
    async def between(self, upstream: str) -> AsyncIterator[str]:
        """Gives the base URL that leads through here to ``upstream`` (http://…)."""

        async def handle(near: ServerConnection) -> None:
            assert near.request is not None
            self.sockets += 1
            url = upstream.replace("http", "ws", 1) + near.request.path
            headers = {name: near.request.headers[name] for name in KEYS if name in near.request.headers}
            async with connect(url, additional_headers=headers, max_size=None, proxy=None) as far:
                passing = [self._pass(near, far, True), self._pass(far, near, False)]
                await asyncio.wait(map(asyncio.create_task, passing), return_when=asyncio.FIRST_COMPLETED)
                if far.close_code == 1006 or near.close_code == 1006:
                    near.transport.abort()
                    far.transport.abort()
                elif far.close_code is not None:
                    await near.close(far.close_code, far.close_reason or "")

        async with serve(handle, "127.0.0.1", 0, max_size=None) as server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            server.close(close_connections=True)

    async def _pass(self, source: Any, sink: Any, ours: bool) -> None:
        try:
            async for message in source:
                try:
                    self.said.append((asyncio.get_running_loop().time(), ours, json.loads(message)))
                except ValueError:
                    self.said.append((asyncio.get_running_loop().time(), ours, {"type": "garbage"}))
                await sink.send(message)
        except ConnectionClosed:
            pass


class Leg:
    """An agent session in a call that hears every reply to its end, ``faster`` than real time.

    ``by_audio``: its clock is the audio's own. A detector takes a pause of the clock for a gap in the audio.
    """

    def __init__(
        self,
        model: AgentModel,
        *,
        wire: AudioFormat = MULAW_8K,
        speaks: AudioFormat = MULAW_8K,
        hears_replies: bool = True,
        faster: int = FASTER,
        by_audio: bool = False,
    ) -> None:
        self.wire, self._speaks = wire, speaks
        self.events: list[tuple[float, AgentEvent]] = []
        self.session = model.open(FACTS, hears=wire, speaks=speaks, emit=self._emit)
        self._loop = asyncio.get_running_loop()
        self._hears_replies = hears_replies
        self._faster, self._by_audio = faster, by_audio
        self.pending = 0  # replies that are being heard
        self.fed_ms = 0.0
        self._changed = asyncio.Event()
        self.answers: Callable[[AgentEvent], None] = lambda event: None
        """Does what the call would, while it is being told."""

    def _emit(self, event: AgentEvent) -> None:
        self.events.append((self._loop.time(), event))
        if isinstance(event, ReplyEnded) and self._hears_replies:
            self.pending += 1
            ms = self._speaks.ms(len(self.audio(event.generation)))
            began = next(
                (at for at, e in self.events if isinstance(e, ReplyAudio) and e.generation == event.generation), 0.0
            )
            self._loop.call_at(began + ms / 1000 / self._faster, self._heard, event.generation)
        self.answers(event)
        self._changed.set()

    def _heard(self, generation: int) -> None:
        self.pending -= 1
        self.heard(generation)

    def heard(self, generation: int) -> None:
        """It was heard to its end."""
        self.session.tell(ReplyHeard(generation, self.text(generation)), self._loop.time())

    def interrupt(self, generation: int, ms: float, text: str = "some words") -> None:
        """The caller heard so much."""
        self.session.tell(ReplyInterrupted(generation, ms, text), self._loop.time())

    def of(self, kind: type) -> list[Any]:
        return [event for _, event in self.events if isinstance(event, kind)]

    def text(self, generation: int) -> str:
        return "".join(event.text for event in self.of(ReplyText) if event.generation == generation)

    def audio(self, generation: int) -> bytes:
        return b"".join(event.audio for event in self.of(ReplyAudio) if event.generation == generation)

    def texts(self) -> list[str]:
        """What the agent said, reply by reply."""
        return [self.text(event.generation) for event in self.of(ReplyStarted)]

    def words(self) -> list[str]:
        """What the caller said."""
        return [event.text for event in self.of(CallerSaid) if event.final]

    @property
    def failure(self) -> str:
        return next((event.reason for event in self.of(AgentFailed)), "")

    def feed(self, audio: bytes) -> None:
        """Some of the caller's audio, now."""
        self.fed_ms += self.wire.ms(len(audio))
        self.session.hear(audio, self.fed_ms / 1000 if self._by_audio else self._loop.time())

    async def say(self, *pieces: bytes) -> None:
        """The caller's audio, in frames, ``faster`` than real time."""
        audio = b"".join(pieces)
        size = self.wire.bytes_for(20)
        began = self._loop.time()
        for i, at in enumerate(range(0, len(audio), size)):
            await asyncio.sleep(began + i * 0.020 / self._faster - self._loop.time())
            self.feed(audio[at : at + size])

    async def until(self, done: Callable[[], object], seconds: float = 4) -> None:
        """While the caller is silent."""
        async with asyncio.timeout(seconds):
            while not done():
                self._changed.clear()
                self.feed(self.wire.silence(self.wire.rate // 50))
                await asyncio.sleep(0.020 / self._faster)

    async def greeted(self) -> None:
        """The greeting was heard."""
        await self.until(lambda: self.of(ReplyEnded) and not self.pending)


@asynccontextmanager
async def held(
    name: str, game: Play, *, tap: Tap | None, own: dict[str, Any] | None, settings: dict[str, Any], **leg: Any
) -> AsyncIterator[Leg]:
    """A call with that vendor's simulated agent. ``own``: the provider's own settings; ``leg``: what ``Leg`` takes."""
    provider = registry.load("ai.providers", name)
    async with standing_in(game, names=[name]) as vendors:
        given = dict(vendors.settings(name))
        async with nullcontext(given["base_url"]) if tap is None else tap.between(given["base_url"]) as base_url:
            wanted = provider.spec.settings(**(given | {"base_url": base_url} | (own or {})))
            there = Leg(provider.agent(AgentSettings(own=wanted, **settings)), **leg)
            run = asyncio.create_task(there.session.run())
            there.session.tell(CallAnswered(), 0.0)
            try:
                yield there
            finally:
                run.cancel()
                await asyncio.gather(run, return_exceptions=True)
