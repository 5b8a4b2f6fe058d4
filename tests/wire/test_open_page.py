"""The protocol's page says what the code does: its examples are understood, its fields and codes are the code's."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from both_ends import hear, named, obey
from open_calls import CALL, phone, started

from recorded import vectors
from trunkline.wire._open_gateway import OpenGateway
from trunkline.wire._open_messages import CALL_ID
from trunkline.wire._open_schema import schema
from trunkline.wire.base import TextFrame
from trunkline.wire.open import SPEC

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
EXAMPLES = [
    json.loads(line) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()
]
KINDS: dict[str, Any] = json.loads(schema())["$defs"]

FROM_GATEWAY = {"transcript_chunk", "turn_end"}


def to_client(message: dict[str, Any]) -> bool:
    return message["type"] in FROM_GATEWAY or message.get("action") in ("clear", "transfer") or "sample_rate" in message


def test_the_page_has_an_example_of_every_message() -> None:
    shown = {(m["type"], m.get("action")) for m in EXAMPLES}
    kinds = [kind["properties"] for name, kind in KINDS.items() if not name.startswith("From")]
    assert shown == {(k["type"]["enum"][0], k["action"]["enum"][0] if "action" in k else None) for k in kinds}


@pytest.mark.parametrize("message", EXAMPLES, ids=[m["type"] for m in EXAMPLES])
def test_each_example_is_understood_by_the_end_it_is_for(message: dict[str, Any]) -> None:
    frame = TextFrame(json.dumps(message).encode())
    gateway, far = started()
    if message["type"] == "session_start":
        gateway, far = OpenGateway(CALL), phone()
    if to_client(message):
        obey(far, [frame])  # raises if not
    else:
        (event,) = hear(gateway, [frame])
        assert named([event])[0]["type"] != "MessageIgnored"


@pytest.mark.parametrize("field", sorted({f for kind in KINDS.values() for f in kind.get("properties", {})}))
def test_every_field_is_on_the_page(field: str) -> None:
    assert f"`{field}`" in PAGE or f'"{field}"' in PAGE


def test_the_paths_codes_and_limits_are_on_the_page() -> None:
    assert SPEC.media_path in PAGE
    assert f"/hooks/{SPEC.name}/{SPEC.hooks[0]}" in PAGE
    for code in {bad["close_code"] for bad in vectors("open-bad")}:
        assert f"| {code} |" in PAGE
    assert f"about {SPEC.lead_ms} ms" in PAGE


def test_the_schemas_call_id_is_the_doors() -> None:
    pattern = next(
        kind["pattern"] for kind in KINDS["SessionStart"]["properties"]["call_id"]["anyOf"] if "pattern" in kind
    )
    assert pattern == CALL_ID.pattern.replace(r"\A", "^").replace(r"\Z", "$")
