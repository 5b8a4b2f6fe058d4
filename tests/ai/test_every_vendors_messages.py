"""What every reader of a vendor's messages must pass: recorded ones, good and bad, and damaged ones."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorded import vectors
from trunkline.ai import messages
from trunkline.ai.providers import (
    _cartesia_messages,
    _deepgram_messages,
    _gemini_messages,
    _openai_live_messages,
    _openai_messages,
)
from trunkline.errors import RemoteError


def gemini(data: bytes) -> _gemini_messages.ServerMessage:
    """And all in it that is read only when it is needed."""
    message = _gemini_messages.read(data)
    _gemini_messages.unknown(data)
    assert message.go_away is None or message.go_away.left_s is not None
    turn = message.server_content.model_turn if message.server_content else None
    for part in turn.parts if turn else []:
        if part.inline_data:
            part.inline_data.audio()
    return message


READERS: Final[dict[str, dict[str, Callable[[bytes], Any]]]] = {
    "cartesia": {
        "tts": partial(messages.read, _cartesia_messages.SPEAK),
        "stt/turns": partial(messages.read, _cartesia_messages.TURNS),
        "stt": partial(messages.read, _cartesia_messages.HEARD),
    },
    "deepgram": {
        "v1/listen": partial(messages.read, _deepgram_messages.NOVA),
        "v2/listen": partial(messages.read, _deepgram_messages.FLUX),
        "v1/speak": partial(messages.read, _deepgram_messages.AURA),
        "v2/speak": partial(messages.read, _deepgram_messages.FLUX_SPEAK),
    },
    "gemini": {"": gemini},
    "openai": {"realtime": _openai_messages.read, "live": _openai_live_messages.read},
}
"""By vendor and socket."""


def of_all(name: str) -> list[Any]:
    """Each line of each vendor's recording, with its vendor."""
    return [
        pytest.param(vendor, line, id=f"{vendor} {line.get('socket', '')} {line.get('name') or line['why']}")
        for vendor in READERS
        for line in vectors(name.format(vendor), "ai")
        if line.get("from") in (None, "vendor")
    ]


def read(vendor: str, line: dict[str, Any], data: bytes) -> Any:
    return READERS[vendor][line.get("socket", "")](data)


@pytest.mark.parametrize(("vendor", "line"), of_all("{}"))
def test_their_messages_are_read_in_one_step(vendor: str, line: dict[str, Any]) -> None:
    message = read(vendor, line, msgspec.json.encode(line["message"]))
    assert type(message).__name__ == line.get("kind", "ServerMessage")


@pytest.mark.parametrize(("vendor", "line"), of_all("{}-bad"))
def test_a_bad_message_is_their_fault_and_its_text_stays_private(vendor: str, line: dict[str, Any]) -> None:
    text = line.get("repeat", "") * 100_000 + line["text"] * line.get("times", 1)
    with pytest.raises(RemoteError) as fault:
        read(vendor, line, text.encode("utf-8", "surrogateescape"))
    assert fault.value.where == line["where"]
    assert str(fault.value) == str(RemoteError("a message that can't be read", where=line["where"]))


@pytest.mark.parametrize(("vendor", "line"), of_all("{}"))
def test_one_damaged_leaf_ends_in_a_message_or_their_fault(vendor: str, line: dict[str, Any]) -> None:
    for damaged in _damaged(line["message"]):
        with suppress(RemoteError):
            read(vendor, line, msgspec.json.encode(damaged))


def _damaged(value: Any) -> list[Any]:
    """``value`` with each of its leaves replaced in turn, or left out."""
    if isinstance(value, dict):
        found = [{**value, key: worse} for key, inner in value.items() for worse in _damaged(inner)]
        return found + [{k: v for k, v in value.items() if k != key} for key in value]
    if isinstance(value, list):
        return [[worse, *value[1:]] for worse in _damaged(value[0])] if value else [["x"], [None]]
    return [None, "x", -1, 1e300, [], {}, True]


@pytest.mark.parametrize("vendor", READERS)
@given(st.data())
def test_any_bytes_in_a_message_end_in_a_message_or_their_fault(vendor: str, dice: st.DataObject) -> None:
    lines = [line for line in vectors(vendor, "ai") if line["from"] == "vendor"]
    line = dice.draw(st.sampled_from(lines))
    whole = msgspec.json.encode(line["message"])
    at = dice.draw(st.integers(0, len(whole) - 1))
    noise, instead = dice.draw(st.binary(max_size=4)), dice.draw(st.integers(0, 3))
    with suppress(RemoteError):
        read(vendor, line, whole[:at] + noise + whole[at + instead :])
