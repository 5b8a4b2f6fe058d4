"""A made-up Twilio account and call, and how far one can get with them. Shared by the tests of Twilio's files."""

import itertools
from urllib.parse import urlencode

from both_ends import Gateway, hear, spoken

from trunkline.wire._twilio_gateway import TwilioGateway
from trunkline.wire._twilio_phone import TwilioPhone
from trunkline.wire._twilio_signature import SIGNATURE, sign
from trunkline.wire.base import HttpReply, HttpRequest
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


SAID = spoken("twilio")

GATEWAY = Gateway(
    fresh=announced,
    depths=(0, 1, 2, 9),
    private=(ACCOUNT, CALL, STREAM, "9f2c", "acme"),
    counted={"lost": 3, "misnumbered": 2, "ignored": 4, "replies": []},
    before={"connection": [], "start": SAID[:2], "audio": SAID[:3]},
    kind="event",
)
