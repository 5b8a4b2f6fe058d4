"""VoiceAI Connect's door: who is let in."""

import pytest
from audiocodes_calls import BASE, CALL, CALLEE, CALLER, SETTINGS, TOKEN, door, phone
from both_ends import hear

from trunkline.audio.format import PCM16_16K, PCM16_24K
from trunkline.errors import Refused
from trunkline.registry import load, names
from trunkline.testing.scene import admit
from trunkline.wire.audiocodes import PLATFORM, AudioCodesSettings
from trunkline.wire.base import ChoosingDoor, HttpRequest, Platform
from trunkline.wire.events import StreamStarted

MEDIA_URL = "wss://gw.example.org/media/audiocodes"


def upgrade(authorization: str | None = None) -> HttpRequest:
    return HttpRequest("GET", MEDIA_URL, {} if authorization is None else {"authorization": authorization})


def test_the_file_is_its_own_registration() -> None:
    platform: Platform = PLATFORM  # mypy checks here that it is one
    assert load("wire", "audiocodes") is platform
    assert "audiocodes" in names("wire")
    assert platform.spec.name == "audiocodes"
    assert f"{BASE}/media/audiocodes" in platform.spec.setup.format(base=BASE)


def test_a_whole_way_in() -> None:
    entrance, far = door(), phone()
    assert isinstance(entrance, ChoosingDoor)
    codec = admit(far, entrance, base_url=BASE)
    assert far.media(BASE, None).url == MEDIA_URL
    (began,) = hear(codec, far.opened())
    assert began == StreamStarted(CALL, CALL, PCM16_16K, PCM16_16K, CALLER, CALLEE)


def test_a_way_in_without_any_secret_is_for_the_insecure_only() -> None:
    far = phone(token="")
    assert far.media("http://127.0.0.1:8080", None).headers == {}
    assert far.media("http://127.0.0.1:8080/", None).url == "ws://127.0.0.1:8080/media/audiocodes"
    admit(far, door(AudioCodesSettings(), insecure=True), base_url=BASE)


@pytest.mark.parametrize("authorization", [f"Bearer {TOKEN}", f"bearer  {TOKEN}", f"BEARER {TOKEN} "])
def test_whoever_bears_the_token_is_let_in(authorization: str) -> None:
    door().upgrade(upgrade(authorization), 0.0)


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        (None, "no Authorization"),
        ("", "no Authorization"),
        ("Bearer", "is not AUDIOCODES_AUTH_TOKEN"),
        ("Bearer ", "is not AUDIOCODES_AUTH_TOKEN"),
        (TOKEN, "is not AUDIOCODES_AUTH_TOKEN"),
        (f"Basic {TOKEN}", "is not AUDIOCODES_AUTH_TOKEN"),
        (f"Bearer {TOKEN[:-1]}", "is not AUDIOCODES_AUTH_TOKEN"),
        (f"Bearer {TOKEN} {TOKEN}", "is not AUDIOCODES_AUTH_TOKEN"),
        ("Bearer t\udcffk\xe9n", "is not AUDIOCODES_AUTH_TOKEN"),
    ],
)
def test_nobody_else_is(authorization: str | None, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as caught:
        door().upgrade(upgrade(authorization), 0.0)
    assert caught.value.status == 401
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("authorization", [None, "Bearer ", "Bearer x"])
def test_without_a_token_of_our_own_everybody_is_refused_and_told_why(authorization: str | None) -> None:
    with pytest.raises(Refused, match="AUDIOCODES_AUTH_TOKEN is not set") as caught:
        door(AudioCodesSettings()).upgrade(upgrade(authorization), 0.0)
    assert caught.value.status == 403


def test_there_are_no_webhooks() -> None:
    with pytest.raises(Refused) as caught:
        door(insecure=True).hook("voice", HttpRequest("POST", f"{BASE}/hooks/audiocodes/voice"), 0.0)
    assert caught.value.status == 404
    assert phone().dial(BASE) is None  # type: ignore[func-returns-value]


def test_codecs_choose_by_what_the_door_was_told() -> None:
    entrance, far = door(), phone(PCM16_16K, PCM16_24K)
    entrance.prefer([PCM16_16K], [PCM16_24K])
    (began,) = hear(entrance.codec(), far.opened())
    assert isinstance(began, StreamStarted)
    assert (began.hears, began.speaks) == (PCM16_16K, PCM16_24K)


def test_settings_show_no_secret() -> None:
    assert TOKEN not in repr(SETTINGS)
