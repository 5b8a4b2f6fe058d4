"""The caller's audio on its way to a Live session, which wants it as a telephone gives it: without holes, and never
faster than it is spoken.

What the call has not given in time is silence. What comes in a burst waits, and the pauses in it are left out until
there is no delay any more.
"""

from typing import Final

from trunkline.audio.format import AudioFormat
from trunkline.audio.level import measure
from trunkline.audio.linear import LINEAR

FRAME_MS: Final = 20
AHEAD_S: Final = 0.060
"""The session may get so much ahead of the clock: a telephone's jitter."""
LATE_S: Final = 0.060
"""What the call has not given by then is silence."""
LAG_MS: Final = 100
"""With more than this waiting, pauses are left out."""
KEEP_MS: Final = 5000
"""The most that waits. What is older is lost: an answer so late would be to something else."""
QUIET: Final = 0.004
"""RMS of a pause, of full scale."""


class Pacer:
    """One call's. ``hear`` and ``tick`` give what to send now; call ``tick`` by ``due``."""

    def __init__(self, audio: AudioFormat) -> None:
        self.due = float("inf")
        self.heard_ms = 0.0
        """What the call gave so far."""
        self._format = audio
        self._frame = audio.bytes_for(FRAME_MS)
        self._linear = LINEAR[audio.encoding]
        self._waiting = bytearray()
        self._sent: list[tuple[float, float, bytes]] = []  # where it ends in the session and in the call, and itself
        self._session_ms = 0.0  # of audio the session heard, silence of ours and all
        self._until = 0.0  # the clock's time up to which the session has heard
        self._running = False

    def hear(self, audio: bytes, now: float) -> list[bytes]:
        """Some more of the caller."""
        self.heard_ms += self._format.ms(len(audio))
        self._waiting += audio
        if (surplus := len(self._waiting) - self._format.bytes_for(KEEP_MS)) > 0:
            del self._waiting[: surplus + -surplus % self._frame]
        return self._take(now) if self._running else []

    def tick(self, now: float) -> list[bytes]:
        """``due`` has come."""
        out = self._take(now) if self._running else []
        while self._running and self._until + LATE_S <= now:
            out.append(self._format.silence(self._format.samples(self._frame)))
            self._until += FRAME_MS / 1000
            self._session_ms += FRAME_MS
        self._plan()
        return out

    def start(self, now: float) -> list[bytes]:
        """A session hears from now on; first what no words were made of."""
        again = b"".join(audio for _, _, audio in self._sent)[-self._format.bytes_for(KEEP_MS) :]
        self._sent.clear()
        self._session_ms = 0.0
        self._waiting[:0] = again
        self._until, self._running = now, True
        return self._take(now)

    def stop(self) -> None:
        """There is no session."""
        self._running = False
        self.due = float("inf")

    def worded(self, session_ms: float) -> float:
        """Words were made of all before this position of the session. Gives the position in the call."""
        at_ms = self.position_ms(session_ms)
        self._sent = [piece for piece in self._sent if piece[0] > session_ms]
        return at_ms

    def position_ms(self, session_ms: float) -> float:
        """Where in the call that was: exactly, while it is remembered what was sent there."""
        for end_ms, call_ms, _ in self._sent:
            if end_ms >= session_ms:
                return max(0.0, call_ms - (end_ms - session_ms))
        return max(0.0, self.heard_ms - max(0.0, self._session_ms - session_ms))

    def _take(self, now: float) -> list[bytes]:
        out: list[bytes] = []
        waiting, frame = self._waiting, self._frame
        while len(waiting) >= frame and self._until <= now + AHEAD_S:
            piece = bytes(waiting[:frame])
            del waiting[:frame]
            if len(waiting) > self._format.bytes_for(LAG_MS) and measure(self._linear(piece)).rms < QUIET:
                continue
            out.append(piece)
            self._until += FRAME_MS / 1000
            self._session_ms += FRAME_MS
            self._sent.append((self._session_ms, self.heard_ms - self._format.ms(len(waiting)), piece))
        if len(self._sent) > KEEP_MS // FRAME_MS:
            del self._sent[: -KEEP_MS // FRAME_MS]
        self._plan()
        return out

    def _plan(self) -> None:
        if self._running:
            self.due = self._until - AHEAD_S if len(self._waiting) >= self._frame else self._until + LATE_S
