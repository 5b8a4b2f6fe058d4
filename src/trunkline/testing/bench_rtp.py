"""What one RTP packet each way costs, beside a bare echo of the same datagrams, in one run and one process.

    python -m trunkline.testing.bench_rtp

A packet pair is a datagram read from a UDP socket on the loopback, parsed, put in order, and brought from G.711 at
8 kHz to PCM16 at 16 kHz; and a frame of 16 kHz brought back, numbered and sent. The bare echo reads and sends the same
datagrams and does nothing else: what the kernel and Python's socket cost. The peer's own side is not timed.
"""

import random
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from trunkline.audio.convert import Converter
from trunkline.audio.format import PCM16_8K, PCM16_16K
from trunkline.rtp.sender import RtpSender
from trunkline.wire._rtp_figures import Figures
from trunkline.wire._rtp_gateway import TICK, RtpGateway
from trunkline.wire._rtp_messages import CODINGS, Law, SessionWanted
from trunkline.wire.base import BinaryFrame
from trunkline.wire.events import AudioHeard, PlayAudio
from trunkline.wire.rtp import RtpDoor, RtpSettings

BATCH: Final = 64
"""Packets at one go: as many as a socket holds without losing any."""
SECONDS: Final = 4.0
BARE: Final = "bare echo"
LAWS: Final[tuple[Law, ...]] = ("PCMU", "PCMA")
AIM_US: Final = 12.0

Numbers = dict[str, Any]
Pair = Callable[[bytes], bytes]


def run(seconds: float = SECONDS) -> Numbers:
    """µs per packet pair, sockets and all: of both laws, and of the bare echo."""
    frame = np.rint(np.random.default_rng(1).normal(0, 4000, 320)).astype("<i2").tobytes()
    legs: dict[str, Pair] = {BARE: _nothing}
    legs |= {law: Leg(law, frame).pair for law in LAWS}
    rows = _best(legs, seconds)
    return {
        "us_per_pair": rows,
        "own_work_us": {law: rows[law] - rows[BARE] for law in LAWS},
        "aim_us": AIM_US,
    }


def _nothing(datagram: bytes) -> bytes:
    return datagram


class Leg:
    """One call's codec and converters, fed with time of its own: a packet each 20 ms."""

    def __init__(self, law: Law, frame: bytes) -> None:
        dice = random.Random(1)  # noqa: S311 - the same each time
        wanted = SessionWanted("bench", "127.0.0.1", 4000, law)
        door = RtpDoor(RtpSettings(), insecure=True)
        self._codec: RtpGateway = door.open(wanted, now=0.0, epoch=1.7e9, bits=dice.getrandbits, draw=dice.random)
        self._up = Converter(PCM16_8K, PCM16_16K)
        self._down = Converter(PCM16_16K, CODINGS[law].audio)
        self._frame = frame
        self._n = 0
        self._codec.receive(TICK, binary=True, now=0.0)
        self._codec.replies.clear()

    def pair(self, datagram: bytes) -> bytes:
        """A datagram in, its audio converted; a frame converted, and the datagram that leaves at this deadline."""
        codec = self._codec
        self._n += 1
        now = self._n * 0.02
        for event in codec.receive(datagram, binary=True, now=now):
            if type(event) is AudioHeard:
                self._up.process(event.audio)
        codec.send(PlayAudio(self._down.process(self._frame)))
        codec.receive(TICK, binary=True, now=now)
        sent = codec.replies[0]
        codec.replies.clear()
        return sent.data if isinstance(sent, BinaryFrame) else b""

    def figures(self) -> Figures:
        """What became of it all."""
        return self._codec.figures()


def _best(legs: dict[str, Pair], seconds: float) -> dict[str, float]:
    """The best batch of each, in turn, so that all meet the same machine."""
    found = {name: float("inf") for name in legs}
    senders = {name: _sender("PCMA" if name == "PCMA" else "PCMU") for name in legs}
    until = time.perf_counter() + seconds
    with _socket() as ours, _socket() as peer:
        while time.perf_counter() < until:
            for name, pair in legs.items():
                batch = [senders[name].send_audio(bytes(range(160)), 160, 0.0) for _ in range(BATCH)]
                found[name] = min(found[name], _timed(pair, batch, ours, peer))
    return found


def _sender(law: Law) -> RtpSender:
    return RtpSender(7, CODINGS[law].payload_type, 8000, sequence=0, timestamp=0)


def _timed(pair: Pair, batch: list[bytes], ours: socket.socket, peer: socket.socket) -> float:
    to, back = ours.getsockname(), peer.getsockname()
    for datagram in batch:
        peer.sendto(datagram, to)
    began = time.perf_counter()
    for _ in batch:
        data, _source = ours.recvfrom(2048)
        ours.sendto(pair(data), back)
    took = time.perf_counter() - began
    for _ in batch:
        peer.recv(2048)
    return took / len(batch) * 1e6


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    made.bind(("127.0.0.1", 0))
    made.settimeout(5)
    return made


def lines(numbers: Numbers) -> list[str]:
    """For people."""
    own = numbers["own_work_us"]
    out = ["RTP packet pair on the loopback, G.711 at 8 kHz to PCM16 at 16 kHz and back:"]
    for name, us in numbers["us_per_pair"].items():
        ours = f", {own[name]:.2f} of them beyond the bare echo" if name in own else ""
        out.append(f"  {name}: {us:.2f} µs{ours}")
    return out


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines(run())) + "\n")
