"""Gemini's messages one by one: what is read, what is sent, what its refusals mean, and rubbish."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from recorded import vectors
from trunkline.ai.base import AgentSettings, ToolSpec
from trunkline.ai.providers import _gemini_commands as ours
from trunkline.ai.providers import _gemini_messages as wire
from trunkline.ai.providers._gemini_account import GeminiSettings, closed, failed, refused, socket_address
from trunkline.ai.providers._gemini_families import MODELS, family_of, model_of
from trunkline.ai.providers._gemini_opening import setup

GOOD = vectors("gemini", "ai")
THEIRS = [vector for vector in GOOD if vector["from"] == "vendor"]
OURS = [vector for vector in GOOD if vector["from"] == "us"]


def said_by(message: wire.ServerMessage, data: bytes) -> dict[str, Any]:
    """All we make of a message."""
    content = message.server_content or wire.Content()
    calls = message.tool_call.function_calls if message.tool_call else []
    update, going, failure = message.session_resumption_update, message.go_away, message.failure
    parts = content.model_turn.parts if content.model_turn else []
    return {
        "setup_complete": message.setup_complete,
        "audio": b"".join(part.inline_data.audio() for part in parts if part.inline_data).hex(),
        "interrupted": content.interrupted,
        "generation_complete": content.generation_complete,
        "turn_complete": content.turn_complete,
        "interaction_status": content.interaction_status,
        "heard": content.input_transcription.text if content.input_transcription else None,
        "said": content.output_transcription.text if content.output_transcription else None,
        "calls": [[call.id, call.name, call.args] for call in calls],
        "cancelled": message.tool_call_cancellation.ids if message.tool_call_cancellation else [],
        "handle": update.new_handle if update else None,
        "resumable": update.resumable if update else None,
        "left_s": going.left_s if going else None,
        "fails": [failure.code, failure.status] if failure else None,
        "unknown": wire.unknown(data),
    }


NOTHING = said_by(wire.ServerMessage(), b"{}")


@pytest.mark.parametrize("vector", THEIRS, ids=lambda vector: vector["why"])
def test_what_the_vendor_says_is_read(vector: dict[str, Any]) -> None:
    data = json.dumps(vector["message"]).encode()
    assert said_by(wire.read(data), data) == NOTHING | vector["says"]


@pytest.mark.parametrize("vector", OURS, ids=lambda vector: vector["why"])
def test_what_we_say_is_written_as_the_vendor_wants_it(vector: dict[str, Any]) -> None:
    message = msgspec.convert(vector["message"], ours.ClientMessage)
    assert json.loads(ours.encode(message)) == vector["message"]


@pytest.mark.parametrize("vector", OURS, ids=lambda vector: vector["why"])
def test_a_field_the_vendor_does_not_know_can_not_be_sent(vector: dict[str, Any]) -> None:
    [(key, body)] = vector["message"].items()
    for wrong in ({key: body, "strange": 1}, {key: body | {"strange": 1}}):
        with pytest.raises(msgspec.ValidationError, match="unknown field"):
            msgspec.convert(wrong, ours.ClientMessage)


@given(some.binary(max_size=2000), some.sampled_from([8000, 16000]))
def test_audio_is_put_into_its_message_whole(audio: bytes, rate: int) -> None:
    message = msgspec.json.decode(ours.Voice(rate).message(audio), type=ours.ClientMessage)
    sound = ours.Audio(audio, f"audio/pcm;rate={rate}")
    assert message == ours.ClientMessage(realtime_input=ours.RealtimeInput(audio=sound))


# --- what is sent to which model ----------------------------------------------------------------------------------

EVERYTHING = GeminiSettings(thinking_level="low", thinking_budget=5, proactive=True, tool_behavior="BLOCKING")


@pytest.mark.parametrize(
    ("model", "has"),
    [
        ("live", {"language", "behavior"}),
        ("gemini-3.8-live-extended-thinking", {"language", "behavior", "thinkingLevel"}),
        ("gemini-3.1-flash-live-preview", {"thinkingLevel"}),
        ("gemini-2.5-flash-native-audio-preview-12-2025", {"thinkingBudget", "proactivity"}),
        ("gemini-live-2.5-flash-native-audio", {"thinkingBudget", "proactivity"}),
        ("gemini-9-live", set()),
    ],
)
def test_a_family_is_sent_what_it_knows_and_nothing_else(model: str, has: set[str]) -> None:
    name = model_of(model)
    wanted = AgentSettings(language="de-at")
    sent = msgspec.to_builtins(setup(EVERYTHING, wanted, name, family_of(name), [ToolSpec("f", "F")]))
    assert sent["model"] == f"models/{name}"
    thinking = sent["generationConfig"].get("thinkingConfig", {})
    found = {
        "language": sent["generationConfig"].get("speechConfig", {}).get("languageCode") == "de-AT",
        "behavior": "behavior" in sent["tools"][0]["functionDeclarations"][0],
        "thinkingLevel": thinking.get("thinkingLevel") == "LOW",
        "thinkingBudget": thinking.get("thinkingBudget") == 5,
        "proactivity": "proactivity" in sent,
    }
    assert {name for name, there in found.items() if there} == has
    assert set(thinking) <= has


def test_every_model_that_is_named_has_a_family() -> None:
    assert all(family_of(model_of(model)).name != "unknown" for model in MODELS)


# --- what its refusals mean ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason", "fault"),
    [
        (1007, "API key not valid. Please pass a valid API key.", "bad key"),
        (1007, "Request contains an invalid argument.", "our fault"),
        (1008, "models/x is not found for API version v1beta", "our fault"),
        (1008, "Operation is not implemented, or supported, or enabled.", "our fault"),
        (1011, "You exceeded your current quota, please check your plan and billing details.", "quota"),
        (1011, "Resource has been exhausted (e.g. check quota).", "rate limit"),
        (1011, "Deadline expired before operation could complete.", "transient"),
        (1011, "Internal error encountered.", "transient"),
        (1000, "", "transient"),
        (1001, "", "transient"),
        (1006, "", "transient"),
    ],
)
def test_what_a_close_means(code: int, reason: str, fault: str) -> None:
    error = closed(code, reason)
    assert error.fault == fault
    assert not reason or reason not in str(error)


@pytest.mark.parametrize(
    ("code", "message", "status", "fault"),
    [
        (400, "API key not valid", "INVALID_ARGUMENT", "bad key"),
        (401, "", "UNAUTHENTICATED", "bad key"),
        (403, "", "PERMISSION_DENIED", "bad key"),
        (404, "", "NOT_FOUND", "our fault"),
        (429, "", "RESOURCE_EXHAUSTED", "rate limit"),
        (429, "", "", "rate limit"),
        (429, "You exceeded your current quota", "RESOURCE_EXHAUSTED", "quota"),
        (503, "", "UNAVAILABLE", "transient"),
        (0, "", "", "transient"),
    ],
)
def test_what_an_error_means(code: int, message: str, status: str, fault: str) -> None:
    assert failed(code, message, status).fault == fault
    if code >= 400:
        body = json.dumps({"error": {"code": code, "message": message, "status": status}}).encode()
        assert refused(code, {}, body).fault == fault
        assert "html" not in str(refused(code, {}, b"<html>"))


def test_the_address_is_the_vendors_and_hides_the_key() -> None:
    address = socket_address(GeminiSettings(api_key="secret"))
    assert address.url == (
        "wss://generativelanguage.googleapis.com/ws/"
        "google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    )
    assert address.headers == {"x-goog-api-key": "secret"}
    assert "secret" not in repr(address)
