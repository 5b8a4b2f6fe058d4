"""Trunkline answers phone calls and connects them, in real time, to voice AI."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trunkline.agent import serve as serve
    from trunkline.ai.agent import Agent as Agent
    from trunkline.ai.base import CallFacts as CallFacts
    from trunkline.ai.escalation import Escalation as Escalation
    from trunkline.ai.events import HangUpWanted as HangUpWanted
    from trunkline.ai.events import TransferWanted as TransferWanted
    from trunkline.ai.intents import Understanding as Understanding
    from trunkline.ai.manners import Manners as Manners
    from trunkline.ai.tools import Tool as Tool
    from trunkline.ai.tools import tool as tool
    from trunkline.call.gateway import MediaGateway as MediaGateway
    from trunkline.errors import ToolError as ToolError

# The public names and where they live. They are fetched when first used, so that one leaf can be used alone.
_HOMES = {
    "Agent": "trunkline.ai.agent",
    "serve": "trunkline.agent",
    "CallFacts": "trunkline.ai.base",
    "Escalation": "trunkline.ai.escalation",
    "HangUpWanted": "trunkline.ai.events",
    "Manners": "trunkline.ai.manners",
    "MediaGateway": "trunkline.call.gateway",
    "Tool": "trunkline.ai.tools",
    "ToolError": "trunkline.errors",
    "TransferWanted": "trunkline.ai.events",
    "Understanding": "trunkline.ai.intents",
    "tool": "trunkline.ai.tools",
}

__all__ = [
    "Agent", "CallFacts", "Escalation", "HangUpWanted", "Manners", "MediaGateway", "Tool", "ToolError",
    "TransferWanted", "Understanding", "serve", "tool",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
