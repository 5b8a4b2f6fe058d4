"""When to send RTCP, what it says, and what the peer's reports tell us: round trip and its losses (RFC 3550 §6).

Ask ``Reporter.get_timer`` when it wants to be woken, send what ``handle_timer`` returns, hand it every RTCP datagram.
Wall-clock time appears only in sender reports, as NTP time; everything else is monotonic.
"""

from typing import Final

import msgspec

from trunkline.rtp.reception import Reception
from trunkline.rtp.rtcp import (
    CNAME,
    Goodbye,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    SourceItem,
    build_compound,
    parse_compound,
)
from trunkline.rtp.sender import RtpSender

MIN_INTERVAL_S: Final = 5.0  # §6.2: for a two-party call the bandwidth share never asks for more
_COMPENSATION: Final = 1.21828  # e − 3/2 (§6.3.1)
_NTP_EPOCH_S: Final = 2_208_988_800  # from 1900 to 1970


def report_interval(random: float, *, first: bool) -> float:
    """Seconds until the next report; ``random`` is uniform in [0, 1). The first one comes after half the time."""
    shortest = MIN_INTERVAL_S / 2 if first else MIN_INTERVAL_S
    return shortest * (0.5 + random) / _COMPENSATION


def ntp_time(unix: float) -> int:
    """The 64-bit NTP time of a moment given in seconds since 1970."""
    return int((unix + _NTP_EPOCH_S) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def middle_32(ntp: int) -> int:
    """The middle 32 bits of an NTP time: 1/65536 s, wrapping after 18 hours."""
    return ntp >> 16 & 0xFFFFFFFF


class PeerView(msgspec.Struct, frozen=True, gc=False):
    """How the peer receives us, from its last report block."""

    fraction_lost: float  # 0–1, of its last interval
    lost: int
    jitter: int  # in units of the media clock
    round_trip_s: float | None  # None until it has answered one of our sender reports


class Reporter:
    """RTCP of one call: our reports out, the peer's in. ``cname`` names us across restarts; don't put a name in it."""

    def __init__(self, sender: RtpSender, reception: Reception, cname: str, *, now: float, random: float) -> None:
        self._sender = sender
        self._reception = reception
        self._cname = cname.encode()
        self._due = now + report_interval(random, first=True)
        self._sent_before = 0
        self._last_sr_ssrc = 0
        self._last_sr = 0
        self._last_sr_at = 0.0
        self.peer: PeerView | None = None

    def get_timer(self) -> float:
        """When the next report is due."""
        return self._due

    def handle_timer(self, now: float, *, unix: float, random: float) -> bytes | None:
        """The compound datagram to send, or None if it is not time yet. ``random`` sets when the next one is due."""
        if now < self._due:
            return None
        self._due = now + report_interval(random, first=False)
        return build_compound([self._report(now, unix), self._description()])

    def goodbye(self, now: float, *, unix: float) -> bytes:
        """The last datagram, when the call is over."""
        return build_compound([self._report(now, unix), self._description(), Goodbye((self._sender.ssrc,))])

    def receive(self, datagram: bytes, now: float, *, unix: float) -> list[RtcpPacket]:
        """Learn from an RTCP datagram; returns its packets. Raises ``RemoteError`` if it is broken."""
        packets = parse_compound(datagram)
        for packet in packets:
            match packet:
                case SenderReport():
                    # It may be ahead of the source's first packet: whose it is matters when we report.
                    self._last_sr_ssrc, self._last_sr, self._last_sr_at = packet.ssrc, middle_32(packet.ntp), now
                    self._learn(packet.blocks, unix)
                case ReceiverReport():
                    self._learn(packet.blocks, unix)
        return packets

    def _learn(self, blocks: tuple[ReportBlock, ...], unix: float) -> None:
        for block in blocks:
            if block.ssrc != self._sender.ssrc:
                continue
            round_trip = None
            if block.last_sr:
                # "A − LSR − DLSR" (§6.4.1), in 1/65536 s, modulo 2^32; a negative one is the peer's clock slipping.
                ticks = (middle_32(ntp_time(unix)) - block.last_sr - block.since_last_sr) & 0xFFFFFFFF
                round_trip = ticks / 65536 if ticks < 1 << 31 else 0.0
            self.peer = PeerView(block.fraction_lost / 256, block.lost, block.jitter, round_trip)

    def _report(self, now: float, unix: float) -> SenderReport | ReceiverReport:
        last_sr = self._last_sr if self._last_sr_ssrc == self._reception.ssrc else 0
        since = min(0xFFFFFFFF, round((now - self._last_sr_at) * 65536)) if last_sr else 0
        block = self._reception.report_block(last_sr=last_sr, since_last_sr=since)
        blocks = (block,) if block else ()
        sender = self._sender
        # "If a participant has sent data packets since its last report: SR" (§6.4), else RR.
        if sender.packets == self._sent_before:
            return ReceiverReport(sender.ssrc, blocks)
        self._sent_before = sender.packets
        return SenderReport(
            sender.ssrc, ntp_time(unix), sender.timestamp_at(now), sender.packets, sender.octets, blocks
        )

    def _description(self) -> SourceDescription:
        return SourceDescription(((self._sender.ssrc, (SourceItem(CNAME, self._cname),)),))
