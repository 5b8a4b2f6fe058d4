"""A whole agent that needs no key and no network: Silero or WebRTC, a receptionist made of rules, espeak-ng.

It has no recogniser of its own, for none that is good enough comes without a large model. Moonshine is used where it
and a model of the agent's language are on this machine; another may be plugged in; else the receptionist says that it
has none and offers its menu of keys.
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
            "espeak-ng speaks. Moonshine recognises what is said, once `pip install 'trunkline[local]'` and `trunkline "
            "models moonshine` have brought it; without, the agent understands keys only, and says so."
        ),
    )

    def agent(self, settings: AgentSettings, *, stt: Stt | None = None) -> AgentModel:
        """``stt``: a recogniser, for instance the scripted one of ``trunkline.testing``."""
        stt = stt or _part("moonshine").at_hand(msgspec.structs.replace(settings, own=None, model=""))
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
            deeds=settings.deeds,
        )


def _part(name: str) -> Any:
    """Another provider, by its name: providers don't import each other."""
    return registry.load("ai.providers", name)


PROVIDER = _Provider()
