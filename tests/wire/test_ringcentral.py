"""The contract's door: the webhook and its answers, and who may open a socket for which call."""

import json
from typing import Any

import pytest
from ringcentral_calls import (
    ANNOUNCEMENT,
    BASE,
    CALL,
    CALLEE,
    CALLER,
    HOOK,
    MEDIA,
    SETTINGS,
    SHOWN,
    TOKEN,
    door,
    phone,
    upgrade,
    webhook,
)

from trunkline.audio.format import MULAW_8K, PCM16_16K
from trunkline.errors import ConfigError, Refused
from trunkline.registry import load
from trunkline.wire._ringcentral_gateway import RingCentralGateway
from trunkline.wire.base import HttpReply, HttpRequest, Platform, RequestDoor, TunedPlatform, WireSpec, codec_for
from trunkline.wire.events import StreamStarted
from trunkline.wire.ringcentral import PLATFORM, SPEC, RingCentralDoor, RingCentralSettings

START = b'{"type":"start"}'


def answer(entrance: RingCentralDoor, request: HttpRequest | None = None, now: float = 0.0) -> dict[str, Any]:
    reply = entrance.hook("inbound", request or webhook(), now)
    assert (reply.status, reply.content_type) == (200, "application/json")
    said: dict[str, Any] = json.loads(reply.body)
    return said


def opened(entrance: RingCentralDoor, request: HttpRequest, now: float = 0.0) -> StreamStarted:
    """The stream of a socket that was let in."""
    entrance.upgrade(request, now)
    (start,) = codec_for(entrance, request).receive(START, binary=False, now=now)
    assert isinstance(start, StreamStarted)
    return start


def test_the_file_is_its_own_registration() -> None:
    platform: Platform = PLATFORM  # mypy checks here that it is one
    assert load("wire", "ringcentral") is platform
    assert isinstance(platform, TunedPlatform)
    assert isinstance(door(), RequestDoor)


def test_a_call_is_answered_with_its_socket_and_the_packets_format() -> None:
    assert answer(door()) == {
        "action": "answer",
        "media": {
            "type": "websocket",
            "url": f"{MEDIA}&ticket=ticket-1",
            "format": {"encoding": "mulaw", "sampleRate": 8000, "channels": 1},
        },
    }


def test_the_ticket_opens_one_socket_of_its_call_within_a_minute_and_the_numbers_are_the_webhooks() -> None:
    entrance = door()
    urls = [answer(entrance)["media"]["url"] for _ in range(3)]
    assert CALLER[1:] not in urls[0]
    start = opened(entrance, upgrade(urls[0]), 59.0)
    assert (start.call_id, start.caller, start.callee, start.hears) == (CALL, CALLER, CALLEE, MULAW_8K)
    for url, now in [(urls[0], 59.0), (urls[1].replace(CALL, "call-78"), 59.0), (urls[2], 61.0)]:
        with pytest.raises(Refused, match="the ticket is wrong, used, too old or another call's") as caught:
            entrance.upgrade(upgrade(url), now)
        assert caught.value.status == 401


@pytest.mark.parametrize("header", ["verification-token", "validation-token"])
def test_whoever_shows_the_token_may_open_the_socket_of_a_call_that_was_announced_once(header: str) -> None:
    entrance = door()
    answer(entrance, webhook(headers={header: TOKEN}))
    request = upgrade(f"{MEDIA}&session_id=leg-9", {header: TOKEN})
    start = opened(entrance, request)
    assert (start.stream_id, start.parameters) == ("leg-9", {"session_id": "leg-9"})
    with pytest.raises(Refused, match="no such call was announced") as caught:
        entrance.upgrade(request, 0.0)
    assert caught.value.status == 404


def test_numbers_of_the_query_are_taken_where_the_webhook_had_none() -> None:
    entrance = door()
    answer(entrance, webhook({"event": "call.inbound", "body": {"id": CALL}}))
    start = opened(entrance, upgrade(f"{MEDIA}&from_number=+15005550006&to_number=%2B15005550001", SHOWN))
    assert (start.caller, start.callee) == (CALLER, CALLEE)


@pytest.mark.parametrize(
    ("url", "headers", "status", "reason"),
    [
        (MEDIA, {}, 401, "no verification token and no ticket"),
        (MEDIA, {"verification-token": "another"}, 401, "is not RINGCENTRAL_VERIFICATION_TOKEN"),
        (MEDIA, {"verification-token": ""}, 401, "is not RINGCENTRAL_VERIFICATION_TOKEN"),
        (MEDIA, {"verification-token": "ä€"}, 401, "is not RINGCENTRAL_VERIFICATION_TOKEN"),
        (MEDIA, SHOWN, 404, "no such call was announced"),
        (MEDIA + "&ticket=", SHOWN, 401, "the ticket is wrong"),
        (MEDIA + "&ticket=ticket-1", {}, 401, "the ticket is wrong"),
        (MEDIA.partition("?")[0], SHOWN, 400, "names no call"),
        (MEDIA + "%2F..", SHOWN, 400, "names no call"),
        (MEDIA + "a" * 129, SHOWN, 400, "names no call"),
        (MEDIA + "&a=" * 50, SHOWN, 400, "too many fields"),
    ],
)
def test_strangers_are_refused(url: str, headers: dict[str, str], status: int, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as caught:
        door().upgrade(upgrade(url, headers), 0.0)
    assert caught.value.status == status
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "request_", "status"),
    [
        ("voice", webhook(), 404),
        ("inbound", webhook(method="GET"), 405),
        ("inbound", webhook(headers={}), 401),
        ("inbound", webhook(headers={"verification-token": "another"}), 401),
        ("inbound", webhook(headers={"validation-token": "another"}), 401),
        ("inbound", webhook(b""), 400),
        ("inbound", webhook(b"\xff"), 400),
        ("inbound", webhook(b"[" * 5000), 400),
        ("inbound", webhook({"event": 7}), 400),
        ("inbound", webhook({"event": "call.inbound"}), 400),
        ("inbound", webhook({"event": "call.inbound", "body": "call-77"}), 400),
        ("inbound", webhook({"event": "call.inbound", "body": {"id": "../etc"}}), 400),
        ("inbound", webhook({"event": "call.inbound", "body": {"id": "1", "from": {"phoneNumber": 5}}}), 400),
        ("inbound", webhook({"event": "call.inbound", "body": {"id": "1", "to": {"phoneNumber": "1" * 257}}}), 400),
    ],
)
def test_a_webhook_that_is_not_as_it_should_be_is_refused(name: str, request_: HttpRequest, status: int) -> None:
    with pytest.raises(Refused) as caught:
        door().hook(name, request_, 0.0)
    assert caught.value.status == status
    assert caught.value.__cause__ is None


def test_an_event_of_another_kind_is_taken_note_of_and_announces_nothing() -> None:
    entrance = door()
    telephony = {"event": "/restapi/v1.0/account/1/extension/2/telephony/sessions", "body": ANNOUNCEMENT["body"]}
    assert answer(entrance, webhook(telephony)) == {}
    assert answer(entrance, webhook({"event": "call.ended"})) == {}
    with pytest.raises(Refused, match="no such call"):
        entrance.upgrade(upgrade(headers=SHOWN), 0.0)


# --- the validation token ------------------------------------------------------------------------------------------


def test_a_validation_token_is_sent_back_before_any_token_is_known() -> None:
    reply = door().hook("inbound", webhook(b"", {"validation-token": "d4e5-F6=="}), 0.0)
    assert reply == HttpReply(200, b"{}", "application/json", {"Validation-Token": "d4e5-F6=="})


@pytest.mark.parametrize("token", ["", "a b", "a\r\nset-cookie: x", "ä", "a" * 257])
def test_a_validation_token_that_could_do_harm_is_not_sent_back(token: str) -> None:
    with pytest.raises(Refused) as caught:
        door().hook("inbound", webhook(b"", {"validation-token": token}), 0.0)
    assert caught.value.status == 400


def test_an_echo_for_strangers_has_its_limit_and_announced_calls_do_not() -> None:
    entrance = door()
    handshake = webhook(b"", {"validation-token": "x"})
    for _ in range(60):
        entrance.hook("inbound", handshake, 10.0)
    with pytest.raises(Refused) as caught:
        entrance.hook("inbound", handshake, 69.0)
    assert caught.value.status == 429
    answer(entrance, now=69.0)
    assert entrance.hook("inbound", handshake, 70.0).status == 200


# --- settings ------------------------------------------------------------------------------------------------------


def test_without_a_token_everybody_is_refused_and_told_why() -> None:
    entrance = door(RingCentralSettings())
    for request in (webhook(), webhook(headers={"verification-token": ""}), webhook(b"", {"validation-token": "x"})):
        with pytest.raises(Refused, match="RINGCENTRAL_VERIFICATION_TOKEN is not set") as caught:
            entrance.hook("inbound", request, 0.0)
        assert caught.value.status == 403
    for url in (MEDIA, f"{MEDIA}&ticket=ticket-1"):
        with pytest.raises(Refused, match="RINGCENTRAL_VERIFICATION_TOKEN is not set"):
            entrance.upgrade(upgrade(url, {"verification-token": ""}), 0.0)


def test_the_insecure_check_nothing_but_the_calls_name() -> None:
    entrance = door(RingCentralSettings(), insecure=True, base_url="http://127.0.0.1:8080")
    url = answer(entrance, webhook(headers={}))["media"]["url"]
    assert url == f"ws://127.0.0.1:8080/api/voice/realtime/ws/call?call_id={CALL}&ticket=ticket-1"
    start = opened(entrance, upgrade(f"{MEDIA}&from_number=%2B15005550007"))
    assert start.caller == CALLER
    assert opened(entrance, upgrade(f"{MEDIA}8&from_number=1")).caller == "1"
    with pytest.raises(Refused, match="names no call"):
        entrance.upgrade(upgrade(MEDIA + "/"), 0.0)


def test_the_format_asked_for_is_the_operators() -> None:
    settings = RingCentralSettings(verification_token=TOKEN, encoding="pcm", rate=16000, channels=2)
    entrance = door(settings)
    reply = answer(entrance)["media"]
    assert reply["format"] == {"encoding": "pcm", "sampleRate": 16000, "channels": 2}
    assert opened(entrance, upgrade(reply["url"])).hears == PCM16_16K


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"encoding": "opus"}, "RINGCENTRAL_ENCODING"),
        ({"rate": 8001}, "RINGCENTRAL_RATE"),
        ({"channels": 3}, "RINGCENTRAL_CHANNELS"),
        ({"websocket_timeout": 0}, "VOICE_WEBSOCKET_TIMEOUT"),
        ({"max_errors": 0}, "VOICE_MAX_ERRORS"),
    ],
)
def test_settings_that_can_not_work_are_named(settings: dict[str, Any], names: str) -> None:
    with pytest.raises(ConfigError, match=names):
        RingCentralSettings(**settings)


def test_what_the_platform_can_do_is_as_the_operator_says() -> None:
    plain: WireSpec = PLATFORM.tuned(SETTINGS)
    assert plain == SPEC
    able = PLATFORM.tuned(RingCentralSettings(extensions=True, websocket_timeout=12.5, max_errors=3))
    assert (able.marks, able.clears, able.lead_ms, able.silence_timeout_s, able.max_errors) == (
        True,
        True,
        200,
        12.5,
        3,
    )


def test_settings_show_no_secret() -> None:
    assert TOKEN not in repr(SETTINGS)


def test_a_codec_knows_its_call_from_the_request_alone() -> None:
    with pytest.raises(Refused):
        door().codec()
    assert isinstance(codec_for(door(), upgrade()), RingCentralGateway)


def test_the_simulated_phone_takes_the_way_in() -> None:
    entrance = door()
    call = phone().dial(BASE + "/")
    assert call.url == BASE + HOOK
    headers = {name.lower(): value for name, value in call.headers.items()}
    reply = entrance.hook("inbound", HttpRequest(call.method, call.url, headers, call.body), 0.0)
    media = phone().media(BASE, reply)
    assert opened(entrance, upgrade(media.url)).caller == CALLER
    assert "Verification-Token" not in phone(token="").dial(BASE).headers
