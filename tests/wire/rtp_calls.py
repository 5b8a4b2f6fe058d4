"""A call over plain RTP, both ends, on values and virtual time. Shared by the tests of RTP's files."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trunkline.ai.base import AgentModel
from trunkline.audio import g711
from trunkline.audio.format import PCM16_8K
from trunkline.call.settings import CallSettings
from trunkline.rtp.packet import RtpPacket
from trunkline.testing.agents import ScriptedAgent
from trunkline.testing.link import Line
from trunkline.testing.outcome import Outcome
from trunkline.testing.phone import Phone
from trunkline.testing.rtp_end import RtpEnd, rtp_end
from trunkline.testing.scene import play
from trunkline.testing.script import Action
from trunkline.wire._rtp_gateway import TICK, RtpGateway
from trunkline.wire._rtp_messages import SessionWanted
from trunkline.wire._rtp_phone import RtpPhone
from trunkline.wire.base import BinaryFrame
from trunkline.wire.events import AudioHeard, AudioMissing, WireEvent
from trunkline.wire.rtp import RtpDoor, RtpSettings, spec_for

START = 5_000.0
EPOCH = 1_767_258_000.0  # Unix time at 0 of the clock
GOOD_LINE = Line()


def wanted(**fields: Any) -> SessionWanted:
    usual: dict[str, Any] = {"call_id": "c1", "remote_ip": "192.0.2.1", "remote_port": 4000, "codec": "PCMU"}
    return SessionWanted(**(usual | fields))


def door(**settings: Any) -> RtpDoor:
    return RtpDoor(RtpSettings(**({"auth_token": "t" * 32} | settings)), insecure=False)


def gateway(session: SessionWanted | None = None, *, now: float = START, seed: int = 1) -> RtpGateway:
    dice = random.Random(seed)
    return door().open(session or wanted(), now=now, epoch=EPOCH, bits=dice.getrandbits, draw=dice.random)


def phone(**options: Any) -> RtpPhone:
    return RtpPhone(**({"token": "t" * 32, "call_id": "c1", "caller": "+15005550006"} | options))


def held(
    model: AgentModel,
    script: Sequence[Action],
    line: Line = GOOD_LINE,
    *,
    codec: RtpPhone | None = None,
    **options: Any,
) -> tuple[Outcome, RtpEnd]:
    """A whole call, its recording kept."""
    codec = codec or phone()
    ours = rtp_end(
        lambda now: gateway(codec.session, now=now),
        spec=spec_for(codec.session),
        model=model,
        settings=CallSettings(record=True),
    )
    also = [model] if isinstance(model, ScriptedAgent) else []
    return play(Phone(codec, script, wire=codec.audio, **options), ours, line=line, also=also)


def tone(n: int, *, hz: float = 400.0, samples: int = 160, law: str = "PCMU") -> bytes:
    """Packet ``n`` of an endless tone, in G.711."""
    t = (n * samples + np.arange(samples)) / 8000
    pcm = np.rint(8000 * np.sin(2 * np.pi * hz * t)).astype("<i2").tobytes()
    return g711.encode_mulaw(pcm) if law == "PCMU" else g711.encode_alaw(pcm)


def datagram(n: int, payload: bytes | None = None, *, ssrc: int = 7, payload_type: int = 0, **fields: Any) -> bytes:
    """Packet ``n`` of a peer that speaks without a pause."""
    payload = tone(n) if payload is None else payload
    return RtpPacket(payload_type, n & 0xFFFF, (160 * n) & 0xFFFFFFFF, ssrc, payload, **fields).build()


class Peer:
    """Feeds a gateway's codec with datagrams and ticks, and keeps what comes of it."""

    def __init__(self, codec: RtpGateway | None = None) -> None:
        self.codec = codec or gateway()
        self.events: list[WireEvent] = []
        self.sent: list[bytes] = []
        self.now = START
        self.tick()

    def tick(self) -> None:
        self._hand_in(TICK)

    def say(self, data: bytes) -> None:
        self._hand_in(data)

    def wait(self, seconds: float) -> None:
        """Let time pass with nothing from the peer."""
        until = self.now + seconds
        while self.codec.deadline < until:
            self.now = self.codec.deadline
            self.tick()
        self.now = until

    def speak(self, numbers: range, **fields: Any) -> None:
        """One packet each 20 ms."""
        for n in numbers:
            self.say(datagram(n, **fields))
            self.wait(0.02)

    def heard(self, kind: type[WireEvent]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def pcm(self) -> NDArray[np.int16]:
        """What the agent would hear, fillings among it."""
        pieces = [
            event.audio if isinstance(event, AudioHeard) else (event.filling or PCM16_8K.silence(event.samples))
            for event in self.events
            if isinstance(event, AudioHeard | AudioMissing)
        ]
        return np.frombuffer(b"".join(pieces), "<i2")

    def _hand_in(self, data: bytes) -> None:
        self.events += self.codec.receive(data, binary=True, now=self.now)
        for reply in self.codec.replies:
            assert isinstance(reply, BinaryFrame)
            self.sent.append(reply.data)
        self.codec.replies.clear()
