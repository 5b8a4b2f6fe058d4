"""A phone on one WebSocket, a voice model on another: 8 kHz mu-law this side, 24 kHz PCM16 that side.

    python examples/websocket_bridge.py

``bridge`` is the whole of it. The rest is so that it runs by itself, on loopback: a simulated phone that plays
``sample.wav``, and a simulated model that says what it hears.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from trunkline.audio import AudioStreamConverter, MuLawStreamDecoder, convert_file

SAMPLE = Path(__file__).with_name("sample.wav")
FRAME_BYTES = 160  # 20 ms


async def bridge(phone: Connection, model_url: str) -> None:
    """Carry a call both ways until either side hangs up. A converter for each direction of each call."""
    async with connect(model_url) as model, asyncio.TaskGroup() as directions:
        directions.create_task(carry(phone, model, MuLawStreamDecoder(8000, 24000)))
        directions.create_task(carry(model, phone, AudioStreamConverter(24000, 8000)))


async def carry(source: Connection, target: Connection, converter: AudioStreamConverter | MuLawStreamDecoder) -> None:
    with suppress(ConnectionClosed):  # either may hang up first
        async for audio in converter.convert_stream_async(audio_of(source)):
            await target.send(audio)
    await target.close()


async def audio_of(connection: Connection) -> AsyncIterator[bytes]:
    """What is sent in binary; text is about the call, not of it."""
    async for message in connection:
        if isinstance(message, bytes):
            yield message


# --- simulated: the phone and the model ----------------------------------------------------------------------


async def echo(model: ServerConnection) -> None:
    with suppress(ConnectionClosed):
        async for audio in model:
            await model.send(audio)


async def play(url: str, spoken: bytes) -> bytes:
    """Say something, hear as much back, hang up."""
    heard = b""
    async with connect(url) as phone:
        for at in range(0, len(spoken), FRAME_BYTES):
            await phone.send(spoken[at : at + FRAME_BYTES])
        while len(heard) < len(spoken):
            heard += await phone.recv(decode=False)
    return heard


def address(server: Server) -> str:
    return "ws://{}:{}".format(*next(iter(server.sockets)).getsockname()[:2])


async def main(folder: Path) -> None:
    line = folder / "sample.ulaw"
    convert_file(SAMPLE, line)
    spoken = line.read_bytes()
    async with (
        serve(echo, "127.0.0.1", 0) as model,
        serve(lambda phone: bridge(phone, address(model)), "127.0.0.1", 0) as door,
    ):
        heard = await play(address(door), spoken)
    print(f"said {len(spoken)} bytes of mu-law, heard {len(heard)}, by way of 24 kHz")


if __name__ == "__main__":
    with TemporaryDirectory() as place:
        asyncio.run(main(Path(place)))
