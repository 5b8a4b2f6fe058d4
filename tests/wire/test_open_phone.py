"""The simulated client holds the gateway to the protocol's letter."""

import json
from typing import Any

import pytest
from open_calls import CALL, phone, started

from trunkline.errors import RemoteError
from trunkline.wire._open_messages import Carriage
from trunkline.wire.base import CloseSocket, TextFrame
from trunkline.wire.events import MessageIgnored, StreamStarted, StreamStopped

ANSWER: dict[str, Any] = {"type": "session_start", "call_id": CALL}
CHUNK = {"type": "audio_chunk", "direction": "outbound", "sequence": 0, "timestamp": 0, "audio": "AAA="}

BAD: list[tuple[str, Carriage, bool, Any, str]] = [
    ("no JSON", "binary", True, None, "not valid JSON"),
    ("a type it does not know", "binary", True, {"type": "mood"}, "not an allowed value (at $.type)"),
    ("a control it does not know", "binary", True, {"type": "control", "action": "hold"}, "not an allowed value (at $.action)"),  # noqa: E501
    ("a message before the answer", "binary", False, {"type": "turn_end", "speaker": "agent"}, "a message before session_start"),  # noqa: E501
    ("a control before the answer", "binary", False, {"type": "control", "action": "clear"}, "a message before session_start"),  # noqa: E501
    ("binary before the answer", "binary", False, b"ab", "a message before session_start"),
    ("a second answer", "binary", True, ANSWER, "a second session_start"),
    ("another call", "binary", False, ANSWER | {"call_id": "visit-43"}, "another call than ours (at $.call_id)"),
    ("another carriage", "json", False, ANSWER, "another carriage of audio than we asked for (at $.audio)"),
    ("binary to one who can't", "json", True, b"ab", "audio in another carriage than was asked for"),
    ("a chunk to one who can", "binary", True, CHUNK, "audio in another carriage than was asked for (at $.audio)"),
    ("a number left out", "json", True, CHUNK | {"sequence": 1}, "a chunk out of order (at $.sequence)"),
    ("our own voice", "json", True, CHUNK | {"direction": "inbound"}, "our own direction (at $.direction)"),
    ("half a sample", "binary", True, b"abc", "audio that is not whole samples"),
    ("a speaker nobody knows", "binary", True, {"type": "turn_end", "speaker": "dog"}, "not an allowed value (at $.speaker)"),  # noqa: E501
]  # fmt: skip


@pytest.mark.parametrize(("why", "audio", "answered", "message", "error"), BAD, ids=[bad[0] for bad in BAD])
def test_what_the_protocol_does_not_have_is_the_gateways_fault(
    why: str, audio: Carriage, answered: bool, message: Any, error: str
) -> None:
    far = started(audio)[1] if answered else phone(audio)
    binary = isinstance(message, bytes)
    data = message if isinstance(message, bytes) else b"{" if message is None else json.dumps(message).encode()
    with pytest.raises(RemoteError) as caught:
        far.receive(data, binary=binary, now=0.0)
    assert str(caught.value) == error


def test_an_end_is_said_before_the_socket_closes() -> None:
    _, far = started()
    assert far.send(StreamStopped("bye")) == (TextFrame(b'{"type":"session_end","reason":"bye"}'), CloseSocket())


def test_it_may_say_what_nobody_knows() -> None:
    _, far = started()
    assert far.send(MessageIgnored("mood")) == (TextFrame(b'{"type":"mood"}'),)


def test_the_start_is_said_once_when_the_socket_opens() -> None:
    far = phone("json")
    (frame,) = far.opened()
    assert isinstance(frame, TextFrame)
    assert json.loads(frame.data)["audio"] == "json"
    gateway, far = started()
    (start,) = gateway.receive(b'{"type":"mood"}', binary=False, now=0.0)
    assert not isinstance(start, StreamStarted)
