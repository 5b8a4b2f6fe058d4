"""Reading a peer's JSON messages: what can go wrong, said without quoting the peer."""

import re
from typing import Final

import msgspec

from trunkline.errors import RemoteError
from trunkline.wire.events import MessageIgnored

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""All that ``msgspec.json`` raises for bytes it can't make a message of."""

_KIND_CHARS: Final = 40  # a name longer than this is not a name

_AT = re.compile(r" - at (?:`key` in )?`([^`]+)`$")
_MISSING = re.compile(r"^Object missing required field `([^`]+)`$")


def peers_fault(error: Exception) -> RemoteError:
    """The one documented error for an ``UNREADABLE`` message: names the field, never what was in it.

    msgspec's own texts quote values and unknown field names in places, so only the harmless ones are passed on.
    Close codes are RFC 6455 §7.4.1: 1007 for what is not the text it claims to be, 1002 for the wrong shape.
    """
    if isinstance(error, UnicodeDecodeError):
        return RemoteError("not valid UTF-8", close_code=1007)
    if isinstance(error, RecursionError):
        return RemoteError("nested too deeply", close_code=1007)
    if not isinstance(error, msgspec.ValidationError):
        return RemoteError("not valid JSON", close_code=1007)
    text = str(error)
    where = "$"
    if at := _AT.search(text):
        text, where = text[: at.start()], at[1]
    if missing := _MISSING.match(text):
        return RemoteError("missing field", where=f"{where}.{missing[1]}")
    if text.startswith("Object contains unknown field"):
        return RemoteError("a field the protocol does not have", where=where)
    if text.startswith("Invalid base64"):
        return RemoteError("invalid base64", where=where, close_code=1007)
    if "matching regex" in text:
        return RemoteError("not in the expected form", where=where)
    if text.startswith("Expected "):
        return RemoteError(text.replace("`", "").replace("Expected", "expected"), where=where)
    return RemoteError("not an allowed value", where=where)


def ignored(kind: str) -> MessageIgnored:
    """A message we don't know, under its own name, made safe to log and to count by."""
    return MessageIgnored(re.sub(r"[^0-9A-Za-z_. -]", "?", kind[:_KIND_CHARS]))
