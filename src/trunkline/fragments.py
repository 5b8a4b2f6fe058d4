"""WebSocket messages in pieces (RFC 6455 §5.4): one TEXT or BINARY frame, then CONTINUATION frames, the last FIN."""

from trunkline.errors import RemoteError


class Fragments:
    """Joins the pieces of one message at a time, up to ``limit_bytes``."""

    __slots__ = ("_binary", "_limit_bytes", "_pieces")

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._pieces: bytearray | None = None
        self._binary = False

    @property
    def pending(self) -> bool:
        """A message has begun and not ended."""
        return self._pieces is not None

    def push(self, payload: bytes | memoryview, *, binary: bool | None, fin: bool) -> tuple[bytes, bool] | None:
        """One data frame; ``binary`` is None for a CONTINUATION. The whole message and whether it is binary, once it is
        there. Raises ``RemoteError``; the socket is then to be closed with its code."""
        if (binary is None) == (self._pieces is None):
            raise RemoteError("fragments out of order", close_code=1002)
        if self._pieces is None:
            self._pieces, self._binary = bytearray(), bool(binary)
        if len(self._pieces) + len(payload) > self._limit_bytes:
            raise RemoteError(f"message over {self._limit_bytes} bytes", close_code=1009)
        self._pieces += payload
        if not fin:
            return None
        whole, self._pieces = bytes(self._pieces), None
        return whole, self._binary
