"""RTCP packets: compound datagram to values and back (RFC 3550 §6).

``parse_compound`` raises ``RemoteError`` and nothing else. Report types nobody here needs come back as ``OtherRtcp``.
A ``Goodbye`` says that a source fell silent for good; it is not the end of the call, signalling is.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from trunkline.errors import RemoteError

SENDER_REPORT: Final = 200
RECEIVER_REPORT: Final = 201
SOURCE_DESCRIPTION: Final = 202
GOODBYE: Final = 203
CNAME: Final = 1
"""The one SDES item every compound packet must hold (§6.5.1)."""

_HEADER: Final = struct.Struct("!BBH")
_SENDER_INFO: Final = struct.Struct("!QIII")
_BLOCK: Final = struct.Struct("!IIIIII")
_SSRC: Final = struct.Struct("!I")
_MAX_COUNT: Final = 31  # the count field has 5 bits


class ReportBlock(msgspec.Struct, frozen=True, gc=False):
    """How one source is received (§6.4.1)."""

    ssrc: int  # the source reported on
    fraction_lost: int  # since the last report, in 1/256
    lost: int  # since the beginning; may be negative
    extended_highest: int
    jitter: int  # in units of the media clock
    last_sr: int = 0  # middle 32 bits of the last sender report's NTP time; 0 if there was none
    since_last_sr: int = 0  # in 1/65536 s


class SenderReport(msgspec.Struct, frozen=True):
    """What a source sent, and how it receives others (§6.4.1). ``ntp`` and ``timestamp`` are the same instant."""

    ssrc: int
    ntp: int  # 64 bits: seconds since 1900 and their fraction in 1/2^32
    timestamp: int
    packets: int
    octets: int  # of payload
    blocks: tuple[ReportBlock, ...] = ()


class ReceiverReport(msgspec.Struct, frozen=True):
    """How a participant who sends nothing receives others (§6.4.2)."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


class SourceItem(msgspec.Struct, frozen=True, gc=False):
    """One SDES item: its kind (``CNAME`` …) and up to 255 bytes of UTF-8, kept as bytes (private)."""

    kind: int
    text: bytes


class SourceDescription(msgspec.Struct, frozen=True):
    """Who the sources are (§6.5): SSRC and items of each."""

    chunks: tuple[tuple[int, tuple[SourceItem, ...]], ...]


class Goodbye(msgspec.Struct, frozen=True):
    """These sources send no more (§6.6)."""

    sources: tuple[int, ...]
    reason: bytes = b""


class OtherRtcp(msgspec.Struct, frozen=True, gc=False):
    """A packet type that means nothing to us: APP, feedback, extended reports. Normal; ignore it."""

    packet_type: int
    count: int
    body: bytes


RtcpPacket = SenderReport | ReceiverReport | SourceDescription | Goodbye | OtherRtcp


# --- parsing -----------------------------------------------------------------------------------------------------


def parse_compound(datagram: bytes) -> list[RtcpPacket]:
    """The packets of a compound datagram, validated as a whole (§A.2): version 2 throughout, a report first, no
    padding but on the last, and lengths that add up to the datagram's."""
    return [_parse_one(*part) for part in _split(datagram)]


def _split(datagram: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(type, count, body without padding) of each packet."""
    size = len(datagram)
    if size < _HEADER.size:
        raise RemoteError(f"RTCP: {size} bytes are shorter than a header")
    start = 0
    while start < size:
        if start + _HEADER.size > size:
            raise RemoteError("RTCP: bytes are left over behind the last packet", where="$.length")
        flags, packet_type, words = _HEADER.unpack_from(datagram, start)
        if flags >> 6 != 2:
            raise RemoteError(f"RTCP: version {flags >> 6} instead of 2", where="$.version")
        if start == 0 and packet_type not in (SENDER_REPORT, RECEIVER_REPORT):
            raise RemoteError(f"RTCP: a compound packet begins with type {packet_type}, not a report", where="$.type")
        end = start + 4 * (words + 1)
        if end > size:
            raise RemoteError("RTCP: a packet is longer than its datagram", where="$.length")
        body = datagram[start + _HEADER.size : end]
        if flags & 0x20:
            # "In a compound RTCP packet, padding is only required on one individual packet" – the last (§6.4.1).
            if end != size:
                raise RemoteError("RTCP: padding on a packet that is not the last", where="$.padding")
            count = body[-1] if body else 0
            if not 4 <= count <= len(body) or count % 4:
                raise RemoteError(f"RTCP: {count} bytes of padding in {len(body)} bytes", where="$.padding")
            body = body[:-count]
        yield packet_type, flags & 0x1F, body
        start = end


def _parse_one(packet_type: int, count: int, body: bytes) -> RtcpPacket:
    match packet_type:
        case 200:
            return _parse_sender_report(count, body)
        case 201:
            _need(body, _SSRC.size, "receiver report")
            return ReceiverReport(_SSRC.unpack_from(body)[0], _parse_blocks(count, body, _SSRC.size))
        case 202:
            return _parse_source_description(count, body)
        case 203:
            return _parse_goodbye(count, body)
        case _:
            return OtherRtcp(packet_type, count, body)


def _need(body: bytes, size: int, what: str) -> None:
    if len(body) < size:
        raise RemoteError(f"RTCP: a {what} of {len(body)} bytes needs {size}", where="$.length")


def _parse_sender_report(count: int, body: bytes) -> SenderReport:
    start = _SSRC.size + _SENDER_INFO.size
    _need(body, start, "sender report")
    (ssrc,) = _SSRC.unpack_from(body)
    ntp, timestamp, packets, octets = _SENDER_INFO.unpack_from(body, _SSRC.size)
    return SenderReport(ssrc, ntp, timestamp, packets, octets, _parse_blocks(count, body, start))


def _parse_blocks(count: int, body: bytes, start: int) -> tuple[ReportBlock, ...]:
    # What follows the blocks is a profile-specific extension (§6.4.3): skipped.
    _need(body, start + count * _BLOCK.size, f"report with {count} blocks")
    return tuple(_parse_block(body, start + i * _BLOCK.size) for i in range(count))


def _parse_block(body: bytes, start: int) -> ReportBlock:
    ssrc, loss, highest, jitter, last_sr, since = _BLOCK.unpack_from(body, start)
    lost = loss & 0xFFFFFF
    if lost >> 23:  # 24 bits, signed
        lost -= 1 << 24
    return ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last_sr, since)


def _parse_source_description(count: int, body: bytes) -> SourceDescription:
    chunks = []
    at = 0
    for _ in range(count):
        _need(body, at + _SSRC.size, "source description")
        (ssrc,) = _SSRC.unpack_from(body, at)
        items, at = _parse_items(body, at + _SSRC.size)
        chunks.append((ssrc, items))
    return SourceDescription(tuple(chunks))


def _parse_items(body: bytes, at: int) -> tuple[tuple[SourceItem, ...], int]:
    """The items of one chunk and where the next chunk begins: behind a zero byte, on the next 32-bit boundary."""
    items: list[SourceItem] = []
    while at < len(body):
        kind = body[at]
        if kind == 0:
            return tuple(items), at // 4 * 4 + 4
        _need(body, at + 2, "source description")
        end = at + 2 + body[at + 1]
        _need(body, end, "source description")
        items.append(SourceItem(kind, body[at + 2 : end]))
        at = end
    raise RemoteError("RTCP: the items of a source have no end", where="$.items")


def _parse_goodbye(count: int, body: bytes) -> Goodbye:
    start = count * _SSRC.size
    _need(body, start, f"goodbye from {count} sources")
    reason = b""
    if len(body) > start:
        end = start + 1 + body[start]
        _need(body, end, "goodbye with a reason")
        reason = body[start + 1 : end]
    return Goodbye(struct.unpack_from(f"!{count}I", body), reason)


# --- building ----------------------------------------------------------------------------------------------------


def build_compound(packets: Sequence[RtcpPacket]) -> bytes:
    """The datagram. Begin with a report and put a ``SourceDescription`` with a CNAME in: every compound packet has
    both (§6.1). Raises ``ValueError`` for what has no place in the format."""
    if not packets or not isinstance(packets[0], SenderReport | ReceiverReport):
        raise ValueError("a compound packet begins with a report")
    return b"".join(_build_one(packet) for packet in packets)


def _build_one(packet: RtcpPacket) -> bytes:
    match packet:
        case SenderReport():
            info = _SENDER_INFO.pack(
                packet.ntp, packet.timestamp & 0xFFFFFFFF, packet.packets & 0xFFFFFFFF, packet.octets & 0xFFFFFFFF
            )
            body = _SSRC.pack(packet.ssrc) + info + _build_blocks(packet.blocks)
            return _frame(SENDER_REPORT, len(packet.blocks), body)
        case ReceiverReport():
            body = _SSRC.pack(packet.ssrc) + _build_blocks(packet.blocks)
            return _frame(RECEIVER_REPORT, len(packet.blocks), body)
        case SourceDescription():
            body = b"".join(_build_chunk(ssrc, items) for ssrc, items in packet.chunks)
            return _frame(SOURCE_DESCRIPTION, len(packet.chunks), body)
        case Goodbye():
            body = struct.pack(f"!{len(packet.sources)}I", *packet.sources)
            if packet.reason:
                body += _counted(packet.reason)
            return _frame(GOODBYE, len(packet.sources), body)
        case OtherRtcp():
            return _frame(packet.packet_type, packet.count, packet.body)


def _frame(packet_type: int, count: int, body: bytes) -> bytes:
    if not 0 <= count <= _MAX_COUNT:
        raise ValueError(f"{count} items in one RTCP packet: at most {_MAX_COUNT} fit")
    body += bytes(-len(body) % 4)
    return _HEADER.pack(0x80 | count, packet_type, len(body) // 4) + body


def _build_blocks(blocks: Sequence[ReportBlock]) -> bytes:
    return b"".join(
        _BLOCK.pack(
            b.ssrc,
            b.fraction_lost << 24 | b.lost & 0xFFFFFF,
            b.extended_highest & 0xFFFFFFFF,
            b.jitter & 0xFFFFFFFF,
            b.last_sr,
            b.since_last_sr,
        )
        for b in blocks
    )


def _build_chunk(ssrc: int, items: Sequence[SourceItem]) -> bytes:
    chunk = _SSRC.pack(ssrc) + b"".join(bytes((item.kind,)) + _counted(item.text) for item in items)
    return chunk + bytes(4 - len(chunk) % 4)  # at least one zero ends the items


def _counted(text: bytes) -> bytes:
    if len(text) > 255:
        raise ValueError(f"a text of {len(text)} bytes: at most 255 fit")
    return bytes((len(text),)) + text
