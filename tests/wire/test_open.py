"""The open protocol's door: who is let in, and to which call."""

import json

import pytest
from open_calls import BASE, CALL, MEDIA, SETTINGS, TOKEN, bearer, door, phone, upgrade, wanted

from trunkline.errors import Refused
from trunkline.registry import load
from trunkline.wire._open_gateway import OpenGateway
from trunkline.wire.base import HttpRequest, Platform, RequestDoor, codec_for
from trunkline.wire.events import StreamStarted
from trunkline.wire.open import PLATFORM, OpenSettings


def test_the_file_is_its_own_registration() -> None:
    platform: Platform = PLATFORM  # mypy checks here that it is one
    assert load("wire", "open") is platform
    assert f"{BASE}/hooks/open/ticket" in platform.spec.setup.format(base=BASE)


def test_the_token_opens_a_socket_for_any_call() -> None:
    entrance = door()
    entrance.upgrade(upgrade(bearer()), 0.0)
    entrance.upgrade(upgrade({"authorization": f"bearer  {TOKEN}"}, MEDIA + "-again/"), 0.0)


def test_the_simulated_phone_shows_the_token() -> None:
    address = phone().media(BASE, None)
    assert (phone().dial(BASE), address.url) == (None, MEDIA)
    door().upgrade(upgrade({name.lower(): value for name, value in address.headers.items()}, address.url), 0.0)
    assert not phone(token="").media("http://127.0.0.1:8080/", None).headers


@pytest.mark.parametrize(
    ("request_", "status", "reason"),
    [
        (upgrade(), 401, "no bearer token and no ticket"),
        (upgrade(bearer("another")), 401, "not OPEN_TOKEN"),
        (upgrade(bearer("")), 401, "not OPEN_TOKEN"),
        (upgrade(bearer("ä€")), 401, "not OPEN_TOKEN"),
        (upgrade({"authorization": f"Basic {TOKEN}"}), 401, "no bearer token and no ticket"),
        (upgrade({"authorization": TOKEN}), 401, "no bearer token and no ticket"),
        (upgrade(url=f"{MEDIA}?ticket="), 401, "the ticket is wrong"),
        (upgrade(url=f"{MEDIA}?ticket=ticket-1"), 401, "the ticket is wrong"),
        (upgrade(bearer(), f"{MEDIA}?ticket=ticket-1"), 401, "the ticket is wrong"),
        (upgrade(bearer(), MEDIA + "?" + "a=&" * 50), 400, "too many fields"),
        (upgrade(bearer(), "wss://gw.example.org/ws/voice/a%2Fb"), 400, "names no call"),
        (upgrade(bearer(), "wss://gw.example.org/ws/voice/.."), 400, "names no call"),
        (upgrade(bearer(), "wss://gw.example.org/ws/voice/" + "a" * 65), 400, "names no call"),
    ],
)
def test_strangers_are_refused(request_: HttpRequest, status: int, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as caught:
        door().upgrade(request_, 0.0)
    assert caught.value.status == status
    assert TOKEN not in str(caught.value)


def test_without_a_token_everybody_is_refused_and_told_why() -> None:
    entrance = door(OpenSettings())
    for request in (upgrade(), upgrade(bearer("")), upgrade(bearer()), upgrade(url=f"{MEDIA}?ticket=ticket-1")):
        with pytest.raises(Refused, match="OPEN_TOKEN is not set") as caught:
            entrance.upgrade(request, 0.0)
        assert caught.value.status == 403
    with pytest.raises(Refused, match="OPEN_TOKEN is not set"):
        entrance.hook("ticket", wanted(headers=bearer("")), 0.0)


def test_the_insecure_check_nothing_but_the_calls_name() -> None:
    entrance = door(OpenSettings(), insecure=True, base_url="http://127.0.0.1:8080")
    entrance.upgrade(upgrade(), 0.0)
    entrance.upgrade(upgrade(url=f"{MEDIA}?ticket=nonsense"), 0.0)
    reply = entrance.hook("ticket", wanted(headers={}), 0.0)
    assert json.loads(reply.body)["url"] == f"ws://127.0.0.1:8080/ws/voice/{CALL}?ticket=ticket-1"
    with pytest.raises(Refused, match="names no call"):
        entrance.upgrade(upgrade(url="ws://127.0.0.1:8080/ws/voice/.."), 0.0)


def test_a_ticket_opens_one_socket_of_its_call_within_a_minute() -> None:
    entrance = door()
    urls = [json.loads(entrance.hook("ticket", wanted(), 0.0).body)["url"] for _ in range(3)]
    assert urls[0] == f"{MEDIA}?ticket=ticket-1"
    entrance.upgrade(upgrade(url=urls[0]), 59.0)
    for url, now in [(urls[0], 59.0), (urls[1].replace(CALL, "visit-43"), 59.0), (urls[2], 61.0)]:
        with pytest.raises(Refused, match="the ticket is wrong, used, too old or another call's"):
            entrance.upgrade(upgrade(url=url), now)


@pytest.mark.parametrize(
    ("name", "request_", "status"),
    [
        ("voice", wanted(), 404),
        ("ticket", wanted(headers={}), 401),
        ("ticket", wanted(headers=bearer("another")), 401),
        ("ticket", HttpRequest("GET", f"{BASE}/hooks/open/ticket", bearer()), 405),
        ("ticket", wanted(b""), 400),
        ("ticket", wanted(b"\xff"), 400),
        ("ticket", wanted(b"{}"), 400),
        ("ticket", wanted(b'{"call_id":"../x"}'), 400),
        ("ticket", wanted(b"[" * 5000), 400),
    ],
)
def test_a_ticket_is_not_for_everybody(name: str, request_: HttpRequest, status: int) -> None:
    with pytest.raises(Refused) as caught:
        door().hook(name, request_, 0.0)
    assert caught.value.status == status


def test_the_call_is_the_one_in_the_path() -> None:
    entrance = door()
    assert isinstance(entrance, RequestDoor)
    codec = codec_for(entrance, upgrade(url=f"{MEDIA}?ticket=x"))
    assert isinstance(codec, OpenGateway)
    (start,) = codec.receive(b'{"type":"session_start"}', binary=False, now=0.0)
    assert isinstance(start, StreamStarted)
    assert start.call_id == CALL
    with pytest.raises(Refused):
        entrance.codec()


def test_settings_show_no_secret() -> None:
    assert TOKEN not in repr(SETTINGS)
