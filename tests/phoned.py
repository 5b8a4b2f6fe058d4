"""Whole calls in real time: a telephone, a gateway on a port of its own, and an agent."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from trunkline import registry
from trunkline.ai.agent import Agent
from trunkline.call.session import CallSession
from trunkline.config import Config
from trunkline.server.run import running
from trunkline.testing.call import PlacedCall, place
from trunkline.testing.phone import Phone
from trunkline.testing.script import Action
from trunkline.wire.base import Platform

TWILIO: Final[Platform] = registry.load("wire", "twilio")


class Done(msgspec.Struct, frozen=True):
    """A call as both of its ends know it."""

    session: CallSession
    placed: PlacedCall

    def said_by(self, speaker: str) -> list[str]:
        """The transcript's lines of one of them."""
        return [line.text for line in self.session.transcript if line.speaker == speaker]

    def went_well(self) -> None:
        """Both ends are content, and every sample is accounted for."""
        assert self.placed.outcome.ok, self.placed.outcome.complaints
        assert self.session.ledger.balances

    def is_stamped(self) -> None:
        """Each turn says what it took."""
        assert self.session.turns
        for turn in self.session.turns:
            stages = msgspec.to_builtins(turn.latency)
            assert any(stages.values()), stages


async def hold(
    agent: Agent,
    script: Sequence[Action],
    /,
    *,
    providers: Mapping[str, Mapping[str, Any]] | None = None,
    limit_s: float = 30,
    **config: Any,
) -> Done:
    """One call that follows the script. ``providers``: the settings of each that the agent is made of."""
    over: asyncio.Future[CallSession] = asyncio.get_running_loop().create_future()
    settings = Config.load(host="127.0.0.1", port=0, **config)
    settings = settings.with_platform(TWILIO.spec, auth_token="0123456789abcdef0123456789abcdef")
    for name, own in (providers or {}).items():
        settings = settings.with_provider(name, **own)
    codec = TWILIO.phone(settings.platform(TWILIO.spec), call_id="CA1", caller="+15005550006", callee="+15005550001")
    async with running(settings, agent, keep=over.set_result) as service:
        placed = await place(Phone(codec, script), service.gateway.base_url, limit_s=limit_s)
        return Done(await asyncio.wait_for(over, 10), placed)
