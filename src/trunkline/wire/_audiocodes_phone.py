"""VoiceAI Connect's end of a session, for simulated phones: what it says, and what it would not take (protocol page).

What the vendor does not document is not checked, with one exception: where a document forbids something and does not
say what happens then, it is an error here, to be noticed.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, assert_never

import msgspec

from trunkline.audio.format import PCM16_16K, AudioFormat
from trunkline.errors import RemoteError
from trunkline.wire._audiocodes_formats import TOKENS
from trunkline.wire._audiocodes_messages import (
    BotActivities,
    BotActivity,
    ConnectionValidated,
    Outbound,
    PlayChunk,
    PlayStart,
    PlayStop,
    SessionAccepted,
    SessionError,
    SpeechCommitted,
    SpeechHypothesis,
    SpeechRecognition,
    SpeechStarted,
    SpeechStopped,
    UserStreamStarted,
    UserStreamStopped,
    decode_outbound,
)
from trunkline.wire._json import UNREADABLE, peers_fault
from trunkline.wire.base import CloseSocket, HttpReply, MediaAddress, Output, TextFrame
from trunkline.wire.events import (
    AudioHeard,
    AudioMissing,
    CallDescribed,
    ClearAudio,
    DigitPressed,
    EndUtterance,
    HangUp,
    MarkReached,
    MessageIgnored,
    PlayAudio,
    SendDigits,
    StreamResumed,
    StreamStarted,
    StreamStopped,
    TellSpeech,
    Transfer,
    WireCommand,
    WireEvent,
)

_quoted_base64: Final = msgspec.json.Encoder().encode  # of bytes
_DIGITS: Final = re.compile(r"[0-9*#]{1,20}")
_URI: Final = re.compile(r"(?:tel|sips?):.+", re.IGNORECASE)


class AudioCodesPhone:
    """The phone codec: one simulated call from ``caller`` to the bot ``callee``. Without ``token`` none is shown.

    ``offers`` are the formats it supports, preferred first. Caller audio goes out once the gateway has opened the
    user stream for it; what is spoken before is heard by nobody, as in life.
    """

    def __init__(
        self,
        *,
        token: str,
        conversation_id: str,
        caller: str,
        callee: str,
        offers: Sequence[AudioFormat] = (PCM16_16K,),
    ) -> None:
        self.replies: list[Output] = []
        self._token = token
        self._id = conversation_id
        self._caller = caller
        self._callee = callee
        self._offers = [TOKENS[audio] for audio in offers]
        self._accepted = False
        self._resumes = False  # this is not the session's first socket
        self._asked: str | None = None  # what of the user stream we wait to hear: "start", "stop"
        self._chunk = b""  # a message of caller audio up to it; empty while the user stream is closed
        self._playing: str | None = None  # the open play stream
        self._played: set[str] = set()
        self._buffered = False  # there may be audio that was not played
        self._barge_in = False  # off until the bot asks for it (§1)
        self._activities = 0

    # --- HTTP ------------------------------------------------------------------------------------------------------

    def dial(self, base_url: str) -> None:
        """There is no webhook: the platform opens the socket at once."""

    def media(self, base_url: str, reply: HttpReply | None) -> MediaAddress:
        """The bot's URL, with the shared token."""
        url = f"ws{base_url.rstrip('/').removeprefix('http')}/media/audiocodes"
        return MediaAddress(url, headers={"authorization": f"Bearer {self._token}"} if self._token else {})

    # --- the socket --------------------------------------------------------------------------------------------------

    def opened(self) -> Sequence[Output]:
        """``session.initiate``."""
        return (
            self._say(
                "session.initiate",
                botName=self._callee,
                caller=self._caller,
                expectAudioMessages=True,
                supportedMediaFormats=self._offers,
            ),
        )

    def reopened(self) -> Sequence[Output]:
        """``session.resume``. Both streams went with the socket."""
        self._accepted = self._buffered = False
        self._resumes = True
        self._asked = self._playing = None
        self._chunk = b""
        return (self._say("session.resume"),)

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireCommand]:
        """One message from the gateway. Raises ``RemoteError`` for what the platform would not take."""
        if binary:
            raise RemoteError("a binary message", close_code=1003)
        try:
            message = decode_outbound(data)
        except UNREADABLE as error:
            raise peers_fault(error) from None
        if isinstance(message, PlayChunk):
            self._in_play(message.stream_id)
            self._buffered = True
            return (PlayAudio(message.audio_chunk),)
        if not self._accepted and not isinstance(message, SessionAccepted | SessionError | ConnectionValidated):
            raise RemoteError("a message before session.accepted")
        return list(self._obey(message))

    def _obey(self, message: Outbound) -> Iterator[WireCommand]:
        match message:
            case SessionAccepted(media_format=media_format):
                self._begin(media_format)
            case SessionError():
                raise RemoteError("the session was refused")
            case UserStreamStarted():
                self._answered("start")
                self._chunk = b'{"type":"userStream.chunk","conversationId":%b,"audioChunk":' % (
                    msgspec.json.encode(self._id)
                )
            case UserStreamStopped():
                self._answered("stop")
            case PlayStart(stream_id=stream_id, media_format=media_format):
                if self._playing is not None:
                    raise RemoteError("a play stream inside another")
                if stream_id in self._played:
                    raise RemoteError("a play stream's id used again", where="$.streamId")
                self._known(media_format)
                self._playing = stream_id
                self._played.add(stream_id)
            case PlayStop(stream_id=stream_id):
                self._in_play(stream_id)
                self._playing = None
                yield EndUtterance()
            case SpeechStarted():
                yield TellSpeech(True)
                if self._barge_in and self._buffered:
                    self._buffered = False
                    yield ClearAudio()
            case SpeechStopped():
                yield TellSpeech(False)
            case BotActivities(activities=activities):
                for n, activity in enumerate(activities):
                    yield from self._activity(activity, f"$.activities[{n}]")
            case SpeechCommitted() | SpeechHypothesis() | SpeechRecognition() | ConnectionValidated():
                pass
            case PlayChunk():
                raise AssertionError("audio has a path of its own")
            case _:
                assert_never(message)

    def _begin(self, media_format: str) -> None:
        if self._accepted:
            raise RemoteError("a second session.accepted")
        self._known(media_format)
        self._accepted = True
        if not self._resumes:
            parameters = {"caller": self._caller, "callee": self._callee}
            self.replies.append(self._event("start", parameters=parameters))
        self.listen()

    def _activity(self, activity: BotActivity, where: str) -> Iterator[WireCommand]:
        params = activity.activity_params
        match activity.type, activity.name:
            case "event", "hangup":
                yield HangUp(params.hangup_reason)
            case "event", "transfer":
                if not _URI.fullmatch(params.transfer_target):
                    raise RemoteError("not a tel or sip URI", where=f"{where}.activityParams.transferTarget")
                yield Transfer(params.transfer_target)
            case "event", "sendDtmf":
                if not _DIGITS.fullmatch(params.dtmf_digits):
                    raise RemoteError("not 1 to 20 of 0-9*#", where=f"{where}.activityParams.dtmfDigits")
                yield SendDigits(params.dtmf_digits)
            case "event", "config":
                if activity.session_params.barge_in is not None:
                    self._barge_in = activity.session_params.barge_in
            case "message", _:
                raise RemoteError("text, where the bot was to speak", where=where)
            case _:
                pass

    def _known(self, media_format: str) -> None:
        if media_format not in self._offers:
            raise RemoteError("a media format that was not offered", where="$.mediaFormat")

    def _in_play(self, stream_id: str) -> None:
        if stream_id != self._playing:
            raise RemoteError("not the play stream that is open", where="$.streamId")

    # --- the user stream ------------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Ask the gateway to open the user stream; the message is put into ``replies``."""
        self._asked = "start"
        self.replies.append(self._say("userStream.start"))

    def deafen(self) -> None:
        """Close the user stream, as the platform does when it does not want to be interrupted, or after a while."""
        self._asked = "stop"
        self._chunk = b""
        self.replies.append(self._say("userStream.stop"))

    def _answered(self, what: str) -> None:
        if self._asked != what:
            raise RemoteError(f"an answer to a userStream.{what} that was not said")
        self._asked = None

    # --- out -------------------------------------------------------------------------------------------------------

    def send(self, event: WireEvent) -> Sequence[Output]:
        """What ``event`` is on the wire. Missing audio is not said, and marks do not exist."""
        match event:
            case AudioHeard(audio=audio):
                if not self._chunk or not audio:
                    return ()
                return (TextFrame(self._chunk + _quoted_base64(audio) + b"}"),)
            case DigitPressed(digit=digit):
                return (self._event("DTMF", value=digit),)
            case MessageIgnored(kind=kind):
                return (self._say(kind),)
            case StreamStopped(reason=reason):
                self._chunk = b""
                end = self._say("session.end", reasonCode="client-disconnected", reason=reason)
                return (end, CloseSocket())
            case AudioMissing() | MarkReached():
                return ()
            case StreamStarted() | StreamResumed() | CallDescribed():
                return ()  # said by opened(), by reopened(), and in the activity that follows
            case _:
                assert_never(event)

    def _event(self, name: str, **details: Any) -> TextFrame:
        self._activities += 1
        activity = {"type": "event", "name": name, "id": f"a{self._activities}", **details}
        return self._say("activities", activities=[activity])

    def _say(self, kind: str, **details: Any) -> TextFrame:
        return TextFrame(msgspec.json.encode({"type": kind, "conversationId": self._id, **details}))
