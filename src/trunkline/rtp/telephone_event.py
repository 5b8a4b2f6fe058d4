"""Keys pressed, as RTP carries them beside the audio (RFC 4733).

One press is many packets: all with the press's start as timestamp, a growing duration, and the last one three times.
``EventReceiver`` makes one ``EventHeard`` of them; ``press`` makes them.
"""

import struct
from collections import deque
from collections.abc import Iterator
from typing import Final

import msgspec

from trunkline.errors import RemoteError

DIGITS: Final = "0123456789*#ABCD"
"""Event codes 0–15 as keys (§3.2, table 3)."""
END_TIMEOUT_S: Final = 0.2  # about ten packets at 20 ms: all three end packets are lost then
_REMEMBER_S: Final = 5.0  # repeated end packets come within the jitter of the network
_REMEMBERED: Final = 32  # presses; more in _REMEMBER_S than anybody's fingers make
_MAX_DURATION: Final = 0xFFFF  # the field's width: 8.2 s at 8 kHz
_END_PACKETS: Final = 3  # "the final packet … SHOULD be sent a total of three times" (§2.5.1.4)
_EVENT: Final = struct.Struct("!BBH")


class TelephoneEvent(msgspec.Struct, frozen=True, gc=False):
    """The payload. ``duration`` counts the media clock since the timestamp; ``volume`` is in −dBm0.

    |     event     |E|R|  volume   |           duration            |
    """

    event: int
    end: bool
    volume: int
    duration: int

    @classmethod
    def parse(cls, payload: bytes) -> "TelephoneEvent":
        """The event in ``payload``. Raises ``RemoteError``. Older presses repeated behind it are not needed."""
        if len(payload) < _EVENT.size:
            raise RemoteError(f"telephone-event: {len(payload)} bytes instead of {_EVENT.size}", where="$.payload")
        event, flags, duration = _EVENT.unpack_from(payload)
        return cls(event, flags > 0x7F, flags & 0x3F, duration)

    def build(self) -> bytes:
        """The payload's four bytes."""
        return _EVENT.pack(self.event, (0x80 if self.end else 0) | self.volume, self.duration)


class EventHeard(msgspec.Struct, frozen=True, gc=False):
    """One event that is over. ``event`` is private; ``samples`` its duration on the media clock."""

    event: int
    samples: int

    @property
    def digit(self) -> str | None:
        """The key, or None for events that are no key (16 is the hook flash)."""
        return DIGITS[self.event] if self.event < len(DIGITS) else None


class _Press(msgspec.Struct):
    """A press that is not over. A long one has several segments, each with a timestamp of its own."""

    ssrc: int
    event: int
    timestamp: int  # of the present segment
    duration: int  # of the present segment
    before: int  # samples of finished segments
    seen_at: float


class EventReceiver:
    """Makes events of telephone-event packets: one each, when its end is seen or has been lost."""

    def __init__(self, *, end_timeout_s: float = END_TIMEOUT_S) -> None:
        self._end_timeout_s = end_timeout_s
        self._press: _Press | None = None
        self._over: deque[tuple[tuple[int, int, int], float]] = deque(maxlen=_REMEMBERED)

    def get_timer(self) -> float | None:
        """When to call ``handle_timer`` if no packet comes before, or None."""
        return self._press.seen_at + self._end_timeout_s if self._press else None

    def handle_timer(self, now: float) -> list[EventHeard]:
        """The event whose end packets were all lost, if there is one."""
        due = self.get_timer()
        return self._finish(now) if due is not None and now >= due else []

    def receive(self, payload: bytes, timestamp: int, ssrc: int, *, marker: bool, now: float) -> list[EventHeard]:
        """Events that are over, now that this packet has come. Raises ``RemoteError`` if it is malformed."""
        seen = TelephoneEvent.parse(payload)
        heard = self.handle_timer(now)
        if self._is_over((ssrc, timestamp, seen.event), now):
            return heard
        press = self._press
        if press is not None and (press.ssrc, press.event, press.timestamp) == (ssrc, seen.event, timestamp):
            press.duration = max(press.duration, seen.duration)
            press.seen_at = now
        elif press is not None and not marker and _continues(press, seen.event, timestamp, ssrc):
            self._remember(press, now)
            press.before += (timestamp - press.timestamp) & 0xFFFFFFFF
            press.timestamp, press.duration, press.seen_at = timestamp, seen.duration, now
        else:
            heard += self._finish(now)  # another key: the end of the last one was lost
            self._press = _Press(ssrc, seen.event, timestamp, seen.duration, 0, now)
        if seen.end:
            heard += self._finish(now)
        return heard

    def _finish(self, now: float) -> list[EventHeard]:
        press, self._press = self._press, None
        if press is None:
            return []
        self._remember(press, now)
        return [EventHeard(press.event, press.before + press.duration)]

    def _remember(self, press: _Press, now: float) -> None:
        self._over.append(((press.ssrc, press.timestamp, press.event), now))

    def _is_over(self, key: tuple[int, int, int], now: float) -> bool:
        return any(key == over and now - at < _REMEMBER_S for over, at in self._over)


def _continues(press: _Press, event: int, timestamp: int, ssrc: int) -> bool:
    """Whether a packet with a new timestamp is the next segment of a long press (§2.5.1.3): it begins where the last
    segment ended, or, if packets at the seam were lost, where a segment of full length would have ended."""
    if (ssrc, event) != (press.ssrc, press.event):
        return False
    step = (timestamp - press.timestamp) & 0xFFFFFFFF
    return step == press.duration or (step == _MAX_DURATION and press.duration < step)


class EventPacket(msgspec.Struct, frozen=True, gc=False):
    """One packet of a press: send it ``after_ms`` after the press began."""

    after_ms: int
    timestamp: int
    marker: bool
    payload: bytes


def press(
    digit: str, *, timestamp: int, rate: int, ms: int = 100, packet_ms: int = 20, volume: int = 10
) -> Iterator[EventPacket]:
    """The packets of one press of ``digit`` that begins at ``timestamp``, in the order they are to be sent.

    Audio is suppressed meanwhile, and starts again no earlier than ``ms`` later by its timestamp. Raises
    ``ValueError`` for what is no key.
    """
    event = DIGITS.find(digit.upper()) if len(digit) == 1 else -1
    if event < 0:
        raise ValueError("not a key: use one of 0-9 * # A-D")
    total = ms * rate // 1000
    step = packet_ms * rate // 1000
    segment = 0  # samples before the present segment
    after_ms = 0
    duration = 0
    while duration < total - segment:
        duration = min(duration + step, total - segment, _MAX_DURATION)
        after_ms += packet_ms
        ends = segment + duration == total
        payload = TelephoneEvent(event, ends, volume, duration).build()
        first = segment == 0 and duration == min(step, total)
        yield EventPacket(after_ms, (timestamp + segment) & 0xFFFFFFFF, first, payload)
        if ends:
            for _ in range(_END_PACKETS - 1):
                after_ms += packet_ms
                yield EventPacket(after_ms, (timestamp + segment) & 0xFFFFFFFF, False, payload)
            return
        if duration == _MAX_DURATION:
            segment += duration
            duration = 0
