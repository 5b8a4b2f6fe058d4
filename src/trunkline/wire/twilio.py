"""Twilio Media Streams: a call is a webhook, its answer, and then a WebSocket with both directions of the audio.

What is said on the socket is in ``_twilio_messages``, our end of it in ``_twilio_gateway``, Twilio's own in
``_twilio_phone``; this file is the door that stands before them, and what Trunkline needs to know of Twilio.
"""

from typing import Final

import msgspec

from trunkline.errors import ConfigError, Refused
from trunkline.wire._expiring import Expiring
from trunkline.wire._twilio_gateway import Party, TwilioGateway
from trunkline.wire._twilio_http import TICKET, Rest, connect_stream
from trunkline.wire._twilio_messages import SID, StartDetails
from trunkline.wire._twilio_phone import TwilioPhone
from trunkline.wire._twilio_signature import Keys, check_webhook, form_fields, spellings
from trunkline.wire.base import HttpReply, HttpRequest, Tickets, WireSpec

_PARTIES_LIFETIME_S: Final = 60.0  # from the webhook to the stream's start, as for tickets
_PARTIES_LIMIT: Final = 100_000
_ADDRESS_CHARS: Final = 256  # a number has 16, a SIP URI with its parameters may be long
_SIMULATED_ACCOUNT: Final = "AC00000000000000000000000000000001"

_SETUP: Final = """\
1. In Twilio's console open **Account Dashboard** and copy the *Account SID* into `TWILIO_ACCOUNT_SID` and the
   *Auth Token* into `TWILIO_AUTH_TOKEN`.
2. Open **Phone Numbers → Manage → Active numbers**, choose the number, and under **Voice Configuration** enter
   - *A call comes in*: Webhook, `{base}/hooks/twilio/voice`, HTTP POST;
   - *Call status changes*: `{base}/hooks/twilio/status`, HTTP POST.
3. Twilio opens the media socket at `{base}/media/twilio`, as `wss` on port 443 with a publicly trusted certificate.
   `{base}` must be written exactly as Trunkline's public base URL: the signatures are made over it.
"""


class TwilioSettings(msgspec.Struct, frozen=True):
    """What Trunkline needs of a Twilio account. Without ``auth_token`` nobody is let in."""

    auth_token: str = ""  # signs Twilio's requests, and ours to the REST API
    account_sid: str = ""  # the only account let in; empty: any whose requests are signed with our token
    api_key: str = ""  # for the REST API, in place of the auth token: "SK…"
    api_secret: str = ""
    edge: str = ""  # of the REST API's host, as in "dublin"; with region or not at all
    region: str = ""  # as in "ie1"
    signing_secret: str = ""  # shared keys for webhooks signed with HMAC-SHA256: "<key id>:<secret>", space-separated

    def __post_init__(self) -> None:
        if bool(self.edge) != bool(self.region):
            raise ConfigError("TWILIO_EDGE and TWILIO_REGION go together: set both or neither")
        if bool(self.api_key) != bool(self.api_secret):
            raise ConfigError("TWILIO_API_KEY and TWILIO_API_SECRET go together: set both or neither")
        if not all(all(pair.partition(":")) for pair in self.signing_secret.split()):
            raise ConfigError("TWILIO_SIGNING_SECRET is not of the form <key id>:<secret>")

    def __repr__(self) -> str:
        return f"TwilioSettings(account_sid={self.account_sid!r})"

    def keys(self) -> Keys:
        """What Twilio's requests may be signed with."""
        return Keys(self.auth_token, dict(pair.split(":", 1) for pair in self.signing_secret.split()))

    def rest(self) -> Rest:
        """The REST API as this account may use it."""
        host = f"api.{self.edge}.{self.region}.twilio.com" if self.edge else "api.twilio.com"
        if self.api_key:
            return Rest(host, self.api_key, self.api_secret)
        return Rest(host, self.account_sid, self.auth_token)


class TwilioDoor:
    """Twilio's webhooks, and who may open a media socket.

    The numbers of a call are known from its webhook. They are kept here until its stream starts, because what goes
    into the stream's ``<Parameter>``s is shown in Twilio's logs and returns among the call's public parameters.
    """

    def __init__(self, settings: TwilioSettings, *, base_url: str, tickets: Tickets, insecure: bool) -> None:
        self._account_sid = settings.account_sid
        self._keys = settings.keys()
        self._rest = settings.rest()
        self._media_url = _socket_url(base_url.rstrip("/") + SPEC.media_path)
        self._tickets = tickets
        self._insecure = insecure
        self._parties: Expiring[Party] = Expiring(_PARTIES_LIFETIME_S, _PARTIES_LIMIT)  # by CallSid

    def hook(self, name: str, request: HttpRequest, now: float) -> HttpReply:
        """Answer ``voice`` with the stream to open, ``status`` with nothing. Raises ``Refused``."""
        if name not in SPEC.hooks:
            raise Refused("there is no such webhook", status=404)
        if not self._insecure:
            self._require_keys()
            check_webhook(self._keys, request)
        if name == "status":
            return HttpReply(204)
        fields = dict(form_fields(request))
        call_sid = fields.get("CallSid", "")
        if not SID.fullmatch(call_sid):
            raise Refused("the webhook names no call", status=400)
        account_sid = fields.get("AccountSid", "")
        self._require_account(account_sid)
        caller, callee = (fields.get(side, "")[:_ADDRESS_CHARS] for side in ("From", "To"))
        party = Party(account_sid, caller, callee)
        self._parties.put(call_sid, party, now)
        return connect_stream(self._media_url, self._tickets.issue(call_sid, now))

    def upgrade(self, request: HttpRequest, now: float) -> None:
        """Return if Twilio signed this upgrade; raise ``Refused`` if not. The ``start`` then shows whose call it is."""
        if self._insecure:
            return
        self._require_keys()
        # Twilio signs the URL as it stood in the TwiML, which was wss; HTTP servers speak of https.
        self._keys.check(request.headers, spellings(_socket_url(request.url), slash=True))

    def codec(self) -> TwilioGateway:
        """A codec for one freshly admitted media socket."""
        return TwilioGateway(self._admit, self._rest)

    def _admit(self, start: StartDetails, now: float) -> Party:
        """Bind the stream to its webhook (protocol page §8)."""
        known = self._parties.take(start.call_sid, now)
        if self._insecure:
            return known or Party()
        ticket = start.custom_parameters.get(TICKET)
        if ticket is None:
            raise Refused("the stream's start has no ticket")
        if not self._tickets.redeem(ticket, start.call_sid, now):
            raise Refused("the stream's ticket is wrong, used, too old or another call's")
        self._require_account(start.account_sid)
        if known is not None and known.account_sid != start.account_sid:
            raise Refused("the stream is of another account than its webhook")
        return known or Party()

    def _require_keys(self) -> None:
        if not self._keys.auth_token and not self._keys.shared:
            raise Refused("TWILIO_AUTH_TOKEN is not set, so nobody can be told to be Twilio")

    def _require_account(self, account_sid: str) -> None:
        if not self._insecure and self._account_sid and account_sid != self._account_sid:
            raise Refused("the call is of another account than TWILIO_ACCOUNT_SID")


class Twilio:
    """The platform: both ends, made from settings."""

    spec: WireSpec

    def __init__(self, spec: WireSpec) -> None:
        self.spec = spec

    def door(self, settings: TwilioSettings, *, base_url: str, tickets: Tickets, insecure: bool) -> TwilioDoor:
        """The gateway's side."""
        return TwilioDoor(settings, base_url=base_url, tickets=tickets, insecure=insecure)

    def phone(self, settings: TwilioSettings, *, call_id: str, caller: str, callee: str) -> TwilioPhone:
        """Twilio's side, of the account in ``settings`` or of a made-up one."""
        return TwilioPhone(
            auth_token=settings.auth_token,
            account_sid=settings.account_sid or _SIMULATED_ACCOUNT,
            call_sid=call_id,
            caller=caller,
            callee=callee,
        )


def _socket_url(url: str) -> str:
    """``https://…`` as ``wss://…``, ``http://…`` (a loopback trial) as ``ws://…``; a socket's URL as it is."""
    return "ws" + url.removeprefix("http") if url.startswith("http") else url


SPEC: Final = WireSpec(
    name="twilio",
    title="Twilio Media Streams",
    media_path="/media/twilio",
    hooks=("voice", "status"),
    marks=True,
    clears=True,
    digits_in=True,
    transfers=True,
    frame_ms=20,
    max_frames=10,  # Twilio takes any number; 200 ms keeps what a clear can't reach short
    lead_ms=200,
    settings=TwilioSettings,
    setup=_SETUP,
)

PLATFORM: Final = Twilio(SPEC)
