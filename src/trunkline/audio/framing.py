"""Any run of bytes, cut into frames of one size."""

from trunkline.errors import AudioError


class Framer:
    """Push pieces of any size, get whole frames of ``frame_bytes``; what is left waits for the next piece."""

    __slots__ = ("_pending", "frame_bytes")

    def __init__(self, frame_bytes: int) -> None:
        if frame_bytes < 1:
            raise AudioError(f"a frame has at least 1 byte, not {frame_bytes}")
        self.frame_bytes = frame_bytes
        self._pending = b""

    @property
    def pending_bytes(self) -> int:
        """Bytes waiting for the rest of their frame."""
        return len(self._pending)

    def push(self, audio: bytes) -> list[bytes]:
        """The frames that ``audio`` completes, oldest first."""
        size = self.frame_bytes
        if not self._pending and len(audio) == size:
            return [audio]  # the usual case: it came in frames already
        run = self._pending + audio
        whole = len(run) - len(run) % size
        self._pending = run[whole:]
        return [run[at : at + size] for at in range(0, whole, size)]

    def flush(self, padding: bytes = b"") -> bytes:
        """What is left, filled up to a frame by repeating ``padding`` (one sample of silence; ``AudioFormat``'s
        ``silence_unit``); empty if nothing is left. Without padding the last frame is short."""
        tail, self._pending = self._pending, b""
        if not tail or not padding:
            return tail
        missing = self.frame_bytes - len(tail)
        # Aligned to the frame's end, so that a unit that doesn't fit is cut where the stream was.
        return tail + (padding * (missing // len(padding) + 1))[-missing:]

    def reset(self) -> None:
        """Drop what is left."""
        self._pending = b""
