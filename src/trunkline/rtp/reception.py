"""What we know of the stream we receive: which source, its losses, its jitter (RFC 3550 §A.1, §A.3, §A.8).

Feed every RTP packet to ``Reception.receive`` and do what the returned ``Standing`` says (see ``sequence``). The SSRC
may change in mid-call (transfer, music on hold): that shows as ``JUMPED`` until the new source has sent two packets in
sequence, then as ``RESTARTED``.
"""

from typing import Final

from trunkline.rtp.packet import RtpPacket
from trunkline.rtp.rtcp import ReportBlock
from trunkline.rtp.sequence import SequenceTracker, Standing

_MAX_TRANSIT_JUMP_S: Final = 10.0  # a larger step is a new timeline of the sender's, not jitter


class JitterEstimate:
    """Interarrival jitter as RTCP reports it (§A.8), in units of the media clock.

    Not what sizes a jitter buffer: it is a mean over about 16 packets that hides what a buffer must bridge.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._scaled = 0  # the estimate × 16: "J += (|D| − J)/16" in integers
        self._transit: int | None = None
        self._timestamp = -1

    @property
    def value(self) -> int:
        """The estimate in units of the media clock, as reports carry it."""
        return self._scaled >> 4

    @property
    def ms(self) -> float:
        """The estimate in milliseconds."""
        return self._scaled / 16 * 1000 / self._rate

    def receive(self, timestamp: int, arrival: float) -> None:
        """A packet with this timestamp came at ``arrival`` (seconds, monotonic)."""
        if timestamp == self._timestamp:
            return  # telephone-events repeat theirs: nothing to learn
        transit = round(arrival * self._rate) - timestamp
        if self._transit is not None:
            # The difference modulo 2^32: timestamps wrap after six days at 8 kHz, or at once if they start high.
            step = (transit - self._transit + 0x80000000) % 0x100000000 - 0x80000000
            if abs(step) < _MAX_TRANSIT_JUMP_S * self._rate:
                self._scaled += abs(step) - (self._scaled + 8 >> 4)
        self._transit = transit
        self._timestamp = timestamp

    def forget_transit(self) -> None:
        """The next packet isn't comparable with the last: another payload type, or a restart."""
        self._transit = None
        self._timestamp = -1


class Reception:
    """One incoming RTP stream, its source free to change. ``rate`` is the media clock in Hz."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._tracker = SequenceTracker()
        self._candidate_ssrc: int | None = None
        self._candidate = SequenceTracker()
        self._payload_type: int | None = None
        self.ssrc: int | None = None
        """The source listened to; None before the first packet."""
        self.jitter = JitterEstimate(rate)
        self.source_changes = 0

    @property
    def extended(self) -> int:
        """The last accepted packet's extended sequence number."""
        return self._tracker.extended

    @property
    def valid(self) -> bool:
        """Whether the source has proven itself: two packets in sequence."""
        return self._tracker.valid

    @property
    def received(self) -> int:
        """Packets counted of the present source."""
        return self._tracker.received

    @property
    def lost(self) -> int:
        """Packets missing of the present source."""
        return self._tracker.lost

    def receive(self, packet: RtpPacket, arrival: float) -> Standing:
        """The standing of ``packet``, which came at ``arrival`` (seconds, monotonic)."""
        return self.receive_header(packet.ssrc, packet.sequence, packet.timestamp, packet.payload_type, arrival)

    def receive_header(self, ssrc: int, sequence: int, timestamp: int, payload_type: int, arrival: float) -> Standing:
        """``receive`` for whoever has read the header and needs no packet made of it."""
        if self.ssrc is None:
            self.ssrc = ssrc
        elif ssrc != self.ssrc:
            return self._receive_other(ssrc, sequence, timestamp, payload_type, arrival)
        standing = self._tracker.receive(sequence)
        if standing is Standing.IN_ORDER:
            self._learn(timestamp, payload_type, arrival)
        elif standing is Standing.RESTARTED:
            self.jitter.forget_transit()
        return standing

    def _learn(self, timestamp: int, payload_type: int, arrival: float) -> None:
        if payload_type != self._payload_type:
            self._payload_type = payload_type
            self.jitter.forget_transit()
        self.jitter.receive(timestamp, arrival)

    def _receive_other(self, ssrc: int, sequence: int, timestamp: int, payload_type: int, arrival: float) -> Standing:
        if ssrc != self._candidate_ssrc:
            self._candidate_ssrc = ssrc
            self._candidate = SequenceTracker()
        self._candidate.receive(sequence)
        if not self._candidate.valid:
            return Standing.JUMPED
        self.ssrc = ssrc
        self._tracker, self._candidate = self._candidate, SequenceTracker()
        self._candidate_ssrc = None
        self.jitter = JitterEstimate(self._rate)
        self._payload_type = None
        self.source_changes += 1
        self._learn(timestamp, payload_type, arrival)
        return Standing.RESTARTED

    def report_block(self, *, last_sr: int = 0, since_last_sr: int = 0) -> ReportBlock | None:
        """The block for our next report, and the end of its interval; None while there is nothing to report on."""
        if self.ssrc is None or not self.valid:
            return None
        loss = self._tracker.report()
        return ReportBlock(
            self.ssrc,
            loss.fraction,
            loss.cumulative,
            loss.extended_highest,
            self.jitter.value,
            last_sr,
            since_last_sr,
        )
