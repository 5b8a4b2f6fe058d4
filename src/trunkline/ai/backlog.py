"""The caller's latest audio, kept until the vendor has made something of it: what a new connection must hear again."""

from trunkline.audio.format import AudioFormat


class Backlog:
    """Audio by its position in the stream. Holds at most ``keep_s`` seconds; what is older is gone, and counted."""

    def __init__(self, audio: AudioFormat, keep_s: float) -> None:
        self.forgotten_ms = 0.0
        """Audio that nobody made anything of and that was too old to keep."""
        self._format = audio
        self._limit_bytes = audio.bytes_for(1000 * keep_s)
        self._kept = bytearray()
        self._start = 0  # the position of the first byte kept

    @property
    def start_ms(self) -> float:
        """Where the audio that is kept begins."""
        return self._ms(self._start)

    @property
    def end_ms(self) -> float:
        """Where it ends: as much was pushed so far."""
        return self._ms(self._start + len(self._kept))

    def push(self, audio: bytes) -> None:
        """Some more of the stream."""
        self._kept += audio
        if (surplus := len(self._kept) - self._limit_bytes) > 0:
            surplus += -surplus % self._format.sample_bytes
            self.forgotten_ms += self._ms(surplus)
            self._let_go(surplus)

    def done(self, until_ms: float) -> None:
        """All before ``until_ms`` has been made something of."""
        until = self._format.bytes_for(until_ms)
        self._let_go(max(0, min(until - self._start, len(self._kept))))

    def rest(self) -> bytes:
        """What would be lost: from ``start_ms`` to ``end_ms``."""
        return bytes(self._kept)

    def _let_go(self, size: int) -> None:
        del self._kept[:size]
        self._start += size

    def _ms(self, size: int) -> float:
        return self._format.ms(size)
