"""Our end of a VoiceAI Connect session (protocol page §4, §5 and §7)."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, assert_never

import msgspec

from trunkline.audio.format import PCM16_16K, AudioFormat
from trunkline.errors import RemoteError
from trunkline.wire._audiocodes_formats import TOKENS, choose
from trunkline.wire._audiocodes_messages import (
    MAX_MESSAGE_BYTES,
    Activities,
    Activity,
    ConnectionValidate,
    Inbound,
    SessionEnd,
    SessionInitiate,
    SessionResume,
    UserStreamChunk,
    UserStreamStart,
    UserStreamStop,
    decode_inbound,
    decode_unknown,
)
from trunkline.wire._json import UNREADABLE, ignored, peers_fault
from trunkline.wire.base import CloseSocket, Output, TextFrame
from trunkline.wire.events import (
    AudioHeard,
    AudioMissing,
    CallDescribed,
    ClearAudio,
    DigitPressed,
    EndUtterance,
    HangUp,
    PlayAudio,
    SendDigits,
    SendMark,
    StreamResumed,
    StreamStarted,
    StreamStopped,
    TellSpeech,
    TellTranscript,
    TellTurnEnd,
    Transfer,
    WireCommand,
    WireEvent,
)

_quoted_base64: Final = msgspec.json.Encoder().encode  # of bytes
_MAX_KEYS: Final = 20  # §5: an event with more digits is ignored
_MAX_PARAMETERS: Final = 64
_MAX_PARAMETER: Final = 256  # characters
_PRESSED: Final = re.compile(r"[0-9*#A-Da-d]{1,64}")
_TO_PRESS: Final = re.compile(r"[0-9*#]+")
_URI: Final = re.compile(r"(?:tel|sips?):", re.IGNORECASE)


class AudioCodesGateway:
    """The gateway codec. ``hears`` and ``speaks`` are the agent's formats, preferred first: by them it chooses.

    Audio has neither numbers nor times here, so a lost message can't be noticed. The platform closes the user stream
    and opens it again as it likes; the time between is a hole, and the end of the call is ``session.end`` alone.

    There is no clear. An interruption ends the play stream, so that no more of it is awaited, and says that the
    caller speaks, for which the platform drops what it has (§7.6). Audio after that is a new play stream.
    """

    def __init__(self, hears: Sequence[AudioFormat] = (), speaks: Sequence[AudioFormat] = ()) -> None:
        self.replies: list[Output] = []
        self.ignored = 0  # messages and activities we did not know or had no use for
        self._prefers = (hears, speaks)
        self._conversation: str | None = None
        self._over = False
        self._hears = PCM16_16K
        # --- the user stream
        self._listening: str | None = None  # the conversation's id while the user stream is open, else None
        self._participant: str | None = None  # whose voice it is, where there are several
        self._began = False  # it has been open before
        self._closed_at: float | None = None
        self._speaking = False  # the platform believes that the caller speaks
        self._cut = False  # ... for no better reason than that its playing had to be cut
        # --- the play stream
        self._token = b""  # its format
        self._streams = 0
        self._chunk = b""  # a chunk up to its audio; empty while no stream is open

    # --- in --------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireEvent]:
        """One message in. After the session's end whatever comes is ignored. Raises ``RemoteError``."""
        if self._over:
            return ()
        if binary:
            raise RemoteError("a binary message", close_code=1003)
        if len(data) > MAX_MESSAGE_BYTES:
            raise RemoteError("a message that is too long", close_code=1009)
        try:
            message = decode_inbound(data)
        except UNREADABLE as error:
            return self._not_understood(data, error)
        if isinstance(message, UserStreamChunk):
            audio = message.audio_chunk
            if message.conversation_id != self._listening or message.participant != self._participant:
                return self._misplaced(message)
            if len(audio) % self._hears.sample_bytes:
                raise RemoteError("audio is not whole samples", where="$.audioChunk")
            return (AudioHeard(audio),) if audio else ()
        return self._other(message, now)

    def _other(self, message: Inbound, now: float) -> Sequence[WireEvent]:
        match message:
            case SessionInitiate():
                return self._begin(message)
            case SessionResume(conversation_id=conversation_id):
                if self._conversation is not None:
                    raise RemoteError("a second session")
                self._over = True  # the session goes on in the codec it began in
                return (StreamResumed(conversation_id),)
            case ConnectionValidate():
                if self._conversation is None:  # then they close; there never is a call
                    self._reply(type="connection.validated", success=True)
                return ()
        self._in_session(message)
        match message:
            case UserStreamStart(participant=participant):
                return self._open(participant, now)
            case UserStreamStop(participant=participant):
                self._reply(type="userStream.stopped", **_participant(participant))
                if participant == self._participant and self._listening is not None:
                    self._listening = None
                    self._closed_at = now
                return ()
            case Activities(activities=activities):
                return [event for n, activity in enumerate(activities) for event in self._activity(activity, n)]
            case SessionEnd():
                self._end()
                return (StreamStopped("the platform ended the session"),)
            case UserStreamChunk():
                raise AssertionError("audio has a path of its own")
            case _:
                assert_never(message)

    def _begin(self, message: SessionInitiate) -> Sequence[WireEvent]:
        if self._conversation is not None:
            raise RemoteError("a second session.initiate")
        if not message.expect_audio_messages:
            return self._reject("this bot speaks: set directTTS and directSTT")
        offered = message.supported_media_formats
        hears, speaks = (choose(offered, prefers) for prefers in self._prefers)
        if hears is None or speaks is None:
            return self._reject("no supported media format is offered")
        self._conversation = message.conversation_id
        self._hears = hears
        self._token = TOKENS[speaks].encode()
        self._reply(type="session.accepted", mediaFormat=TOKENS[hears])
        return (
            StreamStarted(
                call_id=message.conversation_id,
                stream_id=message.conversation_id,
                hears=hears,
                speaks=speaks,
                caller=message.caller,
                callee=message.bot_name,  # what was dialled, the start activity says: later
            ),
        )

    def _reject(self, reason: str) -> Sequence[WireEvent]:
        """There will be no session on this socket: tell the platform, which then lets go of the call."""
        if self._conversation is not None:
            raise RemoteError("a second session")
        self._end()
        self._reply(type="session.error", reason=reason)
        return (StreamStopped(f"no session: {reason}"),)

    def refuse(self, reason: str) -> Sequence[Output]:
        """``session.error``: the conversation has another socket, or none that could be resumed."""
        known = self._conversation is not None
        self._end()
        return (_say(type="session.error", reason=reason if known else "conversation not found"),)

    def resume(self, now: float) -> None:
        """Another socket: the session is accepted anew, and both streams must be opened again.

        The answer is ``session.accepted`` here too: no other is known (§5).
        """
        self._chunk = b""
        self._listening = None
        if self._began:
            self._closed_at = now
        self._reply(type="session.accepted", mediaFormat=TOKENS[self._hears])

    def _in_session(
        self, message: SessionEnd | UserStreamStart | UserStreamChunk | UserStreamStop | Activities
    ) -> None:
        if self._conversation is None:
            raise RemoteError("a message before session.initiate")
        if message.conversation_id != self._conversation:
            raise RemoteError("a message of another conversation", where="$.conversationId")

    def _open(self, participant: str | None, now: float) -> Sequence[WireEvent]:
        self._reply(type="userStream.started", **_participant(participant))
        if not self._began:
            self._began = True
            self._participant = participant
        if participant != self._participant:
            return ()
        self._listening = self._conversation
        since, self._closed_at = self._closed_at, None
        hole = 0 if since is None else int((now - since) * self._hears.rate)
        return (AudioMissing(hole, lost=False),) if hole > 0 else ()

    def _misplaced(self, message: UserStreamChunk) -> Sequence[WireEvent]:
        """Audio that is not simply the caller's."""
        self._in_session(message)
        if not self._began:
            raise RemoteError("audio before userStream.start")
        closed = message.participant == self._participant
        return self._ignore("userStream.chunk after stop" if closed else "userStream.chunk of another participant")

    def _activity(self, activity: Activity, n: int) -> Iterator[WireEvent]:
        name = activity.name
        if activity.type != "event":
            yield from self._ignore(f"activity {activity.type}")
        elif name.lower() == "dtmf":  # written in capitals by the vendor's code, in small letters in a document
            if not (isinstance(activity.value, str) and _PRESSED.fullmatch(activity.value)):
                raise RemoteError("not keys of a telephone", where=f"$.activities[{n}].value")
            for key in activity.value:
                yield DigitPressed(key.upper())
        elif name == "start":
            # Barge-in is off on a new connection (§1); then nothing we say would cut what is being played.
            self._reply(
                type="activities", activities=[{"type": "event", "name": "config", "sessionParams": {"bargeIn": True}}]
            )
            if isinstance(activity.parameters, dict):
                yield _described(activity.parameters)
        else:
            yield from self._ignore(f"activity {name}")

    def _not_understood(self, data: bytes, error: Exception) -> Sequence[WireEvent]:
        """An unknown type is normal and is counted; anything else is the peer's fault."""
        fault = peers_fault(error)
        if fault.where != "$.type":
            raise fault from None
        try:
            unknown = decode_unknown(data)
        except UNREADABLE as worse:
            raise peers_fault(worse) from None
        return self._ignore(unknown.type)

    def _ignore(self, kind: str) -> Sequence[WireEvent]:
        self.ignored += 1
        return (ignored(kind),)

    def _end(self) -> None:
        self._over = True
        self._listening = None
        self._chunk = b""

    def _reply(self, **message: Any) -> None:
        self.replies.append(_say(**message))

    # --- out -------------------------------------------------------------------------------------------------------

    def send(self, command: WireCommand) -> Sequence[Output]:
        """What ``command`` is on the wire. Without a session only the socket can be closed.

        ``SendMark`` is empty: marks are in newer versions only, and nobody has told of what they look like.
        """
        if isinstance(command, PlayAudio) and self._chunk:
            return (TextFrame(self._chunk + _quoted_base64(command.audio) + b"}"),)
        if self._conversation is None or self._over:
            return (CloseSocket(),) if isinstance(command, HangUp) else ()
        match command:
            case PlayAudio(audio=audio):
                return (*self._start_playing(), TextFrame(self._chunk + _quoted_base64(audio) + b"}"))
            case EndUtterance():
                return self._stop_playing()
            case ClearAudio():
                self._cut = not self._speaking
                self._speaking = True
                return (*self._stop_playing(), self._told("started"))
            case TellSpeech(speaking=speaking):
                self._cut = False
                return self._speech(speaking)
            case HangUp(reason=reason):
                hang_up = _event("hangup", hangupReason=reason)
                return (*self._stop_playing(), hang_up)  # session.end follows; closing now would make it resume
            case Transfer(target=target):
                uri = target if _URI.match(target) else f"sip:{target}" if "@" in target else f"tel:{target}"
                return (*self._stop_playing(), _event("transfer", transferTarget=uri))
            case SendDigits(digits=digits):
                if not _TO_PRESS.fullmatch(digits):
                    return ()
                pieces = [digits[at : at + _MAX_KEYS] for at in range(0, len(digits), _MAX_KEYS)]
                return [_event("sendDtmf", dtmfDigits=piece) for piece in pieces]
            case SendMark() | TellTranscript() | TellTurnEnd():
                return ()
            case _:
                assert_never(command)

    def _start_playing(self) -> Sequence[Output]:
        silent = self._speech(False) if self._cut else ()  # nobody spoke, and nobody will say that they stopped
        self._cut = False
        self._streams += 1
        self._chunk = b'{"type":"playStream.chunk","streamId":"p%d","audioChunk":' % self._streams
        start = b'{"type":"playStream.start","streamId":"p%d","mediaFormat":"%b"}' % (self._streams, self._token)
        return (*silent, TextFrame(start))

    def _stop_playing(self) -> Sequence[Output]:
        if not self._chunk:
            return ()
        self._chunk = b""
        return (TextFrame(b'{"type":"playStream.stop","streamId":"p%d"}' % self._streams),)

    def _speech(self, speaking: bool) -> Sequence[Output]:
        if speaking is self._speaking:
            return ()
        self._speaking = speaking
        kinds = ("started",) if speaking else ("stopped", "committed")
        return [self._told(kind) for kind in kinds]

    def _told(self, kind: str) -> TextFrame:
        return _say(type=f"userStream.speech.{kind}", **_participant(self._participant))


def _described(parameters: dict[str, Any]) -> CallDescribed:
    """What the ``start`` activity says of the call (§4). Lists and objects in it have no place in a call's record."""
    words = {
        name[:_MAX_PARAMETER]: value[:_MAX_PARAMETER]
        for name, value in list(parameters.items())[:_MAX_PARAMETERS]
        if isinstance(value, str)
    }
    return CallDescribed(words.pop("caller", ""), words.pop("callee", ""), words)


def _say(**message: Any) -> TextFrame:
    return TextFrame(msgspec.json.encode(message))


def _event(name: str, **params: str) -> TextFrame:
    return _say(type="activities", activities=[{"type": "event", "name": name, "activityParams": params}])


def _participant(participant: str | None) -> dict[str, str]:
    """Whom a message is about, in sessions where that is said (§3)."""
    return {} if participant is None else {"participant": participant}
