"""What stands in the place of a socket that is gone and of a codec that is done: neither says anything any more."""

from collections.abc import Sequence
from typing import Final

from trunkline.wire.base import Output
from trunkline.wire.events import WireCommand, WireEvent


class _NoLink:
    """No socket."""

    def send_text(self, data: bytes) -> None:
        pass

    def send_binary(self, data: bytes) -> None:
        pass

    def close(self, code: int, reason: str) -> None:
        pass

    def buffered(self) -> int:
        return 0


class _NoCodec:
    """No stream: whatever comes means nothing."""

    def __init__(self) -> None:
        self.replies: list[Output] = []

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireEvent]:
        return ()

    def send(self, command: WireCommand) -> Sequence[Output]:
        return ()


NO_LINK: Final = _NoLink()
NO_CODEC: Final = _NoCodec()
