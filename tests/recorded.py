"""Recorded messages, ``tests/vectors/<room>/<name>.jsonl``, and damage done to them: one leaf at a time."""

import copy
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

VECTORS: Final = Path(__file__).parent / "vectors"
SECRET: Final = "s3cret-w0rd"
SECRETS: Final = (SECRET, "c2VjcmV0")
"""What must not be said back of damage."""

DAMAGE: Final[dict[str, Any]] = {
    "null": None,
    "a list": [SECRET],
    "an object": {SECRET: SECRET},
    "another string": SECRET,
    "another string in base64": "c2VjcmV0",
    "an empty string": "",
    "a huge number": 10**30,
    "a huge number as a string": "9" * 30,
    "a large number": 2**53,
    "a negative number": -1,
    "zero": 0,
    "a fraction": 1.5,
    "true": True,
    "a long string": SECRET * 5000,
}
CHANGES: Final = ("removed", "nested", *DAMAGE)


def vectors(name: str, room: str = "wire") -> list[dict[str, Any]]:
    """The lines of a recording."""
    return [json.loads(line) for line in (VECTORS / room / f"{name}.jsonl").read_text().splitlines()]


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterable[tuple[str | int, ...]]:
    """The path of every leaf, and of every object and list on the way to it."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))


def damaged(message: Any, path: tuple[str | int, ...], change: str) -> Any:
    """``message`` with what is at ``path`` removed, nested or replaced."""
    message = copy.deepcopy(message)
    parent = message
    for step in path[:-1]:
        parent = parent[step]
    if change == "removed":
        del parent[path[-1]]
    elif change == "nested":
        parent[path[-1]] = {"inner": parent[path[-1]]}
    else:
        parent[path[-1]] = DAMAGE[change]
    return message
