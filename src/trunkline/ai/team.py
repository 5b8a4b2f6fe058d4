"""Agents that may hand a call to each other.

    billing = Agent("You look after bills.", name="billing", hands_to=["front desk"])
    serve(Agent("You answer the phone.", name="front desk", hands_to=[billing]))

Where agents refer to each other in a circle, one of them has to use a name.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec

from trunkline.ai.agent import Agent
from trunkline.ai.events import HandOverWanted
from trunkline.ai.tools import Tool, tool
from trunkline.errors import ConfigError

TOLD_CHARS: Final = 200
"""Of an agent's instructions, for the others to know whom they hand over to."""


def team_of(first: Agent) -> dict[str, Agent]:
    """Everybody a call that ``first`` answers can come to, by name, ``first`` first. Raises ``ConfigError``."""
    team: dict[str, Agent] = {}
    to_see = [first]
    while to_see:
        agent = to_see.pop(0)
        if not agent.name:
            raise ConfigError('agents that hand calls to each other need a name: Agent(..., name="front desk")')
        known = team.setdefault(agent.name, agent)
        if known is not agent:
            raise ConfigError(f"there are two agents named {agent.name!r}")
        to_see += [other for other in agent.hands_to if isinstance(other, Agent) and team.get(other.name) is not other]
    for agent in team.values():
        for name in names(agent.hands_to):
            if name not in team:
                raise ConfigError(f"{agent.name!r} hands over to {name!r}, who is not there: {', '.join(team)}")
            if name == agent.name:
                raise ConfigError(f"{agent.name!r} hands over to itself")
    return team


def names(agents: Sequence[Agent | str]) -> list[str]:
    """Their names."""
    return [other.name if isinstance(other, Agent) else other for other in agents]


def hand_over_tool(others: Sequence[Agent]) -> Tool:
    """The function by which a model hands over to one of ``others``."""
    told = [f"{other.name}: {' '.join(other.instructions.split())[:TOLD_CHARS]}" for other in others]

    async def hand_over(to: str, about: str = "") -> HandOverWanted:
        return HandOverWanted(to, about)

    hand_over.__doc__ = "Let another agent go on with this call, after saying so. They are:\n" + "\n".join(told)
    hand_over.__annotations__ = {
        "to": Literal[tuple(other.name for other in others)],
        "about": Annotated[str, msgspec.Meta(description="What they should know, in a sentence.")],
    }
    return tool(hand_over)
