"""The client's end of a socket of the open protocol, for simulated phones. It holds the gateway to the letter."""

from collections.abc import Sequence
from typing import Final, assert_never

import msgspec

from trunkline.audio.format import PCM16_16K
from trunkline.errors import RemoteError
from trunkline.wire._json import UNREADABLE, peers_fault
from trunkline.wire._open_messages import (
    AudioChunk,
    Carriage,
    Clear,
    Control,
    Dtmf,
    Mark,
    SessionEnd,
    SessionStart,
    TranscriptChunk,
    TurnEnd,
    decode_outbound,
    decode_outbound_control,
    encode,
)
from trunkline.wire._open_messages import Transfer as TransferMessage
from trunkline.wire.base import BinaryFrame, CloseSocket, HttpCall, HttpReply, MediaAddress, Output, TextFrame
from trunkline.wire.events import (
    AudioHeard,
    AudioMissing,
    CallDescribed,
    ClearAudio,
    DigitPressed,
    HangUp,
    MarkReached,
    MessageIgnored,
    PlayAudio,
    SendDigits,
    SendMark,
    StreamResumed,
    StreamStarted,
    StreamStopped,
    TellTranscript,
    TellTurnEnd,
    Transfer,
    WireCommand,
    WireEvent,
)

_FRAME_SAMPLES: Final = 320  # 20 ms a message


class OpenPhone:
    """The phone codec: one simulated call from ``caller`` to ``callee``, its audio in binary or in JSON."""

    def __init__(
        self, *, path: str, token: str, call_id: str, caller: str, callee: str, audio: Carriage = "binary"
    ) -> None:
        self.replies: list[Output] = []  # marks are sent back by whoever knows what has been played
        self._path = path
        self._token = token
        self._call_id = call_id
        self._caller = caller
        self._callee = callee
        self._audio: Carriage = audio
        self._answered = False
        self._next = 0  # the next outbound chunk's number
        self._sequence = 0  # our own next chunk's
        self._samples = 0  # where our stream is in time

    def dial(self, base_url: str) -> HttpCall | None:
        """Nothing: the socket is opened at once."""
        return None

    def media(self, base_url: str, reply: HttpReply | None) -> MediaAddress:
        """The call's own address, with the token if there is one."""
        url = "ws" + base_url.rstrip("/").removeprefix("http") + self._path.format(call_id=self._call_id)
        return MediaAddress(url, headers={"Authorization": f"Bearer {self._token}"} if self._token else {})

    def opened(self) -> Sequence[Output]:
        """``session_start``."""
        return (TextFrame(encode(SessionStart(self._call_id, self._caller, self._callee, self._audio))),)

    # --- from the gateway -------------------------------------------------------------------------------------------

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireCommand]:
        """One message from the gateway. Raises ``RemoteError`` for whatever is not as the protocol has it."""
        if binary:
            return self._play(data, "binary", "$")
        try:
            message = decode_outbound(data)
            if isinstance(message, Control):
                return self._control(decode_outbound_control(data))
        except UNREADABLE as error:
            raise peers_fault(error) from None
        if isinstance(message, SessionStart):
            return self._accepted(message)
        self._require_answer()
        match message:
            case AudioChunk(direction=direction, sequence=sequence, audio=audio):
                if direction != "outbound":
                    raise RemoteError("our own direction", where="$.direction")
                if sequence != self._next:
                    raise RemoteError("a chunk out of order", where="$.sequence")
                self._next += 1
                return self._play(audio, "json", "$.audio")
            case SessionEnd(reason=reason):
                return (HangUp(reason),)
            case TranscriptChunk(speaker=speaker, text=text, final=final):
                return (TellTranscript(speaker, text, final),)
            case TurnEnd(speaker=speaker):
                return (TellTurnEnd(speaker),)
            case _:
                assert_never(message)

    def _accepted(self, start: SessionStart) -> Sequence[WireCommand]:
        if self._answered:
            raise RemoteError("a second session_start")
        if start.call_id != self._call_id:
            raise RemoteError("another call than ours", where="$.call_id")
        if start.audio != self._audio:
            raise RemoteError("another carriage of audio than we asked for", where="$.audio")
        self._answered = True
        return ()

    def _control(self, control: Clear | Mark | Dtmf | TransferMessage) -> Sequence[WireCommand]:
        self._require_answer()
        match control:
            case Clear():
                return (ClearAudio(),)
            case Mark(name=name):
                return (SendMark(name),)
            case Dtmf(digits=digits):
                return (SendDigits(digits),)
            case TransferMessage(target=target):
                return (Transfer(target),)
            case _:
                assert_never(control)

    def _play(self, audio: bytes, carriage: Carriage, where: str) -> Sequence[WireCommand]:
        self._require_answer()
        if carriage != self._audio:
            raise RemoteError("audio in another carriage than was asked for", where=where)
        if len(audio) % PCM16_16K.sample_bytes:
            raise RemoteError("audio that is not whole samples", where=where)
        return (PlayAudio(audio),)

    def _require_answer(self) -> None:
        if not self._answered:
            raise RemoteError("a message before session_start")

    # --- to the gateway ---------------------------------------------------------------------------------------------

    def send(self, event: WireEvent) -> Sequence[Output]:
        """What ``event`` is on the wire.

        Lost chunks take the numbers they would have had. In binary nothing has a number, so nothing is said of a hole.
        """
        match event:
            case AudioHeard(audio=audio):
                return (self._heard(audio),) if audio else ()
            case AudioMissing(samples=samples, lost=lost):
                self._sequence += -(-samples // _FRAME_SAMPLES) if lost else 0
                self._samples += samples
                return ()
            case DigitPressed(digit=digit):
                return (TextFrame(encode(Dtmf("control", digit))),)
            case MarkReached(name=name):
                return (TextFrame(encode(Mark("control", name))),)
            case MessageIgnored(kind=kind):
                return (TextFrame(msgspec.json.encode({"type": kind})),)
            case StreamStopped(reason=reason):
                return (TextFrame(encode(SessionEnd(reason))), CloseSocket())
            case StreamStarted() | StreamResumed() | CallDescribed():
                return ()  # said by opened(), or not at all
            case _:
                assert_never(event)

    def _heard(self, audio: bytes) -> Output:
        at_ms = 1000 * self._samples / PCM16_16K.rate
        self._samples += PCM16_16K.samples(len(audio))
        if self._audio == "binary":
            return BinaryFrame(audio)
        self._sequence += 1
        return TextFrame(encode(AudioChunk("inbound", self._sequence - 1, at_ms, audio)))
