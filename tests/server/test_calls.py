"""The switchboard: room, drain, and calls that fail."""

import asyncio
from typing import Any

import pytest
from house import until
from structlog.testing import capture_logs

from trunkline import logs
from trunkline.errors import Busy, ConfigError
from trunkline.server.calls import State, Switchboard

LOG = logs.get("test")


class Call:
    """A call, and its link in one, that ends when told to: by ``finish``, or by ``end`` if it obeys."""

    def __init__(self, *, obeys: Any = True, fails: Any = False) -> None:
        self.obeys, self.fails = obeys, fails
        self.over = asyncio.Event()
        self.ended: list[str] = []
        self.closed_with: list[int] = []

    def received(self, data: Any, binary: Any) -> None: ...
    def fault(self, reason: str, close_code: Any) -> None: ...
    def lost(self, reason: str, *, clean: bool = False) -> None: ...
    def send_text(self, data: Any) -> None: ...
    def send_binary(self, data: Any) -> None: ...

    def buffered(self) -> Any:
        return 0

    async def run(self) -> None:
        await self.over.wait()
        if self.fails:
            raise RuntimeError("boom")

    parked = False

    def resume(self, link: Any) -> Any:
        return False

    def end(self, reason: str) -> None:
        self.ended.append(reason)
        if self.obeys:
            self.over.set()

    def close(self, code: int, reason: str) -> None:
        self.closed_with.append(code)

    async def closed(self) -> None: ...


def test_there_is_room_for_as_many_calls_as_was_said_and_no_more() -> None:
    async def scenario() -> None:
        async with Switchboard(max_calls=2) as board:
            calls = [Call(), Call()]
            for call in calls:
                board.check()
                board.carry(call, call, LOG)
            assert (board.active, board.state) == (2, State.FULL)
            with pytest.raises(Busy, match="full"):
                board.check()
            calls[0].over.set()
            await until(lambda: board.active == 1)
            board.check()
            calls[1].over.set()

    asyncio.run(scenario())


def test_nobody_is_let_in_before_the_board_is_open() -> None:
    async def scenario() -> None:
        board = Switchboard(max_calls=1)
        assert board.state is State.STARTING
        with pytest.raises(Busy, match="starting"):
            board.check()

    asyncio.run(scenario())


def test_draining_waits_for_calls_that_finish_by_themselves() -> None:
    async def scenario() -> Any:
        async with Switchboard(max_calls=2) as board:
            board.carry(call := Call(), call, LOG)
            draining = asyncio.create_task(board.drain(60))
            await asyncio.sleep(0)
            assert board.state is State.DRAINING
            with pytest.raises(Busy, match="draining"):
                board.check()
            call.over.set()
            await draining
            return call

    call = asyncio.run(scenario())
    assert (call.ended, call.closed_with) == ([], [1000])


def test_calls_left_at_the_deadline_are_ended_in_good_order() -> None:
    async def scenario() -> Any:
        async with Switchboard(max_calls=2) as board:
            board.carry(call := Call(), call, LOG)
            await board.drain(0)
            return call

    call = asyncio.run(scenario())
    assert (call.ended, call.closed_with) == (["the service is stopping"], [1000])


def test_calls_that_will_not_end_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trunkline.server.calls.FAREWELL_S", 0)

    async def scenario() -> Any:
        async with Switchboard(max_calls=2) as board:
            board.carry(call := Call(obeys=False), call, LOG)
            await asyncio.sleep(0)
            await board.drain(0)
            return call

    call = asyncio.run(scenario())
    assert call.closed_with == [1001]


def test_a_call_that_raises_closes_its_own_socket_and_no_other() -> None:
    async def scenario() -> Any:
        async with Switchboard(max_calls=2) as board:
            bad, good = Call(fails=True), Call()
            board.carry(bad, bad, LOG)
            board.carry(good, good, LOG)
            bad.over.set()
            await until(lambda: board.active == 1)
            assert good.closed_with == []
            good.over.set()
        return bad, good

    with capture_logs() as lines:
        bad, good = asyncio.run(scenario())
    assert (bad.closed_with, good.closed_with) == ([1011], [1000])
    assert [line["event"] for line in lines] == ["call failed"]


def test_a_process_that_cannot_keep_up_takes_no_more_calls_and_says_so() -> None:
    async def scenario() -> None:
        lag = 0.0
        async with Switchboard(max_calls=10, lag_s=lambda: lag) as board:
            board.check()
            lag = 0.06
            assert board.state is State.OVERLOADED
            with pytest.raises(Busy, match="overloaded"):
                board.check()
            lag = 0.01
            board.check()

    asyncio.run(scenario())


def test_what_ends_the_server_is_raised_as_it_is_and_its_calls_are_cut() -> None:
    call: Any = Call()

    async def scenario() -> None:
        async with Switchboard(max_calls=1) as board:
            board.carry(call, call, LOG)
            await asyncio.sleep(0)
            raise ConfigError("no good")

    with pytest.raises(ConfigError, match="no good"):
        asyncio.run(scenario())
    assert call.closed_with == [1001]
