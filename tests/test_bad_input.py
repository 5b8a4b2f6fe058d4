"""What strangers and broken platforms send to the real port, while a good call goes on beside it.

Each gets the right close code and one clear line in the log, and the good call loses nothing.
"""

import asyncio
import base64
import io
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from trunkline import logs, registry
from trunkline.ai.agent import Agent
from trunkline.audio.format import MULAW_8K
from trunkline.config import Config
from trunkline.server.run import running
from trunkline.testing import echo, sounds
from trunkline.testing.call import place
from trunkline.testing.outcome import Outcome
from trunkline.testing.phone import Phone
from trunkline.testing.script import HangUp, Say, WaitForQuiet
from trunkline.wire.base import Platform

TWILIO: Platform = registry.load("wire", "twilio")
STREAM = "MZ00000000000000000000000000000001"
CALLS = itertools.count(9)
FRAME = MULAW_8K.silence(160)

CONNECTED = {"event": "connected", "protocol": "Call", "version": "1.0.0"}


def start() -> dict[str, object]:
    """A stream's start, each of a call of its own: no call has two sockets."""
    details = {
        "streamSid": STREAM,
        "accountSid": "AC00000000000000000000000000000001",
        "callSid": f"CA{next(CALLS):032}",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {},
    }
    return {"event": "start", "sequenceNumber": "1", "streamSid": STREAM, "start": details}


def media(number: int, payload: str = base64.b64encode(FRAME).decode(), stream: str = STREAM) -> dict[str, object]:
    spoken = {"track": "inbound", "chunk": str(number), "timestamp": str(20 * number), "payload": payload}
    return {"event": "media", "sequenceNumber": str(number + 1), "streamSid": stream, "media": spoken}


async def say(socket: ClientConnection, *messages: object) -> None:
    for message in messages:
        await socket.send(message if isinstance(message, str | bytes) else json.dumps(message))


async def nothing_at_all(socket: ClientConnection) -> None:
    pass


async def audio_in_pieces(socket: ClientConnection) -> None:
    await say(socket, CONNECTED)
    text = json.dumps(start())
    await socket.send([text[:10], text[10:200], text[200:]])
    await say(socket, media(1), {"event": "stop", "sequenceNumber": "3", "streamSid": STREAM, "stop": {}})


async def one_piece_too_many(socket: ClientConnection) -> None:
    await socket.send(["x" * 20_000] * 5)


async def never_read(socket: ClientConnection) -> None:
    """Speak into the echo and take nothing of it: the answer is what piles up."""
    await say(socket, CONNECTED, start())
    socket.transport.pause_reading()
    for number in range(1, 20_000):
        await socket.send(json.dumps(media(number, payload="/" * 4000)))
    socket.transport.abort()


Act = Callable[[ClientConnection], Awaitable[None]]


def sending(*messages: object) -> Act:
    async def act(socket: ClientConnection) -> None:
        await say(socket, *messages)

    return act


CASES: dict[str, tuple[Act, int, str]] = {
    "nothing before the deadline": (nothing_at_all, 1008, "no stream was started within 0.5 s"),
    "not JSON": (sending("hello?"), 1007, "not valid JSON"),
    "JSON that is no object": (sending("[1, 2]"), 1002, "at $"),
    "audio before start": (sending(CONNECTED, media(1)), 1002, "before"),
    "a binary message": (sending(CONNECTED, start(), b"\x00\x01"), 1003, "binary"),
    "a message of a megabyte": (sending("x" * 1_000_000), 1009, "65536"),
    "a fragmented message of 100 kB": (one_piece_too_many, 1009, "65536"),
    "wrong base64": (sending(CONNECTED, start(), media(1, payload="!!!!")), 1007, "$.media.payload"),
    "audio for another stream": (sending(CONNECTED, start(), media(1, stream="MZ2")), 1002, "$.streamSid"),
    "a second start": (sending(CONNECTED, start(), {**start(), "sequenceNumber": "2"}), 1002, "start"),
    "no audio for the time allowed": (sending(CONNECTED, start()), 1008, "no audio for 0.6 s"),
    "fragments that make one message": (audio_in_pieces, 1000, "stopped the stream"),
}


@asynccontextmanager
async def gateway(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    monkeypatch.setenv("TRUNKLINE_CALL_START_TIMEOUT_S", "0.5")
    monkeypatch.setenv("TRUNKLINE_CALL_SILENCE_TIMEOUT_S", "0.6")
    config = Config.load(agent="echo", host="127.0.0.1", port=0, insecure=True)
    async with running(config, Agent("")) as service:
        yield service.gateway.base_url


async def good_call(base_url: str, ms: float) -> Outcome:
    codec = TWILIO.phone(TWILIO.spec.settings(), call_id="CA1", caller="+15005550006", callee="+15005550001")
    said = sounds.murmur(MULAW_8K, ms)
    return (await place(Phone(codec, [Say(said), WaitForQuiet(300), HangUp()]), base_url)).outcome


async def close_code(base_url: str, act: Act) -> int:
    url = base_url.replace("http", "ws") + "/media/twilio"
    async with connect(url, compression=None) as socket:
        try:
            await act(socket)
            async for _ in socket:
                pass
        except ConnectionClosed:
            pass
        await socket.wait_closed()
        return socket.close_code or 0


def test_bad_input_gets_its_close_code_and_its_line_and_harms_no_other_call(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = io.StringIO()

    async def all_at_once() -> tuple[Outcome, list[int]]:
        logs.configure(level="info", format="json", stream=lines)
        async with gateway(monkeypatch) as base_url, asyncio.TaskGroup() as tasks:
            good = tasks.create_task(good_call(base_url, 2500))
            bad = [tasks.create_task(close_code(base_url, act)) for act, _, _ in CASES.values()]
            return await good, [await one for one in bad]

    outcome, codes = asyncio.run(all_at_once())
    assert dict(zip(CASES, codes, strict=True)) == {name: code for name, (_, code, _) in CASES.items()}
    log = lines.getvalue()
    for name, (_, _, words) in CASES.items():
        assert words in log, f"nothing in the log tells of: {name}"
    assert "!!!!" not in log
    assert "hello?" not in log
    assert outcome.ok
    assert echo.compare(outcome.said, outcome.heard, outcome.wire).whole


def test_a_peer_that_never_reads_is_let_go_with_a_line_and_harms_no_other_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRUNKLINE_CALL_LEAD_MS", "600000")  # so that minutes of echo are sent at once
    lines = io.StringIO()

    async def both() -> Outcome:
        logs.configure(level="info", format="json", stream=lines)
        async with gateway(monkeypatch) as base_url, asyncio.TaskGroup() as tasks:
            good = tasks.create_task(good_call(base_url, 1500))
            deaf = tasks.create_task(close_code(base_url, never_read))
            outcome = await good
            await asyncio.wait_for(deaf, 20)
            return outcome

    outcome = asyncio.run(both())
    assert "the peer does not read" in lines.getvalue()
    assert outcome.ok
    assert echo.compare(outcome.said, outcome.heard, outcome.wire).whole
