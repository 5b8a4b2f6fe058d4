"""What Vonage is told over HTTP: NCCOs as webhook answers, and REST requests about a call (protocol page §1, §6)."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import msgspec

from trunkline.audio.format import AudioFormat
from trunkline.errors import Refused, RemoteError
from trunkline.wire._vonage_jwt import rest_token
from trunkline.wire._vonage_messages import TICKET, audio_format, content_type
from trunkline.wire.base import HttpCall, HttpReply, HttpRequest

JSON: Final = "application/json"
API: Final = "https://api.nexmo.com"
MAX_HEADER_BYTES: Final = 512  # of all headers of a WebSocket endpoint

_MAX_FIELDS: Final = 100  # an answer webhook has some ten; a SIP trunk adds its headers
_REGION = re.compile(r"https://[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:nexmo|vonage)\.com/?")


# --- webhooks ----------------------------------------------------------------------------------------------------


def fields_of(request: HttpRequest) -> dict[str, Any]:
    """A webhook's fields: of the query in a GET, of the JSON object in a POST. Raises ``Refused``."""
    if request.method == "GET":
        try:
            return dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True, max_num_fields=_MAX_FIELDS))
        except ValueError:
            raise Refused("the webhook has too many fields", status=413) from None
    if request.method != "POST":
        raise Refused("a webhook is a GET or a POST", status=405)
    try:
        return msgspec.json.decode(request.body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused("the webhook's body is not a JSON object", status=400) from None


def region_of(fields: Mapping[str, Any]) -> str:
    """Where the REST API of this call's region is; the query of a GET is not signed, so only Vonage's own are taken."""
    region = fields.get("region_url")
    return region.rstrip("/") if isinstance(region, str) and _REGION.fullmatch(region) else API


# --- NCCO --------------------------------------------------------------------------------------------------------


def connect_websocket(
    url: str, *, door_ticket: str, stream_ticket: str, audio: AudioFormat, event_url: str, number: str
) -> HttpReply:
    """Answer the answer webhook: connect the call to our media socket.

    One ticket is for the upgrade, which does not see the headers; the other is for the stream, which does. It is the
    last action: those after it would not wait for the socket to close. ``number`` is the one that was called.
    """
    connect: dict[str, Any] = {
        "action": "connect",
        "eventType": "synchronous",  # else Vonage tells nobody that it could not connect
        "eventUrl": [event_url],
        "endpoint": [
            {
                "type": "websocket",
                "uri": f"{url}?{urlencode({TICKET: door_ticket})}",
                "content-type": content_type(audio),
                "headers": {TICKET: stream_ticket},
            }
        ],
    }
    if number:
        connect["from"] = number
    return HttpReply(200, msgspec.json.encode([connect]), JSON)


class Websocket(msgspec.Struct, tag_field="type", tag="websocket"):
    """An endpoint as Vonage reads it."""

    uri: str
    content_type: str = msgspec.field(name="content-type")
    headers: dict[str, str | int | float | bool] = {}


class Connect(msgspec.Struct, tag_field="action", tag="connect", rename="camel"):
    """An action as Vonage reads it."""

    endpoint: list[Websocket]
    event_url: list[str] = []


class Action(msgspec.Struct):
    action: str


def read_ncco(reply: HttpReply) -> tuple[Websocket, AudioFormat, str]:
    """What Vonage makes of the answer: the endpoint, its format, and where it sends events ("" for nowhere).

    Raises ``Refused`` when the call was turned away, ``RemoteError`` when the answer can't be followed.
    """
    if reply.status != 200:
        raise Refused(f"the webhook answered {reply.status}", status=reply.status)
    if reply.content_type.partition(";")[0].strip() != JSON:
        raise RemoteError("the webhook's answer is not JSON by its content type")
    try:
        actions = msgspec.json.decode(reply.body, type=list[msgspec.Raw])
        kinds = [msgspec.json.decode(action, type=Action).action for action in actions]
        if "connect" not in kinds:
            raise Refused("the webhook did not connect the call to a media socket", status=200)
        first = kinds.index("connect")
        connect = msgspec.json.decode(actions[first], type=Connect)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RemoteError("the webhook's answer is not an NCCO that connects to a WebSocket") from None
    if first != len(kinds) - 1:
        raise RemoteError("an action after the connect: it would be mixed into the call", where=f"$[{first + 1}]")
    if len(connect.endpoint) != 1:
        raise RemoteError("there is not one endpoint", where=f"$[{first}].endpoint")
    (endpoint,) = connect.endpoint
    where = f"$[{first}].endpoint[0]"
    try:
        parts = urlsplit(endpoint.uri)
    except ValueError:
        raise RemoteError("the endpoint's URI is no URI", where=f"{where}.uri") from None
    # Vonage takes ws too, but a call in the clear is nobody's wish; this very machine has no certificate.
    if not parts.hostname or (parts.scheme != "wss" and not (parts.scheme == "ws" and _is_loopback(parts.hostname))):
        raise RemoteError("the endpoint's URI is not wss", where=f"{where}.uri")
    if len(msgspec.json.encode(endpoint.headers)) > MAX_HEADER_BYTES:
        raise RemoteError("the endpoint's headers are too long", where=f"{where}.headers")
    audio = audio_format(endpoint.content_type, where=f"{where}.content-type")
    return endpoint, audio, connect.event_url[0] if connect.event_url else ""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


# --- REST --------------------------------------------------------------------------------------------------------


class Rest(msgspec.Struct, frozen=True):
    """Requests about one call to Vonage's REST API, as values; ``None`` where there is no key to sign them with.

    ``call`` is the caller's leg. ``seed`` is this stream's own, and unguessable: the tokens' numbers are made from it.
    """

    base: str
    application_id: str
    private_key: str
    call: str
    seed: str

    def __repr__(self) -> str:
        return f"Rest({self.base})"

    def hang_up(self, number: int) -> HttpCall | None:
        """End the call. ``number`` counts this stream's requests. 404: it is over already, which is what was wanted."""
        return self._put("", {"action": "hangup"}, number, ok=(404,), purpose="hang up")

    def transfer(self, number: int, target: str, *, caller_id: str) -> HttpCall | None:
        """Send the caller to a number or a SIP URI, which ends the stream. ``caller_id`` is our number, if known."""
        is_sip = target.lower().startswith(("sip:", "sips:"))
        endpoint = {"type": "sip", "uri": target} if is_sip else {"type": "phone", "number": target.lstrip("+")}
        connect: dict[str, Any] = {"action": "connect", "endpoint": [endpoint]}
        if caller_id:
            connect["from"] = caller_id
        move = {"action": "transfer", "destination": {"type": "ncco", "ncco": [connect]}}
        return self._put("", move, number, ok=(), purpose="transfer")

    def press(self, number: int, digits: str) -> HttpCall | None:
        """Send digits to the caller's leg."""
        return self._put("/dtmf", {"digits": digits}, number, ok=(), purpose="digits")

    def _put(
        self, path: str, body: dict[str, Any], number: int, *, ok: tuple[int, ...], purpose: str
    ) -> HttpCall | None:
        if not self.private_key or not self.call:
            return None
        return HttpCall(
            "PUT",
            f"{self.base}/v1/calls/{quote(self.call, safe='')}{path}",
            headers={"content-type": JSON},
            body=msgspec.json.encode(body),
            ok=ok,
            purpose=purpose,
            dated=rest_token(
                self.private_key, application_id=self.application_id, seed=f"{self.seed} {self.call} {number}"
            ),
        )
