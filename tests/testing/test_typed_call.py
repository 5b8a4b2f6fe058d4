"""A call without sound."""

import asyncio

import pytest

from trunkline.agent import Agent
from trunkline.ai.base import AgentModel
from trunkline.ai.events import HangUpWanted, TransferWanted
from trunkline.ai.tools import tool
from trunkline.config import Config
from trunkline.errors import ConfigError
from trunkline.server.agents import agent_model
from trunkline.testing.typed_call import TypedCall

TOLD: list[str] = []


@tool
async def book_table(when: str) -> str:
    """Book a table."""
    TOLD.append(when)
    return f"Booked: {when}."


def model(**settings: object) -> AgentModel:
    agent = Agent("", llm="receptionist", tools=[book_table], **settings)  # type: ignore[arg-type]
    return agent_model(agent, Config.load(vad="energy"))


def test_a_conversation_is_typed_with_the_agents_own_functions() -> None:
    async def scene() -> None:
        async with TypedCall(model(greeting="Hello.")) as call:
            assert await call.greeting() == "Hello."
            assert await call.press("1") == "We are open from Monday to Friday, nine to five. Is there anything else?"
            assert "Which day" in await call.say("I would like to book a table")
            assert await call.say("tomorrow") == "Booked: tomorrow. Is there anything else?"
            assert call.over is None
            assert await call.say("goodbye") == "Thank you for calling. Goodbye!"
            assert call.over == HangUpWanted()

    asyncio.run(scene())
    assert TOLD == ["tomorrow"]


def test_a_transfer_ends_it_too_and_there_may_be_no_greeting() -> None:
    async def scene() -> None:
        async with TypedCall(model(transfer_to="sip:desk@example.org", escalate="transfer")) as call:
            assert await call.greeting() == ""
            assert await call.say("a manager please") == "I am connecting you now. One moment, please."
            assert call.over == TransferWanted("sip:desk@example.org")

    asyncio.run(scene())


def test_only_agents_made_of_parts_can_be_typed_to() -> None:
    with pytest.raises(ConfigError, match="echo can't be typed to"):
        TypedCall(agent_model(Agent("", model="echo"), Config.load()))
