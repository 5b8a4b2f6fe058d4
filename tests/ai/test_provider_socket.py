"""The pump under every provider, against a real server that misbehaves on demand."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import structlog
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.utils import accept_key

from trunkline import logs
from trunkline.ai.patience import Patience, closed, refused
from trunkline.ai.session import Address, ProviderSocket
from trunkline.errors import ProviderError, RemoteError

Serve = Callable[[ServerConnection], Awaitable[None]]


class Toy:
    """A vendor's protocol of one word: it says ``ready``."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.socket: ProviderSocket
        self.heard: list[bytes] = []
        self.story: list[str] = []
        self.came = asyncio.Event()

    def address(self) -> Address:
        return Address(self.url, {"Authorization": "Token key"})

    def opened(self) -> None:
        self.story.append("opened")
        self.socket.send(b"hello")

    def received(self, data: bytes, binary: bool) -> None:
        if data == b"ready":
            self.socket.ready()
            self.story.append("ready")
        elif data == b"quota":
            raise ProviderError("toy", "quota", "nothing left")
        elif data == b"bug":
            raise ZeroDivisionError
        elif data.startswith(b"{"):
            raise RemoteError("not of this protocol")
        else:
            self.heard.append(data)
        self.came.set()

    def lost(self) -> None:
        self.story.append("lost")

    def closed(self, code: int, reason: str) -> ProviderError:
        return closed("toy", code)

    def refused(self, status: int, headers: dict[str, str], body: bytes) -> ProviderError:
        return refused("toy", status, headers)


async def until(toy: Toy, done: Callable[[], bool]) -> None:
    async with asyncio.timeout(3):
        while not done():
            toy.came.clear()
            await toy.came.wait()


class Served:
    """A toy vendor and a client of it."""

    def __init__(self, handler: Serve, *, status: int = 101, patience: Patience | None = None) -> None:
        self.handler = handler
        self.status = status
        self.patience = patience or Patience(connect_s=1, ready_s=0.3, tries=2)
        self.requests: list[Request] = []

    async def __aenter__(self) -> Toy:
        self.server = await serve(self.handler, "127.0.0.1", 0, process_request=self._answer).__aenter__()
        port = self.server.sockets[0].getsockname()[1]
        toy = Toy(f"ws://127.0.0.1:{port}/v1")
        toy.socket = ProviderSocket("toy", toy, patience=self.patience, log=logs.get("test"))
        self.task = asyncio.create_task(toy.socket.run())
        return toy

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.server.close(close_connections=True)
        await self.server.wait_closed()

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        return None if self.status == 101 else connection.respond(self.status, "no")


async def greeting(connection: ServerConnection) -> None:
    assert await connection.recv(decode=False) == b"hello"
    await connection.send("ready")


def test_messages_go_both_ways_and_the_key_is_in_a_header() -> None:
    async def vendor(connection: ServerConnection) -> None:
        await greeting(connection)
        async for message in connection:
            await connection.send(message)

    async def story() -> None:
        served = Served(vendor)
        async with served as toy:
            await until(toy, lambda: toy.story == ["opened", "ready"])
            assert toy.socket.is_ready
            assert toy.socket.send(b"a word")
            assert toy.socket.send_binary(b"\x00\xff")
            await until(toy, lambda: toy.heard == [b"a word", b"\x00\xff"])
            assert served.requests[0].headers["Authorization"] == "Token key"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("packet", "wanted"),
    [
        (b"\x81\x05ready", ["opened", "ready"]),
        (b"\x81\x05ready\x88\x02\x03\xe8", ["opened", "ready", "lost", "opened", "ready"]),
    ],
    ids=["a message", "and a goodbye"],
)
def test_what_comes_in_one_packet_with_the_upgrade_is_not_lost(packet: bytes, wanted: list[str]) -> None:
    async def vendor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(
            line.partition(": ")[2] for line in request.split("\r\n") if line.lower().startswith("sec-websocket-k")
        )
        headers = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
        writer.write(f"HTTP/1.1 101 Switching Protocols\r\n{headers}".encode() + packet)
        await reader.read()
        writer.close()

    async def story() -> None:
        server = await asyncio.start_server(vendor, "127.0.0.1", 0)
        toy = Toy(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        toy.socket = ProviderSocket("toy", toy, patience=Patience(connect_s=1, ready_s=0.3), log=logs.get("test"))
        task = asyncio.create_task(toy.socket.run())
        await until(toy, lambda: toy.story[: len(wanted)] == wanted)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.close()
        await server.wait_closed()

    asyncio.run(story())


def test_a_message_in_fragments_comes_whole() -> None:
    async def vendor(connection: ServerConnection) -> None:
        await greeting(connection)
        await connection.send(["so ", "many ", "pieces"])
        await connection.wait_closed()

    async def story() -> None:
        async with Served(vendor) as toy:
            await until(toy, lambda: toy.heard == [b"so many pieces"])

    asyncio.run(story())


@pytest.mark.parametrize("how", ["abort", "goodbye", "silence"])
def test_a_connection_that_dies_is_made_anew_at_once(how: str) -> None:
    count = 0

    async def vendor(connection: ServerConnection) -> None:
        nonlocal count
        count += 1
        await greeting(connection)
        if count == 1:
            if how == "abort":
                connection.transport.abort()
            elif how == "goodbye":
                await connection.close(1000)  # polite, but nobody asked for it
        await connection.wait_closed()

    async def story() -> None:
        async with Served(vendor) as toy:
            await until(toy, lambda: "ready" in toy.story)
            if how == "silence":
                toy.socket.expect(0.1)
            await until(toy, lambda: toy.story == ["opened", "ready", "lost", "opened", "ready"])
            assert toy.socket.connections == 2

    asyncio.run(story())


@pytest.mark.parametrize(
    ("status", "fault"), [(401, "bad key"), (402, "quota"), (422, "our fault"), (429, "rate limit"), (503, "transient")]
)
def test_an_upgrade_that_is_refused_says_why(status: int, fault: str) -> None:
    async def vendor(connection: ServerConnection) -> None:
        raise AssertionError("nobody is let in")

    async def story() -> None:
        served = Served(vendor, status=status)
        async with served:
            with pytest.raises(ProviderError) as refusal:
                await asyncio.wait_for(served.task, 3)
        assert refusal.value.fault == fault
        assert len(served.requests) == (2 if fault in ("transient", "rate limit") else 1), "hammering helps nobody"

    asyncio.run(story())


@pytest.mark.parametrize(("patience", "level"), [(Patience(tries=2), "error"), (Patience.brief(), "warning")])
def test_nobody_there_is_given_up_after_some_tries(patience: Patience, level: str) -> None:
    async def story() -> None:
        toy = Toy("ws://127.0.0.1:9/")
        toy.socket = ProviderSocket("toy", toy, patience=patience, log=logs.get("test"))
        with pytest.raises(ProviderError, match="no connection") as given_up:
            await asyncio.wait_for(toy.socket.run(), 3)
        assert given_up.value.fault == "transient"
        assert toy.story == []

    with structlog.testing.capture_logs() as lines:
        asyncio.run(story())
    told = [(line["event"], line["log_level"]) for line in lines]
    assert told == [("provider connection lost", "warning"), ("provider given up", level)], (
        "no error where another one stands behind"
    )


@pytest.mark.parametrize("politely", [False, True])
def test_one_that_hangs_up_before_the_upgrade_is_tried_again(politely: bool) -> None:
    calls = 0

    async def vendor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        await reader.readuntil(b"\r\n\r\n")
        if politely:
            writer.close()
        else:
            writer.transport.abort()

    async def story() -> None:
        server = await asyncio.start_server(vendor, "127.0.0.1", 0)
        toy = Toy(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        toy.socket = ProviderSocket("toy", toy, patience=Patience(tries=2), log=logs.get("test"))
        with pytest.raises(ProviderError, match="hung up") as given_up:
            await asyncio.wait_for(toy.socket.run(), 3)
        assert given_up.value.fault == "transient"
        assert calls == 2
        server.close()
        await server.wait_closed()

    asyncio.run(story())


def test_a_vendor_that_opens_no_session_is_given_up() -> None:
    async def vendor(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async def story() -> None:
        served = Served(vendor, patience=Patience(ready_s=0.1, tries=2))
        async with served:
            with pytest.raises(ProviderError, match="did not open the session"):
                await asyncio.wait_for(served.task, 3)

    asyncio.run(story())


def test_one_that_falls_silent_is_given_up_where_another_stands_behind_and_one_that_breaks_off_is_not() -> None:
    async def silent(connection: ServerConnection) -> None:
        await greeting(connection)
        await connection.wait_closed()

    async def brittle(connection: ServerConnection) -> None:
        await greeting(connection)
        if len(breaks.requests) == 1:
            connection.transport.abort()
        await connection.wait_closed()

    breaks = Served(brittle, patience=Patience.brief())

    async def story() -> None:
        falls_silent = Served(silent, patience=Patience.brief())
        async with falls_silent as toy:
            await until(toy, lambda: toy.story == ["opened", "ready"])
            toy.socket.expect(0.05)
            with pytest.raises(ProviderError, match="said nothing for"):
                await asyncio.wait_for(falls_silent.task, 3)
            assert toy.socket.connections == 1
        async with breaks as toy:
            await until(toy, lambda: toy.story == ["opened", "ready", "lost", "opened", "ready"])

    asyncio.run(story())


def test_garbage_is_put_up_with_a_few_times() -> None:
    async def vendor(connection: ServerConnection) -> None:
        await greeting(connection)
        await connection.send("{")
        await connection.send("fine")
        for _ in range(4):
            await connection.send("{")
        await connection.wait_closed()

    async def story() -> None:
        async with Served(vendor) as toy:
            await until(toy, lambda: toy.heard[:1] == [b"fine"])
            await until(toy, lambda: "lost" in toy.story)

    asyncio.run(story())


def test_the_vendors_own_word_for_the_end_ends_it() -> None:
    async def vendor(connection: ServerConnection) -> None:
        await greeting(connection)
        await connection.send("quota")
        await connection.wait_closed()

    async def story() -> None:
        served = Served(vendor)
        async with served:
            with pytest.raises(ProviderError) as ended:
                await asyncio.wait_for(served.task, 3)
        assert ended.value.fault == "quota"
        assert len(served.requests) == 1

    asyncio.run(story())


def test_a_bug_of_ours_is_not_taken_for_the_vendors_fault() -> None:
    async def vendor(connection: ServerConnection) -> None:
        await greeting(connection)
        await connection.send("bug")
        await connection.wait_closed()

    async def story() -> None:
        served = Served(vendor)
        async with served:
            with pytest.raises(ZeroDivisionError):
                await asyncio.wait_for(served.task, 3)

    asyncio.run(story())


def test_a_planned_hand_over_connects_before_it_parts() -> None:
    alive = most = 0

    async def vendor(connection: ServerConnection) -> None:
        nonlocal alive, most
        alive += 1
        most = max(most, alive)
        await greeting(connection)
        await connection.wait_closed()
        alive -= 1

    async def story() -> None:
        async with Served(vendor) as toy:
            await until(toy, lambda: "ready" in toy.story)
            toy.socket.renew()
            await until(toy, lambda: toy.story == ["opened", "ready", "opened", "ready"])
            assert toy.socket.connections == 2
            assert toy.socket.send(b"still there")
        assert most == 2

    asyncio.run(story())


def test_a_heartbeat_is_sent_only_into_silence() -> None:
    beats = asyncio.Queue[bytes]()

    async def vendor(connection: ServerConnection) -> None:
        await greeting(connection)
        async for message in connection:
            beats.put_nowait(message if isinstance(message, bytes) else message.encode())

    async def story() -> None:
        async with Served(vendor) as toy:
            toy.socket._heartbeat_s, toy.socket._heartbeat = 0.05, b"alive"
            await until(toy, lambda: "ready" in toy.story)
            assert await asyncio.wait_for(beats.get(), 2) == b"alive"

    asyncio.run(story())


def test_nothing_is_sent_where_there_is_no_connection() -> None:
    async def story() -> None:
        toy = Toy("ws://127.0.0.1:9/")
        toy.socket = ProviderSocket("toy", toy, patience=Patience(), log=logs.get("test"))
        assert not toy.socket.send(b"a word")
        assert not toy.socket.is_ready

    asyncio.run(story())


def test_pauses_grow_and_end() -> None:
    patience, dropped = Patience(tries=4), closed("toy", 1006)
    pauses = [patience.pause_s(dropped, failures) for failures in (1, 2, 3, 4)]
    assert pauses[0] == 0
    assert pauses[1] is not None
    assert pauses[2] is not None
    assert 0.25 <= pauses[1] < pauses[2]
    assert pauses[3] is None
    limited = refused("toy", 429, {"retry-after": "2"})
    assert limited.retry_after_s == 2
    assert 2 <= (patience.pause_s(limited, 1) or 0) <= 2.5
    assert patience.pause_s(refused("toy", 429, {"retry-after": "60"}), 1) is None, "a minute of dead air"
    assert refused("toy", 429, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}).retry_after_s == 0
