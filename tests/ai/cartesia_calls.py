"""Calls with Cartesia's stand-in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from trunkline import registry
from trunkline.ai.base import AgentSettings
from trunkline.ai.standin import Play
from trunkline.testing.standins import standing_in

PROVIDER = registry.load("ai.providers", "cartesia")


def settings(base_url: str, model: str, *, fallback: bool = False, voice: str = "", **more: Any) -> AgentSettings:
    """What a provider gets for ``model`` at the stand-in."""
    own = PROVIDER.spec.settings(**{**PROVIDER.stand_in_settings(base_url), **more})
    return AgentSettings(model=model, voice=voice, has_standby=fallback, own=own)


@asynccontextmanager
async def vendor(play: Play) -> AsyncIterator[str]:
    """The base URL of the stand-in."""
    async with standing_in(play, names=["cartesia"]) as there:
        yield f"{there.base_url}/cartesia"
