"""What Twilio is told over HTTP: TwiML as webhook answers, and REST requests about a call (protocol page §1, §6)."""

import xml.etree.ElementTree as ElementTree
from html import escape  # its five entities are XML's too
from ipaddress import ip_address
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from trunkline.errors import Refused, RemoteError
from trunkline.wire.base import HttpCall, HttpReply

XML: Final = "text/xml"
TICKET: Final = "ticket"  # the <Parameter> the single-use ticket travels in

_PROLOG: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_MAX_TWIML_BYTES: Final = 65536  # Twilio's own limit (error 11750)


def connect_stream(url: str, ticket: str) -> HttpReply:
    """Answer a voice webhook: open a two-way stream to ``url``, and hang up when we close it.

    The ``<Hangup/>`` is what makes closing the socket end the call whatever comes of the REST request.
    """
    twiml = (
        f'{_PROLOG}<Response><Connect><Stream url="{escape(url)}">'
        f'<Parameter name="{TICKET}" value="{escape(ticket)}"/>'
        "</Stream></Connect><Hangup/></Response>"
    )
    return HttpReply(200, twiml.encode(), XML)


def dial(target: str) -> str:
    """TwiML that sends the caller to a number or a SIP URI."""
    inner = escape(target, quote=False)
    if target.lower().startswith(("sip:", "sips:")):
        inner = f"<Sip>{inner}</Sip>"
    return f"<Response><Dial>{inner}</Dial></Response>"


def read_connect_stream(reply: HttpReply) -> tuple[str, dict[str, str]]:
    """What Twilio makes of a webhook's answer: the stream's URL and parameters.

    Raises ``Refused`` when the call was turned away, ``RemoteError`` (with the debugger code Twilio would log) when
    the answer can't be followed.
    """
    if reply.status != 200:
        raise Refused(f"the webhook answered {reply.status}", status=reply.status)
    if reply.content_type.partition(";")[0].strip() not in (XML, "application/xml"):
        raise RemoteError("12300 the webhook's answer is not XML by its content type")
    if len(reply.body) > _MAX_TWIML_BYTES:
        raise RemoteError("11750 the webhook's answer is too long")
    try:
        text = reply.body.decode()
        if "<!DOCTYPE" in text:  # no document type, hence no entities: nothing in here can grow
            raise RemoteError("12100 the webhook's answer has a document type")
        # A str is parsed as it stands, whatever encoding it declares, so the check above can't be bypassed.
        response = ElementTree.fromstring(text)  # noqa: S314 - entities are ruled out above, the length too
    except (ElementTree.ParseError, ValueError):
        raise RemoteError("12100 the webhook's answer is not well-formed XML") from None
    if response.tag != "Response":
        raise RemoteError("12100 the webhook's answer is not a Response")
    stream = response.find("Connect/Stream")
    if stream is None:
        raise Refused("the webhook did not connect the call to a stream", status=200)
    url = stream.get("url", "")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise RemoteError("31920 the stream's URL is no URL", where="Stream.url") from None
    # Twilio takes wss only; a gateway tried out on this very machine has no certificate.
    if parts.scheme != "wss" and not (parts.scheme == "ws" and _is_loopback(parts.hostname or "")):
        raise RemoteError("31922 the stream's URL is not wss", where="Stream.url")
    if parts.query or not parts.hostname:
        raise RemoteError("31920 the stream's URL has a query or no host", where="Stream.url")
    return url, {p.get("name", ""): p.get("value", "") for p in stream.findall("Parameter")}


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class Rest(msgspec.Struct, frozen=True):
    """Requests to Twilio's REST API, as values; ``None`` where there is no secret to sign them with.

    Without a ``user`` the call's own account is the user: it is what the auth token belongs to.
    """

    host: str
    user: str
    secret: str

    def __repr__(self) -> str:
        return f"Rest({self.host})"

    def hang_up(self, account_sid: str, call_sid: str) -> HttpCall | None:
        """End the call. 404 means that it is over already, which is what was wanted."""
        return self._update(account_sid, call_sid, {"Status": "completed"}, ok=(404,), purpose="hang up")

    def transfer(self, account_sid: str, call_sid: str, target: str) -> HttpCall | None:
        """Send the call elsewhere, which ends the stream."""
        return self._update(account_sid, call_sid, {"Twiml": dial(target)}, ok=(), purpose="transfer")

    def _update(
        self, account_sid: str, call_sid: str, fields: dict[str, str], *, ok: tuple[int, ...], purpose: str
    ) -> HttpCall | None:
        if not self.secret:
            return None
        path = f"/2010-04-01/Accounts/{quote(account_sid, safe='')}/Calls/{quote(call_sid, safe='')}.json"
        return HttpCall(
            "POST",
            f"https://{self.host}{path}",
            headers={"content-type": "application/x-www-form-urlencoded"},
            body=urlencode(fields).encode(),
            auth=(self.user or account_sid, self.secret),
            ok=ok,
            purpose=purpose,
        )
