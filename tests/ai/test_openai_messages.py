"""OpenAI's messages one by one: what is read, what is sent, and rubbish."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from trunkline.ai.providers import _openai_commands as ours
from trunkline.ai.providers import _openai_live_messages as live
from trunkline.ai.providers import _openai_messages as realtime
from trunkline.errors import RemoteError

VECTORS = Path(__file__).parent.parent / "vectors" / "ai"
READERS: dict[str, Callable[[bytes], Any]] = {"realtime": realtime.read, "live": live.read}
SENT: dict[str, Any] = {"realtime": ours.ClientMessage, "live": live.ClientMessage}


def load(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (VECTORS / name).read_text().splitlines()]


GOOD = load("openai.jsonl")
THEIRS = [vector for vector in GOOD if vector["from"] == "vendor"]
OURS = [vector for vector in GOOD if vector["from"] == "us"]


@pytest.mark.parametrize("vector", THEIRS, ids=lambda vector: f"{vector['socket']}: {vector['why']}")
def test_what_the_vendor_says_is_read(vector: dict[str, Any]) -> None:
    message = READERS[vector["socket"]](json.dumps(vector["message"]).encode())
    assert type(message).__name__ == vector["kind"]


@pytest.mark.parametrize("vector", OURS, ids=lambda vector: f"{vector['socket']}: {vector['why']}")
def test_what_we_say_is_written_as_the_vendor_wants_it(vector: dict[str, Any]) -> None:
    message = msgspec.convert(vector["message"], SENT[vector["socket"]])
    assert json.loads(msgspec.json.encode(message)) == vector["message"]


@pytest.mark.parametrize("vector", OURS, ids=lambda vector: f"{vector['socket']}: {vector['why']}")
def test_a_field_the_vendor_does_not_know_can_not_be_sent(vector: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert(vector["message"] | {"modalities": ["audio"]}, SENT[vector["socket"]])


@pytest.mark.parametrize("vector", load("openai-bad.jsonl"), ids=lambda vector: f"{vector['socket']}: {vector['why']}")
def test_rubbish_is_the_peers_fault_and_is_not_repeated(vector: dict[str, Any]) -> None:
    with pytest.raises(RemoteError) as fault:
        READERS[vector["socket"]](vector["raw"].encode())
    assert str(fault.value) == vector["error"]


@given(some.sampled_from(THEIRS), some.data())
def test_a_damaged_message_is_read_or_the_peers_fault(vector: dict[str, Any], data: Any) -> None:
    whole = json.dumps(vector["message"]).encode()
    at = data.draw(some.integers(0, len(whole) - 1))
    damaged = whole[:at] + data.draw(some.binary(max_size=4)) + whole[at + data.draw(some.integers(0, 3)) :]
    with suppress(RemoteError):
        READERS[vector["socket"]](damaged)


@given(some.binary(max_size=2000))
def test_audio_is_put_into_its_message_whole(audio: bytes) -> None:
    message = msgspec.json.decode(ours.append(audio), type=ours.ClientMessage)
    assert message == ours.AudioAppend(audio=audio)
    message = msgspec.json.decode(live.append(audio), type=live.ClientMessage)
    assert message == live.AudioAppend(audio=audio)
