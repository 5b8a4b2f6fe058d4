from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorded import vectors
from trunkline.errors import RemoteError
from trunkline.rtp.rtcp import (
    CNAME,
    Goodbye,
    OtherRtcp,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    SourceItem,
    build_compound,
    parse_compound,
)

VECTORS = vectors("rtcp", "rtp")
GOOD = [v for v in VECTORS if "types" in v]
BAD = [v for v in VECTORS if "error" in v]


def name_of(vector: dict[str, Any]) -> str:
    return str(vector["name"])


@pytest.mark.parametrize("vector", GOOD, ids=name_of)
def test_good_datagrams_give_their_packets(vector: dict[str, Any]) -> None:
    datagram = bytes.fromhex(vector["hex"])
    packets = parse_compound(datagram)
    assert [type(packet).__name__ for packet in packets] == vector["types"]
    if "one_way" not in vector:
        assert build_compound(packets) == datagram


@pytest.mark.parametrize("vector", BAD, ids=name_of)
def test_bad_datagrams_give_one_error_that_names_the_field(vector: dict[str, Any]) -> None:
    with pytest.raises(RemoteError) as caught:
        parse_compound(bytes.fromhex(vector["hex"]))
    assert str(caught.value) == vector["error"]


def test_a_sender_report_holds_what_the_bytes_say() -> None:
    vector = next(v for v in GOOD if v["name"].startswith("sender report"))
    block = ReportBlock(0xDEADBEEF, 64, -2, 0x10002, 20, last_sr=0x7A0D3E01, since_last_sr=0x10000)
    assert parse_compound(bytes.fromhex(vector["hex"])) == [
        SenderReport(7, 0xE1F97A0D3E018BE0, 160, 10, 1600, (block,)),
        SourceDescription(((7, (SourceItem(CNAME, b"abc"),)),)),
    ]


u32 = st.integers(0, 0xFFFFFFFF)
blocks = st.lists(
    st.builds(ReportBlock, u32, st.integers(0, 255), st.integers(-(1 << 23), (1 << 23) - 1), u32, u32, u32, u32),
    max_size=31,
).map(tuple)
sender_reports = st.builds(SenderReport, u32, st.integers(0, (1 << 64) - 1), u32, u32, u32, blocks)
receiver_reports = st.builds(ReceiverReport, u32, blocks)
items = st.lists(st.builds(SourceItem, st.integers(1, 255), st.binary(max_size=255)), max_size=4).map(tuple)
others: st.SearchStrategy[RtcpPacket] = st.one_of(
    st.builds(SourceDescription, st.lists(st.tuples(u32, items), max_size=5).map(tuple)),
    st.builds(Goodbye, st.lists(u32, max_size=31).map(tuple), st.binary(max_size=255)),
    st.builds(
        OtherRtcp,
        st.integers(204, 207),
        st.integers(0, 31),
        st.binary(max_size=40).map(lambda body: body + bytes(-len(body) % 4)),
    ),
    sender_reports,
    receiver_reports,
)
compounds = st.tuples(sender_reports | receiver_reports, st.lists(others, max_size=4)).map(
    lambda parts: [parts[0], *parts[1]]
)


@given(compounds)
def test_any_packets_survive_the_round_trip(packets: list[RtcpPacket]) -> None:
    assert parse_compound(build_compound(packets)) == packets


@given(st.binary(max_size=120))
def test_any_bytes_give_packets_or_a_remote_error(datagram: bytes) -> None:
    for candidate in (datagram, b"\x80\xc9\x00\x01\x00\x00\x00\x07" + datagram):
        try:
            parse_compound(candidate)
        except RemoteError:
            continue


@given(compounds, st.data())
def test_a_damaged_byte_gives_packets_or_a_remote_error(packets: list[RtcpPacket], data: st.DataObject) -> None:
    datagram = bytearray(build_compound(packets))
    datagram[data.draw(st.integers(0, len(datagram) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse_compound(bytes(datagram))
    except RemoteError:
        return


@pytest.mark.parametrize(
    ("packets", "reason"),
    [
        ([], "begins with a report"),
        ([Goodbye((1,))], "begins with a report"),
        ([ReceiverReport(1, (ReportBlock(1, 0, 0, 0, 0),) * 32)], "at most 31 fit"),
        ([ReceiverReport(1), Goodbye((1,), b"x" * 256)], "at most 255 fit"),
    ],
)
def test_what_has_no_place_in_the_format_is_not_built(packets: list[RtcpPacket], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        build_compound(packets)
