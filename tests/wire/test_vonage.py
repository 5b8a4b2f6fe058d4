"""Vonage's door: who is let in, to which call, and what the answer says."""

import json
import weakref
from typing import Any

import pytest
from both_ends import hear
from vonage_calls import BASE, CALL, CALLEE, CALLER, SECRET, SETTINGS, WALL, door, key_pair, phone, webhook, with_key

from trunkline.audio.format import MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K
from trunkline.errors import ConfigError, Refused, RemoteError
from trunkline.registry import load
from trunkline.testing.scene import admit
from trunkline.wire._vonage_gateway import VonageGateway
from trunkline.wire._vonage_http import read_ncco
from trunkline.wire._vonage_phone import VonagePhone
from trunkline.wire.base import HttpCall, HttpReply, HttpRequest, Platform
from trunkline.wire.events import HangUp, StreamStarted, StreamStopped, WireEvent
from trunkline.wire.vonage import PLATFORM, VonageDoor, VonageSettings

MEDIA_URL = "wss://gw.example.org/media/vonage"


def upgrade(query: str) -> HttpRequest:
    return HttpRequest("GET", f"{MEDIA_URL}{query}")


def connect(codec: VonageGateway, ticket: str = "9f2c", now: float = 1.0) -> list[WireEvent]:
    message = {"event": "websocket:connected", "content-type": "audio/l16;rate=16000", "ticket": ticket}
    return list(codec.receive(json.dumps(message).encode(), binary=False, now=now))


def event(status: str, **fields: Any) -> HttpRequest:
    return webhook({"status": status, "uuid": CALL, **fields}, name="event")


def test_the_file_is_its_own_registration() -> None:
    platform: Platform = PLATFORM  # mypy checks here that it is one
    assert load("wire", "vonage") is platform
    assert platform.spec.name == "vonage"
    assert "{base}/hooks/vonage/answer" in platform.spec.setup
    platform.spec.setup.format(base=BASE)


def test_the_answer_is_the_pages_ncco() -> None:
    reply = door().hook("answer", webhook(), 0.0)
    assert json.loads(reply.body) == [
        {
            "action": "connect",
            "from": CALLEE,
            "eventType": "synchronous",
            "eventUrl": [f"{BASE}/hooks/vonage/event"],
            "endpoint": [
                {
                    "type": "websocket",
                    "uri": f"{MEDIA_URL}?ticket=ticket-2",
                    "content-type": "audio/l16;rate=16000",
                    "headers": {"ticket": "9f2c"},
                }
            ],
        }
    ]
    assert CALLER.encode() not in reply.body  # whatever stands in there is repeated in every event webhook


@pytest.mark.parametrize("post", [False, True])
def test_a_whole_way_in(post: bool) -> None:
    far = VonagePhone(
        secret=SECRET,
        api_key=SETTINGS.api_key,
        application_id=SETTINGS.application_id,
        call=CALL,
        caller=f"+{CALLER}",
        callee=f"+{CALLEE}",
        audio=PCM16_16K,
        post=post,
    )
    codec = admit(far, door(), base_url=BASE)
    assert isinstance(codec, VonageGateway)
    (began,) = hear(codec, far.opened())
    assert isinstance(began, StreamStarted)
    assert (began.call_id, began.caller, began.callee) == (CALL, CALLER, CALLEE)
    assert began.parameters == {}  # the ticket is nobody's business


def test_a_way_in_without_any_secret_is_for_the_insecure_only() -> None:
    entrance = door(VonageSettings(), insecure=True, base_url="http://127.0.0.1:8080/")
    far = phone(VonageSettings())
    call = far.dial("http://127.0.0.1:8080")
    assert call.headers_at(WALL) == {}
    reply = entrance.hook("answer", HttpRequest(call.method, call.url), 0.0)
    assert far.media("http://127.0.0.1:8080", reply).url.startswith("ws://127.0.0.1:8080/media/vonage?ticket=")
    entrance.upgrade(HttpRequest("GET", "ws://127.0.0.1:8080/media/vonage"), 0.0)
    (began,) = hear(entrance.codec(), far.opened())
    assert isinstance(began, StreamStarted)
    assert began.caller == CALLER
    strangers = [connect(entrance.codec(), ticket="")[0] for _ in range(2)]  # nobody announced these
    assert [s.call_id for s in strangers if isinstance(s, StreamStarted)] == ["insecure-2", "insecure-3"]


@pytest.mark.parametrize("hook", ["answer", "event"])
def test_without_a_signature_secret_everybody_is_refused_and_told_why(hook: str) -> None:
    entrance = door(VonageSettings())
    with pytest.raises(Refused, match="VONAGE_SIGNATURE_SECRET") as caught:
        entrance.hook(hook, webhook(name=hook, secret="x" * 32), 0.0)
    assert caught.value.status == 403
    with pytest.raises(Refused, match="VONAGE_SIGNATURE_SECRET"):
        entrance.upgrade(upgrade("?ticket=ticket-2"), 0.0)


@pytest.mark.parametrize(
    ("name", "request_", "status", "reason"),
    [
        ("fax", webhook(), 404, "no such webhook"),
        ("answer", webhook(secret="x" * 32), 401, "not signed with VONAGE_SIGNATURE_SECRET"),
        ("answer", webhook({"from": CALLER}), 400, "names no call"),
        ("answer", webhook({"uuid": "../x"}), 400, "names no call"),
        ("answer", webhook({"uuid": 7}), 400, "names no call"),
        ("answer", webhook({"from": CALLER}, post=False), 400, "names no call"),
        ("answer", webhook({str(n): "" for n in range(200)}, post=False), 413, "too many fields"),
        ("event", webhook([], name="event"), 400, "not a JSON object"),  # type: ignore[arg-type]
        ("answer", HttpRequest("GET", f"{BASE}/hooks/vonage/answer", at=WALL), 503, "not signed"),
    ],
)
def test_webhooks_that_are_refused(name: str, request_: HttpRequest, status: int, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as caught:
        door().hook(name, request_, 0.0)
    assert caught.value.status == status
    assert CALLER not in str(caught.value)


def test_a_method_that_is_neither_is_refused() -> None:
    call = webhook(post=False)
    with pytest.raises(Refused) as caught:
        door().hook("answer", HttpRequest("DELETE", call.url, call.headers, at=WALL), 0.0)
    assert caught.value.status == 405


def test_an_upgrade_is_let_in_by_its_own_ticket_once() -> None:
    entrance = door()
    entrance.hook("answer", webhook(), 0.0)
    for query in ("", "?ticket=", "?ticket=9f2c", "?ticket=ticket-3", "?call=1"):
        with pytest.raises(Refused, match="ticket") as caught:
            entrance.upgrade(upgrade(query), 1.0)
        assert caught.value.status == 403
    entrance.upgrade(upgrade("?ticket=ticket-2"), 1.0)
    with pytest.raises(Refused):
        entrance.upgrade(upgrade("?ticket=ticket-2"), 1.0)
    assert len(connect(entrance.codec())) == 1


def test_tickets_do_not_wait_for_ever() -> None:
    entrance = door()
    entrance.hook("answer", webhook(), 0.0)
    with pytest.raises(Refused):
        entrance.upgrade(upgrade("?ticket=ticket-2"), 61.0)
    with pytest.raises(Refused, match="too old"):
        connect(entrance.codec(), now=61.0)


def test_what_a_sip_trunk_says_of_the_call_is_told_on() -> None:
    entrance = door()
    entrance.hook("answer", webhook({"uuid": CALL, "SipHeader_X-Tenant": "acme", "custom": "x"}), 0.0)
    (began,) = connect(entrance.codec())
    assert isinstance(began, StreamStarted)
    assert began.parameters == {"SipHeader_X-Tenant": "acme"}


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("https://api-eu-3.vonage.com", "https://api-eu-3.vonage.com"),
        ("https://api-us-1.nexmo.com/", "https://api-us-1.nexmo.com"),
        ("https://evil.example", "https://api.nexmo.com"),
        ("https://evil.example/.nexmo.com", "https://api.nexmo.com"),
        ("https://api.nexmo.com.evil.example", "https://api.nexmo.com"),
        ("http://api-us-1.nexmo.com", "https://api.nexmo.com"),
        (7, "https://api.nexmo.com"),
    ],
)
def test_rest_goes_to_the_calls_region_and_nowhere_else(region: object, host: str) -> None:
    entrance = door(with_key())
    entrance.hook("answer", webhook({"uuid": CALL, "region_url": region}), 0.0)
    codec = entrance.codec()
    connect(codec)
    (call,) = codec.send(HangUp())
    assert isinstance(call, HttpCall)
    assert call.url == f"{host}/v1/calls/{CALL}"


# --- events ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason"), [("completed", "hung up"), ("failed", "the platform says failed"), ("answered", None)]
)
def test_the_callers_leg_ending_ends_the_stream(status: str, reason: str | None) -> None:
    entrance = door()
    entrance.hook("answer", webhook(), 0.0)
    codec = entrance.codec()
    connect(codec)
    assert entrance.hook("event", event(status), 5.0) == HttpReply(204)
    stopped = [e for e in codec.receive(bytes(640), binary=True, now=5.0) if isinstance(e, StreamStopped)]
    assert stopped == ([StreamStopped(reason)] if reason else [])


def test_another_legs_end_is_not_the_streams() -> None:
    entrance = door()
    entrance.hook("answer", webhook(), 0.0)
    codec = entrance.codec()
    connect(codec)
    for odd in ({"uuid": "another"}, {"uuid": None}, {"uuid": "another", "headers": [1]}, {"status": 5}):
        entrance.hook("event", event("completed", **odd) if "status" not in odd else webhook(odd, name="event"), 5.0)
    assert len(codec.receive(bytes(640), binary=True, now=5.0)) == 1


def test_a_socket_that_could_not_be_connected_is_not_waited_for() -> None:
    entrance = door()
    entrance.hook("answer", webhook(), 0.0)
    entrance.hook("event", event("unanswered", uuid="the socket's leg", headers={"ticket": "9f2c"}), 1.0)
    with pytest.raises(Refused):
        connect(entrance.codec())


def test_a_second_socket_for_a_call_does_not_hide_the_first_from_the_webhooks() -> None:
    entrance = door()
    entrance.hook("answer", webhook(), 0.0)
    first, second = entrance.codec(), entrance.codec()
    connect(first)
    ncco = json.loads(entrance.hook("answer", webhook(), 1.0).body)  # Vonage repeats one that was slow to be answered
    connect(second, ncco[0]["endpoint"][0]["headers"]["ticket"], 1.0)
    del second
    entrance.hook("event", event("completed"), 5.0)
    assert StreamStopped("hung up") in first.receive(bytes(640), binary=True, now=5.0)


def test_a_door_keeps_no_stream_that_is_over() -> None:
    entrance = door()
    entrance.hook("answer", webhook(), 0.0)
    codec = entrance.codec()
    connect(codec)
    stream = weakref.ref(codec)
    del codec
    assert stream() is None
    assert entrance.hook("event", event("completed"), 5.0).status == 204


# --- settings ------------------------------------------------------------------------------------------------------


def asked_for(entrance: VonageDoor) -> object:
    return read_ncco(entrance.hook("answer", webhook(), 0.0))[1]


def test_the_rate_is_the_settings_or_else_suits_the_agent() -> None:
    assert asked_for(door()) == PCM16_16K
    for rate, audio in ((8000, PCM16_8K), (24000, PCM16_24K)):
        entrance = door(VonageSettings(signature_secret=SECRET, rate=rate))
        entrance.prefer([PCM16_16K], [PCM16_16K])
        assert asked_for(entrance) == audio
    chosen = []
    for hears, speaks in (
        ([PCM16_16K], [PCM16_24K]),
        ([PCM16_8K], [MULAW_8K]),
        ([MULAW_8K], [MULAW_8K]),
    ):
        entrance = door(VonageSettings(signature_secret=SECRET, rate=0))
        entrance.prefer(hears, speaks)
        chosen.append(asked_for(entrance))
    assert chosen == [PCM16_24K, PCM16_8K, PCM16_16K]


def test_a_telephone_says_so_when_it_is_asked_for_another_rate() -> None:
    reply = door(VonageSettings(signature_secret=SECRET, rate=24000)).hook("answer", webhook(), 0.0)
    with pytest.raises(RemoteError, match="asks for 24000 Hz"):
        phone().media(BASE, reply)
    assert phone(VonageSettings(rate=24000)).media(BASE, reply).parameters == {"ticket": "9f2c"}


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"rate": 44100}, "VONAGE_RATE"),
        ({"private_key": "s3cret"}, "VONAGE_APPLICATION_ID"),
        ({"private_key": "s3cret", "application_id": "app"}, "VONAGE_PRIVATE_KEY"),
    ],
)
def test_settings_that_can_not_work_are_named(settings: dict[str, Any], setting: str) -> None:
    with pytest.raises(ConfigError, match=setting) as caught:
        VonageSettings(**settings)
    assert "s3cret" not in str(caught.value)


def test_settings_show_no_secret_and_a_key_may_be_one_line() -> None:
    pem = key_pair()[0]
    settings = VonageSettings(private_key=pem.replace("\n", "\\n"), application_id="app", signature_secret=SECRET)
    assert settings.pem == pem
    assert SECRET not in repr(settings)
    assert "PRIVATE" not in repr(settings)
