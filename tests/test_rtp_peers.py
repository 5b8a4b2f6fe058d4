"""Calls over plain RTP with peers we did not write: ffmpeg and GStreamer speak and listen, tshark watches the line.

They run at once, in real time, once for all tests of this file. Where a program is missing, or may not watch the
line, its tests are skipped and say so; ``make test`` installs the programs where it may.
"""

import asyncio
import shutil
import socket
import struct
import subprocess
import wave
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
import uvloop
from numpy.typing import NDArray

from trunkline import registry
from trunkline.ai.agent import Agent
from trunkline.call.session import CallSession
from trunkline.config import Config
from trunkline.server.run import running
from trunkline.wire.base import Platform

RTP: Platform = registry.load("wire", "rtp")
TOKEN = "0123456789abcdef0123456789abcdef"
HOST = "127.0.0.1"
SECONDS = 4
TONE_HZ = {"ffmpeg": 440.0, "gstreamer": 620.0}
LAW = {"ffmpeg": "PCMU", "gstreamer": "PCMA"}
PAYLOAD_TYPE = {"PCMU": 0, "PCMA": 8}
PROGRAM = {"ffmpeg": "ffmpeg", "gstreamer": "gst-launch-1.0"}
PACKAGE = {"ffmpeg": "ffmpeg", "gst-launch-1.0": "gstreamer1.0-tools", "tshark": "tshark"}
PEERS = list(PROGRAM)


class Held(msgspec.Struct, frozen=True):
    """One call as its record, the peer's recording and the API know it."""

    session: CallSession
    recording: Path
    figures: dict[str, Any]
    local_port: int
    remote_port: int


def need(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed: run 'sudo apt-get install {PACKAGE[program]}'")


def free_pair() -> int:
    """An even port that is free, with the odd one above it."""
    for port in range(23_000, 24_000, 2):
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as a,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as b,
        ):
            try:
                a.bind((HOST, port))
                b.bind((HOST, port + 1))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


async def start(*words: str) -> subprocess.Popen[bytes]:
    """Not with the loop's own means: it forks, which holds a process as large as a whole suite up for 60 ms and more,
    and the calls in it."""
    return await asyncio.to_thread(subprocess.Popen, words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


async def finish(process: subprocess.Popen[bytes], seconds: float) -> str:
    try:
        said, _ = await asyncio.to_thread(process.communicate, timeout=seconds)
    except subprocess.TimeoutExpired:
        process.terminate()
        said, _ = await asyncio.to_thread(process.communicate)
    return said.decode(errors="replace")


def listener(peer: str, port: int, folder: Path) -> list[str]:
    """The program that writes down what comes to ``port``, and ends by itself."""
    out = folder / f"{peer}.wav"
    if peer == "gstreamer":
        caps = "application/x-rtp,media=audio,clock-rate=8000,encoding-name=PCMA,payload=8"
        pipeline = f"udpsrc address={HOST} port={port} num-buffers={50 * SECONDS} caps={caps} ! rtpjitterbuffer"
        pipeline += f" ! rtppcmadepay ! alawdec ! wavenc ! filesink location={out}"
        return ["gst-launch-1.0", "-q", *pipeline.split()]
    sdp = folder / "call.sdp"
    sdp.write_text(f"v=0\no=- 0 0 IN IP4 {HOST}\ns=-\nc=IN IP4 {HOST}\nt=0 0\nm=audio {port} RTP/AVP 0\n")
    options = "-nostdin -loglevel error -protocol_whitelist file,udp,rtp -y"
    return ["ffmpeg", *options.split(), "-i", str(sdp), "-t", str(SECONDS), str(out)]


def speaker(peer: str, port: int) -> list[str]:
    """The program that speaks a tone to ``port`` in real time."""
    hz = TONE_HZ[peer]
    if peer == "gstreamer":
        pipeline = (
            f"audiotestsrc freq={hz} volume=0.3 is-live=true num-buffers={50 * (SECONDS + 1)} samplesperbuffer=160"
        )
        pipeline += " ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay min-ptime=20000000 max-ptime=20000000"
        pipeline += f" ! udpsink host={HOST} port={port}"
        return ["gst-launch-1.0", "-q", *pipeline.split()]
    tone = f"sine=frequency={hz}:sample_rate=8000:samples_per_frame=160:duration={SECONDS + 1}"
    target = f"rtp://{HOST}:{port}?pkt_size=172"  # 20 ms and the header
    return ["ffmpeg", *f"-nostdin -loglevel error -re -f lavfi -i {tone} -c:a pcm_mulaw -f rtp {target}".split()]


async def hold(peer: str, api: httpx.AsyncClient, over: dict[str, asyncio.Future[CallSession]], folder: Path) -> Held:
    remote_port = free_pair() if peer == "ffmpeg" else free_pair() + 2
    ear = await start(*listener(peer, remote_port, folder))
    over[peer] = asyncio.get_running_loop().create_future()
    await asyncio.sleep(0.5)  # a program of somebody else's has no way to say that it listens
    wanted = {"call_id": peer, "remote_ip": HOST, "remote_port": remote_port, "codec": LAW[peer]}
    opened = (await api.post("/api/rtp/sessions", json=wanted)).json()
    mouth = await start(*speaker(peer, opened["local_port"]))
    said = await finish(ear, SECONDS + 10)
    assert ear.returncode == 0, said
    figures = (await api.get(f"/api/rtp/sessions/{peer}")).json()
    await finish(mouth, 5)
    await api.delete(f"/api/rtp/sessions/{peer}")
    session = await asyncio.wait_for(over[peer], 10)
    return Held(session, folder / f"{peer}.wav", figures, opened["local_port"], remote_port)


async def watched(folder: Path) -> subprocess.Popen[bytes] | None:
    """tshark on the loopback, if it is here and may."""
    if shutil.which("tshark") is None:
        return None
    process = await start("tshark", "-q", "-i", "lo", "-f", "udp", "-w", str(folder / "line.pcapng"))
    assert process.stdout is not None
    capturing = await asyncio.to_thread(lambda out: any(b"Capturing" in said for said in out), process.stdout)
    await asyncio.sleep(0.5)  # it says so a little before it does so
    return process if process.poll() is None and capturing else None


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Held], Path]:
    folder = tmp_path_factory.mktemp("peers")
    peers = [peer for peer in PEERS if shutil.which(PROGRAM[peer])]

    async def all_at_once() -> dict[str, Held]:
        over: dict[str, asyncio.Future[CallSession]] = {}
        config = Config.load(agent="echo", agent_rate=16000, host=HOST, port=0, drain_seconds=0, insecure=True)
        config = config.with_platform(RTP.spec, auth_token=TOKEN, ports="22000-22039")

        def keep(session: CallSession) -> None:
            over[session.call_id].set_result(session)

        async with running(config, Agent(""), keep=keep) as service:
            eye = await watched(folder)
            async with httpx.AsyncClient(base_url=service.gateway.base_url, trust_env=False) as api:
                held = await asyncio.gather(*(hold(peer, api, over, folder) for peer in peers))
            if eye is not None:
                eye.terminate()
                await finish(eye, 5)
        return dict(zip(peers, held, strict=True))

    return uvloop.run(all_at_once()), folder


def samples(path: Path) -> NDArray[np.float64]:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        return np.frombuffer(file.readframes(-1), "<i2").astype(np.float64)


@pytest.mark.parametrize("peer", PEERS)
def test_the_tone_that_comes_back_is_the_tone_that_was_sent(calls: tuple[dict[str, Held], Path], peer: str) -> None:
    need(PROGRAM[peer])
    heard = samples(calls[0][peer].recording)
    assert len(heard) == pytest.approx(8000 * SECONDS, rel=0.3)
    tone = heard[-16_000:]  # the buffers have settled, the tone goes on
    at = np.arange(len(tone)) / 8000
    basis = np.stack([np.cos(2 * np.pi * TONE_HZ[peer] * at), np.sin(2 * np.pi * TONE_HZ[peer] * at)], axis=1)
    fitted = basis @ np.linalg.lstsq(basis, tone, rcond=None)[0]
    # One sine of that frequency and one phase explains two seconds of it: nothing is missing, doubled or of another
    # rate. G.711 there and back leaves some 35 dB.
    level = 10 * np.log10(np.square(fitted).sum() / np.square(tone - fitted).sum())
    assert level > 28, f"{level:.1f} dB"


@pytest.mark.parametrize("peer", PEERS)
def test_every_ledger_balances_and_nothing_was_lost(calls: tuple[dict[str, Held], Path], peer: str) -> None:
    need(PROGRAM[peer])
    held = calls[0][peer]
    assert held.session.ledger.balances
    assert held.session.end_reason == "hung up"
    received = held.figures["received"]
    assert received["lost"] == received["late"] == received["dropped"] == 0
    assert received["packets"] > 50 * (SECONDS - 1)
    assert not any(held.figures["ignored"].values())


def fields(capture: Path, port: int, protocol: str, keep: str, *names: str) -> list[list[str]]:
    """What tshark makes of the datagrams to ``port``: one row each, a column for each name."""
    words = ["tshark", "-r", str(capture), "-d", f"udp.port=={port},{protocol}", "-Y", f"udp.dstport=={port} && {keep}"]
    words += ["-T", "fields", *(word for name in names for word in ("-e", name))]

    async def read() -> str:
        return await finish(await start(*words), 30)

    lines = asyncio.run(read()).splitlines()
    return [row for line in lines if len(row := line.split("\t")) == len(names)]


def line(capture: Path) -> Path:
    need("tshark")
    if not capture.exists() or not capture.stat().st_size:
        pytest.skip("tshark may not watch the loopback: it needs root, or the group wireshark")
    return capture


@pytest.mark.parametrize("peer", PEERS)
def test_tshark_sees_no_break_in_what_we_send(calls: tuple[dict[str, Held], Path], peer: str) -> None:
    need(PROGRAM[peer])
    held, capture = calls[0][peer], line(calls[1] / "line.pcapng")
    audio = f"rtp.p_type=={PAYLOAD_TYPE[LAW[peer]]}"
    rows = fields(capture, held.remote_port, "rtp", audio, "rtp.seq", "rtp.timestamp", "rtp.marker", "rtp.ssrc")
    assert len(rows) > 50 * SECONDS
    assert {(int(b[0]) - int(a[0])) % 2**16 for a, b in pairwise(rows)} == {1}
    assert {(int(b[1]) - int(a[1])) % 2**32 for a, b in pairwise(rows)} == {160}
    assert [row[2] for row in rows if row[2] not in ("0", "False")] == [rows[0][2]], "one talkspurt"
    assert len({row[3] for row in rows}) == 1
    faults = fields(capture, held.remote_port, "rtp", "rtp", "_ws.malformed", "_ws.expert.severity")
    assert not [row for row in faults if any(row)]


def test_tshark_reads_our_reports_and_ours_answer_the_peers(calls: tuple[dict[str, Held], Path]) -> None:
    need("ffmpeg")  # it sends reports of its own
    held, capture = calls[0]["ffmpeg"], line(calls[1] / "line.pcapng")
    port = held.remote_port + 1
    names = ("rtcp.sender.packetcount", "rtcp.ssrc.fraction", "rtcp.ssrc.cum_nr", "rtcp.ssrc.lsr", "rtcp.sdes.type")
    rows = fields(capture, port, "rtcp", "rtcp.pt==200", *names)
    assert rows
    packets, fraction, lost, last_report, items = rows[-1]
    assert 40 < int(packets) < 50 * (SECONDS + 2)
    assert (fraction, lost) == ("0", "0")
    assert int(last_report, 0) > 0, "ffmpeg's report was read"
    assert items.startswith("1"), "a CNAME"
    assert fields(capture, port, "rtcp", "rtcp.pt==203", "rtcp.ssrc.identifier"), "the goodbye"
    faults = fields(capture, port, "rtcp", "rtcp", "_ws.malformed", "rtcp.length_check.bad")
    assert not [row for row in faults if any(row)]


# --- when our packets leave ----------------------------------------------------------------------------------------


def pcap(packets: Sequence[tuple[float, bytes]], port: int) -> bytes:
    """A capture of datagrams to ``port``, each with its time: bare IPv4 (link type 228), UDP without a checksum."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 228)]
    address = socket.inet_aton(HOST)
    for at, data in packets:
        udp = struct.pack("!HHHH", 9, port, 8 + len(data), 0) + data
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, address, address) + udp
        out.append(struct.pack("<IIII", int(at), int(at % 1 * 1e6), len(ip), len(ip)) + ip)
    return b"".join(out)


async def listen(seconds: float) -> tuple[list[tuple[float, bytes]], int]:
    """What we send to a peer that only listens, with the kernel's own time of each datagram."""
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    ear.bind((HOST, 0))
    ear.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
    port = ear.getsockname()[1]
    config = Config.load(agent="echo", host=HOST, port=0, drain_seconds=0, insecure=True)
    config = config.with_platform(RTP.spec, ports="22040-22049")
    async with running(config, Agent("")) as service, httpx.AsyncClient(trust_env=False) as api:
        wanted = {"call_id": "c1", "remote_ip": HOST, "remote_port": port, "codec": "PCMU"}
        await api.post(f"{service.gateway.base_url}/api/rtp/sessions", json=wanted)
        await asyncio.sleep(seconds)
    packets = []
    while True:
        try:
            data, control, *_ = ear.recvmsg(2048, 64)
        except BlockingIOError:
            break
        whole, parts = struct.unpack("qq", control[0][2])
        packets.append((whole + parts / 1e9, data))
    ear.close()
    return [(at, data) for at, data in packets if data[1] < 192], port


def test_packets_leave_on_absolute_deadlines(tmp_path: Path) -> None:
    need("tshark")
    packets, port = uvloop.run(listen(2.5))
    capture = tmp_path / "sent.pcap"
    capture.write_bytes(pcap(packets, port))
    rows = fields(capture, port, "rtp", "rtp", "frame.time_epoch", "rtp.timestamp")
    assert len(rows) > 110
    left = np.array([float(row[0]) for row in rows])
    due = np.unwrap(np.array([float(row[1]) for row in rows]), period=2**32) / 8000
    late = left - due
    late -= late.min()
    assert np.median(late) < 0.004, "the event loop counts milliseconds"
    drift = np.polyfit(due - due[0], late, 1)[0]
    assert abs(drift) < 0.002
