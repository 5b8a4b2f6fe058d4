"""The published schema is the one the code keeps."""

import json
from pathlib import Path

from trunkline.wire._open_schema import schema

PUBLISHED = Path(__file__).parent.parent.parent / "docs" / "protocol.schema.json"


def test_the_published_schema_is_not_stale() -> None:
    assert PUBLISHED.read_bytes() == schema(), "run: python -m trunkline.wire._open_schema > docs/protocol.schema.json"


def test_it_knows_every_message_by_its_type_and_action() -> None:
    kinds = json.loads(schema())["$defs"]
    kinds.pop("FromClient")
    kinds.pop("FromGateway")
    said = {
        tuple(kind["properties"][field]["enum"][0] for field in ("type", "action") if field in kind["properties"])
        for kind in kinds.values()
    }
    assert said == {
        ("session_start",),
        ("session_end",),
        ("audio_chunk",),
        ("transcript_chunk",),
        ("turn_end",),
        ("control", "clear"),
        ("control", "mark"),
        ("control", "dtmf"),
        ("control", "transfer"),
    }
