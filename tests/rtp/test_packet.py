from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorded import vectors
from trunkline.errors import RemoteError
from trunkline.rtp.packet import HeaderExtension, Kind, RtpPacket, kind_of

VECTORS = vectors("packet", "rtp")
GOOD = [v for v in VECTORS if "packet" in v]
BAD = [v for v in VECTORS if "error" in v]


def packet_of(fields: dict[str, Any]) -> RtpPacket:
    fields = fields | {"payload": bytes.fromhex(fields["payload"]), "csrc": tuple(fields.get("csrc", ()))}
    if "extension" in fields:
        profile, data = fields["extension"]
        fields["extension"] = HeaderExtension(profile, bytes.fromhex(data))
    return RtpPacket(**fields)


def name_of(vector: dict[str, Any]) -> str:
    return str(vector["name"])


@pytest.mark.parametrize("vector", GOOD, ids=name_of)
def test_good_datagrams_give_their_packet(vector: dict[str, Any]) -> None:
    datagram = bytes.fromhex(vector["hex"])
    assert RtpPacket.parse(datagram) == packet_of(vector["packet"])
    if "one_way" not in vector:
        assert packet_of(vector["packet"]).build() == datagram


@pytest.mark.parametrize("vector", BAD, ids=name_of)
def test_bad_datagrams_give_one_error_that_names_the_field(vector: dict[str, Any]) -> None:
    with pytest.raises(RemoteError) as caught:
        RtpPacket.parse(bytes.fromhex(vector["hex"]))
    assert str(caught.value) == vector["error"]


@pytest.mark.parametrize("vector", GOOD, ids=name_of)
def test_a_packet_cut_short_is_a_packet_or_an_error(vector: dict[str, Any]) -> None:
    datagram = bytes.fromhex(vector["hex"])
    for size in range(len(datagram)):
        try:
            packet = RtpPacket.parse(datagram[:size])
        except RemoteError:
            continue
        assert len(packet.payload) <= size - 12


@given(st.binary(max_size=80), st.integers(0, 0xFF))
def test_any_bytes_give_a_packet_or_a_remote_error(rest: bytes, flags: int) -> None:
    for datagram in (rest, bytes((0x80 | flags & 0x3F,)) + rest):
        try:
            packet = RtpPacket.parse(datagram)
        except RemoteError:
            continue
        assert RtpPacket.parse(packet.build()) == packet


extensions = st.builds(
    HeaderExtension,
    profile=st.integers(0, 0xFFFF),
    data=st.binary(max_size=8).map(lambda data: data + bytes(-len(data) % 4)),
)
packets = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(max_size=40),
    marker=st.booleans(),
    csrc=st.lists(st.integers(0, 0xFFFFFFFF), max_size=15).map(tuple),
    extension=st.none() | extensions,
)


@given(packets, st.sampled_from([1, 4, 16]))
def test_any_packet_survives_the_round_trip(packet: RtpPacket, pad_to: int) -> None:
    datagram = packet.build(pad_to=pad_to)
    assert len(datagram) % pad_to == 0
    assert RtpPacket.parse(datagram) == packet
    assert kind_of(datagram) is (Kind.RTCP if 192 <= datagram[1] <= 223 else Kind.RTP)


def test_counters_wrap_when_built() -> None:
    packet = RtpPacket(0, 65_536 + 5, (1 << 32) + 7, 1, b"")
    assert RtpPacket.parse(packet.build()) == RtpPacket(0, 5, 7, 1, b"")


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (RtpPacket(128, 0, 0, 0, b""), "payload type 128 is not in 0–127"),
        (RtpPacket(0, 0, 0, 0, b"", csrc=(1,) * 16), "16 contributing sources: at most 15 fit"),
        (RtpPacket(0, 0, 0, 0, b"", extension=HeaderExtension(0xBEDE, b"abc")), "whole number of 32-bit words"),
    ],
)
def test_what_has_no_place_in_the_header_is_not_built(packet: RtpPacket, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        packet.build()


STUN = bytes.fromhex("000100002112a442") + bytes(12)


@pytest.mark.parametrize(
    ("datagram", "kind"),
    [
        (bytes.fromhex("80801234000000a0deadbeef"), Kind.RTP),
        (bytes.fromhex("80c9000100000007"), Kind.RTCP),
        (bytes.fromhex("80df"), Kind.RTCP),
        (bytes.fromhex("80e0"), Kind.RTP),
        (bytes.fromhex("bfbf"), Kind.RTP),
        (STUN, Kind.STUN),
        (STUN[:4] + b"\0" + STUN[5:], Kind.UNKNOWN),
        (STUN[:19], Kind.UNKNOWN),
        (b"\x16\xfe\xfd", Kind.DTLS),
        (b"\x3f\x00", Kind.DTLS),
        (b"\x40\x00", Kind.UNKNOWN),
        (b"\xc0\x00", Kind.UNKNOWN),
        (b"\r\n", Kind.UNKNOWN),
        (b"\x80", Kind.UNKNOWN),
        (b"", Kind.UNKNOWN),
    ],
)
def test_protocols_on_one_port_are_told_apart(datagram: bytes, kind: Kind) -> None:
    assert kind_of(datagram) is kind


@given(st.binary(max_size=40))
def test_any_bytes_have_a_kind(datagram: bytes) -> None:
    assert kind_of(datagram) in Kind
