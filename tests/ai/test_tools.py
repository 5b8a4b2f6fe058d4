"""What a model is told of a function."""

import asyncio
import enum
from typing import Annotated, Any, Literal

import msgspec
import pytest

from trunkline.ai.tools import tool
from trunkline.errors import ConfigError


@tool
async def book_table(day: str, people: int = 2, *, area: Literal["inside", "garden"] = "inside") -> str:
    """Book a table at the restaurant.

    Only for today and tomorrow.

    Args:
        day: Day of the week, in English.
        people (int): How many will come: children too.

    Returns:
        What to tell the caller.
    """
    return f"{day} {people} {area}"


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Topping(msgspec.Struct):
    name: str
    grams: int | None = None


def test_a_function_is_described_by_its_hints_and_docstring() -> None:
    assert book_table.name == "book_table"
    assert book_table.description == "Book a table at the restaurant.\n\nOnly for today and tomorrow."
    assert book_table.parameters == {
        "type": "object",
        "properties": {
            "day": {"type": "string", "description": "Day of the week, in English."},
            "people": {"type": "integer", "default": 2, "description": "How many will come: children too."},
            "area": {"enum": ["garden", "inside"], "default": "inside"},
        },
        "required": ["day"],
        "additionalProperties": False,
    }


def test_a_tool_is_still_the_function_it_was() -> None:
    assert asyncio.run(book_table("Friday", people=4)) == "Friday 4 inside"


def test_a_models_arguments_are_checked_against_the_hints() -> None:
    good = msgspec.json.decode(b'{"people": 3, "day": "Friday"}', type=book_table.arguments)
    assert msgspec.structs.asdict(good) == {"day": "Friday", "people": 3, "area": "inside"}
    with pytest.raises(msgspec.ValidationError, match=r"\$.people"):
        msgspec.json.decode(b'{"people": "three", "day": "Friday"}', type=book_table.arguments)


def test_nested_types_bring_their_own_definitions() -> None:
    @tool
    def pizza(size: Size, toppings: list[Topping]) -> None:
        """Order a pizza."""

    assert pizza.parameters["properties"]["toppings"] == {"type": "array", "items": {"$ref": "#/$defs/Topping"}}
    assert pizza.parameters["$defs"]["Topping"]["required"] == ["name"]
    assert pizza.parameters["$defs"]["Size"]["enum"] == ["large", "small"]


def test_a_function_without_parameters_or_docstring_is_a_tool_too() -> None:
    @tool
    def hours() -> Any:
        return "nine to five"

    assert (hours.description, hours.parameters["properties"], hours.parameters["required"]) == ("", {}, [])
    assert hours() == "nine to five"


def test_a_parameter_without_a_default_may_follow_one_that_has_one() -> None:
    @tool
    def order(size: str = "small", *, number: int) -> None: ...

    assert order.parameters["required"] == ["number"]


def untyped(day): ...  # type: ignore[no-untyped-def]
def positional(day: str, /) -> None: ...
def starred(*days: str) -> None: ...
def strange(day: asyncio.Event) -> None: ...


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (untyped, "tool untyped: parameter 'day' has no type"),
        (positional, "tool positional: parameter 'day' can't be given by name, which is how models give them"),
        (starred, "tool starred: parameter 'days' can't be given by name, which is how models give them"),
        (strange, "tool strange: a parameter has a type that JSON has nothing for"),
    ],
)
def test_what_cannot_be_told_to_a_model_is_a_config_error(function: Any, sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        tool(function)
    assert str(error.value) == sentence


def test_a_parameter_may_be_told_of_in_its_type() -> None:
    @tool
    def order(number: Annotated[int, "How many."], size: Annotated[str, msgspec.Meta(max_length=3)] = "xl") -> None: ...

    assert order.parameters["properties"] == {
        "number": {"type": "integer", "description": "How many."},
        "size": {"type": "string", "maxLength": 3, "default": "xl"},
    }


def test_a_name_no_model_server_takes_is_refused() -> None:
    def größe() -> None: ...

    with pytest.raises(ConfigError, match="tool größe: models take only names"):
        tool(größe)
