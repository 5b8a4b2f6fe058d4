"""The open protocol's JSON Schema, made from the structs that read and write it.

``python -m trunkline.wire._open_schema > docs/protocol.schema.json`` writes it anew; a test notices when it is stale.
"""

import sys
from typing import Any, Final

import msgspec

from trunkline.wire._open_messages import (
    AudioChunk,
    Clear,
    Dtmf,
    Mark,
    SessionEnd,
    SessionStart,
    TranscriptChunk,
    Transfer,
    TurnEnd,
)

_FROM_CLIENT: Final = (SessionStart, SessionEnd, AudioChunk, Mark, Dtmf)
_FROM_GATEWAY: Final = (*_FROM_CLIENT, Clear, Transfer, TranscriptChunk, TurnEnd)


def schema() -> bytes:
    """JSON Schema 2020-12: any message, and as ``$defs`` ``FromClient``, ``FromGateway`` and each message."""
    refs, parts = msgspec.json.schema_components(_FROM_GATEWAY, ref_template="#/$defs/{name}")
    by_type = dict(zip(_FROM_GATEWAY, refs, strict=True))

    def any_of(kinds: tuple[type[msgspec.Struct], ...]) -> dict[str, Any]:
        return {"anyOf": [by_type[kind] for kind in kinds]}

    for part in parts.values():
        part["description"] = " ".join(part["description"].split())
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Trunkline's open protocol: JSON messages",
        "anyOf": [{"$ref": "#/$defs/FromClient"}, {"$ref": "#/$defs/FromGateway"}],
        "$defs": {"FromClient": any_of(_FROM_CLIENT), "FromGateway": any_of(_FROM_GATEWAY), **parts},
    }
    return msgspec.json.format(msgspec.json.encode(whole, order="deterministic"), indent=2) + b"\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(schema())
