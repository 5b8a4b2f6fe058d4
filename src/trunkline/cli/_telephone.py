"""The telephone behind ``trunkline call``."""

import asyncio
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console

from trunkline import registry
from trunkline.audio.format import AudioFormat
from trunkline.config import Config
from trunkline.errors import ConfigError, Refused
from trunkline.testing import sounds
from trunkline.testing.call import PlacedCall, place
from trunkline.testing.network import dropping
from trunkline.testing.phone import Phone, never
from trunkline.testing.script import Action, HangUp, PressKey, Say, WaitForQuiet, WaitForReply
from trunkline.wire.base import PhoneCodec, Platform, WireSpec, phone_format

KEYS: Final = "0123456789*#ABCD"
PATIENCE_MS: Final = 60_000
"""How long an answer may take to its end before the caller goes on."""


class Line(NamedTuple):
    """A line of a platform's, to be called from."""

    spec: WireSpec
    codec: PhoneCodec
    signs: bool  # the platform's secret is known here

    @property
    def wire(self) -> AudioFormat:
        """What is spoken on it."""
        return phone_format(self.codec, self.spec)


def line(platform: str, *, caller: str, callee: str) -> Line:
    """A line of ``platform``, with its secrets from the configuration. Raises ``ConfigError``."""
    kind: Platform = registry.load("wire", platform)
    settings = Config.load().platform(kind.spec)
    codec = kind.phone(settings, call_id=uuid.uuid4().hex, caller=caller, callee=callee)
    return Line(kind.spec, codec, signs=bool(getattr(settings, kind.spec.secret, "")))


def check(url: str, record: Path | None) -> None:
    """Raises ``ConfigError`` for what would come to nothing only when the call is over, or with no word of why."""
    if not url.startswith(("http://", "https://")):
        raise ConfigError("the gateway's address should begin with http:// or https://, as http://127.0.0.1:8080 does")
    if record is not None and not record.parent.is_dir():
        raise ConfigError(f"there is no folder {record.parent} to record into")


def telephone(line: Line, script: Sequence[Action], *, loss: float) -> Phone:
    """A telephone on that line. ``loss`` (0 to 1) is of its frames."""
    drops = dropping(loss) if loss else never
    return Phone(line.codec, script, wire=line.wire, frame_ms=line.spec.frame_ms, drops=drops)


def hint(refusal: Refused, line: Line) -> str:
    """What whoever was refused may look at; empty where the refusal says it all."""
    secret = f"{line.spec.name}_{line.spec.secret}".upper()
    if refusal.status in (401, 403):
        if not line.signs:
            return f"{secret} is not set here: the gateway lets in only who knows its own, and nobody if it has none."
        return f"Is {secret} the gateway's, and the address the one it knows itself by?"
    if refusal.status != 503:
        return ""
    busy = "The gateway may be full, or stopping: its /ready says so."
    return busy if line.signs else f"{busy} Or it wants calls signed, and {secret} is not set here."


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
        if digit not in KEYS:
            raise ConfigError(f"a telephone has no key {digit!r}: those of --keys are {KEYS}")
        actions += [PressKey(digit), hear_out]
    if not actions:
        raise ConfigError("the caller has nothing to do: give --wav, --say, --keys or --greeting")
    return [*actions, HangUp()]


def call(phone: Phone, url: str, *, limit_s: float, console: Console) -> PlacedCall:
    """Place the call and stay on the line."""
    with console.status(f"On the line to {url}"):
        return asyncio.run(place(phone, url.rstrip("/"), limit_s=limit_s))
