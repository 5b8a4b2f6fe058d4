"""The product's own side of a call over plain RTP on virtual time: a ``BridgeEnd`` with the ticks of the codec's clock,
which ``server.udp`` gives it in life."""

from collections.abc import Callable

from trunkline.ai.base import AgentModel
from trunkline.call.bridge import Link
from trunkline.call.settings import CallSettings
from trunkline.testing.bridge import BridgeEnd
from trunkline.testing.clock import VirtualClock
from trunkline.wire._rtp_gateway import TICK, RtpGateway
from trunkline.wire.base import WireSpec


class RtpEnd:
    """For ``scene.play``, by ``rtp_end``. ``end`` is the bridge and all it did; ``codec`` is ours."""

    def __init__(self, end: BridgeEnd, codec: RtpGateway) -> None:
        self.end = end
        self.codec = codec
        self.received = end.received
        self.lost = end.lost
        self.closed = end.closed

    @property
    def deadline(self) -> float | None:
        """When the call or its codec wants to be woken; None once the call is over."""
        if self.end.session is not None:
            return None
        wake = self.end.deadline
        return self.codec.deadline if wake is None else min(wake, self.codec.deadline)

    def tick(self, now: float) -> None:
        """It has come."""
        if now >= self.codec.deadline:
            self.end.received(TICK, True, now)
        wake = self.end.deadline
        if wake is not None and now >= wake:
            self.end.tick(now)


def rtp_end(
    make_codec: Callable[[float], RtpGateway], *, spec: WireSpec, model: AgentModel, settings: CallSettings
) -> Callable[[Link, VirtualClock], RtpEnd]:
    """For ``scene.play``: what makes this side when the call begins. ``make_codec`` is given the time."""

    def make(link: Link, clock: VirtualClock) -> RtpEnd:
        codec = make_codec(clock.now)
        return RtpEnd(BridgeEnd(link, clock, codec=codec, spec=spec, model=model, settings=settings), codec)

    return make
