"""Who may hand a call to whom."""

import asyncio
from typing import Any

import pytest
import structlog

from trunkline.ai.agent import Agent
from trunkline.ai.base import CallFacts, ToolCall
from trunkline.ai.events import HandOverWanted
from trunkline.ai.team import hand_over_tool, team_of
from trunkline.ai.toolbox import Toolbox
from trunkline.errors import ConfigError

SALES = Agent("You sell  telephones.\nBe brief.", name="sales", hands_to=["desk", "billing"])
BILLING = Agent("You look after bills.", name="billing", hands_to=[SALES])
DESK = Agent("You answer.", name="desk", hands_to=[BILLING])


def test_a_team_is_everybody_a_call_can_come_to() -> None:
    assert list(team_of(DESK)) == ["desk", "billing", "sales"]
    assert team_of(DESK)["sales"] is SALES


STRANGE = [
    ("nameless", Agent("x", hands_to=[BILLING]), "agents that hand calls to each other need a name"),
    ("a nameless other", Agent("x", name="a", hands_to=[Agent("y")]), "need a name"),
    ("nobody there", Agent("x", name="a", hands_to=["b"]), "'a' hands over to 'b', who is not there: a"),
    ("itself", Agent("x", name="a", hands_to=["a"]), "'a' hands over to itself"),
    ("namesakes", Agent("x", name="a", hands_to=[Agent("y", name="a")]), "there are two agents named 'a'"),
]


@pytest.mark.parametrize(("agent", "sentence"), [case[1:] for case in STRANGE], ids=[case[0] for case in STRANGE])
def test_a_team_that_cannot_work_stops_the_start(agent: Agent, sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        team_of(agent)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "wish"),
    [
        ('{"to": "sales", "about": "A new one."}', HandOverWanted("sales", "A new one.")),
        ('{"to": "billing"}', HandOverWanted("billing")),
        ('{"to": "somebody else"}', None),
    ],
)
def test_a_model_hands_over_to_those_it_may(arguments: str, wish: Any) -> None:
    box = Toolbox([hand_over_tool([SALES, BILLING])], CallFacts("call", "test"), log=structlog.get_logger())
    spec = box.specs[-1]
    assert spec.name == "hand_over"
    assert "sales: You sell telephones. Be brief." in spec.description
    assert spec.parameters["properties"]["to"] == {"enum": ["billing", "sales"]}
    assert spec.parameters["required"] == ["to"]
    result = asyncio.run(box.call(ToolCall("hand_over", arguments)))
    assert (result.wish, result.failed) == (wish, wish is None)
