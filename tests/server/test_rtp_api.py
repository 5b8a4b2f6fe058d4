"""RTP sessions on a real server and real UDP ports: who gets one, what becomes of it, and what strangers can do."""

import asyncio
import gc
import random
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvloop

from trunkline import registry
from trunkline.ai.agent import Agent
from trunkline.audio.format import MULAW_8K
from trunkline.call.session import CallSession
from trunkline.config import Config
from trunkline.errors import ConfigError
from trunkline.rtp.packet import Kind, RtpPacket, kind_of
from trunkline.rtp.rtcp import CNAME, Goodbye, ReceiverReport, SourceDescription, SourceItem, build_compound
from trunkline.server.run import running
from trunkline.testing import echo, sounds
from trunkline.testing.call import place
from trunkline.testing.phone import Phone
from trunkline.testing.script import HangUp, Say, Wait, WaitForQuiet
from trunkline.wire.base import Platform

RTP: Platform = registry.load("wire", "rtp")
PATH = "/api/rtp/sessions"
TOKEN = "0123456789abcdef0123456789abcdef"
SESSION = {"call_id": "c1", "remote_ip": "127.0.0.1", "remote_port": 4000, "codec": "PCMU"}


class House:
    """A gateway, its API, and the records of its calls."""

    def __init__(self, url: str, client: httpx.AsyncClient, config: Config, board: Any) -> None:
        self.url = url
        self.client = client
        self.config = config
        self.board = board
        self.over: asyncio.Queue[CallSession] = asyncio.Queue()

    async def open(self, **fields: Any) -> dict[str, Any]:
        reply = await self.client.post(PATH, json=SESSION | fields)
        assert reply.status_code == 201, reply.text
        opened: dict[str, Any] = reply.json()
        return opened

    async def figures(self, call_id: str = "c1") -> dict[str, Any]:
        figures: dict[str, Any] = (await self.client.get(f"{PATH}/{call_id}")).json()
        return figures


@asynccontextmanager
async def house(agent: str = "echo", **settings: str) -> AsyncIterator[House]:
    settings = {"auth_token": TOKEN, "ports": "21000-21039"} | settings
    config = Config.load(agent=agent, host="127.0.0.1", port=0, drain_seconds=0).with_platform(RTP.spec, **settings)
    queue: list[House] = []
    async with running(config, Agent(""), keep=lambda session: queue[0].over.put_nowait(session)) as service:
        url = service.gateway.base_url
        headers = {"authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
            queue.append(House(url, client, config, service.gateway.board))
            yield queue[0]


def run(story: Callable[[House], Awaitable[None]], agent: str = "echo", **settings: str) -> None:
    async def told() -> None:
        async with house(agent, **settings) as ours:
            await story(ours)

    uvloop.run(told())


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Ear:
    """A peer's socket: what comes is kept."""

    def __init__(self, ip: str = "127.0.0.1") -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.sock.bind((ip, 0))
        self.address: tuple[str, int] = self.sock.getsockname()
        self.heard: list[bytes] = []
        self._got = asyncio.Event()
        asyncio.get_running_loop().add_reader(self.sock, self._read)

    def _read(self) -> None:
        self.heard.append(self.sock.recv(2048))
        self._got.set()

    def say(self, n: int, port: int, *, ssrc: int = 7, payload: bytes = b"\xff" * 160) -> None:
        self.sock.sendto(RtpPacket(0, n, 160 * n, ssrc, payload).build(), ("127.0.0.1", port))

    async def until(self, packets: int) -> None:
        while len(self.heard) < packets:
            self._got.clear()
            await asyncio.wait_for(self._got.wait(), 5)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self.sock)
        self.sock.close()


async def settled(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(15):
        while not await condition():  # noqa: ASYNC110 - what is waited for is on the other side of HTTP
            await asyncio.sleep(0.01)


# --- the API -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shown", [None, "Bearer wrong", f"Basic {TOKEN}"])
def test_a_stranger_learns_nothing(shown: str | None) -> None:
    async def story(ours: House) -> None:
        await ours.open()
        headers = {} if shown is None else {"authorization": shown}
        async with httpx.AsyncClient(base_url=ours.url, headers=headers, trust_env=False) as stranger:
            for method, path in (("POST", ""), ("GET", ""), ("GET", "/c1"), ("DELETE", "/c1"), ("DELETE", "/nobody")):
                reply = await stranger.request(method, PATH + path, json=SESSION)
                assert (reply.status_code, reply.content) == (401, b"")
        assert ours.board.active == 1

    run(story)


def test_without_a_token_everybody_is_a_stranger() -> None:
    async def story(ours: House) -> None:
        assert (await ours.client.post(PATH, json=SESSION)).status_code == 401

    run(story, auth_token="")


def test_a_session_is_opened_shown_and_ended() -> None:
    async def story(ours: House) -> None:
        opened = await ours.open(caller="+15005550006")
        assert opened.pop("ssrc") < 2**32
        assert opened == {
            "call_id": "c1",
            "local_ip": "127.0.0.1",
            "local_port": 21000,
            "local_rtcp_port": 21001,
            "codec": "PCMU",
            "ptime": 20,
            "event_payload_type": 101,
            "symmetric": False,
        }
        assert (await ours.client.get(PATH)).json() == {"sessions": ["c1"]}
        figures = await ours.figures()
        assert figures["received"]["packets"] == 0
        assert figures["sent"]["packets"] >= 1
        assert (await ours.client.delete(f"{PATH}/c1")).status_code == 204
        session = await asyncio.wait_for(ours.over.get(), 5)
        assert (session.call_id, session.caller, session.end_reason) == ("c1", "+15005550006", "hung up")
        assert (await ours.client.delete(f"{PATH}/c1")).status_code == 404
        assert (await ours.client.get(f"{PATH}/c1")).json() == {"error": "there is no session of this call"}
        await ours.open()  # the name is free again

    run(story)


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"", 400, "not valid JSON"),
        (b"{", 400, "not valid JSON"),
        (b"[]", 400, "expected object, got array"),
        (b"{}", 400, "missing field (at $.call_id)"),
        (b"\xff\xfe", 400, "not valid"),
        (b"[" * 15_000, 400, "expected object, got array"),
        (b" " * 20_000, 413, "the body is over 16384 bytes"),
        ({"remote_ip": "224.0.0.1"}, 400, "a multicast address (at $.remote_ip)"),
        ({"remote_ip": "0.0.0.0"}, 400, "an unspecified address (at $.remote_ip)"),  # noqa: S104
        ({"remote_ip": "2001:db8::1"}, 400, "an address of another kind than ours"),
        ({"remote_ip": "localhost"}, 400, "not an IP address"),
        ({"codec": "G729"}, 400, "not an allowed value (at $.codec)"),
        ({"call_id": "c0"}, 409, "there is a session of this call already"),
    ],
)
def test_a_session_that_can_not_be_is_refused_with_the_reason(body: Any, status: int, error: str) -> None:
    async def story(ours: House) -> None:
        await ours.open(call_id="c0")
        sent = {"content": body} if isinstance(body, bytes) else {"json": SESSION | body}
        reply = await ours.client.post(PATH, **sent)
        assert reply.status_code == status
        assert error in reply.json()["error"]
        assert ours.board.active == 1

    run(story)


def test_when_all_ports_are_in_use_the_next_call_is_told_so_until_one_is_given_back() -> None:
    async def story(ours: House) -> None:
        for n in range(3):
            await ours.open(call_id=f"c{n}")
        reply = await ours.client.post(PATH, json=SESSION | {"call_id": "c3"})
        assert reply.status_code == 503
        assert reply.json() == {"error": "no RTP port is free: all 3 pairs of 21000-21005 are in use"}
        assert ours.board.active == 3
        await ours.client.delete(f"{PATH}/c1")
        assert (await ours.open(call_id="c3"))["local_port"] == 21002

    run(story, ports="21000-21005")


def test_a_port_somebody_else_has_is_passed_over() -> None:
    async def story(ours: House) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs:
            theirs.bind(("127.0.0.1", 21001))  # the odd one is enough
            assert (await ours.open())["local_port"] == 21002

    run(story)


def test_a_full_house_takes_no_session() -> None:
    async def story(ours: House) -> None:
        ours.board.max_calls = 1
        await ours.open()
        reply = await ours.client.post(PATH, json=SESSION | {"call_id": "c2"})
        assert (reply.status_code, reply.json()) == (503, {"error": "no call can be taken: full"})

    run(story)


def test_media_addresses_that_can_not_be_listened_on_stop_the_start() -> None:
    with pytest.raises(ConfigError, match="RTP_HOST"):
        run(lambda _: asyncio.sleep(0), host="192.0.2.1")


def test_the_public_ip_is_what_peers_are_told() -> None:
    async def story(ours: House) -> None:
        assert (await ours.open())["local_ip"] == "203.0.113.5"

    run(story, public_ip="203.0.113.5")


def test_on_all_addresses_the_one_on_the_peers_way_is_told() -> None:
    async def story(ours: House) -> None:
        assert (await ours.open())["local_ip"] == "127.0.0.1"

    run(story, host="0.0.0.0")  # noqa: S104 - closed by the token


# --- the line ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", [uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def test_a_whole_call_by_the_simulated_phone(loop: Callable[[Any], Any]) -> None:
    async def story() -> None:
        async with house() as ours:
            codec = RTP.phone(ours.config.platform(RTP.spec), call_id="c1", caller="+1", callee="+2")
            said = sounds.murmur(MULAW_8K, 1500)
            phone = Phone(codec, [Wait(200), Say(said), WaitForQuiet(300), HangUp()])
            placed = await place(phone, ours.url, limit_s=20)
            session = await asyncio.wait_for(ours.over.get(), 5)
        outcome = placed.outcome
        assert outcome.ok, outcome.log
        assert echo.compare(outcome.said, outcome.heard, outcome.wire).whole
        assert session.ledger.balances
        assert session.end_reason == "hung up"

    loop(story())


def test_a_wrong_token_of_the_simulated_phone_is_said() -> None:
    async def story(ours: House) -> None:
        codec = RTP.phone(RTP.spec.settings(), call_id="c1", caller="", callee="")
        with pytest.raises(Exception, match="401"):
            await place(Phone(codec, [HangUp()]), ours.url)

    run(story)


def test_audio_goes_where_the_session_said_until_the_peer_is_latched_to() -> None:
    async def story(ours: House) -> None:
        home, away, thief = Ear(), Ear("127.0.0.2"), Ear("127.0.0.3")
        port = (await ours.open(remote_port=home.address[1], symmetric=True))["local_port"]
        await home.until(3)
        for n in range(3):
            away.say(n, port)
        await away.until(3)
        for n in range(100):
            thief.say(n, port, ssrc=9)
        before = len(home.heard)
        await away.until(6)
        assert not thief.heard
        assert len(home.heard) - before <= 1
        figures = await ours.figures()
        assert (figures["strangers"], figures["received"]["packets"]) == (100, 3)
        for ear in (home, away, thief):
            ear.close()

    run(story)


def test_without_symmetry_another_address_is_neither_heard_nor_answered() -> None:
    async def story(ours: House) -> None:
        home, thief = Ear(), Ear("127.0.0.2")
        port = (await ours.open(remote_port=home.address[1]))["local_port"]
        for n in range(50):
            thief.say(n, port)
        home.say(1, port)
        await home.until(5)
        figures = await ours.figures()
        assert (figures["strangers"], figures["received"]["packets"]) == (50, 1)
        assert not thief.heard
        home.close()
        thief.close()

    run(story)


def test_rubbish_on_both_ports_is_counted_and_the_call_goes_on() -> None:
    async def story(ours: House) -> None:
        home = Ear()
        port = (await ours.open(remote_port=home.address[1]))["local_port"]
        home.say(0, port)
        rubbish = [b"", b"\x80", b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), b"\x16\xfe\xfd" + bytes(40)]
        rubbish += [b"\xff" * 3000, b"\x80\xc8\x00\x01garbage", b"GET / HTTP/1.1\r\n\r\n", b"\x90\x00\x00"]
        for data in rubbish:
            home.sock.sendto(data, ("127.0.0.1", port))
            home.sock.sendto(data, ("127.0.0.1", port + 1))
        for n in range(1, 6):
            home.say(n, port)

        async def all_read() -> bool:
            return bool((await ours.figures())["received"]["packets"] >= 6)

        await settled(all_read)
        figures = await ours.figures()
        ignored = figures["ignored"]
        assert ignored["stun"] == ignored["dtls"] == 1
        assert ignored["malformed_rtcp"] == 2  # one on each port
        assert figures["strangers"] >= 2
        assert ours.board.active == 1
        home.close()

    run(story)


def test_a_process_that_was_held_up_hears_what_was_said_meanwhile() -> None:
    async def story(ours: House) -> None:
        home = Ear()
        port = (await ours.open(remote_port=home.address[1]))["local_port"]
        for n in range(20):
            home.say(n, port)
            await asyncio.sleep(0.02)
        before = await ours.figures()
        for n in range(20, 50):
            home.say(n, port)
            time.sleep(0.02)  # noqa: ASYNC251 - nobody else may do anything

        async def all_read() -> bool:
            return bool((await ours.figures())["received"]["packets"] == 50)

        await settled(all_read)
        received = (await ours.figures())["received"]
        assert (received["lost"], received["late"]) == (0, 0)
        made_up = [figures["concealed_ms"] + figures["silence_ms"] for figures in (before["received"], received)]
        assert made_up[1] - made_up[0] < 300, "of 600; some is due after the last packet"
        home.close()

    run(story)


@pytest.mark.parametrize("offset", [0, 1], ids=["muxed", "on its own port"])
def test_the_peers_goodbye_ends_the_call_and_is_answered(offset: int) -> None:
    async def story(ours: House) -> None:
        home = Ear()
        opened = await ours.open(remote_port=home.address[1])
        port = opened["local_port"]
        for n in range(3):
            home.say(n, port)
        await home.until(3)
        description = SourceDescription(((7, (SourceItem(CNAME, b"x"),)),))
        data = build_compound([ReceiverReport(7), description, Goodbye((7,))])
        home.sock.sendto(data, ("127.0.0.1", port + offset))
        session = await asyncio.wait_for(ours.over.get(), 5)
        assert session.end_reason == "hung up"
        assert offset or any(kind_of(data) is Kind.RTCP for data in home.heard), "our goodbye comes the same way"
        home.close()

    run(story)


def test_a_peer_may_be_at_an_ipv6_address() -> None:
    async def story(ours: House) -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as ear:
            ear.bind(("::1", 0))
            ear.settimeout(5)
            port = (await ours.open(remote_ip="::1", remote_port=ear.getsockname()[1]))["local_port"]
            for n in range(3):
                ear.sendto(RtpPacket(0, n, 160 * n, 7, bytes(160)).build(), ("::1", port))

            async def all_read() -> bool:
                return bool((await ours.figures())["received"]["packets"] == 3)

            await settled(all_read)
            assert RtpPacket.parse(ear.recv(2048)).payload == MULAW_8K.silence(160)

    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
    run(story, host="::1")


def test_a_peer_that_falls_silent_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_CALL_SILENCE_TIMEOUT_S", "0.3")

    async def story(ours: House) -> None:
        home = Ear()
        port = (await ours.open(remote_port=home.address[1]))["local_port"]
        home.say(0, port)
        session = await asyncio.wait_for(ours.over.get(), 5)
        assert session.end_reason == "no audio for 0.3 s"
        assert session.ledger.balances
        assert (await ours.client.get(PATH)).json() == {"sessions": []}
        home.close()

    run(story)


def test_nothing_is_left_of_a_thousand_calls_dropped_at_random_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleted at once, in the midst of a word, twice; left by a goodbye, by silence, or by a peer that sent garbage."""

    async def story(ours: House) -> None:
        def left() -> tuple[int, int, int]:
            gc.collect()
            things = gc.get_objects()
            sockets = sum(isinstance(one, socket.socket) and one.type == socket.SOCK_DGRAM for one in things)
            calls = sum(type(one).__name__ in ("CallRunner", "Bridge", "Call", "RtpGateway") for one in things)
            return sockets, calls, len(asyncio.all_tasks())

        async def one(n: int, dice: random.Random) -> None:
            call_id, way = f"c{n}", dice.randrange(6)
            port = (await ours.open(call_id=call_id, remote_port=home.address[1]))["local_port"]
            for packet in range(dice.randrange(4)):
                home.say(packet, port, ssrc=n)
                await asyncio.sleep(dice.random() / 100)
            match way:
                case 0:
                    who = SourceDescription(((n, (SourceItem(CNAME, b"x"),)),))
                    goodbye = build_compound([ReceiverReport(n), who, Goodbye((n,))])
                    home.sock.sendto(goodbye, ("127.0.0.1", port + 1))
                    return
                case 1:
                    return  # it falls silent, and is given up
                case 2:
                    home.sock.sendto(dice.randbytes(dice.randrange(1, 300)), ("127.0.0.1", port))
                case 3:
                    await ours.client.delete(f"{PATH}/{call_id}")
            await ours.client.delete(f"{PATH}/{call_id}")

        home = Ear()
        await one(0, random.Random(0))  # what is loaded once is loaded

        async def empty() -> bool:
            return not ours.board.active

        await settled(empty)
        before = left()
        for bunch in range(0, 1000, 200):
            async with asyncio.TaskGroup() as group:
                for n in range(bunch + 1, bunch + 201):
                    group.create_task(one(n, random.Random(n)))
            await settled(empty)
        # What earlier tests left behind may have been collected meanwhile.
        assert all(now <= then for now, then in zip(left(), before, strict=True)), (left(), before)
        assert (await ours.client.get(PATH)).json() == {"sessions": []}
        assert ours.over.qsize() == 1001, "each left its record"
        home.close()

    monkeypatch.setenv("TRUNKLINE_CALL_SILENCE_TIMEOUT_S", "0.3")
    # Whoever drops them is on the same loop, and so is who looks at all there is.
    monkeypatch.setattr("trunkline.server.calls.MAX_LAG_S", 60.0)
    run(story, ports="21000-21419")


def test_a_server_that_stops_says_goodbye_to_its_peers() -> None:
    async def story() -> None:
        home = Ear()
        control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for _ in range(100):  # a port whose neighbour is free
            try:
                control.bind(("127.0.0.1", home.address[1] + 1))
                break
            except OSError:
                home.close()
                home = Ear()
        control.setblocking(False)
        async with house() as ours:
            await ours.open(remote_port=home.address[1])
            await home.until(2)
        said = control.recv(2048)
        assert said[1] in (200, 201)
        assert b"\x81\xcb" in said
        home.close()
        control.close()

    uvloop.run(story())
