"""The load generator against a small gateway in this process, over real sockets."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from picows import ws_create_server

from trunkline.ai.agent import Agent
from trunkline.config import Config
from trunkline.server.run import Running, running
from trunkline.testing import load_reference
from trunkline.testing.load import Fleet, LoadPhone, Window, percentiles
from trunkline.testing.load_call import FRAME_S

SECONDS = 1.0
ENOUGH = 1000.0  # calls per second: at once


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no file configures anything."""
    monkeypatch.chdir(tmp_path)


@asynccontextmanager
async def gateway(**settings: Any) -> AsyncIterator[tuple[Running, Fleet[LoadPhone]]]:
    config = Config.load(agent="echo", port=0, insecure=True, drain_seconds=0, log_level="error", **settings)
    async with running(config, Agent("")) as service:
        fleet = Fleet(f"ws{service.gateway.base_url.removeprefix('http')}/media/twilio", LoadPhone)
        try:
            yield service, fleet
        finally:
            await fleet.hang_up()


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await work()

    asyncio.run(bounded())


def check(window: Window, calls: int) -> None:
    """All there, and roughly as much as was said: nothing here depends on how fast the machine is."""
    assert (window.calls, window.refused, window.dropped, window.astray) == (calls, 0, 0, 0)
    assert 0 < window.frames <= calls * (window.seconds / FRAME_S + 50)
    assert window.p50 <= window.p99
    assert 0 <= window.under_runs <= 1


@pytest.mark.parametrize("rate", [24000, "mulaw"])
def test_three_calls_hear_their_echo(rate: Any) -> None:
    async def work() -> None:
        async with gateway(agent_rate=rate) as (service, fleet):
            await fleet.add(3, ENOUGH)
            check(await fleet.measure(SECONDS), 3)
            assert service.gateway.board.active == 3
            await fleet.hang_up()
            while service.gateway.board.active:  # noqa: ASYNC110 - the test's own timeout bounds it
                await asyncio.sleep(0)

    run(work)


def test_calls_that_are_refused_are_counted() -> None:
    async def work() -> None:
        async with gateway(max_calls=2) as (_, fleet):
            await fleet.add(3, 100)
            window = await fleet.measure(0.1)
            assert (window.calls, window.refused) == (2, 1)

    run(work)


def test_calls_the_gateway_ends_are_counted() -> None:
    async def work() -> None:
        async with gateway() as (service, fleet):
            await fleet.add(2, ENOUGH)
            await fleet.measure(0.1)
            service.gateway.board.cut()
            window = await fleet.measure(0.2)
            assert (window.calls, window.dropped) == (0, 2)

    run(work)


def test_where_nobody_answers_every_call_is_refused() -> None:
    async def work() -> None:
        fleet = Fleet("ws://127.0.0.1:9/media/twilio", LoadPhone)
        await fleet.add(2, ENOUGH)
        window = await fleet.measure(0.0)
        assert (window.calls, window.refused, window.frames) == (0, 2, 0)
        assert math.isnan(window.p99)
        await fleet.hang_up()

    run(work)


def test_the_bare_echo_is_an_echo_too() -> None:
    async def work() -> None:
        server = await ws_create_server(load_reference.listener, "127.0.0.1", 0)
        fleet = Fleet(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/media/twilio", LoadPhone)
        await fleet.add(3, ENOUGH)
        check(await fleet.measure(SECONDS), 3)
        await fleet.hang_up()
        server.close()
        await server.wait_closed()

    run(work)


def test_percentiles_of_nothing_are_not_a_number() -> None:
    assert percentiles([1.0, 2.0, 3.0], 50, 100) == [2.0, 3.0]
    assert all(math.isnan(value) for value in percentiles([], 50, 99))
