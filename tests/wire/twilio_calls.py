"""A made-up Twilio account and call, and how far one can get with them. Shared by the tests of Twilio's files."""

import itertools
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from trunkline.wire import events
from trunkline.wire._twilio_gateway import TwilioGateway
from trunkline.wire._twilio_phone import TwilioPhone
from trunkline.wire._twilio_signature import SIGNATURE, sign
from trunkline.wire.base import HttpReply, HttpRequest, TextFrame
from trunkline.wire.events import WireCommand, WireEvent
from trunkline.wire.tickets import TicketBook
from trunkline.wire.twilio import PLATFORM, TwilioDoor, TwilioSettings

TOKEN = "0123456789abcdef0123456789abcdef"
ACCOUNT = "AC00000000000000000000000000000001"
CALL = "CA00000000000000000000000000000001"
STREAM = "MZ00000000000000000000000000000001"
BASE = "https://gw.example.org"
CALLER = "+15005550006"
CALLEE = "+15005550001"
SETTINGS = TwilioSettings(auth_token=TOKEN, account_sid=ACCOUNT)
VECTORS = Path(__file__).parent.parent / "vectors" / "wire"


def vectors(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (VECTORS / name).read_text().splitlines()]


def door(settings: TwilioSettings = SETTINGS, *, insecure: bool = False, base_url: str = BASE) -> TwilioDoor:
    """A door whose first tickets are those of the protocol page."""
    tickets = itertools.chain(["9f2c"], (f"ticket-{n}" for n in itertools.count(2)))
    return PLATFORM.door(settings, base_url=base_url, tickets=TicketBook(lambda: next(tickets)), insecure=insecure)


def phone(settings: TwilioSettings = SETTINGS) -> TwilioPhone:
    return PLATFORM.phone(settings, call_id=CALL, caller=CALLER, callee=CALLEE)


def webhook(fields: dict[str, str] | None = None, *, name: str = "voice", token: str = TOKEN) -> HttpRequest:
    """A signed form POST."""
    if fields is None:
        fields = {"CallSid": CALL, "AccountSid": ACCOUNT, "From": CALLER, "To": CALLEE}
    url = f"{BASE}/hooks/twilio/{name}"
    headers = {"content-type": "application/x-www-form-urlencoded", SIGNATURE: sign(token, url, fields.items())}
    return HttpRequest("POST", url, headers, urlencode(fields).encode())


def announced() -> TwilioGateway:
    """A secure gateway's codec for a stream whose webhook has been answered; the ticket is ``9f2c``."""
    entrance = door()
    reply: HttpReply = entrance.hook("voice", webhook(), 0.0)
    assert reply.status == 200
    return entrance.codec()


def started() -> tuple[TwilioGateway, TwilioPhone]:
    """Both ends of a stream that has started, insecurely."""
    gateway, far = door(TwilioSettings(), insecure=True).codec(), phone(TwilioSettings())
    hear(gateway, far.opened())
    return gateway, far


def hear(gateway: TwilioGateway, outputs: Any) -> list[WireEvent]:
    """What the gateway makes of what the phone's end sends."""
    return [e for o in outputs if isinstance(o, TextFrame) for e in gateway.receive(o.data, binary=False, now=1.0)]


def named(values: Any) -> list[dict[str, Any]]:
    """Events or commands as they stand in the vectors."""
    return [{"type": type(v).__name__, **msgspec.to_builtins(v)} for v in values]


def command(value: dict[str, Any]) -> WireCommand:
    kind = getattr(events, value["type"])
    made: WireCommand = msgspec.convert({k: v for k, v in value.items() if k != "type"}, kind)
    return made
