"""A made-up call over the open protocol, and how far one can get with it. Shared by the tests of its files."""

import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from trunkline.wire import events
from trunkline.wire._open_gateway import OpenGateway
from trunkline.wire._open_messages import Carriage
from trunkline.wire._open_phone import OpenPhone
from trunkline.wire.base import BinaryFrame, HttpRequest, Output, TextFrame
from trunkline.wire.events import WireCommand, WireEvent
from trunkline.wire.open import PLATFORM, SPEC, OpenDoor, OpenSettings
from trunkline.wire.tickets import TicketBook

TOKEN = "0123456789abcdef0123456789abcdef"
CALL = "visit-42"
BASE = "https://gw.example.org"
MEDIA = f"wss://gw.example.org/ws/voice/{CALL}"
CALLER = "+15005550006"
CALLEE = "+15005550001"
SETTINGS = OpenSettings(token=TOKEN)
VECTORS = Path(__file__).parent.parent / "vectors" / "wire"


def vectors(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (VECTORS / name).read_text().splitlines()]


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


def hear(gateway: OpenGateway, outputs: Iterable[Output]) -> list[WireEvent]:
    """What the gateway makes of what the phone's end sends."""
    return [
        event
        for frame in outputs
        if isinstance(frame, TextFrame | BinaryFrame)
        for event in gateway.receive(frame.data, binary=isinstance(frame, BinaryFrame), now=1.0)
    ]


def obey(far: OpenPhone, outputs: Iterable[Output]) -> list[WireCommand]:
    """What the phone's end makes of what the gateway sends."""
    return [
        command
        for frame in outputs
        if isinstance(frame, TextFrame | BinaryFrame)
        for command in far.receive(frame.data, binary=isinstance(frame, BinaryFrame), now=1.0)
    ]


def named(values: Any) -> list[dict[str, Any]]:
    """Events or commands as they stand in the vectors."""
    return [{"type": type(v).__name__, **msgspec.to_builtins(v)} for v in values]


def command(value: dict[str, Any]) -> WireCommand:
    kind = getattr(events, value["type"])
    made: WireCommand = msgspec.convert({k: v for k, v in value.items() if k != "type"}, kind)
    return made
