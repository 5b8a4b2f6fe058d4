"""One RTP packet: datagram to values and back (RFC 3550 §5.1), and what else may arrive on its port (RFC 7983).

Call ``kind_of`` first: RTCP, STUN and DTLS share the port. ``RtpPacket.parse`` raises ``RemoteError`` and nothing
else; drop such a datagram and count it, it never ends a call.
"""

import struct
from enum import Enum
from typing import Final

import msgspec

from trunkline.errors import RemoteError

_HEADER: Final = struct.Struct("!BBHII")
_EXTENSION: Final = struct.Struct("!HH")
_STUN_COOKIE: Final = b"\x21\x12\xa4\x42"  # RFC 5389 §6
_STUN_HEADER_BYTES: Final = 20
_MAX_CSRC: Final = 15  # the CC field has 4 bits


class Kind(Enum):
    """What a datagram on the RTP port is, judged by its first bytes only."""

    RTP = "rtp"
    RTCP = "rtcp"
    STUN = "stun"
    DTLS = "dtls"
    UNKNOWN = "unknown"


def kind_of(datagram: bytes) -> Kind:
    """Which parser should see ``datagram``. Never raises; says nothing of whether it is well formed.

    First byte 0–3 is STUN, 20–63 DTLS, 128–191 RTP or RTCP (RFC 7983 §7); those two are told apart by the second
    byte, 192–223 being RTCP (RFC 5761 §4).
    """
    if len(datagram) < 2:
        return Kind.UNKNOWN
    first = datagram[0]
    if first >> 6 == 2:
        return Kind.RTCP if 192 <= datagram[1] <= 223 else Kind.RTP
    if first <= 3 and len(datagram) >= _STUN_HEADER_BYTES and datagram[4:8] == _STUN_COOKIE:
        return Kind.STUN
    return Kind.DTLS if 20 <= first <= 63 else Kind.UNKNOWN


class HeaderExtension(msgspec.Struct, frozen=True, gc=False):
    """The header extension as it stands: ``profile`` 0xBEDE is RFC 8285's one-byte form. We only carry it."""

    profile: int
    data: bytes  # a whole number of 32-bit words


class RtpPacket(msgspec.Struct, frozen=True, gc=False):
    """An RTP packet without its padding. ``timestamp`` counts samples of the payload type's clock."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False
    csrc: tuple[int, ...] = ()
    extension: HeaderExtension | None = None

    # 0                   1                   2                   3
    # 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    # |V=2|P|X|  CC   |M|     PT      |       sequence number         |
    # |                           timestamp                           |
    # |                             SSRC                              |
    # |                    CSRC × CC, if any                          |
    # |   extension profile, if X     |  length in 32-bit words       |
    # |                     extension … payload … padding, if P       |

    @classmethod
    def parse(cls, datagram: bytes) -> "RtpPacket":
        """The packet in ``datagram``. An empty payload is allowed: it counts for the sequence and carries no audio."""
        end = len(datagram)
        if end < _HEADER.size:
            raise RemoteError(f"RTP: {end} bytes are shorter than the {_HEADER.size} of a header")
        flags, marker_type, sequence, timestamp, ssrc = _HEADER.unpack_from(datagram)
        if flags >> 6 != 2:
            raise RemoteError(f"RTP: version {flags >> 6} instead of 2", where="$.version")
        start = _HEADER.size
        csrc: tuple[int, ...] = ()
        extension = None
        if flags & 0x3F:  # padding, extension or CSRC: rare in telephony
            if count := flags & 0x0F:
                csrc, start = _parse_csrc(datagram, start, count)
            if flags & 0x10:
                extension, start = _parse_extension(datagram, start)
            if flags & 0x20:
                end -= _padding(datagram, start)
        return cls(
            marker_type & 0x7F,
            sequence,
            timestamp,
            ssrc,
            datagram[start:end],
            marker_type > 0x7F,
            csrc,
            extension,
        )

    def build(self, *, pad_to: int = 1) -> bytes:
        """The datagram, padded to a multiple of ``pad_to`` bytes (block ciphers want that).

        ``sequence`` and ``timestamp`` are taken modulo their width, so extended counters may be passed as they are.
        Raises ``ValueError`` for what has no place in the header.
        """
        if not 0 <= self.payload_type <= 127:
            raise ValueError(f"payload type {self.payload_type} is not in 0–127")
        if len(self.csrc) > _MAX_CSRC:
            raise ValueError(f"{len(self.csrc)} contributing sources: at most {_MAX_CSRC} fit")
        flags = 0x80 | len(self.csrc)
        middle = b"".join(source.to_bytes(4, "big") for source in self.csrc)
        if self.extension is not None:
            words, rest = divmod(len(self.extension.data), 4)
            if rest:
                raise ValueError("a header extension is a whole number of 32-bit words")
            flags |= 0x10
            middle += _EXTENSION.pack(self.extension.profile, words) + self.extension.data
        padding = b""
        if fill := -(_HEADER.size + len(middle) + len(self.payload)) % pad_to:
            flags |= 0x20
            padding = bytes(fill - 1) + bytes((fill,))
        marker_type = self.payload_type | (0x80 if self.marker else 0)
        head = _HEADER.pack(flags, marker_type, self.sequence & 0xFFFF, self.timestamp & 0xFFFFFFFF, self.ssrc)
        return b"".join((head, middle, self.payload, padding))


def _parse_csrc(datagram: bytes, start: int, count: int) -> tuple[tuple[int, ...], int]:
    end = start + 4 * count
    if end > len(datagram):
        raise RemoteError(f"RTP: {count} contributing sources announced, the packet ends before", where="$.csrc")
    return struct.unpack_from(f"!{count}I", datagram, start), end


def _parse_extension(datagram: bytes, start: int) -> tuple[HeaderExtension, int]:
    data = start + _EXTENSION.size
    if data > len(datagram):
        raise RemoteError("RTP: the packet ends before its header extension", where="$.extension")
    profile, words = _EXTENSION.unpack_from(datagram, start)
    end = data + 4 * words
    if end > len(datagram):
        raise RemoteError(f"RTP: a header extension of {words} words is longer than the packet", where="$.extension")
    return HeaderExtension(profile, datagram[data:end]), end


def _padding(datagram: bytes, start: int) -> int:
    """Bytes of padding: "the last octet … contains a count of how many padding octets should be ignored,
    including itself" (§5.1)."""
    room = len(datagram) - start
    if room < 1:
        raise RemoteError("RTP: padding announced in a packet without payload", where="$.padding")
    count = datagram[-1]
    if not 1 <= count <= room:
        raise RemoteError(f"RTP: {count} bytes of padding in {room} bytes of payload", where="$.padding")
    return count
