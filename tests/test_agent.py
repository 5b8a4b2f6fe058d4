"""The public face: six lines that answer a phone."""

import subprocess
import sys
from typing import Any

import pytest

from trunkline import Agent, serve, tool
from trunkline.agent import Served, noting


def test_an_agent_is_made_of_instructions_and_little_else() -> None:
    agent = Agent("You answer the phone.")
    assert (agent.instructions, agent.model, agent.tools) == ("You answer the phone.", "local", ())


def test_everything_but_the_instructions_has_a_name() -> None:
    with pytest.raises(TypeError):
        Agent("You answer.", "echo")  # type: ignore[call-arg]


def test_serve_can_be_noted_instead_of_carried_out() -> None:
    agent = Agent("You answer.")
    with noting() as noted:
        serve(agent, port=1)
    assert noted == [Served(agent, {"port": 1})]


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    import trunkline

    with pytest.raises(AttributeError, match="no attribute 'Agnet'"):
        _ = trunkline.Agnet


@pytest.mark.parametrize("names", ["Agent", "tool", "serve", "Agent, tool, serve"])
def test_importing_a_public_name_loads_fewer_than_ten_of_our_modules(names: Any) -> None:
    program = (
        f"import sys; from trunkline import {names}; print(*[m for m in sys.modules if m.split('.')[0] == 'trunkline'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert len(done.stdout.split()) < 10


def test_a_tool_goes_into_an_agent() -> None:
    @tool
    def hours() -> str:
        """When we are open."""
        return "nine to five"

    assert Agent("You answer.", tools=[hours]).tools[0].name == "hours"
