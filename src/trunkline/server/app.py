"""The HTTP side: webhooks of the phone platforms, and what an orchestrator asks of a service."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from trunkline import logs
from trunkline.errors import Busy, Refused, RemoteError
from trunkline.server.address import http_url
from trunkline.server.calls import State, Switchboard
from trunkline.server.routes import Route
from trunkline.wire.base import HttpRequest

MAX_WEBHOOK_BYTES = 64 * 1024
"""The largest webhook body. Platforms send some thirty short fields."""

_log = logs.get(__name__)


def make_app(
    *, routes: Mapping[str, Route], base_url: str, board: Switchboard, routers: Sequence[APIRouter] = ()
) -> FastAPI:
    """The application. ``routes`` are the open platforms by name; ``routers`` bring what else it answers."""
    # No pages that describe the interface: whoever needs one has the documentation.
    app = FastAPI(title="Trunkline", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/")
    async def root() -> dict[str, str]:
        return {"service": "trunkline"}

    @app.get("/live")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @app.get("/ready")
    async def ready() -> JSONResponse:
        state = board.state
        body = {"state": state, "active_calls": board.active, "max_calls": board.max_calls}
        return JSONResponse(body, status_code=200 if state is State.READY else 503)

    @app.api_route("/hooks/{platform}/{hook}", methods=["GET", "POST"])
    async def webhook(platform: str, hook: str, request: Request) -> Response:
        route = routes.get(platform)
        if route is None or hook not in route.spec.hooks:
            return _bare(404)
        log = _log.bind(platform=platform, hook=hook)
        try:
            # The first webhook of a platform announces a call: a full house says so there, where the platform can
            # still send the caller elsewhere.
            if hook == route.spec.hooks[0]:
                board.check()
            reply = route.door.hook(hook, await _request(request, base_url), time.monotonic())
        except Refused as refusal:
            log.warning("webhook refused", reason=refusal.reason, status=refusal.status)
            return _bare(refusal.status)
        except RemoteError as error:
            log.warning("webhook malformed", reason=str(error))
            return _bare(400)
        except Busy as busy:
            log.warning("webhook refused", reason=str(busy), status=503)
            return _bare(503)
        except ClientDisconnect:
            log.warning("webhook cut short: its body did not come whole")
            return _bare(400)  # nobody is there to read it
        return Response(reply.body, reply.status, reply.headers, media_type=reply.content_type)

    for name, route in routes.items():
        for hook, path in route.spec.hook_paths.items():
            app.add_api_route(path, _bound(webhook, name, hook), methods=["GET", "POST"])
    for router in routers:
        app.include_router(router)
    return app


_Answer = Callable[[Request], Awaitable[Response]]


def _bound(webhook: Callable[[str, str, Request], Awaitable[Response]], platform: str, hook: str) -> _Answer:
    """``webhook`` for this one hook."""

    async def answer(request: Request) -> Response:
        return await webhook(platform, hook, request)

    return answer


async def _request(request: Request, base_url: str) -> HttpRequest:
    """The request as a value. Raises ``Refused`` when its body is too large."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_WEBHOOK_BYTES:
            raise Refused(f"the body is over {MAX_WEBHOOK_BYTES} bytes", status=413)
    raw_path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    target = raw_path + (b"?" + query if query else b"")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}
    url = http_url(base_url, target.decode("latin-1"))
    return HttpRequest(request.method, url, headers, bytes(body), at=time.time())


def _bare(status: int) -> Response:
    """A status, and nothing that says why."""
    return Response(status_code=status)
