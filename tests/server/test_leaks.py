"""A thousand calls to each platform's door, dropped at any point and in any way: nothing of them is left."""

import asyncio
import enum
import gc
import io
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import httpx
import pytest
import uvloop
from media_platforms import PLATFORMS, announce, closed_door, load, telephone
from raw_phone import TEXT, RawPhone, frame, upgrade

from trunkline import logs
from trunkline.ai.agent import Agent
from trunkline.ai.base import CallFacts, Emit
from trunkline.ai.events import AgentCommand, CallAnswered, ReplyAudio, ReplyEnded, ReplyStarted, ReplyText
from trunkline.audio.format import AudioFormat
from trunkline.config import Config
from trunkline.server.run import Running, running
from trunkline.testing.sounds import murmur
from trunkline.wire.base import MediaAddress, PhoneCodec, Platform, ResumingPhone

CALLS: Final = 1000
AT_ONCE: Final = 40
PATIENCE_S: Final = 5.0
"""How long what is left of the last calls may take to go: lingering sockets, parked calls, recordings."""


class Chatterbox:
    """An agent that talks from the first moment to the last."""

    name = "chatterbox"

    def __init__(self, wire: AudioFormat) -> None:
        self.hears: tuple[AudioFormat, ...] = (wire,)
        self.speaks: tuple[AudioFormat, ...] = (wire,)
        self.voice = murmur(wire, 3000)

    def open(self, facts: CallFacts, *, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> "Chat":
        return Chat(self.voice, emit)

    async def warm_up(self) -> None: ...

    async def close(self) -> None: ...


class Chat:
    """One call's: with work of its own, as a provider's socket would be."""

    def __init__(self, voice: bytes, emit: Emit) -> None:
        self._voice, self._emit = voice, emit

    def hear(self, audio: bytes, now: float) -> None: ...

    def tell(self, command: AgentCommand, now: float) -> None:
        if isinstance(command, CallAnswered):
            for event in (ReplyStarted(1), ReplyText("blah", 1), ReplyAudio(self._voice, 1), ReplyEnded(1)):
                self._emit(event)

    async def run(self) -> None:
        await asyncio.Event().wait()


# --- the points at which a call is dropped ---------------------------------------------------------------------------


class Drop:
    """What one call needs to come as far as its point."""

    def __init__(self, port: int, codec: PhoneCodec, media: MediaAddress, word: bytes, dice: random.Random) -> None:
        self.codec, self.media, self.word, self.dice = codec, media, word, dice
        self._port = port
        self._phones: list[RawPhone] = []

    async def dial(self) -> RawPhone:
        phone = await RawPhone.dial(self._port, self.codec)
        self._phones.append(phone)
        return phone

    def tidy(self) -> None:
        """Close what the gateway was quicker with."""
        for phone in self._phones:
            phone.finish()

    async def open(self) -> RawPhone:
        phone = await self.dial()
        status = await phone.open(self.media)
        assert " 101 " in status, status
        return phone

    async def start(self) -> RawPhone:
        phone = await self.open()
        phone.say(self.codec.opened())
        return phone

    async def talk(self) -> RawPhone:
        phone = await self.start()
        await phone.until_heard(self.word)
        for _ in range(self.dice.randrange(4)):
            phone.speak(self.word)
        return phone


async def announced_and_never_come(drop: Drop) -> None:
    pass


async def in_the_upgrade_request(drop: Drop) -> None:
    phone = await drop.dial()
    request = upgrade(drop.media)
    phone.writer.write(request[: drop.dice.randrange(len(request))])
    phone.go(drop.dice)


async def before_the_upgrade_is_answered(drop: Drop) -> None:
    phone = await drop.dial()
    phone.writer.write(upgrade(drop.media))
    if drop.dice.random() < 0.5:
        await phone.writer.drain()
    phone.go(drop.dice)


async def before_the_start(drop: Drop) -> None:
    (await drop.open()).go(drop.dice)


async def right_after_the_start(drop: Drop) -> None:
    (await drop.start()).go(drop.dice)


async def in_the_midst_of_a_word(drop: Drop) -> None:
    (await drop.talk()).go(drop.dice)


async def while_the_agent_speaks(drop: Drop) -> None:
    phone = await drop.start()
    await phone.until_the_agent_speaks()
    phone.go(drop.dice)


async def in_the_midst_of_a_frame(drop: Drop) -> None:
    phone = await drop.talk()
    whole = frame(TEXT, b"x" * drop.dice.randrange(1, 300))
    phone.writer.write(whole[: drop.dice.randrange(1, len(whole))])
    phone.go(drop.dice)


async def in_the_midst_of_a_message(drop: Drop) -> None:
    phone = await drop.start()
    phone.writer.write(frame(TEXT, b"{", fin=False))
    phone.go(drop.dice)


async def after_nonsense(drop: Drop) -> None:
    phone = await drop.start()
    nonsense = drop.dice.randbytes(drop.dice.randrange(1, 200))
    phone.writer.write(drop.dice.choice([nonsense, frame(TEXT, nonsense), frame(3, nonsense), frame(TEXT, b"[]")]))
    if drop.dice.random() < 0.5:
        with suppress(TimeoutError):
            await asyncio.wait_for(phone.reader.read(), 0.2)  # it may be closed from the other side, or borne
    phone.go(drop.dice)


async def while_hanging_up(drop: Drop) -> None:
    phone = await drop.talk()
    phone.hang_up()
    if drop.dice.random() < 0.5:
        await phone.writer.drain()
    phone.go(drop.dice)


async def after_the_goodbye(drop: Drop) -> None:
    phone = await drop.talk()
    phone.hang_up()
    phone.finish()
    await phone.writer.wait_closed()


async def after_it_came_back(drop: Drop) -> None:
    (await drop.talk()).abort()
    codec = drop.codec
    if isinstance(codec, ResumingPhone):
        phone = await drop.open()
        phone.say(codec.reopened())
        if drop.dice.random() < 0.5:
            await phone.until_heard(drop.word)
        phone.go(drop.dice)


POINTS: Final[list[Callable[[Drop], Awaitable[None]]]] = [
    announced_and_never_come,
    in_the_upgrade_request,
    before_the_upgrade_is_answered,
    before_the_start,
    right_after_the_start,
    in_the_midst_of_a_word,
    while_the_agent_speaks,
    in_the_midst_of_a_frame,
    in_the_midst_of_a_message,
    after_nonsense,
    while_hanging_up,
    after_the_goodbye,
    after_it_came_back,
]


# --- what is left ----------------------------------------------------------------------------------------------------


Left = Counter[str]


def look() -> Left:
    """Every task, every open file, and every object of ours and of the servers under us."""
    gc.collect()
    kinds = (type(thing) for thing in gc.get_objects())
    left = Counter(
        f"{kind.__module__}.{kind.__qualname__}"
        for kind in kinds
        if str(kind.__module__).partition(".")[0] in ("trunkline", "picows", "uvicorn", "test_leaks")
        and not issubclass(kind, enum.Enum)  # one is made of each opcode that was ever met
    )
    left.update(f"task {task.get_coro()!r}".partition(" at 0x")[0] for task in asyncio.all_tasks())
    left["files"] = len(list(Path("/proc/self/fd").iterdir()))
    return left


async def settled(service: Running) -> None:
    """Wait until the last call is gone, as long as that may take."""
    deadline = time.monotonic() + PATIENCE_S
    while service.gateway.board.active and time.monotonic() < deadline:  # noqa: ASYNC110 - there is no such event
        await asyncio.sleep(0.02)
    assert service.gateway.board.active == 0
    await asyncio.sleep(0.05)


class Crowd:
    """Drops calls at one platform's door."""

    def __init__(self, platform: Platform, config: Config, service: Running) -> None:
        self._platform, self._config = platform, config
        self._base_url = service.gateway.base_url
        self._port = int(self._base_url.rpartition(":")[2])
        self._word = murmur(platform.spec.formats[0], 20)
        self._dice = random.Random(20260101)
        self._numbers = iter(range(1, 100_000))

    async def drop(self, calls: int) -> None:
        """So many calls, at every point in turn, in an order that is the same each time."""
        wanted = [POINTS[n % len(POINTS)] for n in range(calls)]
        self._dice.shuffle(wanted)
        async with httpx.AsyncClient(trust_env=False) as http:
            for first in range(0, calls, AT_ONCE):
                async with asyncio.TaskGroup() as group:
                    for point in wanted[first : first + AT_ONCE]:
                        group.create_task(self._one(http, point))

    async def call(self) -> None:
        """One that goes its way to the end."""
        async with httpx.AsyncClient(trust_env=False) as http:
            await self._one(http, after_the_goodbye)

    async def _one(self, http: httpx.AsyncClient, point: Callable[[Drop], Awaitable[None]]) -> None:
        codec = telephone(self._platform, self._config, f"CA{next(self._numbers):032x}")
        media = await announce(http, codec, self._base_url)
        drop = Drop(self._port, codec, media, self._word, random.Random(self._dice.random()))
        with suppress(EOFError, ConnectionError):  # the gateway may have been quicker
            await point(drop)
        drop.tidy()


@pytest.mark.parametrize("name", PLATFORMS)
def test_nothing_is_left_of_a_thousand_dropped_calls(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRUNKLINE_CALL_RESUME_TIMEOUT_S", "0.3")
    monkeypatch.setenv("TRUNKLINE_CALL_START_TIMEOUT_S", "1")
    monkeypatch.setenv("TRUNKLINE_CALL_SILENCE_TIMEOUT_S", "1")
    monkeypatch.setattr("trunkline.server.calls.MAX_LAG_S", 60.0)  # whoever drops them is on the same loop
    ahead_s = 0.0
    clock: Any = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead_s, time=time.time)
    for module in ("app", "media"):
        monkeypatch.setattr(f"trunkline.server.{module}.time", clock)
    platform = load(name)
    config = closed_door(platform, log_level="error", max_calls=2 * CALLS, drain_seconds=0)

    async def scenario() -> None:
        nonlocal ahead_s
        logs.configure(level="error", format="json", stream=io.StringIO())
        model = Chatterbox(platform.spec.formats[0])
        async with running(config, Agent(""), model=model) as service:
            board = service.gateway.board
            crowd = Crowd(platform, config, service)

            async def left() -> Left:
                """What there is when all calls are over, and what was kept for calls that never came with them."""
                nonlocal ahead_s
                await settled(service)
                ahead_s += 3600  # tickets and what was announced have had their time; the next call sweeps them out
                await crowd.call()
                await settled(service)
                return look()

            await crowd.drop(2 * len(POINTS))  # whatever is loaded with the first calls is there
            before = await left()
            begun = board.tally.total
            await crowd.drop(CALLS)
            after = await left()
            deadline = time.monotonic() + PATIENCE_S
            while after - before and time.monotonic() < deadline:
                await asyncio.sleep(0.1)  # the last connections may still be closing
                after = look()
            assert after - before == Counter()
            assert board.tally.total - begun > CALLS // 2, "they were calls, not refusals"
            assert board.parked == 0

    uvloop.run(scenario())
