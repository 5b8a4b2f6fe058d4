"""Calls with a simulated OpenAI: see ``live_leg``."""

from contextlib import AbstractAsyncContextManager
from typing import Any

import live_leg
from live_leg import FASTER, Leg

from trunkline.ai.standin import Play
from trunkline.audio.format import MULAW_8K, AudioFormat


class Tap(live_leg.Tap):
    """What was said, by its type."""

    def sent(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.of(True) if message["type"] == kind]

    def received(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.of(False) if message.get("type") == kind]


def on_the_line(
    play: Play,
    *,
    tap: Tap | None = None,
    own: dict[str, Any] | None = None,
    hears_replies: bool = True,
    faster: int = FASTER,
    wire: AudioFormat = MULAW_8K,
    **settings: Any,
) -> AbstractAsyncContextManager[Leg]:
    """A call with a simulated OpenAI."""
    call = {"wire": wire, "speaks": wire, "hears_replies": hears_replies, "faster": faster}
    return live_leg.held("openai", play, tap=tap, own=own, settings=settings, **call)
