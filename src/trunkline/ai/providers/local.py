"""A whole agent that needs no key and no network: Silero or WebRTC, a receptionist made of rules, espeak-ng.

It has no recogniser of its own (none that is good enough comes without a large model): one may be plugged in, else the
receptionist says so and offers its menu of keys.
"""

from typing import Any

import msgspec

from trunkline import registry
from trunkline.ai.base import AgentModel, AgentSettings, ProviderSpec, Stt
from trunkline.ai.cascade import Cascade
from trunkline.ai.models import vad_at_hand


class _Provider:
    spec = ProviderSpec(
        name="local",
        title="Local receptionist",
        about=(
            "A whole agent on this machine, without a key or a network: Silero (or WebRTC) finds speech, rules answer, "
            "espeak-ng speaks. Without a recogniser it understands keys only, and says so."
        ),
    )

    def agent(self, settings: AgentSettings, *, stt: Stt | None = None) -> AgentModel:
        """``stt``: a recogniser, for instance the scripted one of ``trunkline.testing``."""
        if stt is None:
            settings = msgspec.structs.replace(settings, options={**settings.options, "recogniser": "no"})
        receptionist = _part("receptionist").llm(settings)
        return Cascade(
            name="local",
            vad=_part(settings.options.get("vad") or vad_at_hand(settings.models)).vad(settings),
            stt=stt,
            llm=receptionist,
            tts=_part("espeak").tts(settings),
            instructions=settings.instructions,
            greeting=settings.greeting or receptionist.greeting,
            transfer_to=settings.transfer_to,
            tools=settings.tools,
            manners=settings.manners,
            escalation=settings.escalation,
        )


def _part(name: str) -> Any:
    """Another provider, by its name: providers don't import each other."""
    return registry.load("ai.providers", name)


PROVIDER = _Provider()
