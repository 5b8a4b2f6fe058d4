"""Sequence numbers of one source: validity, order and loss (RFC 3550 §A.1, §A.3).

Feed every packet's number to ``SequenceTracker.receive`` and look at the standing it returns:

* ``PROBATION``: not trusted yet, statistics don't count it. Play it all the same: the first 20–40 ms are speech.
* ``IN_ORDER``, ``LATE``: play it; the jitter buffer knows duplicates and late packets.
* ``JUMPED``: too far from everything before. Drop it; the next one tells whether the source restarted.
* ``RESTARTED``: it did restart. Reset the jitter buffer, then play.
"""

from enum import Enum
from typing import Final

import msgspec

MAX_DROPOUT: Final = 3000  # packets: a minute at 20 ms; a longer gap is a restart (§A.1)
MAX_MISORDER: Final = 100  # packets: two seconds at 20 ms; older ones are not believed (§A.1)
MIN_SEQUENTIAL: Final = 2  # packets in sequence make a source valid (§A.1)
_CYCLE: Final = 1 << 16
_NO_BAD_SEQUENCE: Final = _CYCLE + 1  # equals no sequence number
_MAX_LOST: Final = (1 << 23) - 1  # the report's field is signed with 24 bits
_MIN_LOST: Final = -(1 << 23)


class Standing(Enum):
    """What a packet's sequence number says about it."""

    PROBATION = "probation"
    IN_ORDER = "in order"
    LATE = "late"  # or a duplicate
    JUMPED = "jumped"
    RESTARTED = "restarted"


class Loss(msgspec.Struct, frozen=True, gc=False):
    """Loss figures as a report block carries them."""

    fraction: int  # of the last interval, in 1/256
    cumulative: int  # packets since the source became valid; negative if duplicates outnumber losses
    extended_highest: int  # 32 bits: cycles and highest number received


class SequenceTracker:
    """Follows one SSRC's sequence numbers. Make a new one when the SSRC changes."""

    def __init__(self) -> None:
        self._max = -1  # extended, never masked; -1 before the first packet
        self._base = 0
        self._probation = MIN_SEQUENTIAL
        self._bad = _NO_BAD_SEQUENCE
        self._received = 0
        self._expected_before = 0
        self._received_before = 0
        self.extended = 0
        """The last packet's sequence number, extended beyond 16 bits so that order is plain ``<``."""

    @property
    def valid(self) -> bool:
        """Whether ``MIN_SEQUENTIAL`` packets came in sequence."""
        return self._probation == 0

    def receive(self, sequence: int) -> Standing:
        """The standing of a packet with this 16-bit number; ``extended`` then holds its extended number."""
        if self._max < 0:
            # One cycle up, so that packets from before the first one still have a number.
            self._max = self.extended = _CYCLE + sequence
            self._probation = MIN_SEQUENTIAL - 1
            return Standing.PROBATION
        delta = (sequence - self._max) % _CYCLE
        if self._probation:
            return self._prove(sequence, delta)
        if delta < MAX_DROPOUT:
            self._max += delta
            self.extended = self._max
            self._received += 1
            return Standing.IN_ORDER if delta else Standing.LATE
        if delta <= _CYCLE - MAX_MISORDER:
            if sequence != self._bad:
                self._bad = (sequence + 1) % _CYCLE
                return Standing.JUMPED
            # "Two sequential packets -- assume that the other side restarted without telling us" (§A.1)
            self._begin(self._max + delta)
            return Standing.RESTARTED
        self.extended = self._max + delta - _CYCLE
        self._received += 1
        return Standing.LATE

    def _prove(self, sequence: int, delta: int) -> Standing:
        if delta == 1:
            self._probation -= 1
        else:
            self._probation = MIN_SEQUENTIAL - 1
        # Unproven numbers may lie anywhere; take the nearer way round.
        step = delta if delta < _CYCLE // 2 else delta - _CYCLE
        self.extended = self._max + step
        if self._probation:
            self._max = self.extended if self.extended >= 0 else self.extended + _CYCLE
            self.extended = self._max
            return Standing.PROBATION
        self._begin(self.extended)
        return Standing.IN_ORDER

    def _begin(self, extended: int) -> None:
        self._max = self._base = self.extended = extended
        self._bad = _NO_BAD_SEQUENCE
        self._received = 1
        self._expected_before = self._received_before = 0

    @property
    def received(self) -> int:
        """Packets counted since the source became valid, duplicates and late ones included."""
        return self._received

    @property
    def expected(self) -> int:
        """Packets there should have been since the source became valid."""
        return self._max - self._base + 1 if self.valid else 0

    @property
    def lost(self) -> int:
        """Expected minus received, clamped to the report's 24 bits."""
        return max(_MIN_LOST, min(_MAX_LOST, self.expected - self._received))

    def report(self) -> Loss:
        """Figures for a report block. Ends the interval that ``Loss.fraction`` is about."""
        expected = self.expected
        expected_now = expected - self._expected_before
        lost_now = expected_now - (self._received - self._received_before)
        self._expected_before = expected
        self._received_before = self._received
        fraction = 0 if expected_now == 0 or lost_now <= 0 else min(255, 256 * lost_now // expected_now)
        # Cycles count from the first valid packet (§A.1).
        highest = self._max - (self._base - self._base % _CYCLE)
        return Loss(fraction, self.lost, highest & 0xFFFFFFFF)
