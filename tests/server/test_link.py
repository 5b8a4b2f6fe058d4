"""Messages through a media socket: whole, in pieces, too large, unread."""

import asyncio
import socket
import struct
from typing import Any

import pytest
import uvloop
from house import open_house
from raw_phone import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from trunkline.server import linger
from trunkline.server.link import MAX_MESSAGE_BYTES, MAX_UNSENT_BYTES

HANDSHAKE = (
    b"GET /media/acme HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class RawPhone:
    """A WebSocket client that can misbehave."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def dial(cls, port: int) -> Any:
        phone = cls(*await asyncio.open_connection("127.0.0.1", port))
        phone.writer.write(HANDSHAKE)
        assert (await phone.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        return phone

    async def frame(self) -> Any:
        """Opcode and payload of the next frame."""
        first, size = await self.reader.readexactly(2)
        if size == 126:
            (size,) = struct.unpack(">H", await self.reader.readexactly(2))
        return first & 0xF, await self.reader.readexactly(size)


CONVERSATIONS = {
    "text": ([frame(TEXT, b"hello")], [(b"hello", False)]),
    "binary": ([frame(BINARY, b"\x00\xff")], [(b"\x00\xff", True)]),
    "empty": ([frame(TEXT)], [(b"", False)]),
    "as large as may be": ([frame(BINARY, bytes(MAX_MESSAGE_BYTES))], [(bytes(MAX_MESSAGE_BYTES), True)]),
    "in three fragments": (
        [frame(TEXT, b"he", fin=False), frame(CONTINUATION, b"ll", fin=False), frame(CONTINUATION, b"o")],
        [(b"hello", False)],
    ),
    "fragments of binary": ([frame(BINARY, b"a", fin=False), frame(CONTINUATION, b"b")], [(b"ab", True)]),
    "a ping between fragments": (
        [frame(TEXT, b"he", fin=False), frame(PING, b"?"), frame(CONTINUATION, b"llo")],
        [(b"hello", False)],
    ),
    "an unasked pong": ([frame(PONG), frame(TEXT, b"hi")], [(b"hi", False)]),
    "two at once": ([frame(TEXT, b"one") + frame(TEXT, b"two")], [(b"one", False), (b"two", False)]),
    "byte by byte": ([bytes([byte]) for byte in frame(TEXT, b"hello")], [(b"hello", False)]),
}


@pytest.mark.parametrize(("sent", "heard"), CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_messages_arrive_whole_however_they_were_sent(sent: Any, heard: Any) -> None:
    async def scenario() -> Any:
        async with open_house() as house:
            phone = await RawPhone.dial(house.port)
            for piece in sent:
                phone.writer.write(piece)
                await phone.writer.drain()
            phone.writer.write(frame(CLOSE, struct.pack(">H", 1000)))
            await phone.reader.read()
            phone.writer.close()
            await house.calls[0].gone.wait()
            return house.calls[0].heard

    assert uvloop.run(scenario()) == heard


FAULTS = {
    "one frame too large": (frame(BINARY, bytes(MAX_MESSAGE_BYTES + 1)), 1009),
    "a megabyte": (frame(TEXT, bytes(1024 * 1024)), 1009),
    "fragments too large together": (
        frame(TEXT, bytes(MAX_MESSAGE_BYTES), fin=False) + frame(CONTINUATION, b"x"),
        1009,
    ),
    "continuation of nothing": (frame(CONTINUATION, b"x"), 1002),
    "a message inside another": (frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), 1002),
    "unknown opcode": (frame(3, b"x"), 1002),
    "fragmented ping": (frame(PING, b"x", fin=False), 1002),
    "unmasked": (bytes([0x81, 1]) + b"x", 1002),
}


@pytest.mark.parametrize(("sent", "code"), FAULTS.values(), ids=FAULTS)
def test_what_is_no_message_ends_the_call_with_the_right_code(sent: Any, code: int) -> None:
    async def scenario() -> Any:
        async with open_house() as house:
            phone = await RawPhone.dial(house.port)
            phone.writer.write(sent)
            await phone.writer.drain()  # however much of it is still on the way, the code arrives
            opcode, payload = await phone.frame()
            phone.writer.close()
            await house.calls[0].gone.wait()
            return opcode, struct.unpack_from(">H", payload), house.calls[0]

    opcode, codes, call = uvloop.run(scenario())
    assert (opcode, codes) == (CLOSE, (code,))
    assert call.heard == []
    assert call.why.startswith(f"closed by us ({code}")


def test_one_bad_peer_does_not_touch_another_call() -> None:
    async def scenario() -> None:
        async with open_house() as house, connect(house.media) as good:
            bad = await RawPhone.dial(house.port)
            bad.writer.write(frame(CONTINUATION, b"x"))
            await bad.reader.read()
            bad.writer.close()
            await good.send("still here")
            assert await good.recv() == "still here"

    uvloop.run(scenario())


def test_a_ping_is_answered_with_its_own_payload() -> None:
    async def scenario() -> Any:
        async with open_house() as house:
            phone = await RawPhone.dial(house.port)
            phone.writer.write(frame(PING, b"are you there"))
            answered = await phone.frame()
            phone.writer.close()
            return answered

    assert uvloop.run(scenario()) == (PONG, b"are you there")


@pytest.mark.parametrize(
    ("closing", "answered"),
    [(struct.pack(">H", 1000), 1000), (struct.pack(">H", 4000) + b"bye", 4000), (b"", 1000)],
    ids=["normal", "private code", "no code"],
)
def test_a_close_is_answered_and_the_call_learns_of_it(closing: Any, answered: Any) -> None:
    async def scenario() -> Any:
        async with open_house() as house:
            phone = await RawPhone.dial(house.port)
            phone.writer.write(frame(CLOSE, closing))
            opcode, payload = await phone.frame()
            assert await phone.reader.read() == b""  # and then the connection ends
            phone.writer.close()
            await house.calls[0].gone.wait()
            return opcode, struct.unpack(">H", payload), house.calls[0].why

    opcode, codes, why = uvloop.run(scenario())
    assert (opcode, codes) == (CLOSE, (answered,))
    assert why.startswith("closed by the peer")
    assert "bye" not in why


def test_a_close_of_ours_reaches_the_peer_with_code_and_reason() -> None:
    async def scenario() -> Any:
        async with open_house() as house, connect(house.media) as phone:
            house.calls[0].link.close(1008, "no ticket")
            house.calls[0].link.close(1000, "the second time does nothing")
            house.calls[0].link.send_text(b"nor does this")
            with pytest.raises(ConnectionClosed) as closed:
                await phone.recv()
            await house.calls[0].gone.wait()
            return closed.value.rcvd, house.calls[0].why

    received, why = uvloop.run(scenario())
    assert (received.code, received.reason) == (1008, "no ticket")
    assert why == "closed by us (1008: no ticket)"


@pytest.mark.parametrize(("code", "clean"), [(1000, True), (1001, True), (1006, False), (1011, False), (None, False)])
def test_a_close_of_the_peers_is_clean_by_its_code(code: int | None, clean: bool) -> None:
    async def scenario() -> Any:
        async with open_house() as house:
            phone = await RawPhone.dial(house.port)
            phone.writer.write(frame(CLOSE, b"" if code is None else struct.pack(">H", code)))
            await phone.reader.read()
            phone.writer.close()
            await house.calls[0].gone.wait()
            return house.calls[0].clean

    assert uvloop.run(scenario()) is clean


def test_a_close_of_ours_is_not_the_peers_goodbye() -> None:
    async def scenario() -> Any:
        async with open_house() as house, connect(house.media) as phone:
            house.calls[0].link.close(1000, "")
            with pytest.raises(ConnectionClosed):
                await phone.recv()
            await house.calls[0].gone.wait()
            return house.calls[0].clean

    assert uvloop.run(scenario()) is False


def test_a_connection_that_just_vanishes_is_told_to_the_call() -> None:
    async def scenario() -> Any:
        async with open_house() as house:
            phone = await RawPhone.dial(house.port)
            phone.writer.transport.abort()
            await house.calls[0].gone.wait()
            return house.calls[0].why

    assert uvloop.run(scenario()) == "connection lost"


async def _dial_deaf(port: int) -> Any:
    """A connection whose kernel takes as little as it can, and whose program takes nothing."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, HANDSHAKE)
    assert (await loop.sock_recv(sock, 1024)).startswith(b"HTTP/1.1 101 ")
    return sock


def test_a_peer_that_never_reads_is_cut_off_and_its_buffer_stays_bounded() -> None:
    async def scenario() -> Any:
        async with open_house() as house:
            phone = await _dial_deaf(house.port)
            (call,) = house.calls
            most = 0
            while not call.gone.is_set():
                call.link.send_text(bytes(4096))
                most = max(most, call.link.buffered())
                await asyncio.sleep(0)
            phone.close()
            return most, call.why

    with capture_logs() as lines:
        most, why = uvloop.run(scenario())
    assert most <= MAX_UNSENT_BYTES + 8192
    assert why == "closed by us (1008: peer does not read)"
    assert any(line["event"] == "socket cut: the peer does not read" for line in lines)


def test_a_peer_that_pings_and_never_reads_is_cut_off_too() -> None:
    async def scenario() -> Any:
        async with open_house() as house:
            phone = await _dial_deaf(house.port)
            loop = asyncio.get_running_loop()
            (call,) = house.calls
            flood = frame(PING, bytes(125)) * 100
            while not call.gone.is_set():
                try:
                    await loop.sock_sendall(phone, flood)
                except OSError:
                    break
            await call.gone.wait()
            phone.close()
            return call.why

    assert uvloop.run(scenario()) == "closed by us (1008: peer does not read)"


def test_a_peer_that_will_not_close_its_side_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linger, "LINGER_S", 0.01)

    async def scenario() -> None:
        async with open_house() as house:
            phone = await RawPhone.dial(house.port)
            house.calls[0].link.close(1000, "")
            await house.calls[0].gone.wait()  # although the phone keeps its side open
            phone.writer.close()

    uvloop.run(scenario())
