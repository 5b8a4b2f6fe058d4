"""What the machine allows: a bare WebSocket echo on the stack the gateway stands on, and nothing else.

picows and uvloop as in the gateway; each media message is read with ``json`` and ``base64``, and written with them
again. No call, no conversion, no pacing. Run as a program it prints its address and serves until it is told to stop.
"""

import asyncio
import base64
import contextlib
import json
import signal

from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server


class _Echo(WSListener):  # type: ignore[misc, unused-ignore]
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif frame.msg_type is WSMsgType.TEXT:
            message = json.loads(frame.get_payload_as_bytes())
            if message["event"] == "media":
                audio = base64.b64decode(message["media"]["payload"])
                payload = base64.b64encode(audio).decode()
                answer = {"event": "media", "streamSid": message["streamSid"], "media": {"payload": payload}}
                transport.send(WSMsgType.TEXT, json.dumps(answer).encode())
            elif message["event"] == "stop":
                transport.send_close(1000)  # type: ignore[arg-type]
                transport.disconnect()


def listener(request: WSUpgradeRequest) -> WSListener:
    """What picows calls for each socket."""
    return _Echo()


async def serve() -> None:
    """Serve on a free port of loopback until SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await ws_create_server(listener, "127.0.0.1", 0)
    with contextlib.closing(server):
        print(f"echoes at http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)  # noqa: T201
        await stop.wait()


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
