"""A webhook that announces a call, and a media socket with raw audio in binary: the contract that integrations for
RingCentral are often drawn with.

RingCentral itself has no such webhook and no such socket. Something between it and us must speak the contract, such
as a session border controller or a service of the operator's own; RingCentral's own way in is a SIP device. So this is
a profile for whatever speaks it. Formats are in ``_ringcentral_formats``, messages in ``_ringcentral_messages``, our
end of the socket in ``_ringcentral_gateway``, the other one in ``_ringcentral_phone``; this file is the door before
them.
"""

import hmac
import re
from math import inf
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec

from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K
from trunkline.errors import ConfigError, Refused
from trunkline.wire._expiring import Expiring
from trunkline.wire._json import UNREADABLE
from trunkline.wire._ringcentral_formats import Announced, Packets
from trunkline.wire._ringcentral_gateway import Expected, RingCentralGateway
from trunkline.wire._ringcentral_messages import CALL_ID, InboundCall, decode_call, decode_event
from trunkline.wire._ringcentral_phone import JSON, RingCentralPhone
from trunkline.wire.base import GatewayCodec, HttpReply, HttpRequest, Tickets, WireSpec

_INBOUND: Final = "/api/voice/inbound"
_LIFETIME_S: Final = 60.0  # from the webhook to its socket, as for tickets
_LIMIT: Final = 100_000
_MAX_QUERY_FIELDS: Final = 20  # the contract has four, and there is the ticket; a proxy may add its own
_SANE: Final = re.compile(r"\A[\x21-\x7e]{1,256}\Z")
_HANDSHAKES_PER_MINUTE: Final = 60
_TOKEN_HEADERS: Final = ("verification-token", "validation-token")  # RingCentral's own pages have both

_SETUP: Final = """\
This is **not a feature of RingCentral's**: RingCentral has no webhook that answers a call, and opens no media socket.
Its own way for a bot to speak is a SIP device over TLS with encrypted RTP, which is not part of this platform. What
this platform speaks is a generic contract of one webhook and one WebSocket, for a session border controller, a media
server or a small service of your own that stands between RingCentral (or any other telephone system) and Trunkline.

1. Make up a long random token (`openssl rand -hex 32`) and put it into `RINGCENTRAL_VERIFICATION_TOKEN`.
2. Have each call announced by `POST {base}/api/voice/inbound`, with that token in the header `Verification-Token` (or
   `Validation-Token`) and the body `{{"event": "call.inbound", "body": {{"id": "…", "from": {{"phoneNumber": "…"}},
   "to": {{"phoneNumber": "…"}}}}}}`. The answer has the `url` of the media socket, good for one socket within a minute,
   and the `format` of the packets. A request without a body whose `Validation-Token` is to be sent back, as RingCentral
   makes it for a new subscription, gets that answer.
3. Open that socket (`{base}/api/voice/realtime/ws/call?call_id=…`, as `wss`; add `from_number`, `to_number` and
   `session_id` as you like). Whoever can send headers may show the token there in the place of the ticket, for a call
   that was announced. Say `{{"type": "start"}}`, with another `format` if you like (`encoding`: `mulaw`, `alaw` or
   `pcm`; `sampleRate`; `channels`: 1 or 2); then send raw audio in binary messages, and `{{"type": "stop"}}` at the
   end. Two channels are mixed; what comes back has the same format, in packets of 20 ms.
4. `RINGCENTRAL_ENCODING`, `RINGCENTRAL_RATE` and `RINGCENTRAL_CHANNELS` say which format the answer asks for;
   `VOICE_WEBSOCKET_TIMEOUT` after how many seconds without a message a call ends (30; `{{"type": "ping"}}` is one), and
   `VOICE_MAX_ERRORS` which broken message ends it (the 10th). Audio at another rate than was announced is such an
   error, once every two seconds.
5. The contract has no words for clearing audio, for marks or for hanging up: an interruption takes effect 100 ms late,
   and a call is ended by closing the socket. A peer that knows `clear`, `mark` and `hangup` gets them with
   `RINGCENTRAL_EXTENSIONS=true`; any may send `{{"type": "dtmf", "digit": "5"}}`.
6. `GET {base}/api/voice/realtime/health` tells how the service is.
"""


class RingCentralSettings(msgspec.Struct, frozen=True):
    """Without ``verification_token`` nobody is let in."""

    verification_token: str = ""  # what the peer shows with each webhook
    encoding: str = "mulaw"  # what we ask for: mulaw, alaw or pcm
    rate: int = 8000  # Hz
    channels: int = 1
    extensions: bool = False  # the peer knows clear, mark and hangup
    websocket_timeout: float = 30  # seconds without a message that end the call
    max_errors: int = 10  # the how-manyeth broken message ends the call

    def __post_init__(self) -> None:
        try:
            self.packets()
        except Refused:
            names = "RINGCENTRAL_ENCODING, RINGCENTRAL_RATE and RINGCENTRAL_CHANNELS"
            raise ConfigError(f"{names} are no format that can be asked for") from None
        if self.websocket_timeout <= 0:
            raise ConfigError("RINGCENTRAL_WEBSOCKET_TIMEOUT (VOICE_WEBSOCKET_TIMEOUT) is not a time")
        if self.max_errors < 1:
            raise ConfigError("RINGCENTRAL_MAX_ERRORS (VOICE_MAX_ERRORS) is not 1 or more")

    def __repr__(self) -> str:
        return "RingCentralSettings()"

    def packets(self) -> Packets:
        """The format to ask for. Raises ``Refused`` where there is none."""
        return Packets().changed(Announced(self.encoding, self.rate, self.channels))


class RingCentralDoor:
    """The webhook, and who may open a media socket.

    The numbers of a call are kept here from its webhook until its socket comes: an address is written down by every
    proxy on the way, so they are not put into the one we give out.
    """

    def __init__(self, settings: RingCentralSettings, *, base_url: str, tickets: Tickets, insecure: bool) -> None:
        self._token = settings.verification_token
        self._packets = settings.packets()
        self._extensions = settings.extensions
        self._media_url = "ws" + base_url.rstrip("/").removeprefix("http") + SPEC.media_path
        self._tickets = tickets
        self._insecure = insecure
        self._announced: Expiring[InboundCall] = Expiring(_LIFETIME_S, _LIMIT)  # by call
        self._admitted: Expiring[InboundCall] = Expiring(_LIFETIME_S, _LIMIT)  # its socket is about to be opened
        self._minute = -inf  # began then
        self._handshakes = 0  # in it

    def hook(self, name: str, request: HttpRequest, now: float) -> HttpReply:
        """Answer ``inbound``: an announced call with where to connect, any other event with nothing. Raises
        ``Refused``."""
        if name not in SPEC.hooks:
            raise Refused("there is no such webhook", status=404)
        if request.method != "POST":
            raise Refused("the webhook is called by POST", status=405)
        if not self._insecure:
            self._require_token()
        if "validation-token" in request.headers and not request.body.strip():
            return self._handshake(request.headers["validation-token"], now)
        if not self._insecure:
            self._check_token(request)
        try:
            event = decode_event(request.body)
            if event.event != "call.inbound":
                return HttpReply(200, b"{}", JSON)  # another answer would end RingCentral's subscription
            call = decode_call(event.body)
        except UNREADABLE:
            raise Refused("the webhook's body is not as it should be", status=400) from None
        if not CALL_ID.fullmatch(call.id):
            raise Refused("the webhook names no call", status=400)
        self._announced.put(call.id, call, now)
        query = urlencode({"call_id": call.id, "ticket": self._tickets.issue(call.id, now)})
        media = {"type": "websocket", "url": f"{self._media_url}?{query}", "format": self._packets.said()}
        return HttpReply(200, msgspec.json.encode({"action": "answer", "media": media}), JSON)

    def upgrade(self, request: HttpRequest, now: float) -> None:
        """Return if the request shows the ticket of its call, or the token and a call that was announced; raise
        ``Refused`` if not."""
        query = _query(request)
        call_id = _call_id(query)
        if not self._insecure:
            self._require_token()
            if "ticket" not in query:
                self._check_token(request)
            elif not self._tickets.redeem(query["ticket"], call_id, now):
                raise Refused("the ticket is wrong, used, too old or another call's", status=401)
        call = self._announced.take(call_id, now)
        if call is not None:
            self._admitted.put(call_id, call, now)
        elif not self._insecure and "ticket" not in query:
            raise Refused("no such call was announced", status=404)

    def call_id(self, request: HttpRequest) -> str:
        """The call in the request's query."""
        return _call_id(_query(request))

    def codec(self) -> GatewayCodec:
        """Not to be had: which call a socket is for, only its request tells."""
        raise Refused("the socket's call is not known", status=400)

    def codec_for(self, request: HttpRequest) -> RingCentralGateway:
        """A codec for the call in the request's query."""
        query = _query(request)
        call_id, session_id = _call_id(query), query.get("session_id", "")
        known = self._admitted.take(call_id, -inf) or InboundCall(call_id)  # ``upgrade`` has looked at the time
        call = Expected(
            call_id,
            caller=known.caller.number or _number(query, "from_number"),
            callee=known.callee.number or _number(query, "to_number"),
            session_id=session_id if CALL_ID.fullmatch(session_id) else "",
            packets=self._packets,
        )
        return RingCentralGateway(call, extensions=self._extensions)

    def _handshake(self, token: str, now: float) -> HttpReply:
        """Whoever makes a subscription wants its token back, before anybody can know another one."""
        if not _SANE.fullmatch(token):
            raise Refused("the validation token is not one that can be sent back", status=400)
        if now >= self._minute + 60:
            self._minute, self._handshakes = now, 0
        self._handshakes += 1
        if self._handshakes > _HANDSHAKES_PER_MINUTE:
            raise Refused("too many validation tokens in a minute", status=429)
        return HttpReply(200, b"{}", JSON, {"Validation-Token": token})

    def _require_token(self) -> None:
        if not self._token:
            raise Refused("RINGCENTRAL_VERIFICATION_TOKEN is not set, so nobody can show it")

    def _check_token(self, request: HttpRequest) -> None:
        shown = [request.headers[name] for name in _TOKEN_HEADERS if name in request.headers]
        if not shown:
            raise Refused("no verification token and no ticket", status=401)
        if not any(hmac.compare_digest(one.encode("utf-8", "replace"), self._token.encode()) for one in shown):
            raise Refused("the verification token is not RINGCENTRAL_VERIFICATION_TOKEN", status=401)


class RingCentral:
    """The platform: both ends, made from settings."""

    spec: WireSpec

    def __init__(self, spec: WireSpec) -> None:
        self.spec = spec

    def tuned(self, settings: RingCentralSettings) -> WireSpec:
        """With the operator's limits; and with marks where the peer knows them."""
        able = settings.extensions
        return msgspec.structs.replace(
            self.spec,
            marks=able,
            clears=able,
            lead_ms=200 if able else self.spec.lead_ms,
            silence_timeout_s=settings.websocket_timeout,
            max_errors=settings.max_errors,
        )

    def door(
        self, settings: RingCentralSettings, *, base_url: str, tickets: Tickets, insecure: bool
    ) -> RingCentralDoor:
        """The gateway's side."""
        return RingCentralDoor(settings, base_url=base_url, tickets=tickets, insecure=insecure)

    def phone(self, settings: RingCentralSettings, *, call_id: str, caller: str, callee: str) -> RingCentralPhone:
        """The far side. It speaks mu-law whatever it is asked for, and says so."""
        return RingCentralPhone(
            hook=_INBOUND,
            token=settings.verification_token,
            call_id=call_id,
            caller=caller,
            callee=callee,
            extensions=settings.extensions,
        )


def _query(request: HttpRequest) -> dict[str, str]:
    """The first value of each field. Raises ``Refused`` where there are too many."""
    try:
        fields = parse_qs(urlsplit(request.url).query, keep_blank_values=True, max_num_fields=_MAX_QUERY_FIELDS)
    except ValueError:
        raise Refused("the query has too many fields", status=400) from None
    return {name: values[0] for name, values in fields.items()}


def _call_id(query: dict[str, str]) -> str:
    call_id = query.get("call_id", "")
    if not CALL_ID.fullmatch(call_id):
        raise Refused("the query names no call", status=400)
    return call_id


def _number(query: dict[str, str], side: str) -> str:
    """A number from the query, where a plus that was not escaped reads as a space."""
    number = query.get(side, "")[:256]
    return "+" + number[1:] if number.startswith(" ") else number


SPEC: Final = WireSpec(
    name="ringcentral",
    title="RingCentral contract (webhook and media socket)",
    media_path="/api/voice/realtime/ws/call",
    hooks=("inbound",),
    hook_paths={"inbound": _INBOUND},
    formats=(MULAW_8K, ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K),
    closes=True,
    idles=True,
    digits_in=True,
    frame_ms=20,
    max_frames=1,
    lead_ms=100,  # what was sent can't be taken back: so little of it
    start_after_s=2.0,
    silence_timeout_s=30.0,
    keep_alive_s=20.0,  # proxies cut what is silent for a minute
    max_errors=10,
    settings=RingCentralSettings,
    also={"websocket_timeout": "VOICE_WEBSOCKET_TIMEOUT", "max_errors": "VOICE_MAX_ERRORS"},
    secret="verification_token",  # noqa: S106 - its name
    setup=_SETUP,
)

PLATFORM: Final = RingCentral(SPEC)
