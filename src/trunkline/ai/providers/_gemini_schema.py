"""A function's JSON Schema in the vendor's dialect: OpenAPI 3.0 with types in capitals, and fewer words.

What it has no word for is left out: whoever runs the function checks the arguments once more.
"""

from typing import Any, Final

_KEPT: Final = {
    "description": "description",
    "title": "title",
    "pattern": "pattern",
    "minimum": "minimum",
    "maximum": "maximum",
    "minLength": "minLength",
    "maxLength": "maxLength",
    "minItems": "minItems",
    "maxItems": "maxItems",
}
"""Words that mean the same in both, the rest is translated or dropped."""

_FORMATS: Final = {"STRING": {"enum", "date-time"}, "INTEGER": {"int32", "int64"}, "NUMBER": {"float", "double"}}
"""Formats it knows; any other costs the session."""

MAX_DEPTH: Final = 12
"""Of what is described within each other: a type that contains itself has no end."""


def parameters(schema: dict[str, Any]) -> dict[str, Any] | None:
    """Of a function. None where it takes nothing: an object without properties is refused."""
    if not schema.get("properties"):
        return None
    return _translated(schema, schema.get("$defs", {}), 0)


def _translated(schema: dict[str, Any], known: dict[str, Any], depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        return {"type": "OBJECT"}
    if "$ref" in schema:
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        return _translated(known.get(schema["$ref"].rpartition("/")[2], {}) | beside, known, depth + 1)
    if len(schema.get("allOf", ())) == 1:
        beside = {name: value for name, value in schema.items() if name != "allOf"}
        return _translated(schema["allOf"][0] | beside, known, depth + 1)
    given = {ours: schema[theirs] for theirs, ours in _KEPT.items() if theirs in schema}
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return given | _one_of(choices, known, depth)
    kinds = schema.get("type")
    if isinstance(kinds, list):
        if "null" in kinds:
            given["nullable"] = True
        others = [kind for kind in kinds if kind != "null"]
        if len(others) > 1:
            return given | {"anyOf": [_translated({"type": kind}, known, depth + 1) for kind in others]}
        kinds = others[0] if others else None
    return given | _typed(schema, kinds, known, depth)


def _one_of(choices: list[dict[str, Any]], known: dict[str, Any], depth: int) -> dict[str, Any]:
    others = [choice for choice in choices if choice.get("type") != "null"]
    given: dict[str, Any] = {"nullable": True} if len(others) < len(choices) else {}
    if len(others) == 1:
        return _translated(others[0], known, depth + 1) | given
    return given | {"anyOf": [_translated(choice, known, depth + 1) for choice in others]}


def _typed(schema: dict[str, Any], kind: str | None, known: dict[str, Any], depth: int) -> dict[str, Any]:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if kind is None:
        kind = _kind_of(schema, values)
    given: dict[str, Any] = {"type": kind.upper()}
    if values is not None and kind == "string":
        given |= {"enum": [str(value) for value in values], "format": "enum"}
    elif values is not None:
        # Only strings can be enumerated: other values are told in words.
        told = f"One of {', '.join(map(str, values))}."
        given["description"] = f"{schema.get('description', '')} {told}".strip()
    if schema.get("format") in _FORMATS.get(given["type"], ()):
        given["format"] = schema["format"]
    if kind == "array":
        given["items"] = _translated(schema.get("items") or {"type": "string"}, known, depth + 1)
    properties = schema.get("properties") or {}
    if kind == "object" and properties:
        given["properties"] = {name: _translated(inner, known, depth + 1) for name, inner in properties.items()}
        if required := [name for name in schema.get("required", ()) if name in properties]:
            given["required"] = required
    return given


def _kind_of(schema: dict[str, Any], values: list[Any] | None) -> str:
    """Of a schema that names no type."""
    if "properties" in schema:
        return "object"
    if "items" in schema:
        return "array"
    for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number")):
        if values and all(isinstance(value, kind) for value in values):
            return name
    return "string"
