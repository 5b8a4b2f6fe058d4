"""AudioCodes VoiceAI Connect (and Live Hub), Bot API in streaming mode: it opens one WebSocket per call, with audio
as base64 inside JSON, and no webhook comes before it.

What is said on the socket is in ``_audiocodes_messages``, our end of it in ``_audiocodes_gateway``, the vendor's in
``_audiocodes_phone``; this file is the door that stands before them, and what Trunkline needs to know of AudioCodes.
"""

import hmac
from collections.abc import Sequence
from typing import Final

import msgspec

from trunkline.audio.format import AudioFormat
from trunkline.errors import Refused
from trunkline.wire._audiocodes_formats import FORMATS
from trunkline.wire._audiocodes_gateway import AudioCodesGateway
from trunkline.wire._audiocodes_phone import AudioCodesPhone
from trunkline.wire.base import HttpReply, HttpRequest, Tickets, WireSpec

_BEARER: Final = "bearer "

_SETUP: Final = """\
1. Make up a long random token (`openssl rand -hex 32`) and put it into `AUDIOCODES_AUTH_TOKEN`.
2. In VoiceAI Connect Enterprise (3.24 or newer) add a provider of type `ac-api` with the bot URL
   `{base}/media/audiocodes`, as `wss`, and that token under `credentials.token`; then a bot of it with
   `acBotApiType: "streaming"`, `directSTT: true` and `directTTS: true`. In Live Hub choose a bot connection of type
   *AudioCodes Bot API*, streaming, with the same URL, token and voice settings.
3. Enable barge-in on the connection, so that callers can interrupt.
4. Set `connectOnPrompt` to false if calls shall be answered before the first prompt.
"""


class AudioCodesSettings(msgspec.Struct, frozen=True):
    """What Trunkline shares with VoiceAI Connect. Without ``auth_token`` nobody is let in."""

    auth_token: str = ""  # the platform shows it when it opens a socket

    def __repr__(self) -> str:
        return "AudioCodesSettings()"


class AudioCodesDoor:
    """Who may open a media socket: whoever shows the token."""

    def __init__(self, settings: AudioCodesSettings, *, insecure: bool) -> None:
        self._token = settings.auth_token.encode()
        self._insecure = insecure
        self._hears: Sequence[AudioFormat] = ()
        self._speaks: Sequence[AudioFormat] = ()

    def prefer(self, hears: Sequence[AudioFormat], speaks: Sequence[AudioFormat]) -> None:
        """What the agent hears and speaks, preferred first: codecs made from now on choose by it."""
        self._hears = hears
        self._speaks = speaks

    def hook(self, name: str, request: HttpRequest, now: float) -> HttpReply:
        """There is none. Raises ``Refused``."""
        raise Refused("there is no such webhook", status=404)

    def upgrade(self, request: HttpRequest, now: float) -> None:
        """Return if the upgrade bears the token; raise ``Refused`` if not."""
        if self._insecure:
            return
        if not self._token:
            raise Refused("AUDIOCODES_AUTH_TOKEN is not set, so nobody can be told to be AudioCodes")
        shown = request.headers.get("authorization", "")
        if not shown:
            raise Refused("no Authorization", status=401)
        is_bearer = shown[: len(_BEARER)].lower() == _BEARER  # RFC 9110 §11.1: the scheme is case-insensitive
        token = shown[len(_BEARER) :].strip().encode("utf-8", "replace")
        if not hmac.compare_digest(token, self._token) or not is_bearer:
            raise Refused("the bearer token is not AUDIOCODES_AUTH_TOKEN", status=401)

    def codec(self) -> AudioCodesGateway:
        """A codec for one freshly admitted media socket."""
        return AudioCodesGateway(self._hears, self._speaks)


class AudioCodes:
    """The platform: both ends, made from settings."""

    spec: WireSpec

    def __init__(self, spec: WireSpec) -> None:
        self.spec = spec

    def door(self, settings: AudioCodesSettings, *, base_url: str, tickets: Tickets, insecure: bool) -> AudioCodesDoor:
        """The gateway's side."""
        return AudioCodesDoor(settings, insecure=insecure)

    def phone(self, settings: AudioCodesSettings, *, call_id: str, caller: str, callee: str) -> AudioCodesPhone:
        """VoiceAI Connect's side. It offers the one format simulated telephones speak."""
        return AudioCodesPhone(
            token=settings.auth_token,
            conversation_id=call_id,
            caller=caller,
            callee=callee,
            offers=self.spec.formats[:1],
        )


SPEC: Final = WireSpec(
    name="audiocodes",
    title="AudioCodes VoiceAI Connect",
    media_path="/media/audiocodes",
    formats=tuple(FORMATS.values()),
    clears=True,
    digits_in=True,
    digits_out=True,
    transfers=True,
    speech=True,
    resumes=True,  # §8: within half a minute or so
    pauses=True,  # §7.5: without barge-in it closes the user stream
    frame_ms=20,
    max_frames=5,  # any number goes; 100 ms keep a message of the widest format below 7 KB
    lead_ms=200,  # §7.4: playback speed with a small lead, as no buffer is documented
    settings=AudioCodesSettings,
    setup=_SETUP,
)

PLATFORM: Final = AudioCodes(SPEC)
