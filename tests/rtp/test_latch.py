"""Who is believed to be the peer, and who isn't."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.rtp.latch import MOVE_PACKETS, SILENT_S, STRANGER_PACKETS, WINDOW_S, Address, Latch

HOME: Address = ("192.0.2.1", 4000)
OTHER_PORT: Address = ("192.0.2.1", 5000)
AWAY: Address = ("198.51.100.7", 40_000)
THIEF: Address = ("203.0.113.66", 6666)
START = 1_000.0


def packet(n: int, ssrc: int = 7, payload_type: int = 0) -> bytes:
    return struct.pack("!BBHII", 0x80, payload_type, n & 0xFFFF, 160 * n, ssrc) + bytes(160)


def latch(*, symmetric: bool = True) -> Latch:
    return Latch(HOME, symmetric=symmetric, payload_types={0, 101}, now=START)


def speak(
    to: Latch, source: Address, numbers: range, *, ssrc: int = 7, at: float = START, every_s: float = 0.02
) -> int:
    """How many packets were heard."""
    return sum(len(to.admit(packet(n, ssrc), source, at + i * every_s)) for i, n in enumerate(numbers))


@pytest.mark.parametrize("symmetric", [True, False])
def test_the_announced_address_is_heard_from_the_first_packet_on(symmetric: bool) -> None:
    ours = latch(symmetric=symmetric)
    assert speak(ours, HOME, range(10)) == 10
    assert (ours.source, ours.destination, ours.strangers, ours.moves) == (HOME, HOME, 0, 0)


def test_a_peer_that_sends_from_another_port_than_it_listens_at_is_heard_and_sent_to_where_it_said() -> None:
    ours = latch(symmetric=False)
    assert speak(ours, OTHER_PORT, range(10)) == 10
    assert (ours.source, ours.destination) == (OTHER_PORT, HOME)


@pytest.mark.parametrize("numbers", [range(3), range(100)])
def test_without_symmetry_another_ip_is_never_heard(numbers: range) -> None:
    ours = latch(symmetric=False)
    assert speak(ours, AWAY, numbers) == 0
    assert (ours.source, ours.destination, ours.strangers) == (None, HOME, len(numbers))


def test_a_peer_behind_a_translator_is_believed_after_some_packets_and_loses_none_of_them() -> None:
    ours = latch()
    assert speak(ours, AWAY, range(STRANGER_PACKETS - 1)) == 0
    assert ours.destination == HOME
    held = ours.admit(packet(STRANGER_PACKETS - 1), AWAY, START + 0.06)
    assert held == [packet(n) for n in range(STRANGER_PACKETS)]
    assert (ours.source, ours.destination, ours.strangers) == (AWAY, AWAY, 0)


@pytest.mark.parametrize(
    "datagrams",
    [
        [packet(n, payload_type=96) for n in range(10)],
        [packet(n, ssrc=n) for n in range(10)],
        [packet(5)] * 10,
        [packet(1000 * n) for n in range(10)],
        [packet(10 - n) for n in range(10)],
        [b"\x00\x01\x00\x08\x21\x12\xa4\x42" + bytes(20)] * 10,
        [b"\x80\xc8\x00\x06" + bytes(24)] * 10,
        [b"", b"\x80", b"\x80\x00\x00"],
    ],
    ids=["another payload type", "many sources", "copies", "leaps", "backwards", "STUN", "RTCP", "stumps"],
)
def test_what_is_no_stream_is_never_latched_to(datagrams: list[bytes]) -> None:
    ours = latch()
    assert not [heard for d in datagrams for heard in ours.admit(d, AWAY, START)]
    assert (ours.source, ours.destination) == (None, HOME)


def test_many_strangers_at_once_do_not_keep_the_peer_out() -> None:
    ours = latch()
    for n in range(STRANGER_PACKETS):
        for guess in range(100):
            ours.admit(packet(n), ("203.0.113.66", guess), START)
        heard = [ours.admit(packet(n + i), AWAY, START) for i in range(STRANGER_PACKETS)]
    assert heard[-1]
    assert ours.destination == AWAY


def test_after_the_window_a_stranger_comes_too_late_and_the_announced_address_does_not() -> None:
    ours = latch()
    assert speak(ours, AWAY, range(10), at=START + WINDOW_S) == 0
    assert speak(ours, HOME, range(10), at=START + WINDOW_S + 1) == 10


@pytest.mark.parametrize("ssrc", [7, 8])
def test_nobody_takes_the_place_of_a_peer_who_speaks(ssrc: int) -> None:
    ours = latch()
    for n in range(50):
        assert ours.admit(packet(n), AWAY, START + n * 0.02) or n < STRANGER_PACKETS - 1
        assert not ours.admit(packet(n + 1, ssrc), THIEF, START + n * 0.02 + 0.01) or n == 0
    assert (ours.destination, ours.moves) == (AWAY, 0)


def test_a_peer_whose_address_changes_is_followed_if_it_is_the_same_source_and_the_old_one_is_silent() -> None:
    ours = latch()
    speak(ours, HOME, range(10))
    moved = START + 0.2 + SILENT_S
    assert speak(ours, AWAY, range(10, 10 + MOVE_PACKETS), at=moved) == MOVE_PACKETS
    assert (ours.source, ours.destination, ours.moves) == (AWAY, AWAY, 1)


def test_another_source_may_not_move_in_even_when_the_peer_is_silent() -> None:
    ours = latch()
    speak(ours, HOME, range(10))
    assert speak(ours, THIEF, range(100), ssrc=8, at=START + 5) == 0
    assert ours.destination == HOME


def test_the_source_that_was_followed_is_the_one_that_may_move() -> None:
    ours = latch()
    speak(ours, HOME, range(10))
    ours.follow(8)  # a transfer: the stream's reader has seen the new source prove itself
    assert speak(ours, THIEF, range(10), ssrc=7, at=START + 5) == 0
    assert speak(ours, AWAY, range(10), ssrc=8, at=START + 6) == 10


def test_the_announced_address_takes_its_place_from_another_port_at_once() -> None:
    ours = latch(symmetric=False)
    speak(ours, OTHER_PORT, range(5))
    assert speak(ours, HOME, range(5)) == 5
    assert ours.source == HOME


def test_reports_are_heard_from_the_peers_ip_only() -> None:
    ours = latch()
    assert ours.allows_control(("192.0.2.1", 4001))
    assert not ours.allows_control(("198.51.100.7", 40_001))
    speak(ours, AWAY, range(5))
    assert ours.allows_control(("198.51.100.7", 40_001))
    assert not ours.allows_control(("192.0.2.1", 4001))


@given(st.lists(st.tuples(st.sampled_from([AWAY, THIEF, OTHER_PORT]), st.binary(max_size=40)), max_size=30))
def test_any_datagrams_leave_the_destination_where_it_was_announced_unless_symmetric(
    datagrams: list[tuple[Address, bytes]],
) -> None:
    ours = latch(symmetric=False)
    for source, datagram in datagrams:
        ours.admit(datagram, source, START)
    assert ours.destination == HOME
    assert ours.source in (None, OTHER_PORT)
