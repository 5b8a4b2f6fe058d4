"""Twilio's door: who is let in, to which call, and what the answer says."""

import itertools

import msgspec
import pytest
from twilio_calls import ACCOUNT, BASE, CALL, CALLEE, CALLER, SETTINGS, STREAM, TOKEN, door, phone, webhook

from trunkline.errors import ConfigError, Refused
from trunkline.registry import load, names
from trunkline.wire._twilio_http import Rest, read_connect_stream
from trunkline.wire._twilio_phone import TwilioPhone
from trunkline.wire._twilio_signature import SIGNATURE, sign
from trunkline.wire.base import HttpCall, HttpReply, HttpRequest, Platform, TextFrame
from trunkline.wire.events import StreamStarted, WireEvent
from trunkline.wire.twilio import PLATFORM, TwilioDoor, TwilioSettings

MEDIA_URL = "wss://gw.example.org/media/twilio"


def as_request(call: HttpCall) -> HttpRequest:
    return HttpRequest(call.method, call.url, call.headers, call.body)


def upgrade(signature: str, url: str = "https://gw.example.org/media/twilio") -> HttpRequest:
    return HttpRequest("GET", url, {SIGNATURE: signature})


def start(entrance: TwilioDoor, now: float = 1.0, **changes: object) -> list[WireEvent]:
    """A stream's start, with some of its details changed, as a freshly admitted codec takes it."""
    details = {
        "streamSid": STREAM,
        "accountSid": ACCOUNT,
        "callSid": CALL,
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"ticket": "9f2c"},
    }
    message = {"event": "start", "sequenceNumber": "1", "streamSid": STREAM, "start": details | changes}
    return list(entrance.codec().receive(msgspec.json.encode(message), binary=False, now=now))


def test_the_file_is_its_own_registration() -> None:
    platform: Platform = PLATFORM  # mypy checks here that it is one
    assert load("wire", "twilio") is platform
    assert "tickets" not in names("wire")
    assert platform.spec.name == "twilio"
    assert "{base}/hooks/twilio/voice" in platform.spec.setup
    platform.spec.setup.format(base=BASE)


def test_a_signed_webhook_is_answered_with_a_stream_and_a_ticket() -> None:
    reply = door().hook("voice", webhook(), 0.0)
    assert read_connect_stream(reply) == (MEDIA_URL, {"ticket": "9f2c"})
    assert CALLER.encode() not in reply.body


def test_a_whole_way_in() -> None:
    entrance, far = door(), phone()
    reply = entrance.hook("voice", as_request(far.dial(BASE)), 0.0)
    address = far.media(BASE, reply)
    assert address.url == MEDIA_URL
    entrance.upgrade(HttpRequest("GET", "https://gw.example.org/media/twilio", address.headers), 0.5)
    codec = entrance.codec()
    said = [frame.data for frame in far.opened() if isinstance(frame, TextFrame)]
    events = [event for data in said for event in codec.receive(data, binary=False, now=1.0)]
    (began,) = events
    assert isinstance(began, StreamStarted)
    assert (began.call_id, began.stream_id, began.caller, began.callee) == (CALL, STREAM, CALLER, CALLEE)
    assert began.parameters == {}  # the ticket is nobody's business


def test_a_way_in_without_any_secret_is_for_the_insecure_only() -> None:
    entrance = door(TwilioSettings(), insecure=True, base_url="http://127.0.0.1:8080/")
    far = phone(TwilioSettings())
    call = far.dial("http://127.0.0.1:8080")
    assert SIGNATURE not in call.headers
    address = far.media("http://127.0.0.1:8080", entrance.hook("voice", as_request(call), 0.0))
    assert address.url == "ws://127.0.0.1:8080/media/twilio"
    assert SIGNATURE not in address.headers
    entrance.upgrade(HttpRequest("GET", "http://127.0.0.1:8080/media/twilio"), 0.0)
    (began,) = start(entrance, customParameters={})
    assert isinstance(began, StreamStarted)
    assert began.caller == CALLER
    (began,) = start(entrance, callSid="CA2", accountSid="AC2")  # nobody announced this one
    assert isinstance(began, StreamStarted)
    assert began.caller == ""


@pytest.mark.parametrize("hook", ["voice", "status"])
def test_without_an_auth_token_everybody_is_refused_and_told_why(hook: str) -> None:
    entrance = door(TwilioSettings())
    with pytest.raises(Refused, match="TWILIO_AUTH_TOKEN") as caught:
        entrance.hook(hook, webhook(name=hook), 0.0)
    assert caught.value.status == 403
    with pytest.raises(Refused, match="TWILIO_AUTH_TOKEN"):
        entrance.upgrade(upgrade(sign("", MEDIA_URL)), 0.0)


def test_a_status_report_is_accepted() -> None:
    assert door().hook("status", webhook({"CallStatus": "completed"}, name="status"), 0.0) == HttpReply(204)
    with pytest.raises(Refused):
        door().hook("status", webhook(name="status", token="another"), 0.0)


@pytest.mark.parametrize(
    ("name", "request_", "status", "reason"),
    [
        ("fax", webhook(), 404, "no such webhook"),
        ("voice", webhook(token="another"), 403, "does not match"),
        ("voice", webhook(name="status"), 200, ""),  # which webhook a path is, the server says
        ("voice", webhook({"AccountSid": ACCOUNT}), 400, "names no call"),
        ("voice", webhook({"CallSid": "../x", "AccountSid": ACCOUNT}), 400, "names no call"),
        ("voice", webhook({"AccountSid": "AC2", "CallSid": CALL}), 403, "another account"),
        ("voice", HttpRequest("DELETE", f"{BASE}/hooks/twilio/voice"), 403, "no X-Twilio-Signature"),
    ],
)
def test_webhooks_that_are_refused(name: str, request_: HttpRequest, status: int, reason: str) -> None:
    if status == 200:
        assert door().hook(name, request_, 0.0).status == 200
        return
    with pytest.raises(Refused, match=reason) as caught:
        door().hook(name, request_, 0.0)
    assert caught.value.status == status
    assert CALLER not in str(caught.value)


def test_a_webhook_may_be_a_get() -> None:
    url = f"{BASE}/hooks/twilio/voice?AccountSid={ACCOUNT}&CallSid={CALL}&From=%2B15005550006"
    entrance = door()
    entrance.hook("voice", HttpRequest("GET", url, {SIGNATURE: sign(TOKEN, url)}), 0.0)
    (began,) = start(entrance)
    assert isinstance(began, StreamStarted)
    assert began.caller == CALLER


@pytest.mark.parametrize(
    "signed", [MEDIA_URL, MEDIA_URL + "/", "wss://gw.example.org:443/media/twilio", MEDIA_URL.replace("org", "org:443")]
)
def test_an_upgrade_is_signed_over_the_sockets_own_url(signed: str) -> None:
    door().upgrade(upgrade(sign(TOKEN, signed)), 0.0)
    door().upgrade(upgrade(sign(TOKEN, signed), url=MEDIA_URL), 0.0)


@pytest.mark.parametrize("signed", ["https://gw.example.org/media/twilio", MEDIA_URL + "?x=1", "wss://evil.example"])
def test_an_upgrade_signed_over_another_url_is_refused(signed: str) -> None:
    with pytest.raises(Refused, match="does not match") as caught:
        door().upgrade(upgrade(sign(TOKEN, signed)), 0.0)
    assert caught.value.status == 403


@pytest.mark.parametrize(
    ("changes", "now", "reason"),
    [
        ({"customParameters": {}}, 1.0, "has no ticket"),
        ({"customParameters": {"ticket": "9f2d"}}, 1.0, "wrong, used, too old or another call's"),
        ({"callSid": "CA2"}, 1.0, "wrong, used, too old or another call's"),
        ({}, 61.0, "wrong, used, too old or another call's"),
        ({"accountSid": "AC2"}, 1.0, "another account than TWILIO_ACCOUNT_SID"),
    ],
)
def test_a_stream_that_was_not_announced_is_refused(changes: dict[str, object], now: float, reason: str) -> None:
    entrance = door()
    entrance.hook("voice", webhook(), 0.0)
    with pytest.raises(Refused, match=reason) as caught:
        start(entrance, now, **changes)
    assert caught.value.close_code == 1008
    assert "9f2" not in str(caught.value)


def test_a_ticket_lets_in_one_stream() -> None:
    entrance = door()
    entrance.hook("voice", webhook(), 0.0)
    assert len(start(entrance)) == 1
    with pytest.raises(Refused):
        start(entrance)


def test_an_account_that_is_not_configured_is_the_webhooks() -> None:
    entrance = door(TwilioSettings(auth_token=TOKEN))
    entrance.hook("voice", webhook(), 0.0)
    with pytest.raises(Refused, match="another account than its webhook"):
        start(entrance, accountSid="AC2")


def test_many_calls_at_once_keep_their_own_numbers() -> None:
    entrance = door()
    for n in itertools.chain(range(2, 30), [1]):
        fields = {"CallSid": f"CA{n}", "AccountSid": ACCOUNT, "From": f"+1500{n}", "To": CALLEE}
        entrance.hook("voice", webhook(fields), 0.0)
    (began,) = start(entrance, callSid="CA2")
    assert isinstance(began, StreamStarted)
    assert began.caller == "+15002"


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"edge": "dublin"}, "TWILIO_EDGE"),
        ({"region": "ie1"}, "TWILIO_REGION"),
        ({"api_key": "SK1"}, "TWILIO_API_SECRET"),
        ({"signing_secret": "s3cret"}, "TWILIO_SIGNING_SECRET"),
    ],
)
def test_settings_that_can_not_work_are_named(settings: dict[str, str], setting: str) -> None:
    with pytest.raises(ConfigError, match=setting) as caught:
        TwilioSettings(**settings)
    assert "s3cret" not in str(caught.value)


def test_settings_show_no_secret() -> None:
    shown = repr(TwilioSettings(auth_token=TOKEN, api_key="SK1", api_secret="s3cret", signing_secret="k:s3cret"))
    assert TOKEN not in shown
    assert "s3cret" not in shown


def test_rest_goes_to_the_accounts_own_region_with_its_own_key() -> None:
    assert SETTINGS.rest() == Rest("api.twilio.com", ACCOUNT, TOKEN)
    there = TwilioSettings(edge="dublin", region="ie1", api_key="SK1", api_secret="s3cret")
    assert there.rest() == Rest("api.dublin.ie1.twilio.com", "SK1", "s3cret")
    assert TOKEN not in repr(SETTINGS.rest())


def test_two_shared_keys_may_sign() -> None:
    keys = TwilioSettings(signing_secret="one:s3cret two:s3:cret").keys()
    assert keys.shared == {"one": "s3cret", "two": "s3:cret"}


def test_a_phone_has_an_account_even_if_nobody_gave_it_one() -> None:
    far: TwilioPhone = phone(TwilioSettings())
    assert ACCOUNT.encode() in far.dial(BASE).body
