"""What a provider's stand-in is made of: the vendor's end of its wire, on loopback, for tests, demonstrations and
benchmarks without a key. Everything behind the wire is simulated, and says so.

A provider that has one offers ``stand_in(play)``: the ASGI routes of its vendor, and ``stand_in_settings(base_url)``:
its own settings that lead there. What the vendor would hear, think and say comes from the ``Play``; how it would put
that on the wire is the provider's own file ``_<name>_standin.py``. ``trunkline.testing.standins`` serves them.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from enum import StrEnum
from typing import Any, Final, Protocol, runtime_checkable

import msgspec
from starlette.routing import BaseRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from trunkline.ai.base import Message, ToolSpec
from trunkline.audio.format import AudioFormat

WRONG_KEY: Final = "wrong-key"
"""The one key every stand-in refuses."""

CUT: Final = "trunkline.cut"
"""Under this name the server puts a function into a socket's ASGI scope that cuts its connection without a word."""


class TurnBegan(msgspec.Struct, frozen=True):
    """The caller began to speak, ``at_ms`` of the audio pushed."""

    at_ms: float


class TurnText(msgspec.Struct, frozen=True):
    """Words so far of the turn that is going on."""

    text: str


class TurnEnded(msgspec.Struct, frozen=True):
    """The caller fell silent at ``at_ms``, and this is all that was said."""

    at_ms: float
    text: str


EarEvent = TurnBegan | TurnText | TurnEnded


class Ears(Protocol):
    """Hears one stream: finds its turns, and has words for them."""

    def push(self, audio: bytes) -> list[EarEvent]:
        """Audio of any length, in the format the ears were made for."""
        ...

    def flush(self) -> list[EarEvent]:
        """What is left when the audio ends, or the client says that the turn is over."""
        ...


class Answer(msgspec.Struct, frozen=True):
    """What the vendor's model comes up with: some text, or a tool to be called with ``arguments`` (JSON), or both."""

    text: str = ""
    tool: str = ""
    arguments: str = "{}"


Mind = Callable[[Sequence[Message], Sequence[ToolSpec]], Answer]
"""The vendor's model: an answer to the conversation so far, with these tools at hand."""


class Voice(Protocol):
    """The vendor's voice."""

    async def speak(self, text: str, audio: AudioFormat) -> bytes:
        """``text`` spoken, without silence before it. Whole samples; empty for an empty text."""
        ...


class Trouble(StrEnum):
    """What can go wrong at the vendor's end."""

    CUT = "cut"  # the connection ends without a word
    STALL = "stall"  # the connection stays, and nothing more comes
    GARBAGE = "garbage"  # something comes that is no message at all; then things go on
    UNKNOWN = "unknown"  # a message of a kind nobody knows comes; then things go on
    KEY = "key"  # the key is refused
    QUOTA = "quota"  # nothing left to spend
    RATE_LIMIT = "rate limit"
    FAULT = "fault"  # an internal error, in the vendor's own words for it


class Place(StrEnum):
    """Where in a conversation it goes wrong."""

    CONNECT = "connect"  # instead of the upgrade's or the request's good answer
    HEARING = "hearing"  # in the middle of a caller's turn
    ANSWERING = "answering"  # when the turn is over, before anything of the answer
    SPEAKING = "speaking"  # in the middle of the answer's text or audio


class Play:
    """What the simulated vendors do. One for a server; ``troubles`` are used up in order, each once."""

    def __init__(
        self,
        *,
        ears: Callable[[AudioFormat], Ears],
        mind: Mind,
        voice: Voice,
        stt_ms: float = 260,
        model_ms: float = 50,
        voice_ms: float = 90,
        words_per_s: float = 80,
        speed: float = 8,
        troubles: Sequence[tuple[Place, Trouble]] = (),
    ) -> None:
        self.ears, self.mind, self.voice = ears, mind, voice
        self.stt_ms = stt_ms  # from the end of speech to the final words
        self.model_ms = model_ms  # from the request to the first word
        self.voice_ms = voice_ms  # from the text to the first audio
        self.words_per_s = words_per_s  # how fast the model writes
        self.speed = speed  # how many times faster than real time the voice is
        self.troubles = list(troubles)

    def trouble(self, place: Place) -> Trouble | None:
        """What goes wrong here and now, if it is this place's turn."""
        if self.troubles and self.troubles[0][0] is place:
            return self.troubles.pop(0)[1]
        return None


def cut(socket: WebSocket) -> None:
    """End the connection without a word, as a crash does."""
    socket.scope["extensions"][CUT]()


async def stall() -> None:
    """Say nothing more until the client is tired of it."""
    await asyncio.get_running_loop().create_future()


@runtime_checkable
class StandInProvider(Protocol):
    """A ``PROVIDER`` that has a stand-in."""

    def stand_in(self, play: Play) -> Sequence[BaseRoute]:
        """The vendor's HTTP and WebSocket routes, with paths as the vendor has them."""
        ...

    def stand_in_settings(self, base_url: str) -> dict[str, Any]:
        """The provider's own settings that lead to the stand-in at ``base_url`` (``http://…``, no slash at the end)."""
        ...


class Beside:
    """What a vendor's end of a socket does while it goes on reading. ``stop`` it when the client is gone."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do it. That the client is gone meanwhile is no fault."""
        task = asyncio.create_task(_quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # one that was cancelled before it began
        return task

    def stop(self) -> None:
        """Leave all of it."""
        for task in self._tasks:
            task.cancel()


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # the client is gone
        await work
