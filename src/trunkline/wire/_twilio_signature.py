"""``X-Twilio-Signature``: made, and checked (protocol page §7; Twilio, "Webhooks security")."""

import base64
import hmac
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from trunkline.errors import Refused
from trunkline.wire.base import HttpRequest

SIGNATURE: Final = "x-twilio-signature"
SETTINGS: Final = "x-twilio-webhooks-signature-settings"  # key=<id>,algorithm=HMAC_SHA256
FORM: Final = "application/x-www-form-urlencoded"

_DIGESTS: Final = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
_DEFAULT_PORTS: Final = {"https": "443", "wss": "443", "http": "80", "ws": "80"}
_MAX_FIELDS: Final = 500  # a voice webhook has some thirty; a SIP trunk adds its headers
_URL = re.compile(r"(?P<scheme>[a-z]+)://(?P<host>[^/?#]*?)(?::(?P<port>\d+))?(?P<path>/[^?#]*)?(?P<query>\?.*)?")

Field = tuple[str, str]


def sign(secret: str, url: str, fields: Iterable[Field] = (), *, algorithm: str = "HMAC_SHA1") -> str:
    """The signature of a form POST to ``url``; of a GET or a WebSocket upgrade when there are no ``fields``.

    Each distinct value of each distinct name, both in ASCII order, is appended to the URL as name and value.
    """
    signed = url + "".join(name + value for name, value in sorted(set(fields)))
    mac = hmac.digest(secret.encode(), signed.encode("utf-8", "replace"), _DIGESTS[algorithm])
    return base64.b64encode(mac).decode()


def spellings(url: str, *, slash: bool = False) -> tuple[str, ...]:
    """``url`` as Twilio may have written it: as it is, and with its default port named or left out.

    With ``slash`` also with a trailing slash more or less, which has been seen on upgrades. Nothing else about the
    URL is touched: the signature is over the very characters.
    """
    parts = _URL.fullmatch(url)
    if parts is None:
        return (url,)
    scheme, host, port, path, query = (parts[name] or "" for name in ("scheme", "host", "port", "path", "query"))
    default = _DEFAULT_PORTS.get(scheme, "")
    ports = ["", f":{default}"] if port in ("", default) else [f":{port}"]
    paths = [path]
    if slash:
        paths.append(path[:-1] if path.endswith("/") else path + "/")
    return tuple(dict.fromkeys([url, *(f"{scheme}://{host}{p}{a}{query}" for p in ports for a in paths)]))


class Keys(msgspec.Struct, frozen=True):
    """What Twilio may have signed with: the account's auth token, and shared keys by their id."""

    auth_token: str
    shared: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Keys({len(self.shared)} shared)"

    def check(self, headers: Mapping[str, str], urls: Iterable[str], fields: Iterable[Field] = ()) -> None:
        """Return if the signature in ``headers`` is right for one of ``urls``; raise ``Refused`` if not.

        All of ``urls`` are tried whatever the first ones give, each in constant time.
        """
        shown = headers.get(SIGNATURE)
        if not shown:
            raise Refused("no X-Twilio-Signature")
        settings = dict(part.strip().partition("=")[::2] for part in headers.get(SETTINGS, "").split(","))
        algorithm = (settings.get("algorithm") or "HMAC_SHA1").upper()
        if algorithm not in _DIGESTS:
            raise Refused("X-Twilio-Signature was made with an algorithm we do not know")
        key = settings.get("key")
        secret = self.shared.get(key) if key else self.auth_token
        if not secret:
            raise Refused("X-Twilio-Signature was made with a key we do not have: see TWILIO_SIGNING_SECRET")
        fields = tuple(fields)
        right = False
        for url in urls:
            expected = sign(secret, url, fields, algorithm=algorithm)
            right |= hmac.compare_digest(expected.encode(), shown.encode("utf-8", "replace"))
        if not right:
            raise Refused("X-Twilio-Signature does not match: is the public base URL the one Twilio calls?")


def check_webhook(keys: Keys, request: HttpRequest) -> None:
    """Return if Twilio sent this webhook; raise ``Refused`` if not. Does the three forms there are of them."""
    fields: list[Field] = []
    if request.method == "POST":
        query = dict(parse_qsl(urlsplit(request.url).query))
        if (promised := query.get("bodySHA256")) is not None:  # then the URL, hash in it, is all that is signed
            body_hash = sha256(request.body).hexdigest()
            if not hmac.compare_digest(body_hash.encode(), promised.encode("utf-8", "replace")):
                raise Refused("the webhook's body is not the one that was signed")
        else:
            fields = form_fields(request)
    keys.check(request.headers, spellings(request.url), fields)


def form_fields(request: HttpRequest) -> list[Field]:
    """The webhook's fields: of the form in a POST, of the query in a GET. Raises ``Refused``."""
    if request.method == "GET":
        raw = urlsplit(request.url).query
    elif request.method == "POST" and request.headers.get("content-type", "").lower().startswith(FORM):
        raw = request.body.decode("utf-8", "replace")
    else:
        raise Refused("a webhook is a GET, or a POST of a form", status=405)
    try:
        return parse_qsl(raw, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise Refused("the webhook has too many fields", status=413) from None
