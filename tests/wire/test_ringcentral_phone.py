"""The simulated far end of the contract holds the gateway to its letter."""

import json
from typing import Any

import pytest
from ringcentral_calls import BASE, phone

from trunkline.audio.format import MULAW_8K, PCM16_8K
from trunkline.errors import Refused, RemoteError
from trunkline.wire._ringcentral_formats import Packets
from trunkline.wire.base import CloseSocket, HttpReply, TextFrame
from trunkline.wire.events import AudioMissing, HangUp, MessageIgnored, StreamStopped

MEDIA = {"type": "websocket", "url": "wss://gw.example.org/x?call_id=1", "format": {"encoding": "mulaw"}}


def reply(body: Any, status: int = 200) -> HttpReply:
    return HttpReply(status, body if isinstance(body, bytes) else json.dumps(body).encode(), "application/json")


@pytest.mark.parametrize(
    ("answer", "error", "kind"),
    [
        (None, "was not answered", RemoteError),
        (reply({}, 503), "answered 503", Refused),
        (reply(b"<Response/>"), "not valid JSON", RemoteError),
        (reply({"media": MEDIA}), r"missing field \(at \$.action\)", RemoteError),
        (reply({"action": "reject", "reason": "busy"}), "did not answer the call", Refused),
        (reply({"action": "answer"}), r"\$.media\)", RemoteError),
        (reply({"action": "answer", "media": MEDIA | {"type": "sip"}}), r"\$.media\)", RemoteError),
        (reply({"action": "answer", "media": MEDIA | {"url": "https://x"}}), r"\$.media.url\)", RemoteError),
        (reply({"action": "answer", "media": MEDIA | {"format": {"encoding": "opus"}}}), "not supported", Refused),
    ],
)
def test_an_answer_that_leads_nowhere_is_told(answer: HttpReply | None, error: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=error):
        phone().media(BASE, answer)


def test_an_answer_is_followed() -> None:
    assert phone().media(BASE, reply({"action": "answer", "media": MEDIA})).url == MEDIA["url"]


@pytest.mark.parametrize(
    ("packets", "extensions", "data", "binary", "error"),
    [
        (Packets(MULAW_8K), False, bytes(159), True, "a packet of 159 bytes, where 20 ms have 160"),
        (Packets(PCM16_8K, 2), False, bytes(320), True, "a packet of 320 bytes, where 20 ms have 640"),
        (Packets(MULAW_8K, 2), False, bytes(range(64)) * 5, True, "two channels that differ"),
        (Packets(), False, b'{"type":"clear"}', False, "a message that the contract does not have"),
        (Packets(), True, b'{"type":"mood"}', False, "not an allowed value (at $.type)"),
        (Packets(), True, b'{"type":"mark"}', False, "missing field (at $.name)"),
        (Packets(), True, b"{", False, "not valid JSON"),
    ],
)
def test_what_the_contract_does_not_have_is_the_gateways_fault(
    packets: Packets, extensions: bool, data: bytes, binary: bool, error: str
) -> None:
    with pytest.raises(RemoteError) as caught:
        phone(packets, extensions=extensions).receive(data, binary=binary, now=0.0)
    assert str(caught.value) == error


def test_what_it_says() -> None:
    far = phone(Packets(PCM16_8K, 2), extensions=True)
    (start,) = far.opened()
    assert isinstance(start, TextFrame)
    assert json.loads(start.data) == {
        "type": "start",
        "callId": "call-77",
        "format": {"encoding": "pcm", "sampleRate": 8000, "channels": 2},
    }
    assert phone(prompt=False).opened() == ()
    assert far.send(MessageIgnored("mood")) == (TextFrame(b'{"type":"mood"}'),)
    assert far.send(AudioMissing(160, lost=True)) == ()
    assert far.send(StreamStopped("bye")) == (TextFrame(b'{"type":"stop"}'), CloseSocket())
    assert far.receive(b'{"type":"hangup","reason":"done"}', binary=False, now=0.0) == (HangUp("done"),)
