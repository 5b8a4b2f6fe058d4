"""The call that ``trunkline demo`` makes: gateway and telephone in one process, over real sockets."""

import asyncio
import secrets
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console

from trunkline import logs, registry
from trunkline.audio.format import PCM16_8K
from trunkline.call.session import CallSession
from trunkline.cli._demo_minds import Mind, mind
from trunkline.config import Config
from trunkline.errors import TrunklineError
from trunkline.server.run import running
from trunkline.testing import sounds
from trunkline.testing.call import PlacedCall, place
from trunkline.testing.phone import Phone
from trunkline.testing.script import Action, HangUp, InterruptReply, PressKey, Say, Wait, WaitForReply
from trunkline.testing.scripted_stt import Fixture
from trunkline.wire.base import HttpCall, Platform, phone_format

HOURS: Final = "What are your opening hours, please?"
KEY: Final = "1"
BOOKING: Final = "Excuse me, I would like to book a table for Friday."
THANKS: Final = "No, thank you."

INTERRUPT_AFTER_MS: Final = 1200
HEAR_OUT: Final = WaitForReply(quiet_ms=700, timeout_ms=20_000)
LIMIT_S: Final = 75
WHOLE_S: Final = 180
"""The call and all around it: models that load, the gateway's drain. Whatever then still waits would wait for ever."""


class DemoCall(NamedTuple):
    """The call as both ends know it."""

    session: CallSession
    placed: PlacedCall
    recording: Path
    mind: Mind

    @property
    def ok(self) -> bool:
        """The call went through, and both ends' books balance."""
        return self.placed.outcome.ok and self.session.ledger.balances


def hold(platform: str, model: str, folder: Path, console: Console) -> DemoCall:
    """Start a gateway, call it, talk, hang up. Raises ``MissingProgram`` without espeak-ng, ``ConfigError``."""
    logs.configure(level="warning", format="console")
    kind: Platform = registry.load("wire", platform)
    # No time to drain: its one call is over by then, or was given up, and nobody comes to resume it.
    config = Config.load(agent="", host="127.0.0.1", port=0, record_dir=folder, drain_seconds=0)
    # A secret of this run: the demonstration goes through the closed door, as a real call does.
    config = config.with_platform(kind.spec, **{kind.spec.secret: secrets.token_hex(32)})
    codec = kind.phone(
        config.platform(kind.spec), call_id=f"CA{secrets.token_hex(16)}", caller="+15005550006", callee="+15005550001"
    )
    audio = phone_format(codec, kind.spec)
    with console.status("Recording the caller's lines with espeak-ng"):
        lines = {text: sounds.speak(text, audio) for text in (HOURS, BOOKING, THANKS)}
        known = [Fixture(text, sounds.speak(text, PCM16_8K)) for text in lines]
    phone = Phone(codec, _script(lines), wire=audio, frame_ms=kind.spec.frame_ms)
    with console.status("On the line: about half a minute, in real time"):
        return asyncio.run(_within(WHOLE_S, _call(config, model, known, phone)))


def _script(lines: dict[str, bytes]) -> list[Action]:
    return [
        HEAR_OUT,  # the greeting
        Say(lines[HOURS]),
        HEAR_OUT,
        PressKey(KEY),
        InterruptReply(INTERRUPT_AFTER_MS, lines[BOOKING]),
        HEAR_OUT,
        Say(lines[THANKS]),
        HEAR_OUT,
        Wait(300),
        HangUp(),
    ]


async def _within(seconds: float, call: Coroutine[None, None, DemoCall]) -> DemoCall:
    try:
        async with asyncio.timeout(seconds) as limit:
            return await call
    except TimeoutError:
        if not limit.expired():
            raise
        raise TrunklineError(f"the demonstration was not over after {seconds:g} s: something in it hangs") from None


async def _call(config: Config, name: str, known: Sequence[Fixture], phone: Phone) -> DemoCall:
    over: asyncio.Future[CallSession] = asyncio.get_running_loop().create_future()

    def keep(session: CallSession) -> None:
        if not over.done():
            over.set_result(session)

    async def send(_: HttpCall) -> None:
        """The platform's HTTP interface, simulated: it takes every request, and its end of the line knows already."""

    async with (
        mind(name, config, known) as who,
        running(who.config, who.agent, model=who.model, keep=keep, send=send) as service,
    ):
        placed = await place(phone, service.gateway.base_url, limit_s=LIMIT_S)
        try:
            session = await asyncio.wait_for(over, timeout=10)
        except TimeoutError:
            raise TrunklineError("the gateway did not end the call after the telephone had hung up") from None
    return DemoCall(session, placed, Path(session.recording), who)
