"""A made-up call over the webhook-and-socket contract, and how far one can get with it. Shared by the tests of it."""

import itertools
import json
from typing import Any

from both_ends import Gateway, hear, text

from trunkline.wire._ringcentral_formats import Packets
from trunkline.wire._ringcentral_gateway import Expected, RingCentralGateway
from trunkline.wire._ringcentral_phone import RingCentralPhone
from trunkline.wire.base import HttpRequest, TextFrame
from trunkline.wire.ringcentral import PLATFORM, RingCentralDoor, RingCentralSettings
from trunkline.wire.tickets import TicketBook

TOKEN = "0123456789abcdef0123456789abcdef"
CALL = "call-77"
BASE = "https://gw.example.org"
HOOK = "/api/voice/inbound"
MEDIA = f"wss://gw.example.org/api/voice/realtime/ws/call?call_id={CALL}"
CALLER = "+15005550006"
CALLEE = "+15005550001"
SETTINGS = RingCentralSettings(verification_token=TOKEN)
SHOWN = {"verification-token": TOKEN}
ANNOUNCEMENT = {
    "event": "call.inbound",
    "body": {"id": CALL, "from": {"phoneNumber": CALLER}, "to": {"phoneNumber": CALLEE}},
}


def door(settings: RingCentralSettings = SETTINGS, *, insecure: bool = False, base_url: str = BASE) -> RingCentralDoor:
    tickets = (f"ticket-{n}" for n in itertools.count(1))
    return PLATFORM.door(settings, base_url=base_url, tickets=TicketBook(lambda: next(tickets)), insecure=insecure)


def phone(packets: Packets = Packets(), **options: Any) -> RingCentralPhone:  # noqa: B008 - frozen
    settings = {"token": TOKEN} | options
    return RingCentralPhone(hook=HOOK, call_id=CALL, caller=CALLER, callee=CALLEE, packets=packets, **settings)


def webhook(body: Any = ANNOUNCEMENT, headers: dict[str, str] = SHOWN, method: str = "POST") -> HttpRequest:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpRequest(method, BASE + HOOK, headers, raw)


def upgrade(url: str = MEDIA, headers: dict[str, str] | None = None) -> HttpRequest:
    return HttpRequest("GET", url, headers or {})


def expected(packets: Packets = Packets()) -> Expected:  # noqa: B008 - frozen
    return Expected(CALL, CALLER, CALLEE, "leg-1", packets)


def started(packets: Packets = Packets(), *, extensions: bool = True) -> tuple[RingCentralGateway, RingCentralPhone]:  # noqa: B008
    """Both ends of a stream that has started."""
    gateway = RingCentralGateway(expected(), extensions=extensions)
    far = phone(packets, extensions=extensions)
    hear(gateway, far.opened())
    return gateway, far


FORMATS: dict[str, Any] = {
    "start": {},
    "pcm": {"encoding": "pcm", "sampleRate": 16000},
    "stereo": {"encoding": "pcm", "channels": 2},
    "stereo mulaw": {"channels": 2},
}

GATEWAY = Gateway(
    fresh=lambda: RingCentralGateway(expected(), extensions=True),
    depths=(0, 1, 3, 9),
    private=(CALL, CALLER),
    counted={"ignored": 4, "replies": [TextFrame(b'{"type":"pong"}')]},
    before={"connection": []} | {word: [text({"type": "start", "format": said})] for word, said in FORMATS.items()},
    speaks_first=True,
)
