"""Cartesia's messages both ways: our reading of theirs, their own types' reading of both, and what is wrong with bad
ones. The vendor's SDK is the judge; nothing of it is used at run time."""

import asyncio
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cartesia.types as speak
import msgspec
import pytest
from cartesia._models import construct_type_unchecked
from cartesia.types import stt
from cartesia.types.websocket_client_event_param import WebsocketClientEventParam
from pydantic import ConfigDict, TypeAdapter, with_config
from vendor_calls import Vendor

from recorded import vectors
from trunkline.ai import messages
from trunkline.ai.base import CallFacts
from trunkline.ai.providers import _cartesia_messages as wire
from trunkline.ai.session import Address
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_24K
from trunkline.errors import RemoteError

CARTESIA = Vendor("cartesia")

THEIR_PARSERS: dict[str, Any] = {
    "tts": speak.WebsocketResponse,
    "stt/turns": stt.STTAutoFinalizeWebsocketResponse,
    "stt": stt.STTManualFinalizeWebsocketResponse,
}


def named(line: dict[str, Any]) -> str:
    return f"{line['socket']} {line.get('name') or line['why']}"


ALL = vectors("cartesia", "ai")
THEIRS = [line for line in ALL if line["from"] == "vendor"]
OURS = [line for line in ALL if line["from"] == "gateway"]


@pytest.mark.parametrize("line", THEIRS, ids=named)
def test_the_vendors_own_parser_knows_every_message_of_theirs(line: dict[str, Any]) -> None:
    parser = THEIR_PARSERS[line["socket"]]
    held = TypeAdapter(parser).validate_python(line["message"])  # raises where their API definition says otherwise
    assert held.model_extra in (None, {}), "a field the vendor does not have"
    parsed: Any = construct_type_unchecked(type_=parser, value=line["message"])
    assert type(parsed) is type(held)
    assert parsed.type == line["message"]["type"]


def test_what_is_read_is_what_was_written() -> None:
    assert messages.read(wire.SPEAK, msgspec.json.encode(THEIRS[0]["message"])) == wire.Chunk(
        "call7-t3", b"\xff\xfe\xfd\xfe\xff"
    )
    times = messages.read(wire.SPEAK, msgspec.json.encode(THEIRS[2]["message"]))
    assert isinstance(times, wire.Timestamps)
    assert times.word_timestamps == wire.WordTimes(["Your", "table"], [0.02, 0.21], [0.19, 0.55])


def ours(message: dict[str, Any]) -> bytes:
    """What we say where ``message`` is meant."""
    if "cancel" in message:
        return wire.cancel(message["context_id"])
    manner = message.get("generation_config")
    audio = {"pcm_mulaw": MULAW_8K, "pcm_s16le": PCM16_24K}[message["output_format"]["encoding"]]
    voice = wire.Voice(
        message["model_id"],
        wire.VoiceId(message["voice"]["id"]),
        message["language"],
        wire.output_format(audio),
        message["max_buffer_delay_ms"],
        True,
        False,
        wire.Manner(**manner) if manner else None,
        message.get("pronunciation_dict_id"),
    )
    return wire.say(voice, message["context_id"], message["transcript"], more=message["continue"])


@pytest.mark.parametrize("line", OURS, ids=named)
def test_our_messages_are_those_of_the_vectors_and_their_types_take_them(line: dict[str, Any]) -> None:
    said = msgspec.json.decode(ours(line["message"]))
    assert said == line["message"]
    TypeAdapter(WebsocketClientEventParam).validate_python(said)
    held: Any = TypeAdapter(speak.WebsocketClientEvent).validate_python(said)
    assert held.to_dict() == said
    assert held.model_extra in (None, {})


@pytest.mark.parametrize(
    ("model", "params"),
    [("ink-2", stt.AutoFinalizeWebsocketParams), ("ink-whisper", stt.ManualFinalizeWebsocketParams)],
)
def test_all_that_a_recogniser_is_asked_for_is_something_their_client_can_ask_for(model: str, params: Any) -> None:
    async def address() -> Address:
        asked = CARTESIA.settings("http://here", model, keyterms=("Luigi", "table for two"))
        opened: Any = CARTESIA.provider.stt(asked).open(
            CallFacts("call", "test"), hears=ALAW_8K, emit=lambda event: None
        )
        found: Address = opened.address()
        return found

    there = asyncio.run(address())
    given = parse_qs(urlsplit(there.url).query)
    assert given["keyterm"] == ["Luigi", "table for two"]
    held: Any = {name: values if name == "keyterm" else values[0] for name, values in given.items()}
    TypeAdapter(with_config(ConfigDict(extra="forbid"))(params)).validate_python(held)
    assert set(there.headers) == {"Authorization", "Cartesia-Version"}


def test_alaw_has_a_name_of_its_own() -> None:
    assert wire.output_format(ALAW_8K) == wire.OutputFormat("pcm_alaw", 8000)


def test_bytes_that_are_no_text_are_their_fault() -> None:
    with pytest.raises(RemoteError):
        messages.read(wire.TURNS, b'{"type":"turn.end","transcript":"\xff\xfe"}')


def test_a_kind_we_do_not_know_is_made_safe_to_log() -> None:
    read = messages.read(wire.SPEAK, b'{"type":"what?\\n' + b"x" * 100 + b'"}')
    assert read == messages.Unknown("what??" + "x" * 34)


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, "our fault"), (401, "bad key"), (402, "quota"), (403, "bad key"), (404, "our fault"),
        (429, "rate limit"), (500, "transient"), (503, "transient"), (None, "transient"),
    ],
)  # fmt: skip
def test_an_error_message_says_what_to_do_about_it(status: int | None, fault: str) -> None:
    said = {"type": "error", "status_code": status, "error_code": "some_code", "message": "555-0100", "done": True}
    failure = messages.read(wire.SPEAK, msgspec.json.encode(said))
    assert isinstance(failure, wire.Failed)
    error = wire.failed(failure)
    assert error.fault == fault
    assert "555" not in str(error)
