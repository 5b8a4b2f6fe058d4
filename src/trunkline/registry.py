"""Finding a variant by its file's name: the file name is the registration."""

import importlib
import pkgutil
from functools import cache
from typing import Any

from trunkline.errors import ConfigError

_ROOMS = {"wire": "PLATFORM", "ai.providers": "PROVIDER"}  # and what people call it, in small letters
# Files in a room that are about the room, not a variant of it.
_NOT_VARIANTS = {"base", "events", "tickets"}


@cache
def names(room: str) -> tuple[str, ...]:
    """The variants there are in ``room``, sorted."""
    package = importlib.import_module(f"trunkline.{room}")
    found = (m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))
    return tuple(sorted(set(found) - _NOT_VARIANTS))


def load(room: str, name: str) -> Any:
    """What ``room``'s file ``name`` offers: ``PLATFORM`` of ``wire``, ``PROVIDER`` of ``ai.providers``.

    Raises ``ConfigError`` naming the choices when there is no such file.
    """
    if name not in names(room):
        raise ConfigError(f"there is no {_ROOMS[room].lower()} {name!r}: choose one of {', '.join(names(room))}")
    return getattr(importlib.import_module(f"trunkline.{room}.{name}"), _ROOMS[room])
