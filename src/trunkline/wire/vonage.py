"""Vonage Voice: a call is an answer webhook, the NCCO it gets, and then a WebSocket that is a leg of the call.

What is said on the socket is in ``_vonage_messages``, our end of it in ``_vonage_gateway``, Vonage's own in
``_vonage_phone``, HTTP in ``_vonage_http`` and the tokens in ``_vonage_jwt``; this file is the door that stands before
them, and what Trunkline needs to know of Vonage.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from weakref import WeakValueDictionary

import msgspec

from trunkline.audio.format import PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat
from trunkline.errors import ConfigError, Refused
from trunkline.wire._expiring import Expiring
from trunkline.wire._vonage_gateway import Admitted, VonageGateway
from trunkline.wire._vonage_http import API, Rest, connect_websocket, fields_of, region_of
from trunkline.wire._vonage_jwt import Webhooks, check_private_key
from trunkline.wire._vonage_messages import CALL_ID, TICKET
from trunkline.wire._vonage_phone import VonagePhone
from trunkline.wire.base import HttpReply, HttpRequest, Tickets, WireSpec

_LIFETIME_S: Final = 60.0  # from the webhook to the stream's start, as for tickets
_LIMIT: Final = 100_000
_ADDRESS_CHARS: Final = 256  # a number has 15 digits, a SIP URI with its parameters may be long
_PARAMETER: Final = "SipHeader_"  # what a SIP trunk's headers are called in the answer webhook

# Of the caller's leg: it is over, and why (protocol page §6).
_OVER: Final = {
    "completed": "hung up",
    "disconnected": "hung up",
    "cancelled": "hung up",
    "busy": "the platform says busy",
    "failed": "the platform says failed",
    "rejected": "the platform says rejected",
    "timeout": "the platform says timeout",
    "unanswered": "the platform says unanswered",
}

_SETUP: Final = """\
1. In Vonage's dashboard open **API settings** and copy the *API key* into `VONAGE_API_KEY` and the *signature secret*
   into `VONAGE_SIGNATURE_SECRET`.
2. Open **Applications → Create a new application**, give it the *Voice* capability, and enter
   - *Answer URL*: `{base}/hooks/vonage/answer`, HTTP GET;
   - *Event URL*: `{base}/hooks/vonage/event`, HTTP POST;
   - *Use signed webhooks*: on.
   Copy the *Application ID* into `VONAGE_APPLICATION_ID`.
3. *Generate public and private key* there too, and put the private key (the file's content) into
   `VONAGE_PRIVATE_KEY`: hang-up, transfer and digits are asked for with it.
4. Link a number to the application. Vonage opens the media socket at `{base}/media/vonage`, as `wss`.
"""


class VonageSettings(msgspec.Struct, frozen=True):
    """What Trunkline needs of a Vonage account. Without ``signature_secret`` nobody is let in."""

    signature_secret: str = ""  # signs Vonage's webhooks
    api_key: str = ""  # the only account let in; empty: any whose webhooks are signed with our secret
    application_id: str = ""  # the only application let in; empty: any of the account
    private_key: str = ""  # the application's, PEM, newlines may be written \n; signs our requests to the REST API
    rate: int = 16000  # Hz of the audio, both ways: 8000, 16000 or 24000; 0: as suits the agent

    def __post_init__(self) -> None:
        if self.rate and self.rate not in _BY_RATE:
            raise ConfigError(f"VONAGE_RATE is not one of {', '.join(map(str, _BY_RATE))}")
        if self.private_key:
            if not self.application_id:
                raise ConfigError("VONAGE_PRIVATE_KEY is an application's: set VONAGE_APPLICATION_ID too")
            check_private_key(self.pem)

    def __repr__(self) -> str:
        return f"VonageSettings(application_id={self.application_id!r})"

    @property
    def pem(self) -> str:
        """The private key as it was before it became one line of a file of settings."""
        return self.private_key.replace("\\n", "\n")


class VonageDoor:
    """Vonage's webhooks, and who may open a media socket.

    A call's numbers are known from its answer webhook and are kept here until its stream starts: what goes into the
    NCCO's headers is repeated in every event webhook.
    """

    def __init__(self, settings: VonageSettings, *, base_url: str, tickets: Tickets, insecure: bool) -> None:
        base_url = base_url.rstrip("/")
        self._settings = settings
        self._audio = _BY_RATE[settings.rate] if settings.rate else SPEC.formats[0]
        self._event_url = f"{base_url}/hooks/vonage/event"
        self._media_url = "ws" + base_url.removeprefix("http") + SPEC.media_path
        self._webhooks = Webhooks(
            settings.signature_secret, api_key=settings.api_key, application_id=settings.application_id
        )
        self._tickets = tickets
        self._insecure = insecure
        self._upgrades: Expiring[str] = Expiring(_LIFETIME_S, _LIMIT)  # the call, by the ticket in the URL
        self._announced: Expiring[Admitted] = Expiring(_LIFETIME_S, _LIMIT)  # by the ticket in the headers
        self._streams: WeakValueDictionary[str, VonageGateway] = WeakValueDictionary()  # by call, while they last
        self._strangers = count(1)

    def prefer(self, hears: Sequence[AudioFormat], speaks: Sequence[AudioFormat]) -> None:
        """Where no rate was set, take the one at which the agent's voice, or else its ear, needs no conversion."""
        if not self._settings.rate:
            self._audio = next((audio for audio in (*speaks, *hears) if audio in SPEC.formats), self._audio)

    def hook(self, name: str, request: HttpRequest, now: float) -> HttpReply:
        """Answer ``answer`` with where to connect, ``event`` with nothing. Raises ``Refused``."""
        if name not in SPEC.hooks:
            raise Refused("there is no such webhook", status=404)
        if not self._insecure:
            self._require_secret()
            self._webhooks.check(request, now)
        fields = fields_of(request)
        return self._event(fields, now) if name == "event" else self._answer(fields, now)

    def upgrade(self, request: HttpRequest, now: float) -> None:
        """Return if the URL has a ticket of ours; raise ``Refused`` if not. The stream then shows whose call it is."""
        if self._insecure:
            return
        self._require_secret()
        (ticket, *_) = parse_qs(urlsplit(request.url).query).get(TICKET, [""])
        call = self._upgrades.take(ticket, now)
        if call is None or not self._tickets.redeem(ticket, call, now):
            raise Refused("the media socket's ticket is wrong, used or too old")

    def codec(self) -> VonageGateway:
        """A codec for one freshly admitted media socket."""
        return VonageGateway(self._admit)

    def _answer(self, fields: dict[str, Any], now: float) -> HttpReply:
        call = _text(fields, "uuid")
        if not CALL_ID.fullmatch(call):
            raise Refused("the webhook names no call", status=400)
        caller, callee = (_text(fields, side)[:_ADDRESS_CHARS] for side in ("from", "to"))
        stream_ticket = self._tickets.issue(call, now)
        door_ticket = self._tickets.issue(call, now)
        settings = self._settings
        rest = Rest(region_of(fields), settings.application_id, settings.pem, call, stream_ticket)
        parameters = {k: v for k, v in fields.items() if k.startswith(_PARAMETER) and isinstance(v, str)}
        self._announced.put(stream_ticket, Admitted(call, rest, caller, callee, parameters), now)
        self._upgrades.put(door_ticket, call, now)
        return connect_websocket(
            self._media_url,
            door_ticket=door_ticket,
            stream_ticket=stream_ticket,
            audio=self._audio,
            event_url=self._event_url,
            number=callee,
        )

    def _event(self, fields: dict[str, Any], now: float) -> HttpReply:
        """A leg's state changed. Without an NCCO in the answer a call whose socket is gone is completed by Vonage."""
        if (why := _OVER.get(_text(fields, "status"))) is not None:
            headers = fields.get("headers")
            if isinstance(headers, dict):  # our own leg's: it will not come any more
                self._announced.take(_text(headers, TICKET), now)
            if (stream := self._streams.get(_text(fields, "uuid"))) is not None:
                stream.hung_up(why)
        return HttpReply(204)

    def _admit(self, stream: VonageGateway, ticket: str, now: float) -> Admitted:
        """Bind the stream to its webhook."""
        call = self._announced.take(ticket, now)
        if self._insecure:
            name = f"insecure-{next(self._strangers)}"
            call = call or Admitted(name, Rest(API, "", "", name, ""))
        elif call is None or not self._tickets.redeem(ticket, call.call, now):
            raise Refused("the stream's ticket is missing, wrong, used or too old")
        self._streams.setdefault(call.call, stream)  # a second socket is refused, and must not hide the first
        return call

    def _require_secret(self) -> None:
        if not self._settings.signature_secret:
            raise Refused("VONAGE_SIGNATURE_SECRET is not set, so nobody can be told to be Vonage")


class Vonage:
    """The platform: both ends, made from settings."""

    spec: WireSpec

    def __init__(self, spec: WireSpec) -> None:
        self.spec = spec

    def door(self, settings: VonageSettings, *, base_url: str, tickets: Tickets, insecure: bool) -> VonageDoor:
        """The gateway's side."""
        return VonageDoor(settings, base_url=base_url, tickets=tickets, insecure=insecure)

    def phone(self, settings: VonageSettings, *, call_id: str, caller: str, callee: str) -> VonagePhone:
        """Vonage's side, of the account in ``settings``."""
        return VonagePhone(
            secret=settings.signature_secret,
            api_key=settings.api_key,
            application_id=settings.application_id,
            call=call_id,
            caller=caller,
            callee=callee,
            audio=_BY_RATE[settings.rate] if settings.rate else SPEC.formats[0],
        )


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


_BY_RATE: Final = {audio.rate: audio for audio in (PCM16_16K, PCM16_24K, PCM16_8K)}

SPEC: Final = WireSpec(
    name="vonage",
    title="Vonage Voice",
    media_path="/media/vonage",
    hooks=("answer", "event"),
    formats=tuple(_BY_RATE.values()),
    marks=True,
    clears=True,
    closes=True,
    digits_in=True,
    digits_out=True,
    transfers=True,
    frame_ms=20,
    max_frames=1,  # a message of any other length than 20 ms ends the leg
    lead_ms=200,
    settings=VonageSettings,
    secret="signature_secret",  # noqa: S106 - its name
    setup=_SETUP,
)

PLATFORM: Final = Vonage(SPEC)
