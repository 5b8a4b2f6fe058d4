"""The books of one simulated call that talks to an echo: as few operations per frame as the figures need.

**Latency by position.** The echo gives exactly as many samples as it is given and none is put in between, so the
sample at position *k* of what comes back was made from the sample at position *k* of what was sent. The latency of a
frame is from the moment it was sent to the moment its last sample was back: the way through both sockets, the codec,
both conversions and the playout's pre-roll and pairing. (What the filters delay, under a millisecond, shifts sound
within the samples and is not in it.)

**Proof of position.** A gateway that filled a stall with silence, or dropped audio, would shift the positions. So one
frame of each second is silent and the others are noise: the echo must be silent and loud at the same places, else
the call has gone *astray* and its latencies mean nothing.

**Under-runs.** What comes back is played without a break, as the platform would. When the buffer has been dry for more
than ``UNDER_RUN_S``, the caller heard a hole; its length is counted.
"""

import random
from array import array
from collections import deque
from typing import Final

from trunkline.audio import g711
from trunkline.audio.format import MULAW_8K

FRAME_S: Final = 0.020
FRAME: Final = MULAW_8K.bytes_for(1000 * FRAME_S)
UNDER_RUN_S: Final = 0.020  # players have a little slack of their own

# Frames of each second whose sound is looked at in the echo, and whether it is silent there.
PERIOD: Final = 50
_SILENT: Final = 25
_LOUD: Final = 35
# Bytes of a frame that are looked at: away from its edges, where the filters let the neighbours in.
_MIDDLE: Final = slice(FRAME // 4, FRAME * 3 // 4)
# Mu-law codes nearest to zero on both sides: a filter's tail in 16 bits may end in them.
_QUIET: Final = bytes([*range(0x78, 0x80), *range(0xF8, 0x100)])


def sound() -> list[bytes]:
    """One second of frames to say over and over: noise as loud as speech, with one silent frame."""
    dice = random.Random(1)  # noqa: S311 - the same noise each time
    frames = []
    for number in range(PERIOD):
        pcm16 = b"".join(round(dice.gauss(0, 2000)).to_bytes(2, "little", signed=True) for _ in range(FRAME))
        frames.append(MULAW_8K.silence(FRAME) if number == _SILENT else g711.encode_mulaw(pcm16))
    return frames


class Tally:
    """What all calls together met since ``restart``."""

    def __init__(self) -> None:
        self.restart(0.0)

    def restart(self, now: float) -> None:
        """Begin a new window."""
        self.began = now
        self.latencies = array("d")  # seconds, one of each frame that came back
        self.lags = array("d")  # seconds by which the generator sent each frame too late
        self.dry_s = 0.0  # of all calls


class LoadCall:
    """Tell it what was ``sent`` and ``heard``; it adds to ``tally``."""

    __slots__ = ("_check", "_ends_at", "_marks", "_position", "_sent", "_tally", "astray")

    def __init__(self, tally: Tally) -> None:
        self.astray = False
        self._tally = tally
        self._sent: deque[float] = deque()  # when each frame was sent whose echo is not complete
        self._position = 0  # bytes that came back
        self._check = _SILENT  # the next frame whose sound is looked at
        self._ends_at = 0.0  # when the playback buffer runs dry; 0: nothing has come yet
        self._marks: deque[tuple[float, str]] = deque()

    def sent(self, now: float) -> None:
        """One frame of ``sound`` was sent, in order."""
        self._sent.append(now)

    def heard(self, audio: bytes, now: float) -> None:
        """Audio came back, any length."""
        tally, before, size = self._tally, self._position, len(audio)
        if (gap := now - max(self._ends_at, tally.began)) > UNDER_RUN_S and self._ends_at:
            tally.dry_s += gap
        self._ends_at = max(self._ends_at, now) + size / MULAW_8K.rate
        self._position = before + size
        for _ in range(self._position // FRAME - before // FRAME):
            if not self._sent:  # more than was said
                self.astray = True
                return
            tally.latencies.append(now - self._sent.popleft())
        if self._position >= (self._check + 1) * FRAME:
            self._compare(audio, before)

    def _compare(self, audio: bytes, before: int) -> None:
        """Whether the echo sounds at the frame looked at as what was said there."""
        start = self._check * FRAME - before
        silent = self._check % PERIOD == _SILENT
        if start >= 0 and (audio[start:][_MIDDLE].translate(None, _QUIET) == b"") != silent:
            self.astray = True
        self._check += _LOUD - _SILENT if silent else PERIOD - _LOUD + _SILENT

    def mark(self, name: str) -> None:
        """The gateway wants to know when all it has sent has been played."""
        self._marks.append((self._ends_at, name))

    def played_mark(self, now: float) -> str | None:
        """A mark that has been reached, each once."""
        if self._marks and self._marks[0][0] <= now:
            return self._marks.popleft()[1]
        return None

    def close_window(self, now: float, overdue_s: float) -> None:
        """The window ends: what has not come back for ``overdue_s`` counts with the age it has."""
        tally = self._tally
        if self._ends_at and (gap := now - max(self._ends_at, tally.began)) > UNDER_RUN_S:
            tally.dry_s += gap
        tally.latencies.extend(now - at for at in self._sent if now - at > overdue_s)
