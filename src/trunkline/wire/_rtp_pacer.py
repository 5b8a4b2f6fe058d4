"""What we send over RTP, one packet each ``ptime`` on absolute deadlines: audio, keys, or silence.

A packet leaves at every deadline whether there is anything to say or not: middle boxes keep the way open, the peer's
clock recovery has something to hold on to, and no gap of ours can be taken for a loss.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final

from trunkline.audio.format import AudioFormat
from trunkline.rtp.sender import RtpSender
from trunkline.rtp.telephone_event import DIGITS, EventPacket, press

PRESS_MS: Final = 100
"""How long a key is held down; 40 ms is the least receivers take (ITU-T Q.24)."""
PAUSE_MS: Final = 100
"""Between two keys."""
MAX_KEYS: Final = 64
"""Waiting to be pressed: thirteen seconds of it. More is dropped."""
MAX_LATE_S: Final = 0.1
"""A pacer that was held up for longer doesn't make up for it: the peer has played silence by then."""

EARLY_S: Final = 0.0005
"""A timer may be so early: event loops count whole milliseconds."""


class Pacer:
    """Decides what goes into each packet. Send what ``pop`` returns, and come again at ``due``."""

    def __init__(self, sender: RtpSender, audio: AudioFormat, *, ptime_ms: int, event_type: int, now: float) -> None:
        self.due = now
        """When the next packet is to leave."""
        self._sender = sender
        self._samples = ptime_ms * audio.rate // 1000  # G.711: as many bytes
        self._rate = audio.rate
        self._ptime_ms = ptime_ms
        self._ptime_s = ptime_ms / 1000
        self._began_at = now
        self._slot = 0  # packets since then, those left out among them
        self._silence = audio.silence(self._samples)
        self._event_type = event_type
        self._frames: deque[bytes] = deque()
        self._keys: deque[str] = deque(maxlen=MAX_KEYS)
        self._press: Iterator[EventPacket] | None = None
        self._pause = 0  # packets until the next key may be pressed

    def push(self, audio: bytes) -> None:
        """Audio to send, whole packets of it."""
        size = self._samples
        if len(audio) == size:
            self._frames.append(audio)
        else:
            whole = audio + self._silence[: -len(audio) % size]
            self._frames.extend(whole[at : at + size] for at in range(0, len(whole), size))

    def press(self, digits: str) -> None:
        """Keys to press, one after the other. What is no key is left out."""
        self._keys.extend(digit for digit in digits.upper() if digit in DIGITS)

    def clear(self) -> None:
        """Drop the audio that was not sent."""
        self._frames.clear()

    def pop(self, now: float) -> list[bytes]:
        """The packets that are due."""
        out: list[bytes] = []
        late = now - self.due
        if late > MAX_LATE_S:
            missed = int(late / self._ptime_s)
            self._sender.skip(missed * self._samples, now)
            self._pass(missed)
        while self.due <= now + EARLY_S:
            self._pass(1)
            out.append(self.packet(self._frames.popleft() if self._frames else self._silence, now))
        return out

    def _pass(self, slots: int) -> None:
        self._slot += slots
        self.due = self._began_at + self._slot * self._ptime_s  # not a sum of steps: that would drift

    def packet(self, frame: bytes, now: float) -> bytes:
        """The next packet, with ``frame`` in it if no key is being pressed."""
        if self._press is None and not self._keys:
            return self._sender.send_audio(frame, len(frame), now)
        return self._key_or(frame, now)

    def _key_or(self, frame: bytes, now: float) -> bytes:
        """A step of a key press in the place of ``frame``: the peer would hear both at once."""
        sender = self._sender
        if self._press is None and self._keys and not self._pause:
            key = self._keys.popleft()
            self._press = press(key, timestamp=sender.timestamp, rate=self._rate, ms=PRESS_MS, packet_ms=self._ptime_ms)
        self._pause = max(0, self._pause - 1)
        if self._press is not None:
            if (step := next(self._press, None)) is not None:
                packet = sender.send_event(step, self._event_type).build()
                sender.skip(self._samples, now)
                return packet
            self._press = None
            self._pause = PAUSE_MS // self._ptime_ms
        return sender.send_audio(frame, len(frame), now)
