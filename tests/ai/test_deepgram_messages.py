"""Deepgram's messages both ways: our reading of theirs, their own types' reading of both, and what is wrong with bad
ones. The vendor's SDK is the judge; nothing of it is used at run time."""

import warnings
from typing import Any

import msgspec
import pytest

with warnings.catch_warnings():
    # The SDK connects with what websockets calls legacy.
    warnings.simplefilter("ignore", DeprecationWarning)
    from deepgram.core.unchecked_base_model import construct_type
    from deepgram.listen.v1 import socket_client as listen_v1
    from deepgram.listen.v1 import types as nova
    from deepgram.listen.v2 import socket_client as listen_v2
    from deepgram.listen.v2 import types as flux
    from deepgram.speak.v1 import socket_client as speak_v1
    from deepgram.speak.v1 import types as aura
    from deepgram.speak.v2 import socket_client as speak_v2
    from deepgram.speak.v2 import types as flux_speak

from recorded import vectors
from trunkline.ai.providers import _deepgram_messages as wire
from trunkline.errors import RemoteError

THEIR_PARSERS: dict[str, Any] = {
    "v1/listen": listen_v1.V1SocketClientResponse,
    "v2/listen": listen_v2.V2SocketClientResponse,
    "v1/speak": speak_v1.V1SocketClientResponse,
    "v2/speak": speak_v2.V2SocketClientResponse,
}
THEIR_TYPES: dict[tuple[str, str], Any] = {
    ("v1/listen", "Results"): nova.ListenV1Results,
    ("v1/listen", "SpeechStarted"): nova.ListenV1SpeechStarted,
    ("v1/listen", "UtteranceEnd"): nova.ListenV1UtteranceEnd,
    ("v1/listen", "Metadata"): nova.ListenV1Metadata,
    ("v1/listen", "Error"): nova.ListenV1Error,
    ("v1/listen", "KeepAlive"): nova.ListenV1KeepAlive,
    ("v1/listen", "Finalize"): nova.ListenV1Finalize,
    ("v2/listen", "Connected"): flux.ListenV2Connected,
    ("v2/listen", "TurnInfo"): flux.ListenV2TurnInfo,
    ("v2/listen", "Warning"): flux.ListenV2Warning,
    ("v2/listen", "Error"): flux.ListenV2FatalError,
    ("v2/listen", "ConfigureSuccess"): flux.ListenV2ConfigureSuccess,
    ("v2/listen", "ForceEndTurn"): flux.ListenV2ForceEndTurn,
    ("v1/speak", "Metadata"): aura.SpeakV1Metadata,
    ("v1/speak", "Flushed"): aura.SpeakV1Flushed,
    ("v1/speak", "Cleared"): aura.SpeakV1Cleared,
    ("v1/speak", "Warning"): aura.SpeakV1Warning,
    ("v1/speak", "Speak"): aura.SpeakV1Text,
    ("v1/speak", "Flush"): aura.SpeakV1Flush,
    ("v1/speak", "Clear"): aura.SpeakV1Clear,
    ("v2/speak", "Connected"): flux_speak.SpeakV2Connected,
    ("v2/speak", "SpeechStarted"): flux_speak.SpeakV2SpeechStarted,
    ("v2/speak", "Flushed"): flux_speak.SpeakV2Flushed,
    ("v2/speak", "SpeechMetadata"): flux_speak.SpeakV2SpeechMetadata,
    ("v2/speak", "SpeechInterrupted"): flux_speak.SpeakV2SpeechInterrupted,
    ("v2/speak", "Warning"): flux_speak.SpeakV2Warning,
    ("v2/speak", "Error"): flux_speak.SpeakV2Error,
    ("v2/speak", "Speak"): flux_speak.SpeakV2Speak,
    ("v2/speak", "Flush"): flux_speak.SpeakV2Flush,
    ("v2/speak", "Interrupt"): flux_speak.SpeakV2Interrupt,
}


def named(line: dict[str, Any]) -> str:
    return f"{line['socket']} {line.get('name') or line['why']}"


ALL = vectors("deepgram", "ai")
THEIRS = [line for line in ALL if line["from"] == "vendor"]
OURS = [line for line in ALL if line["from"] == "gateway"]


@pytest.mark.parametrize("line", ALL, ids=named)
def test_the_vendors_own_types_hold_every_message(line: dict[str, Any]) -> None:
    message = line["message"]
    model = THEIR_TYPES[line["socket"], message["type"]]
    held = model.model_validate(message, strict=True)  # raises where their API definition says otherwise
    assert held.model_extra in (None, {}), "a field the vendor does not have"
    if line["from"] == "vendor":
        parsed = construct_type(type_=THEIR_PARSERS[line["socket"]], object_=message)
        # By name: their parser takes a Cleared for a Flushed, which has the same fields.
        assert parsed.type == message["type"]


def test_what_is_read_is_what_was_written() -> None:
    results = wire.read(wire.NOVA, msgspec.json.encode(THEIRS[0]["message"]))
    assert isinstance(results, wire.Results)
    best = results.channel.alternatives[0]
    assert (best.transcript, best.confidence, results.speech_final) == ("I need to change my order.", 0.98, True)
    first, last = wire.words(best.words)
    assert (last.text, last.start_ms, last.end_ms, last.confidence) == ("order.", 4100, 4400, 0.97)
    assert first.text == "I"


@pytest.mark.parametrize("line", OURS, ids=named)
def test_our_messages_are_those_of_the_vectors(line: dict[str, Any]) -> None:
    message = line["message"]
    said = {
        "KeepAlive": wire.KEEP_ALIVE,
        "Finalize": wire.FINALIZE,
        "ForceEndTurn": wire.FORCE_END_TURN,
        "Speak": wire.encode(wire.Speak(message.get("text", ""))),
        "Flush": wire.FLUSH,
        "Clear": wire.CLEAR,
        "Interrupt": wire.INTERRUPT,
    }[message["type"]]
    assert msgspec.json.decode(said) == message


def test_bytes_that_are_no_text_are_their_fault() -> None:
    with pytest.raises(RemoteError):
        wire.read(wire.FLUX, b'{"type":"Connected","request_id":"\xff\xfe"}')


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (401, b'{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials."}', "bad key"),
        (401, b"", "bad key"),
        (402, b'{"err_code":"ASR_PAYMENT_REQUIRED"}', "quota"),
        (402, b"<html>", "quota"),
        (403, b'{"err_code":"INSUFFICIENT_PERMISSIONS"}', "bad key"),
        (400, b'{"err_code":"Bad Request"}', "our fault"),
        (400, b'{"err_code":"ASR_PAYMENT_REQUIRED"}', "quota"),
        (429, b'{"err_code":"TOO_MANY_REQUESTS"}', "rate limit"),
        (503, b"\xff", "transient"),
    ],
)
def test_a_refusal_says_what_to_do_about_it(status: int, body: bytes, fault: str) -> None:
    error = wire.refused(status, {"retry-after": "2"}, body)
    assert error.fault == fault
    assert error.retry_after_s == 2
    assert "credentials" not in str(error)


@pytest.mark.parametrize(
    ("code", "reason", "fault"),
    [
        (1011, "NET-0001: did not receive audio data", "transient"),
        (1011, "NET-0000", "transient"),
        (1008, "DATA-0000: 555-0100", "our fault"),
        (1009, "", "our fault"),
        (1000, "", "transient"),
        (1006, "", "transient"),
        (1013, "", "rate limit"),
    ],
)
def test_a_close_says_what_to_do_about_it(code: int, reason: str, fault: str) -> None:
    error = wire.closed(code, reason)
    assert error.fault == fault
    assert "555" not in str(error)


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("INTERNAL_SERVER_ERROR", "transient"),
        ("SchemaError", "our fault"),
        ("DATA-0002", "our fault"),
        ("TOO_MANY_REQUESTS", "rate limit"),
        ("ASR_PAYMENT_REQUIRED", "quota"),
        ("", "transient"),
    ],
)
def test_an_error_message_says_what_to_do_about_it(code: str, fault: str) -> None:
    assert wire.failed(code).fault == fault


def test_a_code_is_made_safe_to_log() -> None:
    assert str(wire.failed("what?\n" + "x" * 100)).endswith("(what??" + "x" * 34 + ")")
