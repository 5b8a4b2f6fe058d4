"""Cartesia's end of its wire, simulated. What is heard and said is the ``Play``'s; how it is put is the vendor's."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from trunkline.ai.providers._cartesia_standin_door import admitted, door
from trunkline.ai.providers._cartesia_standin_listen import ManualEnd, TurnsEnd
from trunkline.ai.providers._cartesia_standin_speak import SpeakEnd
from trunkline.ai.standin import Play


def routes(play: Play) -> Sequence[BaseRoute]:
    """All that the vendor has of it."""

    async def voices(request: Request) -> Response:
        return door(request.headers, request.query_params) or JSONResponse({"data": [], "has_more": False})

    async def speak(socket: WebSocket) -> None:
        if await admitted(socket, play):
            await SpeakEnd(socket, play).run()

    async def turns(socket: WebSocket) -> None:
        if await admitted(socket, play):
            await TurnsEnd(socket, play).run()

    async def manual(socket: WebSocket) -> None:
        if await admitted(socket, play):
            await ManualEnd(socket, play).run()

    return [
        Route("/voices", voices),
        WebSocketRoute("/tts/websocket", speak),
        WebSocketRoute("/stt/turns/websocket", turns),
        WebSocketRoute("/stt/websocket", manual),
    ]
