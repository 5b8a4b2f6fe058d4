"""Calls with a vendor's stand-in: a caller who hums on time, a reply to be spoken, and all that comes of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from voices import Tone, hum, silence

from trunkline import registry
from trunkline.ai.base import AgentSettings, CallFacts, Stt, SttSession, Tts, TtsSession
from trunkline.ai.events import (
    CallerSaid,
    ReplyAudio,
    ReplyEnded,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
    Stage,
    StageReached,
    SttEvent,
)
from trunkline.ai.standin import EarEvent, Play, Trouble, TurnBegan, TurnText
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat
from trunkline.testing.gate import Gate
from trunkline.testing.standins import play, standing_in

FACTS = CallFacts("call", "test")
LINE = "I would like a table for two on Friday"
FORMATS = [MULAW_8K, ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K]
FATAL = {Trouble.KEY: "bad key", Trouble.QUOTA: "quota"}
"""Troubles that no other try would mend, and what they are."""
PASSING = [trouble for trouble in Trouble if trouble not in FATAL]
"""The others."""
TURN = (100.0, 820.0)
"""Where ``one_turn`` has its speech, in ms."""


class Vendor:
    """One that hears or speaks: its provider, and its simulated end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.provider: Any = registry.load("ai.providers", name)

    def settings(
        self, base_url: str, model: str, *, fallback: bool = False, voice: str = "", **more: Any
    ) -> AgentSettings:
        """What its provider gets for ``model`` at the stand-in."""
        own = self.provider.spec.settings(**{**self.provider.stand_in_settings(base_url), **more})
        return AgentSettings(model=model, voice=voice, has_standby=fallback, own=own)

    @asynccontextmanager
    async def standing_in(self, play: Play) -> AsyncIterator[str]:
        """Its simulated end's base URL."""
        async with standing_in(play, names=[self.name]) as there:
            yield f"{there.base_url}/{self.name}"

    def stt(self, base_url: str, model: str, **settings: Any) -> Stt:
        part: Stt = self.provider.stt(self.settings(base_url, model, **settings))
        return part

    def tts(self, base_url: str, model: str, **settings: Any) -> Tts:
        part: Tts = self.provider.tts(self.settings(base_url, model, **settings))
        return part

    @asynccontextmanager
    async def ears(self, play: Play, model: str, **settings: Any) -> AsyncIterator[Stt]:
        """A recogniser that is ready for calls, before the simulated vendor."""
        async with self.standing_in(play) as url:
            part = self.stt(url, model, **settings)
            await part.warm_up()
            yield part

    @asynccontextmanager
    async def voice(
        self, play: Play, model: str, *, audio: AudioFormat = MULAW_8K, **settings: Any
    ) -> AsyncIterator[tuple["Kept", TtsSession, "asyncio.Task[None]"]]:
        """A call in which the simulated vendor speaks the replies."""
        async with self.standing_in(play) as url:
            part = self.tts(url, model, **settings)
            assert audio in part.speaks
            async with talking(part, audio=audio) as call:
                yield call


def one_turn(audio: AudioFormat = MULAW_8K) -> list[bytes]:
    """Pieces for ``listening``."""
    return [silence(audio, 100), hum(audio, 720)]


class Kept:
    """Events, and when they came."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.times: list[float] = []
        self._came = asyncio.Event()

    def __call__(self, event: SttEvent) -> None:
        self.events.append(event)
        self.times.append(asyncio.get_running_loop().time())
        self._came.set()

    async def until(self, done: Callable[[], bool], seconds: float = 4) -> None:
        """Wait for it."""
        async with asyncio.timeout(seconds):
            while not done():
                self._came.clear()
                await self._came.wait()

    def of(self, *kinds: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]

    def when(self, kind: type) -> float:
        """The first of that kind."""
        return next(at for at, event in zip(self.times, self.events, strict=True) if isinstance(event, kind))

    @property
    def finals(self) -> list[str]:
        return [event.text for event in self.of(CallerSaid) if event.final]

    def audio(self, generation: int) -> bytes:
        return b"".join(event.audio for event in self.of(ReplyAudio) if event.generation == generation)

    def text(self, generation: int) -> str:
        return "".join(event.text for event in self.of(ReplyText) if event.generation == generation)

    def ended(self, generation: int) -> bool:
        return ReplyEnded(generation) in self.events


def once(kept: Kept) -> None:
    """One turn was told of, as it should be."""
    assert kept.finals == [LINE]
    said = kept.of(CallerSaid)
    assert said[-1].final
    assert not any(event.final for event in said[:-1])


def placed(kept: Kept) -> None:
    """And where it was."""
    assert len(kept.of(SpeechStarted)) == len(kept.of(SpeechStopped)) == 1
    assert abs(kept.of(SpeechStarted)[0].at_ms - TURN[0]) <= 20
    assert abs(kept.of(SpeechStopped)[0].at_ms - TURN[1]) <= 20


class Speaking:
    """A caller who says ``pieces`` one after the other and is silent from then on, ``speed`` times as fast as life."""

    def __init__(self, session: SttSession, audio: AudioFormat, pieces: Sequence[bytes], speed: float) -> None:
        self._session = session
        self._audio = audio
        self._said = b"".join(pieces)
        self._speed = speed
        self.heard_ms = 0.0
        self.fell_silent_at = 0.0
        self.on_ms: list[tuple[float, Callable[[], None]]] = []  # what is to be done at a position

    async def run(self) -> None:
        loop, step = asyncio.get_running_loop(), self._audio.bytes_for(20)
        begun = loop.time()
        quiet = silence(self._audio, 20)
        last = self._audio.ms(len(self._said.rstrip(self._audio.silence_unit)))
        for i in range(1_000_000):
            frame = self._said[i * step : (i + 1) * step] or quiet
            self._session.hear(frame, loop.time())
            self.heard_ms += 20
            if not self.fell_silent_at and self.heard_ms >= last:
                self.fell_silent_at = loop.time()
            while self.on_ms and self.heard_ms >= self.on_ms[0][0]:
                self.on_ms.pop(0)[1]()
            await asyncio.sleep(begun + (i + 1) * 0.02 / self._speed - loop.time())


@asynccontextmanager
async def listening(
    part: Stt,
    pieces: Sequence[bytes],
    *,
    audio: AudioFormat = MULAW_8K,
    speed: float = 4,
    turns: Sequence[tuple[float, float]] = (),
) -> AsyncIterator[tuple[Kept, Speaking, SttSession]]:
    """A call in which the caller says ``pieces``. ``turns``: what a voice detector would say, found 200 ms late."""
    kept = Kept()
    session = part.open(FACTS, hears=audio, emit=kept)
    speaking = Speaking(session, audio, pieces, speed)
    for began, ended in turns:
        speaking.on_ms.append((began + 60, lambda at=began: session.turn_started(at)))  # type: ignore[misc]
        speaking.on_ms.append((ended + 200, lambda at=ended: session.turn_ended(at)))  # type: ignore[misc]
    tasks = [asyncio.create_task(session.run()), asyncio.create_task(speaking.run())]
    try:
        yield kept, speaking, session
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await part.close()


@asynccontextmanager
async def talking(
    part: Tts, *, audio: AudioFormat = MULAW_8K
) -> AsyncIterator[tuple[Kept, TtsSession, "asyncio.Task[None]"]]:
    """A call in which replies are spoken."""
    kept = Kept()
    session = part.open(FACTS, speaks=audio, emit=kept)
    task = asyncio.create_task(session.run())
    try:
        yield kept, session, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await part.close()


def toned(*, lead_ms: int = 0, **timing: Any) -> Play:
    """A vendor that speaks with ``Tone``, much faster than life."""
    return play([""], voice=Tone(lead_ms), **{"voice_ms": 10, "speed": 40, **timing})


def say(session: TtsSession, generation: int, *pieces: str) -> None:
    """A whole reply."""
    for piece in pieces:
        session.say(piece, generation)
    session.finish(generation)


def in_order(kept: Kept, generation: int) -> None:
    """The order that every voice keeps."""
    mine = [event for event in kept.events if event.generation == generation]
    assert mine[0] == StageReached(Stage.SYNTHESIS_STARTED, generation)
    assert mine[1] == StageReached(Stage.SYNTHESIS_FIRST_BYTE, generation)
    assert isinstance(mine[2], ReplyText)
    assert mine[-1] == ReplyEnded(generation)
    assert [type(event) for event in mine].count(StageReached) == 2
    assert [type(event) for event in mine].count(ReplyEnded) == 1


class Endless:
    """Ears that hear turns begin, and never end."""

    def __init__(self, audio: AudioFormat) -> None:
        self._gate = Gate(audio)

    def push(self, audio: bytes) -> list[EarEvent]:
        edges = [edge for edge in self._gate.push(audio) if edge.began]
        return [event for edge in edges for event in (TurnBegan(edge.sample / 8), TurnText(LINE))]

    def flush(self) -> list[EarEvent]:
        return []
