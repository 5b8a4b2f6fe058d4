"""A sender, a bad network and a listener: the whole of the RTP room and the buffer behind it, in virtual time."""

from itertools import count

import numpy as np
import pytest

from trunkline.audio import g711
from trunkline.audio.conceal import Concealer
from trunkline.audio.format import MULAW_8K
from trunkline.audio.jitter import Frame, Gap, JitterBuffer, Wait
from trunkline.audio.noise import ComfortNoise
from trunkline.errors import RemoteError
from trunkline.rtp.packet import Kind, RtpPacket, kind_of
from trunkline.rtp.reception import Reception
from trunkline.rtp.sender import RtpSender
from trunkline.rtp.sequence import Standing
from trunkline.rtp.telephone_event import EventReceiver, press

PCMU, EVENTS = 0, 101


class Listener:
    """What a gateway does with each datagram, and at each tick of 20 ms."""

    def __init__(self) -> None:
        self.reception = Reception(8000)
        self.buffer = JitterBuffer(MULAW_8K)
        self.events = EventReceiver()
        self.concealer = Concealer()
        self.noise = ComfortNoise(seed=1)
        self.keys = ""
        self.pcm16 = b""
        self.broken = 0

    def receive(self, datagram: bytes, now: float) -> None:
        if kind_of(datagram) is not Kind.RTP:
            return
        try:
            packet = RtpPacket.parse(datagram)
        except RemoteError:
            self.broken += 1
            return
        match self.reception.receive(packet, now):
            case Standing.JUMPED:
                return
            case Standing.RESTARTED:
                self.buffer.reset()
        audio = packet.payload if packet.payload_type == PCMU else b""
        self.buffer.push(self.reception.extended, packet.timestamp, now, audio)
        if packet.payload_type == EVENTS:
            heard = self.events.receive(packet.payload, packet.timestamp, packet.ssrc, marker=packet.marker, now=now)
            self.keys += "".join(event.digit or "" for event in heard)

    def tick(self, now: float) -> None:
        self.keys += "".join(event.digit or "" for event in self.events.handle_timer(now))
        while True:
            match self.buffer.pop(now):
                case Frame(audio):
                    self.pcm16 += self.concealer.received(g711.decode_mulaw(audio))
                case Gap(samples, lost=True):
                    self.pcm16 += self.concealer.lost(samples)
                case Gap(samples):
                    self.pcm16 += self.concealer.received(self.noise.next(samples))
                case Wait():
                    return


def talk(seconds: float, ssrc: int = 1, start: float = 0.0) -> list[tuple[float, bytes]]:
    """Datagrams of a hum, the key 5 pressed in its middle, each with the time it is sent."""
    sender = RtpSender(ssrc, PCMU, 8000, sequence=65_500, timestamp=0xFFFFF000)
    sent: list[tuple[float, bytes]] = []
    n = 0
    while n < int(seconds * 50):
        now = start + n * 0.02
        if n == int(seconds * 25):
            steps = list(press("5", timestamp=sender.timestamp, rate=8000, ms=100))
            for step in steps:
                sent.append((now + step.after_ms / 1000, sender.send_event(step, EVENTS).build()))
            sender.skip(160 * len(steps), now)
            n += len(steps)
            continue
        t = (n * 160 + np.arange(160)) / 8000
        pcm = np.rint(6000 * np.sin(2 * np.pi * 200 * t)).astype("<i2").tobytes()
        sent.append((now, sender.send(g711.encode_mulaw(pcm), 160, now).build()))
        n += 1
    return sent


def carry(sent: list[tuple[float, bytes]], *, loss: float, spread: float, seed: int) -> Listener:
    """Bring the datagrams to a listener over a network that loses, delays, doubles and swaps them."""
    rng = np.random.default_rng(seed)
    arrivals = sorted(
        (at + 0.03 + float(rng.uniform(0, spread)), datagram)
        for at, datagram in sent
        for _ in range(1 + (rng.random() < loss / 4))
        if rng.random() >= loss
    )
    listener = Listener()
    for n in count():
        now = n * 0.02
        while arrivals and arrivals[0][0] <= now:
            at, datagram = arrivals.pop(0)
            listener.receive(datagram, at)
        listener.tick(now)
        if not arrivals and not listener.buffer.held:
            return listener
    raise AssertionError


@pytest.mark.parametrize(("loss", "spread"), [(0.0, 0.0), (0.0, 0.05), (0.05, 0.01), (0.1, 0.08)])
def test_a_call_over_a_bad_network_is_heard_as_long_as_it_was_spoken(loss: float, spread: float) -> None:
    sent = talk(20)
    listener = carry(sent, loss=loss, spread=spread, seed=3)
    assert listener.keys == "5"
    stats = listener.buffer.stats
    assert stats.received == stats.played + stats.empty + stats.duplicates + stats.late
    assert stats.played + stats.empty + stats.missing == pytest.approx(len(sent), abs=3), "but for lost first and last"
    assert stats.lost == pytest.approx(loss * len(sent), abs=0.04 * len(sent) * (loss > 0))
    assert len(listener.pcm16) / 16000 == pytest.approx(20, abs=0.3)


def test_without_losses_nothing_is_made_up_but_the_key() -> None:
    listener = carry(talk(20), loss=0, spread=0, seed=1)
    assert listener.buffer.stats.lost_samples == 0
    assert listener.buffer.stats.silence_samples == pytest.approx(7 * 160, abs=640)


def test_a_transfer_to_another_source_is_followed() -> None:
    sent = talk(3) + talk(3, ssrc=99, start=3.0)
    listener = carry(sent, loss=0.0, spread=0.0, seed=1)
    assert listener.reception.ssrc == 99
    assert listener.reception.source_changes == 1
    assert listener.keys == "55"
    assert len(listener.pcm16) / 16000 == pytest.approx(6, abs=0.3)


def test_rubbish_among_the_datagrams_is_counted_and_changes_nothing() -> None:
    sent = talk(5)
    rubbish = [(at + 0.001, b"\x90\x00" + datagram[2:12]) for at, datagram in sent[::10]]
    clean, dirty = (carry(packets, loss=0, spread=0, seed=1) for packets in (sent, sorted(sent + rubbish)))
    assert dirty.broken == len(rubbish)
    assert dirty.pcm16 == clean.pcm16
