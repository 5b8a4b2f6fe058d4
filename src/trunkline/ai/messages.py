"""Reading a vendor's messages: typed ones in one step, those of a kind we don't know by name, and nothing else."""

import re
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from trunkline.errors import RemoteError


class Unknown(Struct, frozen=True):
    """A message of a kind we do not know: normal. ``kind`` is safe to log."""

    kind: str


class _Kind(Struct):
    type: str


M = TypeVar("M")

_KIND: Final = msgspec.json.Decoder(_Kind)
_AT: Final = re.compile(r" - at `([^`]+)`$")
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read(decoder: msgspec.json.Decoder[M], data: bytes) -> M | Unknown:
    """One JSON message of a union that is tagged by ``type``. Raises ``RemoteError`` for what can't be one."""
    try:
        return decoder.decode(data)
    except _UNREADABLE as error:
        return _unknown(data, error)


def _unknown(data: bytes, error: Exception) -> Unknown:
    """A message whose only fault is a type we don't know."""
    at = _AT.search(str(error))
    where = at[1] if at else "$"
    if isinstance(error, msgspec.ValidationError) and where == "$.type":
        try:
            return Unknown(safe(_KIND.decode(data).type))
        except _UNREADABLE:
            pass
    raise RemoteError("a message that can't be read", where=where) from None


def safe(code: Any) -> str:
    """A vendor's name for something, made safe to log."""
    return re.sub(r"[^0-9A-Za-z_.-]", "?", str(code)[:40]) or "unnamed"
