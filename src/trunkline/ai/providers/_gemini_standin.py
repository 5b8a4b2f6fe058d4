"""Gemini's end of its wires, simulated. What is heard, thought and said is the ``Play``'s; how it is put is the
vendor's.
"""

from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from trunkline.ai.providers._gemini_standin_door import CLOSES, admitted, has_key
from trunkline.ai.providers._gemini_standin_live import LiveEnd, Sessions
from trunkline.ai.standin import Play, Trouble

LIVE: Final = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


def routes(play: Play) -> Sequence[BaseRoute]:
    """All that the vendor has of it."""
    sessions: Sessions = {}

    async def live(socket: WebSocket) -> None:
        if await admitted(socket, play):
            await LiveEnd(socket, play, sessions).serve()

    async def models(request: Request) -> Response:
        if not has_key(request):
            what = {"code": 400, "message": CLOSES[Trouble.KEY][1], "status": "INVALID_ARGUMENT"}
            return JSONResponse({"error": what}, 400)
        return JSONResponse({"models": []})

    return [Route("/v1beta/models", models), WebSocketRoute(LIVE, live)]
