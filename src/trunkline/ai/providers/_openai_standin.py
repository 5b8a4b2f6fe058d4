"""OpenAI's end of its wires, simulated. What is heard, thought and said is the ``Play``'s; how it is put is the
vendor's.
"""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from trunkline.ai.chat.refusals import key_refusal, refusal
from trunkline.ai.providers._openai_standin_door import admitted, error_event
from trunkline.ai.providers._openai_standin_live import LiveEnd
from trunkline.ai.providers._openai_standin_realtime import RealtimeEnd
from trunkline.ai.standin import Play


def routes(play: Play) -> Sequence[BaseRoute]:
    """All that the vendor has of it."""

    async def realtime(socket: WebSocket) -> None:
        model = socket.query_params.get("model", "")
        if set(socket.query_params) != {"model"} or not model.startswith("gpt-realtime"):
            await socket.send_denial_response(refusal(400, "model_not_found"))
        elif "openai-beta" in socket.headers:
            await socket.accept()
            await socket.send_json(error_event("beta_api_shape_disabled"))
            await socket.close(4000, "invalid_request_error.beta_api_shape_disabled")
        elif await admitted(socket, play):
            await RealtimeEnd(socket, play, model).serve()

    async def live(socket: WebSocket) -> None:
        if set(socket.query_params):
            await socket.send_denial_response(refusal(400, "unknown_parameter"))
        elif await admitted(socket, play):
            await LiveEnd(socket, play).serve()

    async def models(request: Request) -> Response:
        return key_refusal(request.headers) or JSONResponse({"object": "list", "data": []})

    return [
        Route("/v1/models", models),
        WebSocketRoute("/v1/realtime", realtime),
        WebSocketRoute("/v1/live/sessions", live),
    ]
