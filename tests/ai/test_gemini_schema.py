"""Functions in Gemini's dialect of a schema, judged by the vendor's own type of it."""

from typing import Any, Literal

import msgspec
import pytest
from google.genai import types

from trunkline.ai.providers._gemini_schema import MAX_DEPTH, parameters
from trunkline.ai.providers._gemini_standin_live import check_schema
from trunkline.ai.tools import tool


def translated(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    given = parameters({"type": "object", "properties": properties, **more})
    assert given is not None
    types.Schema.model_validate(given)
    check_schema(given)
    return given


@pytest.mark.parametrize(
    ("schema", "ours"),
    [
        ({"type": "string"}, {"type": "STRING"}),
        ({"type": "string", "description": "A day.", "default": "x"}, {"type": "STRING", "description": "A day."}),
        ({"type": "integer", "minimum": 1, "exclusiveMaximum": 9}, {"type": "INTEGER", "minimum": 1}),
        ({"type": "string", "format": "date-time"}, {"type": "STRING", "format": "date-time"}),
        ({"type": "string", "format": "uuid", "pattern": "^a"}, {"type": "STRING", "pattern": "^a"}),
        ({"type": ["string", "null"]}, {"type": "STRING", "nullable": True}),
        ({"type": ["string", "integer"]}, {"anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]}),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"type": "INTEGER", "nullable": True}),
        ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, {"anyOf": [{"type": "INTEGER"}, {"type": "STRING"}]}),
        ({"enum": ["a", "b"]}, {"type": "STRING", "enum": ["a", "b"], "format": "enum"}),
        ({"const": "a"}, {"type": "STRING", "enum": ["a"], "format": "enum"}),
        ({"enum": [1, 2]}, {"type": "INTEGER", "description": "One of 1, 2."}),
        ({"enum": [1, 2], "description": "So many."}, {"type": "INTEGER", "description": "So many. One of 1, 2."}),
        ({"const": True}, {"type": "BOOLEAN", "description": "One of True."}),
        ({"type": "array", "items": {"type": "number"}}, {"type": "ARRAY", "items": {"type": "NUMBER"}}),
        ({"type": "array"}, {"type": "ARRAY", "items": {"type": "STRING"}}),
        ({"type": "object", "additionalProperties": False}, {"type": "OBJECT"}),
        ({"allOf": [{"$ref": "#/$defs/T"}], "description": "D"}, {"type": "STRING", "description": "D"}),
        ({"$ref": "#/$defs/T"}, {"type": "STRING"}),
        ({"$ref": "#/$defs/Gone"}, {"type": "STRING"}),
        ({"properties": {"a": {"type": "string"}}}, {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}),
        ({}, {"type": "STRING"}),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_it_has_words_for_is_said_in_them(schema: dict[str, Any], ours: dict[str, Any]) -> None:
    given = translated({"x": schema}, **{"$defs": {"T": {"type": "string"}}, "required": ["x", "gone"]})
    assert given == {"type": "OBJECT", "properties": {"x": ours}, "required": ["x"]}


def test_a_function_that_takes_nothing_has_no_parameters() -> None:
    assert parameters({"type": "object", "properties": {}}) is None
    assert parameters({}) is None


def test_a_type_within_itself_comes_to_an_end() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    given = translated({"first": {"$ref": "#/$defs/Node"}}, **{"$defs": {"Node": node}})
    depth, inner = 0, given
    while "properties" in inner:
        [inner] = inner["properties"].values()
        depth += 1
    assert 1 < depth <= MAX_DEPTH


class Guest(msgspec.Struct):
    """Somebody who comes."""

    name: str
    age: int | None = None


@tool
async def book(
    day: Literal["mon", "tue"], guests: list[Guest], size: Literal[2, 4] = 2, notes: dict[str, str] | None = None
) -> str:
    """Book a table.

    Args:
        day: Of the week.
    """
    return ""


def test_a_function_of_an_application_becomes_one_of_the_vendors() -> None:
    given = parameters(book.parameters)
    assert given is not None
    types.FunctionDeclaration.model_validate({"name": "book", "parameters": given})
    check_schema(given)
    assert given["properties"]["day"] == {
        "type": "STRING",
        "enum": ["mon", "tue"],
        "format": "enum",
        "description": "Of the week.",
    }
    guest = given["properties"]["guests"]["items"]
    assert guest["properties"]["age"] == {"type": "INTEGER", "nullable": True}
    assert guest["required"] == ["name"]
    assert given["required"] == ["day", "guests"]
