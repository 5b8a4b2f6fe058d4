"""A platform's telephone on a bare TCP connection, so that it can stop at any byte."""

import asyncio
import random
import socket
import struct
from collections.abc import Sequence
from typing import Any, Self
from urllib.parse import urlsplit

from trunkline.wire.base import BinaryFrame, MediaAddress, Output, PhoneCodec, TextFrame
from trunkline.wire.events import AudioHeard, PlayAudio, StreamStopped, WireCommand

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A masked client frame (the mask is all zeros, which is one like any other)."""
    size = len(payload)
    head = bytes([(0x80 if fin else 0) | opcode])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += bytes([0x80 | 126]) + struct.pack(">H", size)
    else:
        head += bytes([0x80 | 127]) + struct.pack(">Q", size)
    return head + bytes(4) + payload


def upgrade(media: MediaAddress) -> bytes:
    """The request for the media socket."""
    url = urlsplit(media.url)
    target = url.path + (f"?{url.query}" if url.query else "")
    headers = {
        "Host": url.netloc,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        **media.headers,
    }
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class RawPhone:
    """Whatever its methods send, ``abort``, ``finish`` or ``close`` ends it: with a reset, an end, or a goodbye."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, codec: PhoneCodec) -> None:
        self.reader, self.writer, self.codec = reader, writer, codec

    @classmethod
    async def dial(cls, port: int, codec: PhoneCodec) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port), codec)

    async def open(self, media: MediaAddress) -> str:
        """Ask for the media socket: the status line of the answer."""
        self.writer.write(upgrade(media))
        return (await self.reader.readuntil(b"\r\n\r\n")).split(b"\r\n", 1)[0].decode()

    def say(self, outputs: Sequence[Output]) -> None:
        self.writer.write(b"".join(map(packed, outputs)))

    def speak(self, audio: bytes) -> bool:
        """One frame of the caller. False: the platform has nobody yet to send it to."""
        outputs = self.codec.send(AudioHeard(audio))
        self.say(outputs)
        return bool(outputs)

    async def hear(self) -> list[WireCommand]:
        """One message of the gateway, and the answers it demands. Raises ``EOFError`` when there are no more."""
        first, size = await self.reader.readexactly(2)
        if size == 126:
            (size,) = struct.unpack(">H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", await self.reader.readexactly(8))
        payload = await self.reader.readexactly(size)
        if first & 0xF == CLOSE:
            raise EOFError
        if first & 0xF not in (TEXT, BINARY):
            return []
        commands = self.codec.receive(payload, binary=first & 0xF == BINARY, now=0.0)
        self.say(self.codec.replies)
        self.codec.replies.clear()
        return list(commands)

    async def until_heard(self, audio: bytes) -> None:
        """Go on until the caller can be heard."""
        while not self.speak(audio):
            await self.hear()

    async def until_the_agent_speaks(self) -> None:
        while not any(isinstance(command, PlayAudio) for command in await self.hear()):
            pass

    def hang_up(self) -> None:
        self.say(self.codec.send(StreamStopped("hung up")))

    # --- ways to go ------------------------------------------------------------------------------------------------

    def abort(self) -> None:
        sock: Any = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def finish(self) -> None:
        self.writer.close()

    def close(self, code: int) -> None:
        self.writer.write(frame(CLOSE, struct.pack(">H", code)))
        self.writer.close()

    def go(self, dice: random.Random) -> None:
        """In whatever way."""
        way = dice.randrange(4)
        if way == 0:
            self.abort()
        elif way == 1:
            self.finish()
        else:
            self.close(dice.choice([1000, 1001, 1011, 4000]))


def packed(output: Output) -> bytes:
    """What of it goes over the socket."""
    match output:
        case TextFrame(data):
            return frame(TEXT, data)
        case BinaryFrame(data):
            return frame(BINARY, data)
    return b""
