"""Our own open protocol: a WebSocket with 16 kHz audio and a few JSON messages, for browsers, scripts and whoever has a
telephone system of their own.

``docs/protocol.md`` is its specification. What is said on the socket is in ``_open_messages``, our end of it in
``_open_gateway``, the client's in ``_open_phone``; this file is the door that stands before them.
"""

import hmac
from typing import Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from trunkline.audio.format import PCM16_16K
from trunkline.errors import Refused
from trunkline.wire._json import UNREADABLE
from trunkline.wire._open_gateway import OpenGateway
from trunkline.wire._open_messages import CALL_ID, CallId
from trunkline.wire._open_phone import OpenPhone
from trunkline.wire.base import GatewayCodec, HttpReply, HttpRequest, Tickets, WireSpec

_SCHEME: Final = "Bearer "
_MAX_QUERY_FIELDS: Final = 20  # the protocol has one; a proxy may add its own

_SETUP: Final = """\
1. Choose a long random token and set it as `OPEN_TOKEN`: whoever knows it may place calls.
2. A server opens the socket at `{base}/ws/voice/<call id>` (as `wss`) with the header `Authorization: Bearer <token>`.
3. A browser can't set headers and should not know the token. Have your own server `POST {base}/hooks/open/ticket`
   with the same header and the body `{{"call_id": "<call id>"}}`, and give the page the `url` it answers with: it lets
   in one socket, for that call, within a minute.
"""


class OpenSettings(msgspec.Struct, frozen=True):
    """Without ``token`` nobody is let in."""

    token: str = ""  # what clients show

    def __repr__(self) -> str:
        return "OpenSettings()"


class TicketWanted(msgspec.Struct):
    """The body of the ticket webhook."""

    call_id: CallId


_decode_ticket_wanted: Final = msgspec.json.Decoder(TicketWanted).decode


class OpenDoor:
    """Who may open a socket for which call."""

    def __init__(self, settings: OpenSettings, *, base_url: str, tickets: Tickets, insecure: bool) -> None:
        self._token = settings.token
        self._base_url = base_url.rstrip("/")
        self._tickets = tickets
        self._insecure = insecure

    def hook(self, name: str, request: HttpRequest, now: float) -> HttpReply:
        """Answer ``ticket`` with a ticket, and the URL it is in. Raises ``Refused``."""
        if name not in SPEC.hooks:
            raise Refused("there is no such webhook", status=404)
        if not self._insecure:
            self._require_token()
            self._check_token(request)
        if request.method != "POST":
            raise Refused("a ticket is asked for by POST", status=405)
        try:
            call_id = _decode_ticket_wanted(request.body).call_id
        except UNREADABLE:
            raise Refused("the request for a ticket names no call", status=400) from None
        ticket = self._tickets.issue(call_id, now)
        url = f"{_socket_url(self._base_url)}{SPEC.media_path.format(call_id=call_id)}?ticket={ticket}"
        return HttpReply(200, msgspec.json.encode({"ticket": ticket, "url": url}), "application/json")

    def upgrade(self, request: HttpRequest, now: float) -> None:
        """Return if the request shows the token, or a ticket for this very call; raise ``Refused`` if not."""
        call_id = _call_id(request)
        if self._insecure:
            return
        self._require_token()
        ticket = _ticket(request)
        if ticket is None:
            self._check_token(request)
        elif not self._tickets.redeem(ticket, call_id, now):
            raise Refused("the ticket is wrong, used, too old or another call's", status=401)

    def call_id(self, request: HttpRequest) -> str:
        """The call in the request's path."""
        return _call_id(request)

    def codec(self) -> GatewayCodec:
        """Not to be had: which call a socket is for, only its request tells."""
        raise Refused("the socket's call is not known", status=400)

    def codec_for(self, request: HttpRequest) -> OpenGateway:
        """A codec for the call in the request's path."""
        return OpenGateway(_call_id(request))

    def _require_token(self) -> None:
        if not self._token:
            raise Refused("OPEN_TOKEN is not set, so nobody can show it")

    def _check_token(self, request: HttpRequest) -> None:
        shown = request.headers.get("authorization", "")
        if shown[: len(_SCHEME)].lower() != _SCHEME.lower():
            raise Refused("no bearer token and no ticket", status=401)
        if not hmac.compare_digest(shown[len(_SCHEME) :].strip().encode("utf-8", "replace"), self._token.encode()):
            raise Refused("the bearer token is not OPEN_TOKEN", status=401)


class Open:
    """The platform: both ends, made from settings."""

    spec: WireSpec

    def __init__(self, spec: WireSpec) -> None:
        self.spec = spec

    def door(self, settings: OpenSettings, *, base_url: str, tickets: Tickets, insecure: bool) -> OpenDoor:
        """The gateway's side."""
        return OpenDoor(settings, base_url=base_url, tickets=tickets, insecure=insecure)

    def phone(self, settings: OpenSettings, *, call_id: str, caller: str, callee: str) -> OpenPhone:
        """The client's side, with its audio in binary."""
        return OpenPhone(path=self.spec.media_path, token=settings.token, call_id=call_id, caller=caller, callee=callee)


def _call_id(request: HttpRequest) -> str:
    """The path's last segment. Raises ``Refused`` when it is no name for a call."""
    call_id = urlsplit(request.url).path.rstrip("/").rpartition("/")[2]
    if not CALL_ID.fullmatch(call_id):
        raise Refused("the path names no call", status=400)
    return call_id


def _ticket(request: HttpRequest) -> str | None:
    try:
        shown = parse_qs(urlsplit(request.url).query, keep_blank_values=True, max_num_fields=_MAX_QUERY_FIELDS)
    except ValueError:
        raise Refused("the query has too many fields", status=400) from None
    return shown["ticket"][0] if "ticket" in shown else None


def _socket_url(url: str) -> str:
    """``https://…`` as ``wss://…``, ``http://…`` (a loopback trial) as ``ws://…``."""
    return "ws" + url.removeprefix("http")


SPEC: Final = WireSpec(
    name="open",
    title="Trunkline's open protocol",
    media_path="/ws/voice/{call_id}",
    hooks=("ticket",),
    formats=(PCM16_16K,),
    marks=True,
    clears=True,
    digits_in=True,
    digits_out=True,
    transfers=True,
    transcripts=True,
    frame_ms=20,
    max_frames=10,  # as for Twilio: 200 ms keeps what a clear can't reach short
    lead_ms=200,
    settings=OpenSettings,
    secret="token",  # noqa: S106 - its name
    setup=_SETUP,
)

PLATFORM: Final = Open(SPEC)
