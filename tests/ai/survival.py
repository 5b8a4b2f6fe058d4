"""Whole calls of a cascade whose providers fail: a telephone, the gateway, four simulated vendors, what was heard."""

import asyncio
import copy
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from contextvars import ContextVar
from typing import Any, Final

import msgspec
import numpy as np
import structlog
from starlette.routing import BaseRoute
from voices import Tone, hum, silence, tone

from trunkline import logs, registry
from trunkline.ai.agent import Agent
from trunkline.ai.base import Message, ToolSpec
from trunkline.ai.fallback_llm import GO_ON
from trunkline.ai.standin import Answer, Place, Play, StandInProvider, Trouble
from trunkline.audio.format import MULAW_8K
from trunkline.call.session import CallSession
from trunkline.config import Config
from trunkline.server.run import running
from trunkline.testing.call import PlacedCall, place
from trunkline.testing.phone import Phone
from trunkline.testing.script import Action, HangUp, Say, WaitForReply
from trunkline.testing.standins import play, serving
from trunkline.wire.base import Platform

TWILIO: Final[Platform] = registry.load("wire", "twilio")
VENDORS: Final = ("deepgram", "cartesia", "groq", "openai")
PARTS: Final[dict[str, list[str]]] = {
    "stt": ["deepgram/flux-general-en", "cartesia/ink-2"],
    "llm": ["groq/llama-3.3-70b-versatile", "openai/gpt-4.1-mini"],
    "tts": ["cartesia/sonic-3.5", "deepgram/aura-2-thalia-en"],
}
GONE: Final = {
    "stt": [(Place.HEARING, Trouble.KEY)],
    "llm": [(Place.CONNECT, Trouble.QUOTA)] * 9,
    "tts": [(Place.SPEAKING, Trouble.QUOTA)],
}
"""What happens to each vendor so that nobody is left in a role, and all are in the others."""

DOORS: Final = {"stt": ("/listen", "/stt/"), "llm": ("/chat/",), "tts": ("/speak", "/tts/")}
"""Where a vendor is found in each role: what is in the paths."""

ASKED: Final = "What are your opening hours?"
ANSWER: Final = "We are open from nine to five. On Sundays we are closed."
SPOKEN: Final = silence(MULAW_8K, 300) + hum(MULAW_8K, 1000)
SILENT: Final = 0xFF  # in mu-law

LINES: ContextVar[list[dict[str, Any]]] = ContextVar("LINES")
"""The log of the call that is made in this context."""


def keep_line(log: Any, level: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A processor that puts each line where its call's are, as somebody would read it."""
    if (lines := LINES.get(None)) is not None:
        line = structlog.contextvars.merge_contextvars(log, level, line)
        lines.append({"level": level, **logs.mask(log, level, line)})
    raise structlog.DropEvent


@contextmanager
def kept_lines() -> Iterator[None]:
    """Lines of the log go where their calls are."""
    processors: list[Any] = structlog.get_config()["processors"]
    before = processors.copy()
    processors[:] = [keep_line]
    try:
        yield
    finally:
        processors[:] = before


def mind(history: Sequence[Message], tools: Sequence[ToolSpec]) -> Answer:
    """Gives the answer; one that is told to go on gives the rest of it."""
    if history[-1] == Message("system", GO_ON):
        return Answer(ANSWER[len(history[-2].text) :])
    return Answer(ANSWER)


class Case(msgspec.Struct, frozen=True):
    """What happens to the first provider of a role."""

    role: str
    place: Place
    trouble: Trouble
    for_good: bool = False  # and it can't be reached from then on

    def __str__(self) -> str:
        return f"{self.role} {self.place}: {self.trouble}{', for good' if self.for_good else ''}"

    @property
    def vendor(self) -> str:
        """Who it happens to."""
        return PARTS[self.role][0].partition("/")[0]

    @property
    def troubles(self) -> list[tuple[Place, Trouble]]:
        """For its play."""
        again = Trouble.CUT if self.trouble in (Trouble.GARBAGE, Trouble.UNKNOWN) else self.trouble
        return [(self.place, self.trouble), *([(Place.CONNECT, again)] * 20 if self.for_good else [])]


class Blink:
    """From ``place`` on nothing works, for so many seconds, at any vendor of these roles."""

    def __init__(self, roles: Sequence[str], place: Place, seconds: float) -> None:
        self._doors = [door for role in roles for door in DOORS[role]]
        self._place = place
        self._seconds = seconds
        self._until: float | None = None

    def routes(self, vendor: StandInProvider, game: Play) -> list[BaseRoute]:
        """The vendor's, those of the roles in trouble together."""
        struck = copy.copy(game)
        struck.trouble = self._trouble  # type: ignore[method-assign]
        return [
            out if any(door in getattr(out, "path", "") for door in self._doors) else usual
            for out, usual in zip(vendor.stand_in(struck), vendor.stand_in(game), strict=True)
        ]

    def _trouble(self, place: Place) -> Trouble | None:
        now = asyncio.get_running_loop().time()
        if self._until is None and place is self._place:
            self._until = now + self._seconds
        return Trouble.CUT if self._until is not None and now < self._until else None


class Survived(msgspec.Struct, frozen=True):
    """A call as all of its ends know it."""

    session: CallSession
    placed: PlacedCall
    log: list[dict[str, Any]]

    @property
    def words(self) -> list[tuple[str, float, float]]:
        """Each word of the answer that was heard to its end and in order: from and until when, in ms of the call.
        Silence in the middle of a word does not count against it."""
        heard = np.frombuffer(self.placed.outcome.heard, np.uint8)
        sounds = np.flatnonzero(heard != SILENT)
        voice, at, found = heard[sounds].tobytes(), 0, []
        for word in ANSWER.split():
            sound = tone(word, MULAW_8K).replace(bytes([SILENT]), b"")
            began = voice.find(sound, at)
            if began < 0:
                continue
            at = began + len(sound)
            found.append((word, sounds[began] / 8, sounds[at - 1] / 8))
        return found

    @property
    def waited_ms(self) -> float:
        """From the caller's last sound to the answer's first."""
        spoke_until = MULAW_8K.ms(len(self.placed.outcome.said.rstrip(b"\xff")))
        return self.words[0][1] - spoke_until

    @property
    def longest_hole_ms(self) -> float:
        """Of silence within the answer."""
        (_, began, _), *_, (_, _, ended) = self.words
        heard = np.frombuffer(self.placed.outcome.heard, np.uint8)[int(8 * began) : int(8 * ended)]
        return float(np.diff(np.flatnonzero(heard != SILENT)).max()) / 8

    @property
    def voice(self) -> bytes:
        """What was heard, without its silence."""
        return self.placed.outcome.heard.replace(bytes([SILENT]), b"")

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """Lines of the log about a provider that somebody should read."""
        return [line for line in self.log if "provider" in line and line["level"] in ("warning", "error")]

    @property
    def take_overs(self) -> list[str]:
        """Who stood in."""
        return [line["provider"] for line in self.log if line["event"] == "provider takes over"]


async def survive(
    case: Case | None, *, actions: Sequence[Action] = (), gone: str = "", blink: Blink | None = None, **agent: Any
) -> Survived:
    """A caller asks, and is answered. Gives what became of it. ``gone``: a role that nobody can fill any more;
    ``blink``: one that nobody can for a moment."""
    lines: list[dict[str, Any]] = []
    LINES.set(lines)
    over: asyncio.Future[CallSession] = asyncio.get_running_loop().create_future()
    config = Config.load(host="127.0.0.1", port=0)
    config = config.with_platform(TWILIO.spec, auth_token="0123456789abcdef0123456789abcdef")
    async with AsyncExitStack() as stack:
        for vendor in VENDORS:
            troubles = case.troubles if case is not None and case.vendor == vendor else []
            if gone and any(part.startswith(f"{vendor}/") for part in PARTS[gone]):
                troubles = GONE[gone].copy()
            game = play(
                [ASKED], mind=mind, voice=Tone(), stt_ms=230, model_ms=50, voice_ms=90, speed=2, troubles=troubles
            )
            provider: StandInProvider = registry.load("ai.providers", vendor)
            routes = provider.stand_in(game) if blink is None else blink.routes(provider, game)
            base_url = await stack.enter_async_context(serving(routes))
            config = config.with_provider(vendor, **provider.stand_in_settings(base_url))
        codec = TWILIO.phone(config.platform(TWILIO.spec), call_id="CA1", caller="+15005550006", callee="+15005550001")
        script = actions or [Say(SPOKEN), WaitForReply(1600, timeout_ms=6000), HangUp()]
        chosen: Any = {**PARTS, **agent}
        async with running(config, Agent("", **chosen), keep=over.set_result) as service:
            placed = await place(Phone(codec, script), service.gateway.base_url, limit_s=20)
            return Survived(await asyncio.wait_for(over, 5), placed, lines)
