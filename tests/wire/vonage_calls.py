"""A made-up Vonage application and call, and how far one can get with them. Shared by the tests of Vonage's files."""

import itertools
from functools import cache
from typing import Any
from urllib.parse import urlencode

import msgspec
from both_ends import Gateway, hear, spoken
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from trunkline.wire._vonage_gateway import VonageGateway
from trunkline.wire._vonage_jwt import webhook_token
from trunkline.wire._vonage_phone import VonagePhone
from trunkline.wire.base import HttpRequest
from trunkline.wire.tickets import TicketBook
from trunkline.wire.vonage import PLATFORM, VonageDoor, VonageSettings

SECRET = "0123456789abcdef0123456789abcdef0123456789abcdef"
ACCOUNT = "a1b2c3d4"
APPLICATION = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
CALL = "11111111-2222-4333-8444-555555555555"
BASE = "https://gw.example.org"
CALLER = "15005550006"
CALLEE = "15005550001"
WALL = 1_767_258_000.0  # 2026-01-01 09:00 UTC
SETTINGS = VonageSettings(signature_secret=SECRET, api_key=ACCOUNT, application_id=APPLICATION)


_numbers = itertools.count()


@cache
def key_pair() -> tuple[str, str]:
    """A private key made for this run, and its public half, both PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def with_key(**changes: Any) -> VonageSettings:
    return msgspec.structs.replace(SETTINGS, private_key=key_pair()[0], **changes)


def door(settings: VonageSettings = SETTINGS, *, insecure: bool = False, base_url: str = BASE) -> VonageDoor:
    """A door whose first stream has the ticket of the protocol page."""
    tickets = itertools.chain(["9f2c"], (f"ticket-{n}" for n in itertools.count(2)))
    return PLATFORM.door(settings, base_url=base_url, tickets=TicketBook(lambda: next(tickets)), insecure=insecure)


def phone(settings: VonageSettings = SETTINGS) -> VonagePhone:
    return PLATFORM.phone(settings, call_id=CALL, caller=f"+{CALLER}", callee=f"+{CALLEE}")


def webhook(
    fields: dict[str, Any] | None = None, *, name: str = "answer", post: bool = True, secret: str = SECRET
) -> HttpRequest:
    """A signed webhook that has come at ``WALL``."""
    if fields is None:
        fields = {"uuid": CALL, "conversation_uuid": f"CON-{CALL}", "from": CALLER, "to": CALLEE}
    url = f"{BASE}/hooks/vonage/{name}"
    body = msgspec.json.encode(fields) if post else b""
    seed = str(next(_numbers))
    token = webhook_token(secret, api_key=ACCOUNT, application_id=APPLICATION, body=body, seed=seed)
    if not post:
        url += "?" + urlencode(fields)
    return HttpRequest("POST" if post else "GET", url, token.headers(WALL), body, WALL)


def announced(settings: VonageSettings = SETTINGS) -> VonageGateway:
    """A secure gateway's codec for a stream whose webhook has been answered; the ticket is ``9f2c``."""
    entrance = door(settings)
    assert entrance.hook("answer", webhook(), 0.0).status == 200
    return entrance.codec()


def started(settings: VonageSettings | None = None) -> tuple[VonageGateway, VonagePhone]:
    """Both ends of a stream that has started, insecurely."""
    settings = settings or VonageSettings()
    gateway, far = door(settings, insecure=True).codec(), phone(settings)
    hear(gateway, far.opened())
    return gateway, far


SAID = spoken("vonage")

GATEWAY = Gateway(
    fresh=announced,
    depths=(0, 1, 4),
    private=(CALL, CALLER, CALLEE, "9f2c"),
    counted={"early": 0, "ignored": 1, "replies": []},
    before={"connection": [], "start": SAID[:1]},
    kind="event",
)
