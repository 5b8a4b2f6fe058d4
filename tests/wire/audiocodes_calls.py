"""A made-up VoiceAI Connect session, and how far one can get with it. Shared by the tests of AudioCodes' files."""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from trunkline.audio.format import PCM16_16K, AudioFormat
from trunkline.wire._audiocodes_gateway import AudioCodesGateway
from trunkline.wire._audiocodes_phone import AudioCodesPhone
from trunkline.wire.audiocodes import PLATFORM, AudioCodesDoor, AudioCodesSettings
from trunkline.wire.base import Output, TextFrame
from trunkline.wire.events import WireEvent
from trunkline.wire.tickets import TicketBook

TOKEN = "0123456789abcdef0123456789abcdef"
CALL = "c0ffee00-0000-4000-8000-000000000001"
BASE = "https://gw.example.org"
CALLER = "+15005550006"
CALLEE = "front-desk"
SETTINGS = AudioCodesSettings(auth_token=TOKEN)


def door(settings: AudioCodesSettings = SETTINGS, *, insecure: bool = False) -> AudioCodesDoor:
    return PLATFORM.door(settings, base_url=BASE, tickets=TicketBook(lambda: "unused"), insecure=insecure)


def phone(*offers: AudioFormat, token: str = TOKEN) -> AudioCodesPhone:
    offers = offers or (PCM16_16K,)
    return AudioCodesPhone(token=token, conversation_id=CALL, caller=CALLER, callee=CALLEE, offers=offers)


def hear(gateway: AudioCodesGateway, outputs: Sequence[Output], now: float = 1.0) -> list[WireEvent]:
    """What the gateway makes of what the phone's end sends."""
    frames = [output.data for output in outputs if isinstance(output, TextFrame)]
    return [event for data in frames for event in gateway.receive(data, binary=False, now=now)]


def settle(gateway: AudioCodesGateway, far: AudioCodesPhone, now: float = 1.0) -> list[WireEvent]:
    """Let both ends answer each other until neither has an answer left."""
    heard: list[WireEvent] = []
    while gateway.replies or far.replies:
        for frame in taken(gateway.replies):
            assert isinstance(frame, TextFrame)
            assert far.receive(frame.data, binary=False, now=now) == []
        heard += hear(gateway, taken(far.replies), now)
    return heard


def taken(replies: list[Output]) -> list[Output]:
    answers = list(replies)
    replies.clear()
    return answers


def started(*offers: AudioFormat, prefers: Sequence[AudioFormat] = ()) -> tuple[AudioCodesGateway, AudioCodesPhone]:
    """Both ends of a session in which the caller is heard."""
    entrance, far = door(insecure=True), phone(*offers)
    entrance.prefer(prefers, prefers)
    gateway = entrance.codec()
    hear(gateway, far.opened())
    settle(gateway, far)
    return gateway, far


# --- damage ------------------------------------------------------------------------------------------------------

SECRET = "s3cret-w0rd"
DAMAGE: dict[str, Any] = {
    "null": None,
    "a list": [SECRET],
    "an object": {SECRET: SECRET},
    "another string": SECRET,
    "another string in base64": "c2VjcmV0",
    "an empty string": "",
    "a huge number": 10**30,
    "a negative number": -1,
    "a fraction": 1.5,
    "true": True,
    "a long string": SECRET * 5000,
}


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterable[tuple[str | int, ...]]:
    """The path of every leaf, and of every object and list on the way to it."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))


def damaged(message: Any, path: tuple[str | int, ...], change: str) -> Any:
    """``message`` with what is at ``path`` removed, nested or replaced."""
    message = copy.deepcopy(message)
    parent = message
    for step in path[:-1]:
        parent = parent[step]
    if change == "removed":
        del parent[path[-1]]
    elif change == "nested":
        parent[path[-1]] = {"inner": parent[path[-1]]}
    else:
        parent[path[-1]] = DAMAGE[change]
    return message
