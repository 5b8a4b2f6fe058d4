"""Who is let in at Gemini's end of its wires, and what can go wrong there: simulated."""

import contextlib
from typing import Any, Final

import msgspec
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketDisconnect

from trunkline.ai import standin
from trunkline.ai.standin import WRONG_KEY, Beside, Place, Play, Trouble

# The vendor accepts the upgrade first, and closes the socket then.
CLOSES: Final = {
    Trouble.KEY: (1007, "API key not valid. Please pass a valid API key."),
    Trouble.QUOTA: (1011, "You exceeded your current quota, please check your plan and billing details."),
    Trouble.RATE_LIMIT: (1011, "Resource has been exhausted (e.g. check quota)."),
    Trouble.FAULT: (1011, "Internal error encountered."),
}


def has_key(connection: HTTPConnection) -> bool:
    """Whether the client has a good key."""
    key = connection.headers.get("x-goog-api-key") or connection.query_params.get("key", "")
    return key not in ("", WRONG_KEY)


async def admitted(socket: WebSocket, play: Play) -> bool:
    """Let the client in, or not."""
    trouble = play.trouble(Place.CONNECT)
    if trouble is Trouble.CUT:
        standin.cut(socket)
        return False
    if trouble is Trouble.STALL:
        await standin.stall()
    await socket.accept()
    if not has_key(socket):
        trouble = Trouble.KEY
    if trouble in CLOSES:
        await socket.close(*CLOSES[trouble])
        return False
    if trouble is Trouble.GARBAGE:
        await socket.send_bytes(b'{"setupComplete":[[[')
    if trouble is Trouble.UNKNOWN:
        await socket.send_bytes(b'{"weatherReport":{"sky":"blue"}}')
    return True


class Strange(Exception):
    """The client broke the protocol: the vendor closes the socket with this."""

    def __init__(self, reason: str, code: int = 1007) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class End:
    """One open socket. A subclass says what its messages mean."""

    def __init__(self, socket: WebSocket, play: Play) -> None:
        self.socket = socket
        self.play = play
        self._stalled = False
        self._beside = Beside()
        self.soon = self._beside.start

    async def serve(self) -> None:
        """Until the client is gone, or has to go."""
        try:
            while True:
                frame = await self.socket.receive()
                if frame["type"] == "websocket.disconnect":
                    return
                await self.take(frame.get("text") or frame.get("bytes") or b"")
        except Strange as strange:
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                await self.socket.close(strange.code, strange.reason)
        except (WebSocketDisconnect, RuntimeError):
            pass  # it went while we spoke
        finally:
            self._beside.stop()

    async def take(self, data: str | bytes) -> None:
        """One message. Raises ``Strange``."""
        raise NotImplementedError

    async def send(self, **message: Any) -> None:
        """One message to the client; in binary, as the vendor does it."""
        if self._stalled:
            await standin.stall()
        await self.socket.send_bytes(msgspec.json.encode(message))

    async def trouble(self, place: Place) -> None:
        """What can go wrong here and now. Returns where things go on."""
        match self.play.trouble(place):
            case None:
                pass
            case Trouble.CUT:
                self._stalled = True
                standin.cut(self.socket)
                await standin.stall()
            case Trouble.STALL:
                self._stalled = True
                await standin.stall()
            case Trouble.GARBAGE:
                await self.socket.send_bytes(b'{"serverContent":{"modelTurn":[[[')
            case Trouble.UNKNOWN:
                await self.send(weatherReport={"sky": "blue"})
            case trouble:
                self._stalled = True
                await self.socket.close(*CLOSES[trouble])
                await standin.stall()
