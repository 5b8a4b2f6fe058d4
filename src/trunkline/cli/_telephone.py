"""The telephone behind ``trunkline call``."""

import asyncio
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from trunkline import registry
from trunkline.audio.format import AudioFormat
from trunkline.config import Config
from trunkline.errors import ConfigError
from trunkline.testing import sounds
from trunkline.testing.call import PlacedCall, place
from trunkline.testing.network import dropping
from trunkline.testing.phone import Phone, never
from trunkline.testing.script import Action, HangUp, PressKey, Say, WaitForQuiet, WaitForReply
from trunkline.wire.base import Platform

PATIENCE_MS: Final = 60_000
"""How long an answer may take to its end before the caller goes on."""


def wire_format(platform: str) -> AudioFormat:
    """The format a telephone of ``platform`` speaks. Raises ``ConfigError`` where there is no such platform."""
    kind: Platform = registry.load("wire", platform)
    return kind.spec.formats[0]


def telephone(platform: str, script: Sequence[Action], *, caller: str, callee: str, loss: float) -> Phone:
    """A telephone of ``platform``, with its secrets from the configuration. ``loss`` (0 to 1) is of its frames."""
    kind: Platform = registry.load("wire", platform)
    settings = Config.load().platform(kind.spec)
    codec = kind.phone(settings, call_id=uuid.uuid4().hex, caller=caller, callee=callee)
    return Phone(
        codec, script, wire=kind.spec.formats[0], frame_ms=kind.spec.frame_ms, drops=dropping(loss) if loss else never
    )


def script(
    wire: AudioFormat, wav: Sequence[Path], say: Sequence[str], keys: str, *, greeting: bool, quiet_ms: float
) -> list[Action]:
    """What the caller does: after each line and each key, hear the agent out.

    Raises ``ConfigError`` if that is nothing, ``AudioError`` and ``MissingProgram``.
    """
    hear_out = WaitForQuiet(quiet_ms, timeout_ms=PATIENCE_MS)
    actions: list[Action] = [WaitForReply(quiet_ms, timeout_ms=PATIENCE_MS)] if greeting else []
    for path in wav:
        actions += [Say(sounds.read(path, wire)), hear_out]
    for text in say:
        actions += [Say(sounds.speak(text, wire)), hear_out]
    for digit in keys:
        actions += [PressKey(digit), hear_out]
    if not actions:
        raise ConfigError("the caller has nothing to do: give --wav, --say, --keys or --greeting")
    return [*actions, HangUp()]


def call(phone: Phone, url: str, *, limit_s: float, console: Console) -> PlacedCall:
    """Place the call and stay on the line."""
    with console.status(f"On the line to {url}"):
        return asyncio.run(place(phone, url.rstrip("/"), limit_s=limit_s))
