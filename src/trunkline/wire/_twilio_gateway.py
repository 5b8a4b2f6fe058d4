"""Our end of a Twilio media stream (protocol page §3 to §5)."""

from collections.abc import Callable, Sequence
from typing import Final, assert_never

import msgspec

from trunkline.audio.format import MULAW_8K, AudioFormat, Encoding
from trunkline.errors import AudioError, RemoteError
from trunkline.wire._json import UNREADABLE, ignored, peers_fault
from trunkline.wire._twilio_http import TICKET, Rest
from trunkline.wire._twilio_messages import (
    MAX_MESSAGE_BYTES,
    Connected,
    Dtmf,
    MarkEcho,
    Media,
    MediaFormat,
    Start,
    StartDetails,
    Stop,
    decode_inbound,
    decode_unknown,
)
from trunkline.wire.base import CloseSocket, Output, TextFrame
from trunkline.wire.events import (
    AudioHeard,
    AudioMissing,
    ClearAudio,
    DigitPressed,
    EndUtterance,
    HangUp,
    MarkReached,
    PlayAudio,
    SendDigits,
    SendMark,
    StreamStarted,
    StreamStopped,
    TellSpeech,
    TellTranscript,
    TellTurnEnd,
    Transfer,
    WireCommand,
    WireEvent,
)

_JITTER_MS: Final = 10.0  # timestamps are whole ms and need not tick evenly: half a frame off is not a hole
_MAX_HOLE_MS: Final = 600_000  # ten minutes: more is a broken clock, and would be written to a recording as silence
_quoted_base64: Final = msgspec.json.Encoder().encode  # of bytes; a third faster than binascii's


class Party(msgspec.Struct, frozen=True):
    """What the webhook said about a call that its stream does not repeat."""

    account_sid: str = ""
    caller: str = ""  # private
    callee: str = ""  # private

    def __repr__(self) -> str:
        return "Party()"


Admit = Callable[[StartDetails, float], Party]
"""Says whose call a stream is. Raises ``Refused``."""


class TwilioGateway:
    """The gateway codec. Audio is placed by its timestamps, loss is told from silence by the sequence numbers:

    ============== ============== =============================================================================
    number         timestamp      what is made of it
    ============== ============== =============================================================================
    next           as expected    ``AudioHeard``
    next           ahead          ``AudioMissing(lost=False)``: Twilio sent nothing for a while; then the audio
    leaps          ahead          ``AudioMissing(lost=True)``; then the audio
    leaps          as expected    what was lost was not audio: counted in ``lost``
    next or leaps  behind         the audio is new, the peer's clock went back: heard, time counts on from here
    not new        not behind     heard, counted in ``misnumbered``
    not new        behind         said before: dropped, ``MessageIgnored``, counted in ``misnumbered``
    ============== ============== =============================================================================

    The first audio message sets the clock: what came before it can't be told from a stream that began late.
    """

    def __init__(self, admit: Admit, rest: Rest) -> None:
        self.replies: list[Output] = []  # Twilio demands no answers
        self.lost = 0  # messages the peer numbered and we never saw
        self.misnumbered = 0  # messages whose number was not new
        self.ignored = 0  # messages we did not know or had no use for
        self._admit = admit
        self._rest = rest
        self._start: StartDetails | None = None
        self._stopped = False
        self._next = 0  # the next message's number
        self._torn = False  # a message was lost since the last audio
        self._sample_ms = 1000 / MULAW_8K.rate  # an eighth: times are exact in binary
        self._due_ms = -1.0  # the timestamp the next audio should bear; negative before the first
        # The stream's id while audio flows evenly; None sends the next audio through _place, which looks closer.
        self._flowing: str | None = None
        self._media = b""  # a media message up to its payload; empty while none may be sent

    # --- in --------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireEvent]:
        """One message in. After ``stop`` whatever comes is ignored. Raises ``RemoteError`` or ``Refused``."""
        if self._stopped:
            return ()
        if binary:
            raise RemoteError("a binary message", close_code=1003)
        if len(data) > MAX_MESSAGE_BYTES:
            raise RemoteError("a message that is too long", close_code=1009)
        try:
            message = decode_inbound(data)
        except UNREADABLE as error:
            return self._not_understood(data, error)
        if isinstance(message, Media):
            # The path of nearly every message: of this stream, in order, on time.
            if message.stream_sid == self._flowing and message.sequence_number == self._next:
                media = message.media
                if abs(media.timestamp - self._due_ms) < _JITTER_MS and media.track == "inbound":
                    audio = media.payload
                    self._next += 1
                    self._due_ms += len(audio) * self._sample_ms
                    return (AudioHeard(audio),)
            return self._place(message)
        return self._other(message, now)

    def _other(self, message: Connected | Start | Dtmf | MarkEcho | Stop, now: float) -> Sequence[WireEvent]:
        match message:
            case Connected():
                return ()
            case Start():
                return self._begin(message, now)
            case Dtmf(dtmf=dtmf):
                self._in_stream(message)
                if dtmf.track.startswith("outbound"):
                    return self._ignore("dtmf outbound")
                return (DigitPressed(dtmf.digit.upper()),)
            case MarkEcho(mark=mark):
                self._in_stream(message)
                return (MarkReached(mark.name),)
            case Stop():
                self._in_stream(message)
                self._stopped = True
                self._media = b""
                return (StreamStopped("the platform stopped the stream"),)
            case _:
                assert_never(message)

    def _begin(self, message: Start, now: float) -> Sequence[WireEvent]:
        if self._start is not None:
            raise RemoteError("a second start")
        start = message.start
        if message.stream_sid != start.stream_sid:
            raise RemoteError("two different streams in one start", where="$.start.streamSid")
        hears = _audio_format(start.media_format)
        party = self._admit(start, now)
        self._start = start
        self._next = message.sequence_number + 1
        self._sample_ms = 1000 / hears.rate
        self._media = b'{"event":"media","streamSid":"%b","media":{"payload":' % start.stream_sid.encode()
        return (
            StreamStarted(
                call_id=start.call_sid,
                stream_id=start.stream_sid,
                hears=hears,
                speaks=MULAW_8K,  # §4: what Twilio plays is mu-law at 8 kHz, whatever it sends
                caller=party.caller,
                callee=party.callee,
                parameters={k: v for k, v in start.custom_parameters.items() if k != TICKET},
            ),
        )

    def _in_stream(self, message: Media | Dtmf | MarkEcho | Stop) -> bool:
        """Check that the message belongs here, and count it. False when its number is not new."""
        if self._start is None:
            raise RemoteError("a message before start")
        if message.stream_sid != self._start.stream_sid:
            raise RemoteError("a message of another stream", where="$.streamSid")
        return self._numbered(message.sequence_number)

    def _numbered(self, number: int) -> bool:
        skipped = number - self._next
        if skipped < 0:
            self.misnumbered += 1
            return False
        self._next = number + 1
        if skipped:
            self.lost += skipped
            self._torn = True
            self._flowing = None
        return True

    def _place(self, message: Media) -> Sequence[WireEvent]:
        """Audio that is not simply the next: find its place in time."""
        media = message.media
        new = self._in_stream(message)
        assert self._start is not None  # noqa: S101 - _in_stream saw to it
        if media.track != "inbound":
            return self._ignore("media outbound")
        if self._due_ms < 0:
            self._due_ms = media.timestamp
        ahead_ms = media.timestamp - self._due_ms
        events: list[WireEvent] = []
        if ahead_ms <= -_JITTER_MS:
            if not new:
                return self._ignore("media repeated")
            self._due_ms = media.timestamp
        elif ahead_ms >= _JITTER_MS:
            if ahead_ms > _MAX_HOLE_MS:
                raise RemoteError("a leap in time", where="$.media.timestamp")
            events.append(AudioMissing(round(ahead_ms / self._sample_ms), lost=self._torn))
            self._due_ms = media.timestamp
        self._due_ms += len(media.payload) * self._sample_ms
        self._torn = False
        self._flowing = self._start.stream_sid
        events.append(AudioHeard(media.payload))
        return events

    def _not_understood(self, data: bytes, error: Exception) -> Sequence[WireEvent]:
        """An unknown event is normal and is counted; anything else is the peer's fault."""
        fault = peers_fault(error)
        if fault.where != "$.event":
            raise fault from None
        try:
            unknown = decode_unknown(data)
        except UNREADABLE as worse:
            raise peers_fault(worse) from None
        if self._start is not None and unknown.sequence_number is not None:
            self._numbered(unknown.sequence_number)
        return self._ignore(unknown.event)

    def _ignore(self, kind: str) -> Sequence[WireEvent]:
        self.ignored += 1
        return (ignored(kind),)

    # --- out -------------------------------------------------------------------------------------------------------

    def send(self, command: WireCommand) -> Sequence[Output]:
        """What ``command`` is on the wire. Before ``start`` and after ``stop`` only the socket can be closed.

        ``SendDigits`` is empty: a stream has no way to press keys, and REST ``<Play digits>`` would end the stream.
        ``Transfer`` is empty without a secret for REST: have an auth token or an API key where calls are transferred.
        """
        if isinstance(command, PlayAudio):
            if not self._media:
                return ()
            return (TextFrame(self._media + _quoted_base64(command.audio) + b"}}"),)
        if self._start is None or self._stopped:
            # A call that left the stream may live on elsewhere, so hanging up now closes the socket and no more.
            return (CloseSocket(),) if isinstance(command, HangUp) else ()
        sid = self._start.stream_sid.encode()
        match command:
            case SendMark(name=name):
                mark = b'{"event":"mark","streamSid":"%b","mark":{"name":%b}}'
                return (TextFrame(mark % (sid, msgspec.json.encode(name))),)
            case ClearAudio():
                return (TextFrame(b'{"event":"clear","streamSid":"%b"}' % sid),)
            case HangUp():
                # With <Hangup/> after <Connect> closing ends the call too: REST is the faster and surer way.
                hang_up = self._rest.hang_up(self._start.account_sid, self._start.call_sid)
                return (hang_up, CloseSocket()) if hang_up else (CloseSocket(),)
            case Transfer(target=target):
                transfer = self._rest.transfer(self._start.account_sid, self._start.call_sid, target)
                return (transfer,) if transfer else ()
            case EndUtterance() | SendDigits() | TellSpeech() | TellTranscript() | TellTurnEnd():
                return ()
            case _:
                assert_never(command)


def _audio_format(media: MediaFormat) -> AudioFormat:
    """What the peer says it sends. Only mu-law is documented; what else may come, nobody has told the bytes of."""
    if media.encoding != "audio/x-mulaw":
        raise RemoteError("an encoding that is not supported", where="$.start.mediaFormat.encoding")
    if media.channels != 1:
        raise RemoteError("audio that is not mono", where="$.start.mediaFormat.channels")
    try:
        return AudioFormat(Encoding.MULAW, media.sample_rate)
    except AudioError:
        where = "$.start.mediaFormat.sampleRate"
        raise RemoteError("a sample rate that is not supported", where=where) from None
