"""A client of the open protocol: calls a gateway, says something, and counts what comes back.

    trunkline serve --agent echo --insecure
    python examples/open_client.py [ws://127.0.0.1:8080/ws/voice/any-name] [token]

``docs/protocol.md`` explains each line. A real client plays what it hears, and sends a mark back once it got there.
"""

import asyncio
import json
import math
import struct
import sys

from websockets.asyncio.client import ClientConnection, connect

FRAME_BYTES = 640  # 20 ms of 16 kHz PCM16
VOICE = b"".join(struct.pack("<h", round(9000 * math.sin(0.17 * n) * math.sin(0.001 * n))) for n in range(16000))


async def speak(socket: ClientConnection) -> None:
    clock = asyncio.get_running_loop()
    began = clock.time()
    for at in range(0, 3 * len(VOICE), FRAME_BYTES):  # the voice, then silence: a microphone never stops
        await socket.send(VOICE[at : at + FRAME_BYTES] or bytes(FRAME_BYTES))
        await asyncio.sleep(began + (at + FRAME_BYTES) / 32000 - clock.time())  # by the clock: sleeps of 20 ms drift


async def call(url: str, token: str) -> int:
    heard = 0
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with connect(url, additional_headers=headers) as socket, asyncio.TaskGroup() as tasks:
        await socket.send(json.dumps({"type": "session_start", "caller": "+15005550006"}))
        speaking = tasks.create_task(speak(socket))
        async for message in socket:
            if isinstance(message, bytes):
                heard += len(message)
            elif json.loads(message).get("action") == "mark":
                await socket.send(message)
            if heard >= len(VOICE):
                await socket.send(json.dumps({"type": "session_end"}))
                break
        speaking.cancel()
    return heard


if __name__ == "__main__":
    url = sys.argv[1] if len(sys.argv) > 1 else "ws://127.0.0.1:8080/ws/voice/example-call"
    token = sys.argv[2] if len(sys.argv) > 2 else ""
    print(f"said {len(VOICE) / 32000:.1f} s, heard {asyncio.run(call(url, token)) / 32000:.1f} s")
