"""Whose packets are heard, and where ours are sent: symmetric RTP (RFC 4961) without believing everybody.

A peer behind an address translator doesn't know the address we see, so we learn it from its packets. Whoever guesses
the port could send some too; therefore an address is learnt only from plausible packets, soon after the start, and is
changed later only for the same source (SSRC) once the old address has fallen silent.

Ask ``admit`` about every datagram and hear what it returns.
"""

import struct
from collections.abc import Collection, Sequence
from typing import Final

WINDOW_S: Final = 10.0
"""How long after the start an address that nobody announced may still be learnt."""
STRANGER_PACKETS: Final = 3
"""Packets in a row, of one source, from an address that nobody announced before it is believed: 60 ms."""
MOVE_PACKETS: Final = 5
"""The same from another address than before, in mid-call."""
SILENT_S: Final = 0.5
"""The address before must have been silent for as long: it may not be pushed aside while it speaks."""
_MAX_STEP: Final = 20  # sequence numbers from one packet to the next: some may be lost

_HEADER: Final = struct.Struct("!BBHII")
_NOTHING: Final[tuple[bytes, ...]] = ()

_MAX_CANDIDATES: Final = 4  # addresses under observation: somebody who also sends can't keep the peer out

Address = tuple[str, int]
"""IP literal and port."""


class _Candidate:
    """An address that may be the peer's, and its packets in a row."""

    def __init__(self, ssrc: int, sequence: int) -> None:
        self.ssrc = ssrc
        self.sequence = sequence
        self.held: list[bytes] = []


class Latch:
    """The peer's addresses in one call. ``signalled`` is what it announced, ``payload_types`` what it may send.

    Not ``symmetric``: only the announced IP is heard, from any one port of it (a peer that isn't symmetric sends from
    another port than it listens at), and ours go where it said.
    """

    def __init__(self, signalled: Address, *, symmetric: bool, payload_types: Collection[int], now: float) -> None:
        self.signalled = signalled
        self.source: Address | None = None
        """Who is heard; None before the first packet."""
        self.destination = signalled
        """Where to send."""
        self.heard_at = now
        """When ``source`` was last heard. Whoever doesn't ask about packets from ``source`` keeps it up to date."""
        self.strangers = 0
        """Datagrams dropped because of where they came from."""
        self.moves = 0
        """How often the peer was found at another address than before."""
        self.symmetric = symmetric
        self._payload_types = frozenset(payload_types)
        self._until = now + WINDOW_S
        self._ssrc: int | None = None  # of the source, as last heard here
        self._candidates: dict[Address, _Candidate] = {}

    def admit(self, datagram: bytes, source: Address, now: float) -> Sequence[bytes]:
        """The datagrams that are now known to be the peer's: this one, with those held before it was believed; or
        nothing."""
        if source == self.source:
            self.heard_at = now
            return (datagram,)
        header = self._plausible(datagram)
        if header is None:
            self.strangers += 1
            return _NOTHING
        ssrc, sequence = header
        wanted = self._packets_wanted(source, ssrc, now)
        if wanted is None:
            self.strangers += 1
            return _NOTHING
        held = self._hold(datagram, source, ssrc, sequence)
        if len(held) < wanted:
            return _NOTHING
        self._lock(source, ssrc, now)
        return held

    def follow(self, ssrc: int | None) -> None:
        """The stream's source is ``ssrc`` now: it may change in mid-call."""
        self._ssrc = ssrc

    def allows_control(self, source: Address) -> bool:
        """Whether reports from there may be the peer's: RTCP comes from another port, but not from another IP."""
        return source[0] == (self.source or self.signalled)[0]

    def _plausible(self, datagram: bytes) -> tuple[int, int] | None:
        """SSRC and sequence number of what could be the peer's audio."""
        if len(datagram) < _HEADER.size:
            return None
        flags, marker_type, sequence, _, ssrc = _HEADER.unpack_from(datagram)
        if flags >> 6 != 2 or marker_type & 0x7F not in self._payload_types:
            return None
        return ssrc, sequence

    def _packets_wanted(self, source: Address, ssrc: int, now: float) -> int | None:
        """How many packets in a row it takes to believe that the peer is at ``source``; None: it can't be."""
        if source == self.signalled:
            return 1  # it said so itself
        at_home = source[0] == self.signalled[0]
        if self.source is None:
            if at_home:
                return 1
            return STRANGER_PACKETS if self.symmetric and now < self._until else None
        if not (self.symmetric or at_home) or ssrc != self._ssrc or now < self.heard_at + SILENT_S:
            return None
        return MOVE_PACKETS

    def _hold(self, datagram: bytes, source: Address, ssrc: int, sequence: int) -> list[bytes]:
        """The packets in a row that ``source`` has sent by now."""
        candidate = self._candidates.get(source)
        if candidate is None:
            if len(self._candidates) >= _MAX_CANDIDATES:
                self.strangers += len(self._candidates.pop(next(iter(self._candidates))).held)
            candidate = self._candidates[source] = _Candidate(ssrc, sequence)
        elif ssrc != candidate.ssrc or not 0 < (sequence - candidate.sequence) & 0xFFFF <= _MAX_STEP:
            self.strangers += len(candidate.held)
            candidate = self._candidates[source] = _Candidate(ssrc, sequence)
        candidate.sequence = sequence
        candidate.held.append(datagram)
        return candidate.held

    def _lock(self, source: Address, ssrc: int, now: float) -> None:
        self.moves += self.source is not None
        self.source = source
        self._ssrc = ssrc
        self.heard_at = now
        if self.symmetric:
            self.destination = source
        del self._candidates[source]
        self.strangers += sum(len(other.held) for other in self._candidates.values())
        self._candidates.clear()
