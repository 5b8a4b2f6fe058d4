"""What functions did in a call, for an agent that takes over."""

from stand_ins import FACTS, OneCall, StandInLlm, StandInStt, StandInTts, StandInVad
from virtual_loop import timeless

from trunkline.ai.base import AgentModel, AgentSettings, ToolCall
from trunkline.ai.cascade import Cascade
from trunkline.ai.deeds import MOST_LETTERS, UNKNOWN, Deeds
from trunkline.ai.providers import local
from trunkline.ai.tools import tool


@tool
async def book(day: str) -> str:
    """Book a table."""
    return f"booked for {day}"


BOOK = ToolCall("book", '{"day":"Friday"}')
BOOKED = 'book {"day":"Friday"}: "booked for Friday"'


@timeless
async def test_a_cascade_tells_what_its_functions_did() -> None:
    deeds = Deeds()
    llm = StandInLlm([BOOK], ["It is done."])
    agent = Cascade(vad=StandInVad(), stt=StandInStt(), llm=llm, tts=StandInTts(), tools=[book], deeds=deeds)
    async with OneCall(agent) as call:
        await call.says("a table on Friday")
    assert deeds.of(FACTS.call_id) == (BOOKED,)


def test_the_local_agent_does_too() -> None:
    deeds = Deeds()
    agent: AgentModel = local.PROVIDER.agent(AgentSettings(deeds=deeds), stt=StandInStt())
    assert isinstance(agent, Cascade)
    assert agent.deeds is deeds


def test_of_a_long_result_the_next_agent_reads_the_beginning() -> None:
    deeds = Deeds()
    deeds.begin("call", ToolCall("list", '{"of":"' + "x" * MOST_LETTERS + '"}')).came_of_it = "y" * 32_000
    deeds.begin("call", ToolCall("pay"))
    long, short = deeds.of("call")
    assert long.startswith('list {"of":"xxx')
    assert long.endswith("yyy …")
    assert len(long) < 2 * MOST_LETTERS + 20
    assert short == f"pay {{}}: {UNKNOWN}"
