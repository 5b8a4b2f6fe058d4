"""OpenAI's messages one by one: what is read, what is sent, and rubbish."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from recorded import vectors
from trunkline.ai.providers import _openai_commands as ours
from trunkline.ai.providers import _openai_live_messages as live

SENT: dict[str, Any] = {"realtime": ours.ClientMessage, "live": live.ClientMessage}


GOOD = vectors("openai", "ai")
OURS = [vector for vector in GOOD if vector["from"] == "us"]


@pytest.mark.parametrize("vector", OURS, ids=lambda vector: f"{vector['socket']}: {vector['why']}")
def test_what_we_say_is_written_as_the_vendor_wants_it(vector: dict[str, Any]) -> None:
    message = msgspec.convert(vector["message"], SENT[vector["socket"]])
    assert json.loads(msgspec.json.encode(message)) == vector["message"]


@pytest.mark.parametrize("vector", OURS, ids=lambda vector: f"{vector['socket']}: {vector['why']}")
def test_a_field_the_vendor_does_not_know_can_not_be_sent(vector: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert(vector["message"] | {"modalities": ["audio"]}, SENT[vector["socket"]])


@given(some.binary(max_size=2000))
def test_audio_is_put_into_its_message_whole(audio: bytes) -> None:
    message = msgspec.json.decode(ours.append(audio), type=ours.ClientMessage)
    assert message == ours.AudioAppend(audio=audio)
    message = msgspec.json.decode(live.append(audio), type=live.ClientMessage)
    assert message == live.AudioAppend(audio=audio)
