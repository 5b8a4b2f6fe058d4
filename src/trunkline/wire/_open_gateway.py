"""Our end of a socket of the open protocol."""

from collections.abc import Sequence
from math import inf
from typing import Final, assert_never

import msgspec

from trunkline.audio.format import PCM16_16K
from trunkline.errors import RemoteError
from trunkline.wire._json import UNREADABLE, ignored, peers_fault
from trunkline.wire._open_messages import (
    MAX_MESSAGE_BYTES,
    AudioChunk,
    Clear,
    Control,
    Dtmf,
    Mark,
    SessionEnd,
    SessionStart,
    TranscriptChunk,
    TurnEnd,
    decode_inbound,
    decode_inbound_control,
    decode_unknown,
    encode,
)
from trunkline.wire._open_messages import Transfer as TransferMessage
from trunkline.wire.base import BinaryFrame, CloseSocket, Output, TextFrame
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

LATE_MS: Final = 100.0  # behind the quickest message so far: no longer the network's ordinary jitter
_MAX_HOLE_S: Final = 600  # more is a broken counter, and would be written to a recording as silence
_CHUNK: Final = b'{"type":"audio_chunk","direction":"outbound","sequence":%d,"timestamp":%d,"audio":%b}'
_quoted_base64: Final = msgspec.json.Encoder().encode  # of bytes


class OpenGateway:
    """The gateway codec for the call ``call_id``, as the socket's path names it.

    Binary audio has no number: what TCP delivers is whole. Of chunks in JSON, each number that was left out is a hole
    as long as the chunk that follows it, and a number that is not new has been heard before.
    """

    def __init__(self, call_id: str) -> None:
        self.replies: list[Output] = []
        self.lost = 0  # chunks the client numbered and we never saw
        self.misnumbered = 0  # chunks whose number was not new
        self.ignored = 0  # messages we did not know or had no use for
        self.late = 0  # chunks that took LATE_MS longer than the quickest
        self.latest_ms = 0.0  # what the slowest took longer than the quickest
        self._call_id = call_id
        self._started = self._stopped = False
        self._in_json = False  # how the client wants its audio
        self._next: int | None = None  # the next chunk's number; None before the first
        self._quickest_ms = inf  # arrival less timestamp: two clocks, so only differences of it mean anything
        self._sent = 0  # chunks in JSON
        self._sent_samples = 0

    # --- in --------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireEvent]:
        """One message in. After ``session_end`` whatever comes is ignored. Raises ``RemoteError``."""
        if self._stopped:
            return ()
        if len(data) > MAX_MESSAGE_BYTES:
            raise RemoteError("a message that is too long", close_code=1009)
        if binary:
            self._require_start()
            return _heard(data, "$")
        try:
            message = decode_inbound(data)
        except UNREADABLE as error:
            return self._not_understood(data, error)
        if isinstance(message, AudioChunk):
            return self._chunk(message, now)
        return self._other(message, data)

    def _other(self, message: SessionStart | SessionEnd | Control, data: bytes) -> Sequence[WireEvent]:
        match message:
            case SessionStart():
                return self._begin(message)
            case SessionEnd():
                self._require_start()
                self._stopped = True
                return (StreamStopped("the client ended the session"),)
            case Control():
                self._require_start()
                return self._control(data)
            case _:
                assert_never(message)

    def _begin(self, start: SessionStart) -> Sequence[WireEvent]:
        if self._started:
            raise RemoteError("a second session_start")
        if start.call_id not in (None, self._call_id):
            raise RemoteError("another call than the path's", where="$.call_id")
        self._started = True
        self._in_json = start.audio == "json"
        # Said in full, so that whoever reads it need not know the defaults.
        answer = {
            "type": "session_start",
            "call_id": self._call_id,
            "audio": start.audio,
            "encoding": start.encoding,
            "sample_rate": start.sample_rate,
        }
        self.replies.append(TextFrame(encode(answer)))
        return (
            StreamStarted(
                call_id=self._call_id,
                stream_id=self._call_id,
                hears=PCM16_16K,
                speaks=PCM16_16K,
                caller=start.caller,
                callee=start.callee,
                parameters=start.parameters,
            ),
        )

    def _chunk(self, chunk: AudioChunk, now: float) -> Sequence[WireEvent]:
        self._require_start()
        if chunk.direction != "inbound":
            return self._ignore("audio_chunk outbound")
        heard = _heard(chunk.audio, "$.audio")
        self._time(chunk.timestamp, now)
        number, expected = chunk.sequence, self._next
        if expected is None or number == expected:
            self._next = number + 1
            return heard
        if number < expected:
            self.misnumbered += 1
            return self._ignore("audio_chunk repeated")
        hole = (number - expected) * PCM16_16K.samples(len(chunk.audio))
        if hole > _MAX_HOLE_S * PCM16_16K.rate:
            raise RemoteError("a leap in the numbers", where="$.sequence")
        self.lost += number - expected
        self._next = number + 1
        return (AudioMissing(hole, lost=True), *heard) if hole else heard

    def _time(self, timestamp_ms: float, now: float) -> None:
        took_ms = 1000 * now - timestamp_ms
        self._quickest_ms = min(self._quickest_ms, took_ms)
        late_ms = took_ms - self._quickest_ms
        self.late += late_ms >= LATE_MS
        self.latest_ms = max(self.latest_ms, late_ms)

    def _control(self, data: bytes) -> Sequence[WireEvent]:
        try:
            control = decode_inbound_control(data)
        except UNREADABLE as error:
            fault = peers_fault(error)
            if fault.where != "$.action":
                raise fault from None
            return self._ignore("control")
        if isinstance(control, Mark):
            return (MarkReached(control.name),)
        return [DigitPressed(digit) for digit in control.digits]

    def _require_start(self) -> None:
        if not self._started:
            raise RemoteError("a message before session_start")

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

    # --- out -------------------------------------------------------------------------------------------------------

    def send(self, command: WireCommand) -> Sequence[Output]:
        """What ``command`` is on the wire. Before ``session_start`` and after ``session_end`` only the socket can be
        closed."""
        if not self._started or self._stopped:
            return (CloseSocket(),) if isinstance(command, HangUp) else ()
        match command:
            case PlayAudio(audio=audio):
                return (self._audio(audio),)
            case SendMark(name=name):
                return (TextFrame(encode(Mark("control", name))),)
            case ClearAudio():
                return (TextFrame(encode(Clear("control"))),)
            case TellTranscript(speaker=speaker, text=text, final=final):
                return (TextFrame(encode(TranscriptChunk(speaker, text, final))),)
            case TellTurnEnd(speaker=speaker):
                return (TextFrame(encode(TurnEnd(speaker))),)
            case SendDigits(digits=digits):
                return (TextFrame(encode(Dtmf("control", digits))),)
            case Transfer(target=target):
                return (TextFrame(encode(TransferMessage("control", target))),)
            case HangUp(reason=reason):
                return (TextFrame(encode(SessionEnd(reason))), CloseSocket())
            case EndUtterance() | TellSpeech():
                return ()
            case _:
                assert_never(command)

    def _audio(self, audio: bytes) -> Output:
        if not self._in_json:
            return BinaryFrame(audio)
        at_ms = self._sent_samples * 1000 // PCM16_16K.rate
        chunk = _CHUNK % (self._sent, at_ms, _quoted_base64(audio))
        self._sent += 1
        self._sent_samples += PCM16_16K.samples(len(audio))
        return TextFrame(chunk)


def _heard(audio: bytes, where: str) -> Sequence[WireEvent]:
    if len(audio) % PCM16_16K.sample_bytes:
        raise RemoteError("audio that is not whole samples", where=where, close_code=1007)
    return (AudioHeard(audio),) if audio else ()
