"""Vonage's tokens: ours by its own package's judgement, its own by ours, and none that was tampered with."""

import contextlib
import json
import time
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vonage_calls import ACCOUNT, APPLICATION, CALL, SECRET, SETTINGS, WALL, door, key_pair, phone, webhook
from vonage_jwt import JwtClient, verify_signature

from trunkline.errors import Refused
from trunkline.wire._vonage_jwt import WINDOW_S, Token, Webhooks, payload_hash, rest_token, webhook_token
from trunkline.wire.base import HttpCall, HttpRequest

# The protocol page's vector (§7).
BODY = b'{"from":"15005550006","to":"15005550001","uuid":"11111111-2222-3333-4444-555555555555"}'
HASH = "b50698eda870c919e569c14f3d5ddcb1c1d5ed4edc3445afd82c75038da802cb"

CLAIMS: dict[str, Any] = {
    "iss": "Vonage",
    "iat": int(WALL),
    "jti": "c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5",
    "api_key": ACCOUNT,
    "application_id": APPLICATION,
    "payload_hash": HASH,
}


def judge(now: float = 0.0) -> Webhooks:
    return Webhooks(SECRET, api_key=ACCOUNT, application_id=APPLICATION)


def signed(*, key: str = SECRET, algorithm: str = "HS256", body: bytes = BODY, **changes: Any) -> HttpRequest:
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not ...}
    token = jwt.api_jws.encode(json.dumps(claims).encode(), key, algorithm=algorithm)  # looks at no claim
    return HttpRequest("POST", "", {"authorization": f"Bearer {token}"}, body, WALL)


def test_the_pages_vector() -> None:
    assert payload_hash(BODY) == HASH
    judge().check(signed(), 0.0)


def test_the_vendors_package_accepts_what_our_telephone_signs() -> None:
    call = phone().dial("https://gw.example.org")
    token = call.headers_at(time.time())["authorization"].removeprefix("Bearer ")
    assert verify_signature(token, SECRET)
    assert not verify_signature(token, SECRET[::-1])


def test_the_vendors_package_and_ours_make_the_same_claims_for_rest() -> None:
    private, public = key_pair()
    ours = rest_token(private, application_id=APPLICATION, seed="s").headers(time.time())["authorization"][7:]
    theirs = JwtClient(APPLICATION, private).generate_application_jwt().decode()
    both = [jwt.decode(token, public, algorithms=["RS256"]) for token in (ours, theirs)]
    assert both[0].keys() == both[1].keys()
    assert [claims["exp"] - claims["iat"] for claims in both] == [900, 900]
    assert [jwt.get_unverified_header(token) for token in (ours, theirs)] == [{"alg": "RS256", "typ": "JWT"}] * 2


def test_what_the_vendors_verifier_accepts_so_does_ours() -> None:
    token = jwt.encode({**CLAIMS, "iat": int(time.time())}, SECRET, algorithm="HS256")
    assert verify_signature(token, SECRET)
    judge().check(HttpRequest("POST", "", {"authorization": f"bearer {token}"}, BODY, time.time()), 0.0)


BAD = [
    ("another secret", signed(key="x" * 32), "not signed with"),
    ("another algorithm", signed(algorithm="HS512", key=SECRET * 2), "not signed with"),
    ("no algorithm", signed(algorithm="none", key=""), "not signed with"),
    ("another issuer", signed(iss="Nexmo"), "not issued by Vonage"),
    ("no issuer", signed(iss=...), "not signed with"),
    ("no time", signed(iat=...), "not signed with"),
    ("a time in words", signed(iat="now"), "not signed with"),
    ("too old", signed(iat=WALL - WINDOW_S - 1), "too old"),
    ("too new", signed(iat=WALL + WINDOW_S + 1), "too old"),
    ("no time at all", signed(iat=float("nan")), "not signed with"),
    ("the end of time", signed(iat=10**400), "not signed with"),
    ("no number", signed(jti=...), "not signed with"),
    ("an empty number", signed(jti=""), "no number"),
    ("another account", signed(api_key="other"), "VONAGE_API_KEY"),
    ("another application", signed(application_id="other"), "VONAGE_APPLICATION_ID"),
    ("another body", signed(body=BODY + b" "), "not the one that was signed"),
    ("no hash", signed(payload_hash=...), "not the one that was signed"),
    ("a hash that is no hash", signed(payload_hash="é\ud800"), "not the one that was signed"),
    ("rubbish", HttpRequest("POST", "", {"authorization": "Bearer a.b.c"}, BODY, WALL), "not signed with"),
    ("basic", HttpRequest("POST", "", {"authorization": "Basic YTpi"}, BODY, WALL), "not a bearer token"),
]


@pytest.mark.parametrize(("why", "request_", "reason"), BAD, ids=[why for why, *_ in BAD])
def test_a_webhook_that_is_not_vonages_is_refused(why: str, request_: HttpRequest, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as caught:
        judge().check(request_, 0.0)
    assert caught.value.status == 401
    assert SECRET not in str(caught.value)


@given(st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda b: b.decode("latin-1"))), st.integers(0, 300))
def test_any_authorization_is_refused_and_nothing_else(noise: str, at: int) -> None:
    good = signed().headers["authorization"]
    for header in (noise, f"Bearer {noise}", good[:at] + noise + "!" + good[at + len(noise) + 1 :]):
        with pytest.raises(Refused):
            judge().check(HttpRequest("POST", "", {"authorization": header}, BODY, WALL), 0.0)


@given(
    st.dictionaries(st.sampled_from(list(CLAIMS)), st.one_of(st.none(), st.integers(), st.text(), st.lists(st.none())))
)
def test_any_claims_are_let_in_or_refused(changes: dict[str, Any]) -> None:
    with contextlib.suppress(Refused):
        judge().check(signed(**changes), 0.0)


def test_a_request_that_nobody_dated_is_never_recent() -> None:
    request = signed()
    with pytest.raises(Refused, match="too old"):
        judge().check(HttpRequest("POST", "", request.headers, BODY), 0.0)


def test_an_unsigned_webhook_is_asked_for_again() -> None:
    with pytest.raises(Refused, match="not signed") as caught:
        judge().check(HttpRequest("POST", "", {}, BODY, WALL), 0.0)
    assert caught.value.status == 503


def test_a_token_is_good_once() -> None:
    one = judge()
    one.check(signed(), 0.0)
    for now in (0.1, 500.0, 1000.0):
        with pytest.raises(Refused, match="used before"):
            one.check(signed(), now)
    one.check(signed(jti="another"), 1000.0)


def test_a_bodyless_webhook_needs_no_hash() -> None:
    judge().check(signed(body=b"", payload_hash=...), 0.0)


def test_without_an_account_or_application_any_of_the_secrets_is_let_in() -> None:
    Webhooks(SECRET, api_key="", application_id="").check(signed(api_key="x", application_id=...), 0.0)


@pytest.mark.parametrize("end", [b"", b"}", b"\x00"])
def test_the_door_checks_the_body_it_reads(end: bytes) -> None:
    request = webhook()
    tampered = HttpRequest("POST", request.url, request.headers, request.body.replace(b"15005550006", b"0") + end, WALL)
    with pytest.raises(Refused, match="not the one that was signed"):
        door().hook("answer", tampered, 0.0)


def test_a_token_shows_neither_key_nor_claims() -> None:
    token = webhook_token(SECRET, api_key=ACCOUNT, application_id="", body=b"", seed=CALL)
    assert repr(token) == "Token(HS256)"
    assert SETTINGS.signature_secret == SECRET


def test_the_same_token_sent_twice_has_two_numbers() -> None:
    token = Token("HS256", SECRET, {}, "seed")
    call = HttpCall("PUT", "https://api.nexmo.com", headers={"a": "b"}, dated=token)
    first, second = (call.headers_at(at) for at in (WALL, WALL + 0.25))
    assert first["a"] == "b"
    assert first["authorization"] != second["authorization"]
    assert json.loads(json.dumps(first)) == call.headers_at(WALL)
    assert HttpCall("PUT", "", headers={"a": "b"}).headers_at(WALL) == {"a": "b"}
