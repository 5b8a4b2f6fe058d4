"""The stream we send: numbers, timestamps and the marker of each packet (RFC 3550 §5.1, RFC 3551 §4.1)."""

import struct
from typing import Final

from trunkline.rtp.packet import RtpPacket
from trunkline.rtp.telephone_event import EventPacket

_pack: Final = struct.Struct("!BBHII").pack


class RtpSender:
    """Numbers what we send. ``ssrc``, ``sequence`` and ``timestamp`` should be random: they are arguments.

    The timestamp follows real time: call ``skip`` for every stretch in which nothing is sent, and ``send_event``'s
    packets replace audio for as long as they last (skip that time too).
    """

    def __init__(self, ssrc: int, payload_type: int, rate: int, *, sequence: int, timestamp: int) -> None:
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.packets = 0
        self.octets = 0
        self._rate = rate
        self._sequence = sequence
        self._timestamp = timestamp
        self._sent_at = 0.0
        self._talking = False

    @property
    def timestamp(self) -> int:
        """The timestamp of the next audio (32 bits); a telephone-event that starts now takes it too."""
        return self._timestamp & 0xFFFFFFFF

    def timestamp_at(self, now: float) -> int:
        """The media clock's reading at ``now``, for sender reports."""
        return (self._timestamp + round((now - self._sent_at) * self._rate)) & 0xFFFFFFFF

    def send(self, payload: bytes, samples: int, now: float) -> RtpPacket:
        """The packet for ``payload``, ``samples`` of the media clock long. The first of a talkspurt is marked."""
        packet = self._packet(self.payload_type, self._timestamp, payload, marker=not self._talking)
        self._talking = True
        self._timestamp += samples
        self._sent_at = now
        return packet

    def send_audio(self, payload: bytes, samples: int, now: float) -> bytes:
        """``send(…).build()`` without the packet in between, for whoever sends fifty of them a second to many."""
        marker_type = self.payload_type if self._talking else self.payload_type | 0x80
        header = _pack(0x80, marker_type, self._sequence & 0xFFFF, self._timestamp & 0xFFFFFFFF, self.ssrc)
        self._talking = True
        self._timestamp += samples
        self._sent_at = now
        self._sequence += 1
        self.packets += 1
        self.octets += len(payload)
        return header + payload

    def skip(self, samples: int, now: float) -> None:
        """``samples`` of the media clock pass without audio: "the timestamp increases … even if the block is not
        transmitted or discarded as silent" (§5.1)."""
        self._timestamp += samples
        self._sent_at = now
        self._talking = False

    def send_event(self, event: EventPacket, payload_type: int) -> RtpPacket:
        """The packet for one step of a key press; ``payload_type`` is the negotiated telephone-event type."""
        return self._packet(payload_type, event.timestamp, event.payload, marker=event.marker)

    def _packet(self, payload_type: int, timestamp: int, payload: bytes, *, marker: bool) -> RtpPacket:
        packet = RtpPacket(payload_type, self._sequence & 0xFFFF, timestamp & 0xFFFFFFFF, self.ssrc, payload, marker)
        self._sequence += 1
        self.packets += 1
        self.octets += len(payload)
        return packet
