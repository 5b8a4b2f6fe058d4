"""A restaurant's telephone that books tables by calling a function.

python examples/booking_agent.py --type     type what the caller says, read what the agent answers
python examples/booking_agent.py            answer calls

Here the agent is made of rules, so that it runs anywhere. For one that understands more, name a model:
``Agent(..., model="openai/gpt-realtime")``. The function stays as it is.
"""

import argparse
import asyncio
import sys
from typing import Annotated

from trunkline import Agent, CallFacts, ToolError, serve, tool

TABLES = {"friday": 1, "saturday": 2}


@tool
def book_table(when: Annotated[str, "Day and time, as the caller said it."], call: CallFacts) -> str:
    """Book a table. Ask for the day and the time first."""
    day = next((day for day in TABLES if day in when.lower()), None)
    if day is None:
        raise ToolError("We are open on Friday and Saturday only.")
    if not TABLES[day]:
        raise ToolError(f"There is no table left on {day.title()}.")
    TABLES[day] -= 1
    return f"A table is booked for you, {when}."


agent = Agent(
    "You answer the telephone of Luigi's, a small restaurant. Be friendly and brief.",
    llm="receptionist",
    greeting="Luigi's, good evening. What can I do for you?",
    tools=[book_table],
)


async def type_to_it() -> None:
    """A call without a telephone: what the caller says comes from the keyboard, a line at a time."""
    from trunkline import logs
    from trunkline.config import Config
    from trunkline.server.agents import agent_model
    from trunkline.testing.typed_call import TypedCall

    logs.configure(level="warning")
    async with TypedCall(agent_model(agent, Config.load())) as call:
        print("agent:", await call.greeting())
        while call.over is None and (line := await asyncio.to_thread(sys.stdin.readline)):
            print("agent:", await call.say(line.strip()))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Answers calls, with the settings of `trunkline serve`.")
    options.add_argument("--type", action="store_true", help="no telephone: talk to the agent by keyboard")
    if options.parse_args().type:
        asyncio.run(type_to_it())
    else:
        serve(agent)
