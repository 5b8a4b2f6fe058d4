"""A made-up VoiceAI Connect session, and how far one can get with it. Shared by the tests of AudioCodes' files."""

from collections.abc import Sequence

from both_ends import Gateway, hear, spoken

from trunkline.audio.format import PCM16_16K, AudioFormat
from trunkline.errors import RemoteError
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


SAID = spoken("audiocodes")

GATEWAY = Gateway(
    fresh=lambda: door().codec(),
    depths=(0, 2, 5),
    private=(CALL, CALLER, CALLEE, "42#"),
    counted={"ignored": 7},
    before={"connection": [], "session": SAID[:3], "audio": SAID[:5]},
    faults=(RemoteError,),
)
