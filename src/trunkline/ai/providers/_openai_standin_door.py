"""Who is let in at OpenAI's end of its wires, and what can go wrong there: simulated."""

from typing import Any

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from trunkline.ai import standin
from trunkline.ai.chat.refusals import REFUSALS, error, key_refusal, refusal
from trunkline.ai.standin import Beside, Place, Play, Trouble


def error_event(code: str, kind: str = "invalid_request_error", event_id: str | None = None) -> dict[str, Any]:
    """The vendor's word for what went wrong."""
    return {"type": "error", "event_id": "event_error", "error": {**error(code, kind), "event_id": event_id}}


async def admitted(socket: WebSocket, play: Play) -> bool:
    """Let the client in, or not."""
    trouble = play.trouble(Place.CONNECT)
    if trouble is Trouble.CUT:
        standin.cut(socket)
        return False
    if trouble is Trouble.STALL:
        await standin.stall()
    refused = key_refusal(socket.headers)
    if refused is None and trouble is not None and trouble in REFUSALS:
        refused = refusal(*REFUSALS[trouble])
    if refused is not None:
        await socket.send_denial_response(refused)
        return False
    await socket.accept()
    if trouble is Trouble.GARBAGE:
        await socket.send_text('{"type":"session.created","session":[[[')
    if trouble is Trouble.UNKNOWN:
        await socket.send_json({"type": "weather.report", "event_id": "event_0", "sky": "blue"})
    return True


class Strange(Exception):
    """The client broke the protocol: what the vendor calls that, and the client's own name of its message."""

    def __init__(self, code: str, event_id: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.event_id = event_id


class End:
    """One open socket. A subclass says what its messages mean."""

    def __init__(self, socket: WebSocket, play: Play) -> None:
        self.socket = socket
        self.play = play
        self._count = 0
        self._stalled = False
        self._beside = Beside()
        self.soon = self._beside.start

    async def serve(self) -> None:
        """Until the client is gone."""
        try:
            await self.begin()
            while True:
                frame = await self.socket.receive()
                if frame["type"] == "websocket.disconnect":
                    return
                try:
                    await self.take(frame.get("text") or frame.get("bytes") or b"")
                except Strange as strange:
                    await self.complain(strange)
        except (WebSocketDisconnect, RuntimeError):
            pass  # it went while we spoke
        finally:
            self._beside.stop()

    async def begin(self) -> None:
        """The first word is the server's, where it has one."""

    async def take(self, data: str | bytes) -> None:
        """One message. Raises ``Strange``."""
        raise NotImplementedError

    async def complain(self, strange: Strange) -> None:
        """The client broke the protocol."""
        await self.send(self.error(strange.code, event_id=strange.event_id))

    def error(self, code: str, kind: str = "invalid_request_error", event_id: str | None = None) -> dict[str, Any]:
        """This socket's way to say so."""
        return error_event(code, kind, event_id)

    async def send(self, message: dict[str, Any], *, named: bool = True) -> None:
        """One message to the client. ``named``: with an id of its own."""
        if self._stalled:
            await standin.stall()
        if named:
            message = {"event_id": self.id("event"), **message}
        await self.socket.send_text(msgspec.json.encode(message).decode())

    def id(self, kind: str) -> str:
        """A new id, as the vendor makes them."""
        self._count += 1
        return f"{kind}_{id(self.socket) % 65521:04x}{self._count}"

    async def misbehave(self, trouble: Trouble) -> None:
        """What can go wrong on an open socket. Returns where things go on."""
        match trouble:
            case Trouble.CUT:
                self._stalled = True
                standin.cut(self.socket)
                await standin.stall()
            case Trouble.STALL:
                self._stalled = True
                await standin.stall()
            case Trouble.GARBAGE:
                await self.socket.send_text('{"type":"response.output_audio.delta","delta":[[[')
            case Trouble.UNKNOWN:
                await self.send({"type": "weather.report", "sky": "blue"})
            case Trouble.RATE_LIMIT:
                await self.send(self.error("rate_limit_exceeded", "requests"))
            case _:
                _, code, kind = REFUSALS[trouble]
                await self.send(self.error(code, kind))
                await self.socket.close(3000 if trouble is Trouble.KEY else 1011, f"{kind}.{code}")
                self._stalled = True
                await standin.stall()
