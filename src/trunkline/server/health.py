"""How the service is, in one answer, for whoever sends it calls."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from trunkline.server.calls import State, Switchboard

PATH = "/api/voice/realtime/health"

_TAKES_CALLS = {"healthy": 200, "degraded": 200, "unavailable": 503}


def router(board: Switchboard, *, agent: str) -> APIRouter:
    """The route. ``agent`` is the name of who answers."""
    routes = APIRouter()

    @routes.get(PATH)
    async def health() -> JSONResponse:
        told = report(board, agent=agent)
        return JSONResponse(told, status_code=_TAKES_CALLS[told["status"]])

    return routes


def report(board: Switchboard, *, agent: str) -> dict[str, Any]:
    """What the answer says.

    ``status`` is ``healthy``; ``degraded`` when the latest call to end did so because its agent failed; or
    ``unavailable``, and then ``state`` says why no call is taken. A provider is judged by the calls it answered:
    nothing is asked of it for this, so a check costs nothing, however often it is made.
    """
    tally, state = board.tally, board.state
    provider_is_well = tally.agent_failures == 0
    status = "unavailable" if state is not State.READY else "healthy" if provider_is_well else "degraded"
    return {
        "status": status,
        "state": str(state),
        "provider": {
            "name": agent,
            "healthy": provider_is_well,
            "failed_calls_in_a_row": tally.agent_failures,
        },
        "active_calls": board.active,
        "max_calls": board.max_calls,
        "total_calls": tally.total,
        "success_rate": round(tally.success_rate, 4),
    }
