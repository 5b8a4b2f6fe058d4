"""A whole call on virtual time: a simulated telephone, a line, and the gateway's side of one call.

``play(phone, bridge_end(codec=…, …))`` runs it to its end as fast as the machine goes, and the same way each time.
"""

from collections.abc import Callable, Iterable
from typing import Final, Protocol, TypeVar, runtime_checkable
from urllib.parse import urlsplit

import msgspec

from trunkline.testing.clock import START, Timed, VirtualClock
from trunkline.testing.link import Line, VirtualLink, pair
from trunkline.testing.outcome import Outcome
from trunkline.testing.phone import Phone
from trunkline.wire.base import (
    BinaryFrame,
    CloseSocket,
    Door,
    GatewayCodec,
    HttpCall,
    HttpRequest,
    Output,
    PhoneCodec,
    TextFrame,
    codec_for,
)

AFTERMATH_S: Final = 5.0
"""How long time goes on after the call, for what the gateway's side still has to do."""
GOOD_LINE: Final = Line()


class Gateway(Timed, Protocol):
    """The gateway's side of one call: a ``BridgeEnd``, or a stand-in for it. Its life begins with an open socket."""

    def received(self, data: bytes, binary: bool, now: float) -> None:
        """One message of the platform."""
        ...

    def lost(self, reason: str, now: float) -> None:
        """The media socket is gone."""
        ...


G = TypeVar("G", bound=Gateway)


def play(
    phone: Phone,
    gateway: Callable[[VirtualLink, VirtualClock], G],
    *,
    line: Line = GOOD_LINE,
    also: Iterable[Timed] = (),
    clock: VirtualClock | None = None,
    limit_s: float = 600,
) -> tuple[Outcome, G]:
    """Let ``phone`` call the gateway's side that ``gateway`` makes; ``also`` are woken too, such as scripted agents.

    A call still going on after ``limit_s`` is hung up by the telephone.
    """
    clock = clock or VirtualClock()
    near, far, scissors = pair(line, clock)
    ours = gateway(far, clock)
    caller = _PhoneEnd(phone, near)
    near.attach(caller)
    far.attach(_GatewayEnd(ours))
    # When deadlines coincide, what is on the line arrives before anybody says more.
    parts: list[Timed] = [scissors, near.path, far.path, caller, ours, *also]
    parts.insert(0, _Reopening(phone, caller, ours, line, clock, parts))
    start = clock.now
    caller.opened(clock.now)
    clock.run(parts, done=lambda: phone.ended is not None, until=start + limit_s)
    caller.hang_up(clock.now)
    clock.run(parts, done=lambda: False, until=clock.now + AFTERMATH_S)
    return phone.outcome(), ours


def admit(phone: PhoneCodec, door: Door, *, base_url: str, now: float = START) -> GatewayCodec:
    """What comes before the media socket, on values: webhook, its answer, upgrade. Gives the gateway's codec.

    Raises whatever the door and the platform raise.
    """
    reply = None
    if (call := phone.dial(base_url)) is not None:
        hook = urlsplit(call.url).path.rpartition("/")[2]
        # Virtual time is all the time there is: it is the wall's clock too.
        request = HttpRequest(call.method, call.url, _lower(call.headers_at(now)), call.body, now)
        reply = door.hook(hook, request, now)
    media = phone.media(base_url, reply)
    upgrade = HttpRequest("GET", media.url, _lower(media.headers))
    door.upgrade(upgrade, now)
    return codec_for(door, upgrade)


def _lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


class _PhoneEnd:
    """Carries out on a virtual link what the telephone wants done."""

    def __init__(self, phone: Phone, link: VirtualLink) -> None:
        self._phone = phone
        self._link = link

    @property
    def deadline(self) -> float | None:
        return self._phone.deadline

    def opened(self, now: float) -> None:
        self._do(self._phone.opened(now))

    def reopened(self, link: VirtualLink, now: float) -> None:
        self._link = link
        self._do(self._phone.reopened(now))

    def tick(self, now: float) -> None:
        self._do(self._phone.tick(now))

    def hang_up(self, now: float) -> None:
        self._do(self._phone.hang_up(now, "time limit"))

    def received(self, data: bytes, binary: bool, now: float) -> None:
        self._do(self._phone.receive(data, binary, now))

    def closed(self, code: int, reason: str, now: float) -> None:
        self._phone.closed(code, reason, now)

    def lost(self, reason: str, now: float) -> None:
        self._phone.lost(reason, now)

    def _do(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case TextFrame(data=data):
                    self._link.send_text(data)
                case BinaryFrame(data=data):
                    self._link.send_binary(data)
                case CloseSocket(code=code, reason=reason):
                    self._link.close(code, reason)
                case HttpCall():
                    pass  # there is no HTTP on a virtual line


class Reopened(Protocol):
    """Whoever receives on a media socket that replaces a lost one."""

    def received(self, data: bytes, binary: bool, now: float) -> None: ...

    def closed(self, code: int, reason: str, now: float) -> None: ...

    def lost(self, reason: str, now: float) -> None: ...


@runtime_checkable
class Reopenable(Protocol):
    """A gateway's side at which a telephone may open another media socket."""

    def reopened(self, link: VirtualLink) -> Reopened: ...


class _Reopening:
    """Opens another media socket when the telephone wants one. That one is not cut."""

    def __init__(
        self, phone: Phone, caller: _PhoneEnd, gateway: Gateway, line: Line, clock: VirtualClock, parts: list[Timed]
    ) -> None:
        self._phone, self._caller, self._gateway = phone, caller, gateway
        self._line, self._clock, self._parts = line, clock, parts

    @property
    def deadline(self) -> float | None:
        return None if self._phone.ended else self._phone.reopen_at

    def tick(self, now: float) -> None:
        if not isinstance(self._gateway, Reopenable):
            self._phone.lost("no other socket could be opened", now)
            return
        near, far, _ = pair(msgspec.structs.replace(self._line, lost_at_s=None), self._clock)
        near.attach(self._caller)
        far.attach(self._gateway.reopened(far))
        self._parts[1:1] = [near.path, far.path]
        self._caller.reopened(near, now)


class _GatewayEnd:
    """A gateway's side without ``closed`` does not tell a close from a loss but by its words."""

    def __init__(self, gateway: Gateway) -> None:
        self.received = gateway.received
        self.lost = gateway.lost
        self._closed: Callable[[int, str, float], None] | None = getattr(gateway, "closed", None)

    def closed(self, code: int, reason: str, now: float) -> None:
        if self._closed is not None:
            self._closed(code, reason, now)
        else:
            self.lost(f"closed with {code} {reason}".rstrip(), now)
