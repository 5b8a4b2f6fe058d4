"""The signed tokens of Vonage: on its webhooks (HS256) and on our REST requests (RS256), made and checked.

Protocol page §6 and §7. All time is Unix time, and an argument: what PyJWT would read from the clock is switched off.
"""

from hashlib import sha256
from hmac import compare_digest
from typing import Annotated, Any, Final, Literal

import jwt
import msgspec
from jwt.algorithms import RSAAlgorithm
from msgspec import Meta

from trunkline.errors import ConfigError, Refused
from trunkline.wire._expiring import Expiring
from trunkline.wire.base import HttpRequest

ISSUER: Final = "Vonage"
WINDOW_S: Final = 300  # how far a webhook's time may be from ours
REST_LIFETIME_S: Final = 900
_SEEN_LIMIT: Final = 100_000  # webhooks in twice the window; beyond it the oldest could be shown again

_CLAIMS_ARE_OURS_TO_CHECK: Final[Any] = {
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


class Token(msgspec.Struct, frozen=True):
    """An ``Authorization`` header made at the moment of sending. ``seed`` is what tells its ``jti`` from others'."""

    algorithm: Literal["HS256", "RS256"]
    key: str
    claims: dict[str, str]
    seed: str
    lifetime_s: int | None = None

    def __repr__(self) -> str:
        return f"Token({self.algorithm})"

    def headers(self, at: float) -> dict[str, str]:
        """``authorization: Bearer …``, issued ``at`` this Unix time."""
        # A request that is repeated is another request: the time, to its last digit, goes into the number too.
        claims: dict[str, Any] = {
            **self.claims,
            "iat": int(at),
            "jti": sha256(f"{self.seed} {at!r}".encode()).hexdigest(),
        }
        if self.lifetime_s is not None:
            claims["exp"] = int(at) + self.lifetime_s
        return {"authorization": f"Bearer {jwt.encode(claims, self.key, algorithm=self.algorithm)}"}


def webhook_token(secret: str, *, api_key: str, application_id: str, body: bytes, seed: str) -> Token:
    """What Vonage signs a webhook with."""
    claims = {"iss": ISSUER, "api_key": api_key, "payload_hash": payload_hash(body)}
    if application_id:
        claims["application_id"] = application_id
    return Token("HS256", secret, claims, seed)


def rest_token(private_key: str, *, application_id: str, seed: str) -> Token:
    """What an application signs a REST request with."""
    return Token("RS256", private_key, {"application_id": application_id}, seed, REST_LIFETIME_S)


def payload_hash(body: bytes) -> str:
    """The claim that binds a token to a body."""
    return sha256(body).hexdigest()


def check_private_key(pem: str) -> None:
    """Return if requests can be signed with this key; raise ``ConfigError`` if not."""
    try:
        RSAAlgorithm(RSAAlgorithm.SHA256).prepare_key(pem)
    except (jwt.InvalidKeyError, ValueError, TypeError):
        raise ConfigError("VONAGE_PRIVATE_KEY is not an RSA private key in PEM form") from None


class Claims(msgspec.Struct):
    """What is looked at of a webhook's token."""

    iss: str
    iat: Annotated[float, Meta(ge=0, le=1e12)]  # s
    jti: str
    api_key: str = ""
    application_id: str = ""
    payload_hash: str = ""


class Webhooks:
    """Tells Vonage's webhooks from anybody's. Each token is good once."""

    def __init__(self, secret: str, *, api_key: str, application_id: str) -> None:
        self._secret = secret
        self._api_key = api_key
        self._application_id = application_id
        self._seen: Expiring[bool] = Expiring(2 * WINDOW_S, _SEEN_LIMIT)

    def check(self, request: HttpRequest, now: float) -> None:
        """Return if Vonage sent this webhook, just now and for the first time; raise ``Refused`` if not."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not token:
            # Vonage says that it may fail to sign one, and that it sends it again for a 5xx.
            raise Refused("the webhook is not signed: are signed webhooks switched on in its application?", status=503)
        if scheme.lower() != "bearer":
            raise Refused("the webhook's authorization is not a bearer token", status=401)
        try:
            raw = jwt.decode(token.strip(), self._secret, algorithms=["HS256"], options=_CLAIMS_ARE_OURS_TO_CHECK)
            claims = msgspec.convert(raw, Claims)
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            raise Refused("the webhook's token is not signed with VONAGE_SIGNATURE_SECRET", status=401) from None
        self._check_claims(claims, request)
        if self._seen.take(claims.jti, now):
            self._seen.put(claims.jti, True, now)
            raise Refused("the webhook's token has been used before", status=401)
        self._seen.put(claims.jti, True, now)

    def _check_claims(self, claims: Claims, request: HttpRequest) -> None:
        if claims.iss != ISSUER:
            raise Refused("the webhook's token was not issued by Vonage", status=401)
        if not abs(claims.iat - request.at) <= WINDOW_S:
            raise Refused("the webhook's token is too old, or one of our clocks is wrong", status=401)
        if not claims.jti:
            raise Refused("the webhook's token has no number", status=401)
        if self._api_key and claims.api_key != self._api_key:
            raise Refused("the webhook is of another account than VONAGE_API_KEY", status=401)
        if self._application_id and claims.application_id and claims.application_id != self._application_id:
            raise Refused("the webhook is of another application than VONAGE_APPLICATION_ID", status=401)
        # Over what the hash of no body is taken is not documented; there is nothing in it to be tampered with.
        shown = claims.payload_hash.lower().encode("utf-8", "replace")
        if request.body and not compare_digest(shown, payload_hash(request.body).encode()):
            raise Refused("the webhook's body is not the one that was signed", status=401)
