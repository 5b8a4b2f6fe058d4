"""Deepgram's end of its wire, simulated. What is heard and said is the ``Play``'s; how it is put is the vendor's."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from trunkline.ai.providers import _deepgram_standin_speak as speak
from trunkline.ai.providers._deepgram_standin_door import admitted, key_refusal, refusal
from trunkline.ai.providers._deepgram_standin_listen import FluxEnd, NovaEnd, flux_audio, nova_audio
from trunkline.ai.standin import Play


def routes(play: Play) -> Sequence[BaseRoute]:
    """All that the vendor has of it."""

    async def nova(socket: WebSocket) -> None:
        if audio := await admitted(socket, play, nova_audio):
            await NovaEnd(socket, play, audio).serve()

    async def flux(socket: WebSocket) -> None:
        if audio := await admitted(socket, play, flux_audio):
            await FluxEnd(socket, play, audio).serve()

    async def token(request: Request) -> Response:
        if refused := key_refusal(request.headers.get("authorization")):
            return refusal(*refused)
        return JSONResponse({"scopes": ["usage:write"]})

    return [
        Route("/v1/auth/token", token),
        WebSocketRoute("/v1/listen", nova),
        WebSocketRoute("/v2/listen", flux),
        *speak.routes(play),
    ]
