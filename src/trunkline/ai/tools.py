"""Functions a model may call. A function's type hints and docstring are all it takes to describe it.

@tool
async def book_table(day: str, people: int = 2) -> str:
    \"\"\"Book a table at the restaurant.

    Args:
        day: Day of the week, in English.
        people: How many will come.
    \"\"\"

A parameter may also be told of in its type: ``Annotated[str, "Day of the week, in English."]``. One of type
``CallFacts`` is given the call's facts, and no model knows of it.

What the function returns is told to the model as JSON. It may return a wish of ``ai.events`` instead (``HangUpWanted``,
``TransferWanted``, ``DigitsWanted``, ``HandOverWanted``), which is then carried out. To refuse, raise ``ToolError``.
"""

import inspect
import re
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from trunkline.errors import ConfigError

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # what model servers take as a function's name
_ARGUMENT = re.compile(r"(\w+)\s*(?:\([^)]*\))?:\s*(.+)")


class Tool(msgspec.Struct, frozen=True):
    """A function and what a model is told of it. It can still be called as the function it was."""

    name: str
    description: str
    parameters: dict[str, Any]  # JSON Schema of an object
    arguments: type[msgspec.Struct]  # what a model's arguments are decoded as; its fields are the parameters
    function: Callable[..., Any]  # plain or async
    facts: tuple[str, ...] = ()  # parameters that are given the call's facts

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def tool(function: Callable[..., Any]) -> Tool:
    """Make ``function`` a tool. Raises ``ConfigError`` if its signature can't be told to a model."""
    name = function.__name__
    if not _NAME.fullmatch(name):
        raise ConfigError(f"tool {name}: models take only names of up to 64 letters a-z, digits and underscores")
    described, told = _docstring(function)
    fields, facts = _fields(function)
    arguments = msgspec.defstruct(name, fields, frozen=True, forbid_unknown_fields=True)
    try:
        _, components = msgspec.json.schema_components([arguments], ref_template="#/$defs/{name}")
    except TypeError:
        raise ConfigError(f"tool {name}: a parameter has a type that JSON has nothing for") from None
    schema = components.pop(name)
    for parameter, text in told.items():
        if parameter in schema["properties"]:
            schema["properties"][parameter] |= {"description": text}
    if components:
        schema["$defs"] = components
    schema.pop("title", None)
    return Tool(name, described, schema, arguments, function, facts)


def _fields(function: Callable[..., Any]) -> tuple[list[tuple[str, Any, Any]], tuple[str, ...]]:
    """Name, type and default of every parameter for the model; and the names of those for the call's facts."""
    from trunkline.ai.base import CallFacts  # here, so that an application's first line loads little

    hints = get_type_hints(function, include_extras=True)
    fields: list[tuple[str, Any, Any]] = []
    facts: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        where = f"tool {function.__name__}: parameter {parameter.name!r}"
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ConfigError(f"{where} can't be given by name, which is how models give them")
        if parameter.name not in hints:
            raise ConfigError(f"{where} has no type")
        if hints[parameter.name] is CallFacts:
            facts.append(parameter.name)
            continue
        default = msgspec.NODEFAULT if parameter.default is parameter.empty else parameter.default
        fields.append((parameter.name, _described(hints[parameter.name]), default))
    # A struct wants fields without a default first; models give them by name, in any order.
    return sorted(fields, key=lambda field: field[2] is not msgspec.NODEFAULT), tuple(facts)


def _described(hint: Any) -> Any:
    """``Annotated[int, "How many."]`` in the form that makes it a description in the schema."""
    if get_origin(hint) is not Annotated:
        return hint
    bare, *notes = get_args(hint)
    for note in notes:
        bare = Annotated[bare, msgspec.Meta(description=note) if isinstance(note, str) else note]
    return bare


def _docstring(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """The description, up to the ``Args:`` section, and what that section says of each parameter."""
    text, _, section = (inspect.getdoc(function) or "").partition("\nArgs:\n")
    told = {}
    for line in section.split("\n\n", 1)[0].splitlines():
        if found := _ARGUMENT.fullmatch(line.strip()):
            told[found[1]] = found[2].strip()
    return text.strip(), told
