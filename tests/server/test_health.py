"""The health answer: what it counts, and when it says that something is wrong."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from house import until

from trunkline import logs
from trunkline.call.session import CallSession
from trunkline.call.state import CallState
from trunkline.server.app import make_app
from trunkline.server.calls import Switchboard
from trunkline.server.health import PATH, router

LOG = logs.get("test")
WELL = CallSession("1", "acme", "echo", datetime(2026, 1, 1, tzinfo=UTC), state=CallState.ENDED, end_reason="hung up")
BROKEN = CallSession("2", "acme", "echo", WELL.started_at, state=CallState.FAILED, end_reason="connection lost")
AGENTLESS = CallSession("3", "acme", "echo", WELL.started_at, state=CallState.FAILED, end_reason="agent failed: quota")


class Call:
    """A call that goes on until it is given its record, or the error it raises; and its link in one."""

    def __init__(self) -> None:
        self.result: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    async def run(self) -> object:
        return await self.result

    parked = False

    def resume(self, link: object) -> bool:
        return False

    def end(self, reason: str) -> None: ...
    def received(self, data: bytes, binary: bool) -> None: ...
    def fault(self, reason: str, close_code: int) -> None: ...
    def lost(self, reason: str, *, clean: bool = False) -> None: ...
    def send_text(self, data: bytes) -> None: ...
    def send_binary(self, data: bytes) -> None: ...
    def close(self, code: int, reason: str) -> None: ...
    async def closed(self) -> None: ...

    def buffered(self) -> int:
        return 0


def told(*results: CallSession | Exception, active: int = 0, max_calls: int = 10) -> tuple[int, dict[str, Any]]:
    """The answer after these calls, one after the other, with ``active`` others under way."""

    async def scenario() -> tuple[int, dict[str, Any]]:
        async with Switchboard(max_calls=max_calls) as board:
            for result in results:
                board.carry(call := Call(), call, LOG)
                if isinstance(result, Exception):
                    call.result.set_exception(result)
                else:
                    call.result.set_result(result)
                await until(lambda: board.active == 0)
            running = [Call() for _ in range(active)]
            for call in running:
                board.carry(call, call, LOG)
            app = make_app(
                routes={}, base_url="https://gw.example.org", board=board, routers=[router(board, agent="a")]
            )
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
                reply = await http.get(PATH)
            for call in running:
                call.result.set_result(WELL)
        return reply.status_code, reply.json()

    return asyncio.run(scenario())


def test_a_service_without_calls_is_well() -> None:
    assert told() == (
        200,
        {
            "status": "healthy",
            "state": "ready",
            "provider": {"name": "a", "healthy": True, "failed_calls_in_a_row": 0},
            "active_calls": 0,
            "max_calls": 10,
            "total_calls": 0,
            "success_rate": 1.0,
        },
    )


def test_calls_are_counted_and_those_under_way_have_not_failed() -> None:
    status, body = told(WELL, BROKEN, WELL, RuntimeError("boom"), active=2)
    assert status == 200
    assert (body["active_calls"], body["total_calls"], body["success_rate"]) == (2, 6, 0.5)
    assert body["status"] == "healthy"


@pytest.mark.parametrize(
    ("results", "in_a_row", "status"),
    [
        ([AGENTLESS], 1, "degraded"),
        ([WELL, AGENTLESS, AGENTLESS], 2, "degraded"),
        ([AGENTLESS, WELL], 0, "healthy"),
    ],
)
def test_an_agent_that_fails_its_calls_is_not_well(results: list[CallSession], in_a_row: int, status: str) -> None:
    code, body = told(*results)
    assert (code, body["status"]) == (200, status)
    assert body["provider"] == {"name": "a", "healthy": in_a_row == 0, "failed_calls_in_a_row": in_a_row}


def test_a_full_house_is_unavailable() -> None:
    code, body = told(active=1, max_calls=1)
    assert (code, body["status"], body["state"]) == (503, "unavailable", "full")


def test_a_record_that_is_none_counts_as_a_call_that_did_not_go_well() -> None:
    async def scenario(make: Callable[[], Call]) -> tuple[int, int, int]:
        async with Switchboard(max_calls=1) as board:
            board.carry(call := make(), call, LOG)
            await asyncio.sleep(0)
            board.cut()
            await until(lambda: board.active == 0)
        return board.tally.total, board.tally.over, board.tally.succeeded

    assert asyncio.run(scenario(Call)) == (1, 1, 0)
