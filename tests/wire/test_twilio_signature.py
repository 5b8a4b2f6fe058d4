"""X-Twilio-Signature: the protocol page's vectors, and agreement with Twilio's own package both ways."""

from hashlib import sha256
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from twilio_calls import ACCOUNT, CALL, TOKEN

from trunkline.errors import Refused
from trunkline.wire._twilio_signature import (
    FORM,
    SETTINGS,
    SIGNATURE,
    Keys,
    check_webhook,
    form_fields,
    sign,
    spellings,
)
from trunkline.wire.base import HttpRequest

VOICE = "https://gw.example.org/v1/twilio/voice?tenant=7"
FIELDS = {"CallSid": CALL, "From": "+15005550006", "To": "+15005550001", "Digits": "", "AccountSid": ACCOUNT}
SHA1 = "nkLluCwJYpYT6o4wWAORyBmqKkI="
SHA256 = "Kh3SsQOQqbyLSILIJaYmOq7XS9oCy+nWZjT05OdzBC4="
KEYS = Keys(TOKEN, {"key-1": TOKEN[::-1]})


class Repeated(dict[str, list[str]]):
    """Fields with several values each, as Twilio's package reads them from Django."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


def post(fields: dict[str, str], signature: str, url: str = VOICE, **headers: str) -> HttpRequest:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpRequest("POST", url, {"content-type": FORM, SIGNATURE: signature} | headers, urlencode(fields).encode())


@pytest.mark.parametrize(
    ("url", "fields", "algorithm", "signature"),
    [
        (VOICE, FIELDS, "HMAC_SHA1", SHA1),
        (VOICE, FIELDS, "HMAC_SHA256", SHA256),
        ("wss://gw.example.org/v1/twilio/media", {}, "HMAC_SHA1", "M+PV0dAaD4cw8S0sWKbqJNCDcwc="),
        ("wss://gw.example.org/v1/twilio/media/", {}, "HMAC_SHA1", "HrM61Hpw7IBfcFwIxmLJ6MjRihk="),
        ("wss://gw.example.org:443/v1/twilio/media", {}, "HMAC_SHA1", "fDiFmjrC2qzJIdACpGZTdMhNrEQ="),
    ],
)
def test_the_pages_vectors(url: str, fields: dict[str, str], algorithm: str, signature: str) -> None:
    assert sign(TOKEN, url, fields.items(), algorithm=algorithm) == signature


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(st.dictionaries(text.filter(bool), st.lists(text, min_size=1, max_size=3), max_size=5))
def test_we_sign_what_twilios_package_signs(fields: dict[str, list[str]]) -> None:
    pairs = [(name, value) for name, values in fields.items() for value in values]
    for algorithm in ("HMAC_SHA1", "HMAC_SHA256"):
        theirs = RequestValidator(TOKEN).compute_signature(VOICE, Repeated(fields), algorithm)
        assert sign(TOKEN, VOICE, pairs, algorithm=algorithm) == theirs


@given(st.dictionaries(text.filter(bool), text, max_size=5))
def test_twilios_package_accepts_our_signature_and_we_accept_theirs(fields: dict[str, str]) -> None:
    validator = RequestValidator(TOKEN)
    assert validator.validate(VOICE, fields, sign(TOKEN, VOICE, fields.items()))
    check_webhook(KEYS, post(fields, validator.compute_signature(VOICE, fields)))


def test_duplicate_values_count_once_and_in_order() -> None:
    once = sign(TOKEN, VOICE, [("a", "1"), ("a", "2")])
    assert sign(TOKEN, VOICE, [("a", "2"), ("a", "1"), ("a", "2")]) == once


def test_names_sort_by_ascii_not_by_alphabet() -> None:
    assert sign(TOKEN, "u", [("a", "1"), ("B", "2")]) == sign(TOKEN, "uB2a1")


@pytest.mark.parametrize(
    ("url", "slash", "expected"),
    [
        ("https://h/p?q=1", False, {"https://h/p?q=1", "https://h:443/p?q=1"}),
        ("https://h:443/p", False, {"https://h/p", "https://h:443/p"}),
        ("https://h:8443/p", False, {"https://h:8443/p"}),
        ("http://h/p", False, {"http://h/p", "http://h:80/p"}),
        ("wss://h/p", True, {"wss://h/p", "wss://h/p/", "wss://h:443/p", "wss://h:443/p/"}),
        ("wss://h/p/", True, {"wss://h/p", "wss://h/p/", "wss://h:443/p", "wss://h:443/p/"}),
        ("wss://[::1]/p", False, {"wss://[::1]/p", "wss://[::1]:443/p"}),
        ("https://h", False, {"https://h", "https://h:443"}),
        ("https://h?", False, {"https://h?", "https://h:443?"}),
        ("no url", True, {"no url"}),
    ],
)
def test_a_url_may_name_its_port_or_not(url: str, slash: bool, expected: set[str]) -> None:
    found = spellings(url, slash=slash)
    assert set(found) == expected
    assert found[0] == url
    assert len(found) == len(expected)


def test_a_form_post_is_accepted_as_signed() -> None:
    check_webhook(KEYS, post(FIELDS, SHA1))


def test_a_port_only_twilio_sees_does_not_matter() -> None:
    signature = sign(TOKEN, "https://gw.example.org:443/v1/twilio/voice?tenant=7", FIELDS.items())
    check_webhook(KEYS, post(FIELDS, signature))


def test_a_get_signs_the_url_with_its_query() -> None:
    url = f"{VOICE}&{urlencode(FIELDS)}"
    check_webhook(KEYS, HttpRequest("GET", url, {SIGNATURE: sign(TOKEN, url)}))


def test_a_json_body_is_bound_by_the_hash_in_the_url() -> None:
    body = b'{"a":1}'
    url = f"https://gw.example.org/events?bodySHA256={sha256(body).hexdigest()}"
    headers = {"content-type": "application/json", SIGNATURE: sign(TOKEN, url)}
    check_webhook(KEYS, HttpRequest("POST", url, headers, body))
    with pytest.raises(Refused, match="body is not the one that was signed"):
        check_webhook(KEYS, HttpRequest("POST", url, headers, body + b" "))
    assert RequestValidator(TOKEN).validate(url, body.decode(), headers[SIGNATURE])


def test_a_shared_key_signs_with_sha256() -> None:
    signature = sign(TOKEN[::-1], VOICE, FIELDS.items(), algorithm="HMAC_SHA256")
    settings = {SETTINGS: "key=key-1, algorithm=HMAC_SHA256"}
    check_webhook(KEYS, post(FIELDS, signature, **settings))
    check_webhook(KEYS, post(FIELDS, SHA256, **{SETTINGS: "algorithm=HMAC_SHA256"}))


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "no X-Twilio-Signature"),
        ({SIGNATURE: ""}, "no X-Twilio-Signature"),
        ({SIGNATURE: SHA1[::-1]}, "does not match"),
        ({SIGNATURE: SHA1.lower()}, "does not match"),
        ({SIGNATURE: SHA1 + " "}, "does not match"),
        ({SIGNATURE: "ünïcödé\udce4"}, "does not match"),
        ({SIGNATURE: SHA256}, "does not match"),
        ({SIGNATURE: SHA1, SETTINGS: "algorithm=HMAC_SHA256"}, "does not match"),
        ({SIGNATURE: SHA1, SETTINGS: "key=key-1,algorithm=HMAC_SHA1"}, "does not match"),
        ({SIGNATURE: SHA1, SETTINGS: "key=key-2,algorithm=HMAC_SHA1"}, "a key we do not have"),
        ({SIGNATURE: SHA1, SETTINGS: "algorithm=none"}, "an algorithm we do not know"),
    ],
)
def test_a_wrong_signature_is_refused(headers: dict[str, str], reason: str) -> None:
    request = HttpRequest("POST", VOICE, {"content-type": FORM} | headers, urlencode(FIELDS).encode())
    with pytest.raises(Refused, match=reason) as caught:
        check_webhook(KEYS, request)
    assert caught.value.status == 403
    assert TOKEN not in str(caught.value)


def test_an_empty_auth_token_signs_nothing() -> None:
    with pytest.raises(Refused, match="a key we do not have"):
        Keys("", {"key-1": "x"}).check({SIGNATURE: sign("", VOICE)}, [VOICE])


@pytest.mark.parametrize("change", ["url", "field", "extra field", "body type", "method"])
def test_whatever_is_signed_can_not_be_changed(change: str) -> None:
    request = {
        "url": post(FIELDS, SHA1, url=VOICE + "0"),
        "field": post(FIELDS | {"From": "+15005550007"}, SHA1),
        "extra field": post(FIELDS | {"Extra": "1"}, SHA1),
        "body type": post(FIELDS, SHA1, content_type="application/json"),
        "method": HttpRequest("PUT", VOICE, {SIGNATURE: SHA1}),
    }[change]
    with pytest.raises(Refused):
        check_webhook(KEYS, request)


def test_fields_without_end_are_refused() -> None:
    with pytest.raises(Refused, match="too many fields") as caught:
        form_fields(HttpRequest("POST", VOICE, {"content-type": FORM}, b"a=1&" * 1000))
    assert caught.value.status == 413


def test_keys_show_no_secret() -> None:
    assert TOKEN not in repr(KEYS)
