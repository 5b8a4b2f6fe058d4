"""Whose call a socket is: no call has two, and one that has lost its own may be given another."""

import asyncio
from typing import Any

import pytest
from house import until

from trunkline import logs
from trunkline.errors import Busy, Refused
from trunkline.server.calls import State, Switchboard
from trunkline.wire.base import WireSpec

LOG = logs.get("test")
LASTING = WireSpec("lasting", "Lasting", "/media/lasting", resumes=True)
FLEETING = WireSpec("fleeting", "Fleeting", "/media/fleeting")


class Socket:
    """A media socket that remembers how it was closed."""

    def __init__(self) -> None:
        self.receiver: Any = None
        self.closed_with: list[int] = []

    def send_text(self, data: bytes) -> None: ...
    def send_binary(self, data: bytes) -> None: ...

    def buffered(self) -> int:
        return 0

    def close(self, code: int, reason: str) -> None:
        self.closed_with.append(code)

    async def closed(self) -> None: ...


class Call:
    """A call that goes on until it is told to end, over whatever socket it has."""

    def __init__(self) -> None:
        self.parked = False
        self.can_resume = True
        self.socket: Any = None
        self.losses: list[str] = []
        self.over = asyncio.Event()

    async def run(self) -> Any:
        await self.over.wait()

    def end(self, reason: str) -> None:
        self.over.set()

    def resume(self, link: Any) -> bool:
        if self.can_resume:
            self.socket, self.parked = link, False
        return self.can_resume

    def received(self, data: bytes, binary: bool) -> None: ...
    def fault(self, reason: str, close_code: int) -> None: ...

    def lost(self, reason: str, *, clean: bool = False) -> None:
        self.losses.append(reason)


def sit(board: Switchboard, spec: WireSpec = LASTING) -> Any:
    """A socket that was let in, and the call it may become."""
    board.check(spec)
    call, socket = Call(), Socket()
    seat = board.seat(spec, socket, LOG)
    call.socket, socket.receiver = socket, call
    board.carry(call, socket, LOG, seat)
    return call, seat


def test_a_second_socket_for_a_call_is_refused_and_the_first_goes_on() -> None:
    async def scenario() -> None:
        async with Switchboard(max_calls=9) as board:
            call, seat = sit(board)
            seat.enter("one")
            assert board.is_carried(LASTING, "one")
            other, second = sit(board)
            with pytest.raises(Refused, match="under way") as caught:
                second.enter("one")
            assert (caught.value.status, caught.value.close_code) == (409, 1008)
            other.end("refused")
            await until(lambda: board.active == 1)
            assert board.is_carried(LASTING, "one"), "the id is the first one's, whatever becomes of the second"
            assert call.socket.closed_with == []
            call.end("done")

    asyncio.run(scenario())


def test_an_id_is_free_again_when_its_call_is_over() -> None:
    async def scenario() -> None:
        async with Switchboard(max_calls=9) as board:
            for _ in range(3):
                call, seat = sit(board)
                seat.enter("one")
                call.end("done")
                await until(lambda: board.active == 0)
                assert not board.is_carried(LASTING, "one")

    asyncio.run(scenario())


def test_an_id_is_free_again_when_its_call_was_cut_before_it_could_begin() -> None:
    async def scenario() -> None:
        async with Switchboard(max_calls=9) as board:
            _, seat = sit(board)
            seat.enter("one")
            board.cut()
            await until(lambda: board.active == 0)
            assert not board.is_carried(LASTING, "one")

    asyncio.run(scenario())


def test_two_platforms_may_use_the_same_id() -> None:
    async def scenario() -> None:
        async with Switchboard(max_calls=9) as board:
            calls = []
            for spec in (LASTING, FLEETING):
                call, seat = sit(board, spec)
                seat.enter("one")
                calls.append(call)
            for call in calls:
                call.end("done")

    asyncio.run(scenario())


def test_a_call_that_lost_its_socket_gets_the_new_one_and_is_one_call() -> None:
    async def scenario() -> None:
        async with Switchboard(max_calls=9) as board:
            call, seat = sit(board)
            seat.enter("one")
            call.parked = True
            assert (board.active, board.parked) == (1, 1)
            newcomer, second = sit(board)
            old, new = call.socket, newcomer.socket
            assert second.hand_over("one")
            assert (call.socket, new.receiver, board.parked) == (new, call, 0)
            await until(lambda: board.active == 1)
            assert new.closed_with == [], "what let go of it does not close it"
            old.receiver.lost("a late word of the old one")
            assert call.losses == []
            call.end("done")
            await until(lambda: board.active == 0)
            assert (old.closed_with, new.closed_with) == ([1001], [1000])
            assert (board.tally.total, board.tally.over) == (1, 1)

    asyncio.run(scenario())


def test_there_is_nothing_to_take_over_where_no_such_call_is_or_it_can_not_go_on() -> None:
    async def scenario() -> None:
        async with Switchboard(max_calls=9) as board:
            call, seat = sit(board)
            seat.enter("one")
            newcomer, second = sit(board)
            assert not second.hand_over("two")
            assert not seat.hand_over("one"), "nor from oneself"
            call.can_resume = False
            assert not second.hand_over("one")
            assert newcomer.socket.receiver is newcomer
            stranger, third = sit(board, FLEETING)
            assert not third.hand_over("one"), "nor from another platform"
            for one in (call, newcomer, stranger):
                one.end("done")

    asyncio.run(scenario())


def test_in_a_full_house_a_parked_call_may_be_resumed_and_no_other_begun() -> None:
    async def scenario() -> None:
        async with Switchboard(max_calls=1) as board:
            call, seat = sit(board)
            seat.enter("one")
            with pytest.raises(Busy, match="full"):
                board.check(LASTING)
            call.parked = True
            assert board.state is State.FULL, "a parked call takes its place"
            with pytest.raises(Busy, match="full"):
                board.check(FLEETING)
            cuckoo, second = sit(board)
            with pytest.raises(Busy, match="full"):
                board.check(LASTING)  # one socket for one parked call
            with pytest.raises(Refused, match="no room") as caught:
                second.enter("two")
            assert caught.value.status == 503
            cuckoo.end("refused")
            await until(lambda: board.active == 1)
            _, third = sit(board)
            assert third.hand_over("one")
            await until(lambda: board.active == 1)
            call.end("done")

    asyncio.run(scenario())


def test_a_parked_call_is_ended_by_the_drain_and_may_be_resumed_until_then() -> None:
    async def scenario() -> None:
        async with Switchboard(max_calls=9) as board:
            lost, seat = sit(board)
            seat.enter("one")
            back, other = sit(board)
            other.enter("two")
            lost.parked = back.parked = True
            draining = asyncio.create_task(board.drain(0.05))
            await asyncio.sleep(0)
            assert board.state is State.DRAINING
            _, third = sit(board)
            assert third.hand_over("two")
            await draining
            assert lost.over.is_set()
            assert board.active == 0

    asyncio.run(scenario())


def test_a_socket_that_was_given_away_is_not_counted_as_a_call_that_failed() -> None:
    async def scenario() -> None:
        async with Switchboard(max_calls=9) as board:
            call, seat = sit(board)
            seat.enter("one")
            call.parked = True
            _, second = sit(board)
            second.hand_over("one")
            await until(lambda: board.active == 1)
            assert (board.tally.total, board.tally.success_rate) == (1, 1.0)
            call.end("done")

    asyncio.run(scenario())


def test_nobody_is_let_in_for_a_parked_call_before_the_board_is_open() -> None:
    with pytest.raises(Busy, match="starting"):
        asyncio.run(_check_closed())


async def _check_closed() -> None:
    Switchboard(max_calls=1).check(LASTING)
