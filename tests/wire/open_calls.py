"""A made-up call over the open protocol, and how far one can get with it. Shared by the tests of its files."""

import itertools

from both_ends import Gateway, hear, obey, spoken

from trunkline.errors import RemoteError
from trunkline.wire._open_gateway import OpenGateway
from trunkline.wire._open_messages import Carriage
from trunkline.wire._open_phone import OpenPhone
from trunkline.wire.base import HttpRequest
from trunkline.wire.open import PLATFORM, SPEC, OpenDoor, OpenSettings
from trunkline.wire.tickets import TicketBook

TOKEN = "0123456789abcdef0123456789abcdef"
CALL = "visit-42"
BASE = "https://gw.example.org"
MEDIA = f"wss://gw.example.org/ws/voice/{CALL}"
CALLER = "+15005550006"
CALLEE = "+15005550001"
SETTINGS = OpenSettings(token=TOKEN)


def door(settings: OpenSettings = SETTINGS, *, insecure: bool = False, base_url: str = BASE) -> OpenDoor:
    tickets = (f"ticket-{n}" for n in itertools.count(1))
    return PLATFORM.door(settings, base_url=base_url, tickets=TicketBook(lambda: next(tickets)), insecure=insecure)


def phone(audio: Carriage = "binary", token: str = TOKEN) -> OpenPhone:
    return OpenPhone(path=SPEC.media_path, token=token, call_id=CALL, caller=CALLER, callee=CALLEE, audio=audio)


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def upgrade(headers: dict[str, str] | None = None, url: str = MEDIA) -> HttpRequest:
    return HttpRequest("GET", url, headers or {})


def wanted(body: bytes = b'{"call_id":"visit-42"}', headers: dict[str, str] | None = None) -> HttpRequest:
    """A request for a ticket."""
    return HttpRequest("POST", f"{BASE}/hooks/open/ticket", bearer() if headers is None else headers, body)


def started(audio: Carriage = "binary") -> tuple[OpenGateway, OpenPhone]:
    """Both ends of a session that has started."""
    gateway, far = OpenGateway(CALL), phone(audio)
    hear(gateway, far.opened())
    obey(far, gateway.replies)
    gateway.replies.clear()
    return gateway, far


SAID = spoken("open")

GATEWAY = Gateway(
    fresh=lambda: OpenGateway(CALL),
    depths=(0, 1, 9),
    private=(CALL, CALLER, "acme"),
    counted={"lost": 2, "misnumbered": 1, "ignored": 5},
    before={"connection": [], "start": SAID[:1], "audio": SAID[:2]},
    faults=(RemoteError,),
)
