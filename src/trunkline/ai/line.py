"""The caller's audio on its way to a recogniser: sent in chunks, kept until words were made of it, and sent again.

A connection counts seconds from its own first byte, silence of ours included. The call counts from its first audio
handed to ``hear``. ``position_ms`` leads from the one to the other.
"""

from collections.abc import Callable
from typing import Final

from trunkline.ai.backlog import Backlog
from trunkline.audio.format import AudioFormat

KEEP_S: Final = 10.0
"""Of audio without words. As much may be sent at once to a new connection: more would arrive as late as it is old."""

_REPLAY_MS: Final = 500
"""Replayed audio is sent in messages of this length: a vendor may refuse larger ones."""


class Line:
    """One call's line. ``send`` puts one message on the present connection, and says whether there is one."""

    __slots__ = ("_backlog", "_base_ms", "_chunk", "_format", "_inserted", "_live_ms", "_pending", "_send")

    def __init__(self, audio: AudioFormat, chunk_ms: float, send: Callable[[bytes], bool]) -> None:
        self._format = audio
        self._chunk = audio.bytes_for(chunk_ms)
        self._send = send
        self._backlog = Backlog(audio, KEEP_S)
        self._pending = bytearray()
        self._base_ms = 0.0  # where in the call this connection began
        self._live_ms = 0.0  # of the connection's audio, silence of ours included
        self._inserted: list[tuple[float, float]] = []  # (where in the connection's audio, how much) of ours

    @property
    def heard_ms(self) -> float:
        """How much was handed in, up to the last whole chunk."""
        return self._backlog.end_ms

    @property
    def kept_ms(self) -> float:
        """Where the audio begins that a new connection would hear."""
        return self._backlog.start_ms

    @property
    def forgotten_ms(self) -> float:
        """Audio that no words were made of and that was too old to keep."""
        return self._backlog.forgotten_ms

    def hear(self, audio: bytes) -> bytes:
        """Some more of the caller. Gives the chunk it completed, or nothing."""
        self._pending += audio
        return self.flush() if len(self._pending) >= self._chunk else b""

    def flush(self) -> bytes:
        """Send what has not made a whole chunk yet, and give it."""
        if not self._pending:
            return b""
        chunk = bytes(self._pending)
        self._pending.clear()
        self._backlog.push(chunk)
        if self._send(chunk):
            self._live_ms += self._format.ms(len(chunk))
        return chunk

    def fill(self, ms: float) -> None:
        """The call has nothing to say for so long: silence in its place."""
        self.flush()
        if not self._send(self._format.silence(int(ms * self._format.rate / 1000))):
            return
        at_ms, length_ms = self._inserted[-1] if self._inserted else (0.0, 0.0)
        if length_ms and at_ms + length_ms == self._live_ms:
            self._inserted[-1] = (at_ms, length_ms + ms)
        else:
            self._inserted.append((self._live_ms, ms))
        self._live_ms += ms

    def restart(self) -> None:
        """A new connection hears what no words were made of."""
        self._base_ms = self._backlog.start_ms
        self._live_ms = 0.0
        self._inserted.clear()
        rest, step = self._backlog.rest(), self._format.bytes_for(_REPLAY_MS)
        for at in range(0, len(rest), step):
            if not self._send(rest[at : at + step]):
                return
        self._live_ms = self._format.ms(len(rest))

    def done(self, until_ms: float) -> None:
        """Words were made of all before this position of the call."""
        self._backlog.done(until_ms)

    def position_ms(self, seconds: float) -> float:
        """The position in the call of what this connection heard there."""
        at_ms = 1000 * seconds
        ours_ms = sum(min(max(0.0, at_ms - begin), length) for begin, length in self._inserted)
        return self._base_ms + at_ms - ours_ms
