"""Calls with a simulated Gemini, whose sessions hear with a detector of ours: see ``live_leg``."""

from contextlib import AbstractAsyncContextManager
from typing import Any

import live_leg
from live_leg import Leg

from trunkline import registry
from trunkline.ai.standin import Play
from trunkline.audio.format import MULAW_8K, PCM16_24K, AudioFormat

PROVIDER = registry.load("ai.providers", "gemini")


class Tap(live_leg.Tap):
    """What was said, by its only key."""

    def sent(self, key: str) -> list[Any]:
        return [message[key] for message in self.of(True) if key in message]

    def received(self, key: str) -> list[Any]:
        return [message[key] for message in self.of(False) if key in message]

    def activities(self) -> list[str]:
        """When the vendor heard the caller."""
        given = [name for realtime in self.sent("realtimeInput") for name in realtime]
        return [name for name in given if name.startswith("activity")]


def on_the_line(
    play: Play,
    *,
    tap: Tap | None = None,
    own: dict[str, Any] | None = None,
    hears_replies: bool = True,
    wire: AudioFormat = MULAW_8K,
    **settings: Any,
) -> AbstractAsyncContextManager[Leg]:
    """A call with a simulated Gemini; speech is what is loud."""
    settings = {"options": {"vad": "energy"}, **settings}
    call = {"wire": wire, "speaks": PCM16_24K, "hears_replies": hears_replies, "by_audio": True}
    return live_leg.held("gemini", play, tap=tap, own=own, settings=settings, **call)
