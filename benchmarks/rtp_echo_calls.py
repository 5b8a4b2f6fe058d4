"""What whole calls over RTP cost a gateway, beside a bare echo of the same datagrams, in one run.

    python benchmarks/rtp_echo_calls.py [--calls N] [--seconds N] [--json] [RECORDING.wav]

A gateway with the echo agent at 24 kHz and a bare echo of as many ports run as processes of their own on one core;
cheap telephones are on the other and send the recording to both, a packet each 20 ms and call. The figures are each
one's processor time per packet pair in the second in which it was least: a neighbour's work only ever adds to it. How
evenly the gateway's packets left is of all the time. Linux only.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

from trunkline.audio import g711
from trunkline.audio.resample import Resampler
from trunkline.rtp.sender import RtpSender

SPEECH = Path(os.environ.get("TRUNKLINE_SPEECH_DIR", Path(__file__).parents[2] / "shared/speech"))
PACKET = 160
PACKET_S = 0.02
PHASES = 20  # the calls' packets are spread over so many moments
SETTLE_S = 3.0  # until the jitter buffers have found their delay
FIRST_PORT = 20_000
BARE_PORT = 26_000
OURS = ("127.0.0.1", 31_000)


def packets(path: Path) -> list[bytes]:
    """The recording as payloads of mu-law."""
    with wave.open(str(path)) as file:
        if file.getnchannels() != 1 or file.getsampwidth() != 2:
            sys.exit(f"{path}: mono PCM16 is wanted")
        rate, pcm16 = file.getframerate(), file.readframes(file.getnframes())
    if rate != 8000:
        pcm16 = Resampler(rate, 8000).process(pcm16)
    audio = g711.encode_mulaw(pcm16)
    return [audio[at : at + PACKET] for at in range(0, len(audio) - PACKET, PACKET)]


class Phones:
    """All telephones, on one socket: which call a packet is of, its sender's port tells."""

    def __init__(self, sock: socket.socket, ports: list[int], audio: list[bytes]) -> None:
        self.gaps: list[float] = []  # seconds between two packets of one of the gateway's calls
        self.heard = self.heard_bare = 0
        self._sock = sock
        self._to = [("127.0.0.1", port) for port in ports]
        self._senders = [RtpSender(1000 + n, 0, 8000, sequence=n, timestamp=n) for n in range(len(ports))]
        self._audio = audio
        self._last: dict[int, float] = {}

    def speak(self, seconds: float) -> None:
        """Speak and listen for so long."""
        begin = time.monotonic()
        for slot in range(round(seconds / PACKET_S) * PHASES):
            time.sleep(max(0.0, begin + slot * PACKET_S / PHASES - time.monotonic()))
            for n in range(slot % PHASES, len(self._to), PHASES):
                sender = self._senders[n]
                payload = self._audio[(sender.packets + 37 * n) % len(self._audio)]
                with contextlib.suppress(OSError):
                    self._sock.sendto(sender.send_audio(payload, PACKET, 0.0), self._to[n])
            self._listen()

    def _listen(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                _, (_, port) = self._sock.recvfrom(2048)
                if port >= BARE_PORT:
                    self.heard_bare += 1
                    continue
                now = time.monotonic()
                self.heard += 1
                if port in self._last:
                    self.gaps.append(now - self._last[port])
                self._last[port] = now


@contextlib.contextmanager
def program(arguments: list[str], core: int | None, **settings: str) -> Iterator[tuple[int, str]]:
    """It runs on ``core`` until the context is left: its process id, and the last word of its first line."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        process = subprocess.Popen(
            arguments, env=os.environ | settings, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    finally:
        os.sched_setaffinity(0, before)
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        yield process.pid, process.stdout.readline().split()[-1]
    finally:
        process.kill()  # it need not wait for its calls to end
        process.wait()


def cpu_s(process: int) -> float:
    """Processor time so far, of all threads."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def dial(base: str, call_id: str) -> int:
    """Open a session: the port to send to."""
    body = {"call_id": call_id, "remote_ip": OURS[0], "remote_port": OURS[1], "codec": "PCMU"}
    wanted = urllib.request.Request(f"{base}/api/rtp/sessions", json.dumps(body).encode())  # noqa: S310
    with urllib.request.urlopen(wanted) as reply:  # noqa: S310 - our own gateway
        return int(json.load(reply)["local_port"])


async def echo(calls: int) -> None:
    """The bare echo: every datagram goes back to where it came from."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) for _ in range(calls)]
    for n, sock in enumerate(socks):
        sock.bind(("127.0.0.1", BARE_PORT + 2 * n))
        loop.add_reader(sock, _answer, sock.recvfrom, sock.sendto)
    print("ready", flush=True)
    await stop.wait()


def _answer(receive: Callable[[int], tuple[bytes, object]], send: Callable[[bytes, object], int]) -> None:
    send(*receive(2048))


def measure(calls: int, seconds: int, audio: list[bytes]) -> dict[str, float]:
    """µs per packet pair of both, and how evenly the gateway's packets left."""
    cores = sorted(os.sched_getaffinity(0))
    core = cores[-1] if len(cores) > 1 else None
    if core is not None:
        os.sched_setaffinity(0, {cores[0]})
    serve = [sys.executable, "-m", "trunkline", "serve", "--insecure", "--port", "0", "--agent", "echo"]
    settings = {
        "TRUNKLINE_MAX_CALLS": str(calls + 1),
        "TRUNKLINE_LOG_LEVEL": "error",
        "RTP_PORTS": f"{FIRST_PORT}-{BARE_PORT - 1}",
    }
    with contextlib.ExitStack() as open_:
        sock = open_.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        sock.bind(OURS)
        sock.setblocking(False)
        bare, _ = open_.enter_context(program([sys.executable, __file__, "--echo", str(calls)], core))
        ours, base = open_.enter_context(program([*serve, "--agent-rate", "24000"], core, **settings))
        ports = [dial(base, f"c{n}") for n in range(calls)]
        phones = Phones(sock, [*ports, *(BARE_PORT + 2 * n for n in range(calls))], audio)
        phones.speak(SETTLE_S)
        phones.gaps.clear()
        costs: list[tuple[float, float]] = []
        heard = 0
        for _ in range(seconds):
            before = cpu_s(ours), cpu_s(bare)
            phones.heard = phones.heard_bare = 0
            phones.speak(1.0)
            if phones.heard and phones.heard_bare:
                gateway_us, bare_us = 1e6 * (cpu_s(ours) - before[0]), 1e6 * (cpu_s(bare) - before[1])
                costs.append((gateway_us / phones.heard, bare_us / phones.heard_bare))
            heard += phones.heard
        gaps = [1000 * gap for gap in phones.gaps]
    late = sorted(abs(gap - 1000 * PACKET_S) for gap in gaps)
    return {
        "calls": calls,
        "gateway_us": min(cost[0] for cost in costs),
        "bare_us": min(cost[1] for cost in costs),
        "came_back": heard * PACKET_S / calls / seconds,
        "gap_mean_ms": statistics.fmean(gaps),
        "gap_deviation_ms": statistics.pstdev(gaps),
        "gap_p99_off_ms": late[len(late) * 99 // 100],
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("recording", nargs="?", type=Path, default=SPEECH / "jfk.wav", metavar="RECORDING.wav")
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--echo", type=int, default=0, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.echo:
        import uvloop

        uvloop.run(echo(asked.echo))
        return
    found = measure(asked.calls, asked.seconds, packets(asked.recording))
    if asked.json:
        print(json.dumps(found))
        return
    gateway, bare = found["gateway_us"], found["bare_us"]
    print(
        f"{asked.calls} echo calls: {gateway:.1f} µs per packet pair; the bare echo {bare:.1f}, "
        f"ratio {gateway / bare:.1f}; {100 * found['came_back']:.1f} % came back, "
        f"{found['gap_mean_ms']:.2f} ms apart "
        f"(deviation {found['gap_deviation_ms']:.2f}, p99 off by {found['gap_p99_off_ms']:.2f})"
    )


if __name__ == "__main__":
    main()
