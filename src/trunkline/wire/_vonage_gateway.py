"""Our end of a Vonage media stream (protocol page §3 to §6)."""

from collections.abc import Callable, Sequence
from typing import Final, assert_never

import msgspec

from trunkline.errors import RemoteError
from trunkline.wire._json import UNREADABLE, ignored, peers_fault
from trunkline.wire._vonage_http import Rest
from trunkline.wire._vonage_messages import (
    ENDINGS,
    FRAME_MS,
    MAX_TEXT_BYTES,
    Cleared,
    Connected,
    Dtmf,
    Notified,
    audio_format,
    decode_inbound,
    decode_unknown,
)
from trunkline.wire.base import BinaryFrame, CloseSocket, HttpCall, Output, TextFrame
from trunkline.wire.events import (
    AudioHeard,
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
    Transfer,
    WireCommand,
    WireEvent,
)

_CLEAR: Final = TextFrame(b'{"action":"clear"}')


class Admitted(msgspec.Struct, frozen=True):
    """What the answer webhook said about a call, and how to ask Vonage for something about it."""

    call: str
    rest: Rest
    caller: str = ""  # private
    callee: str = ""  # private
    parameters: dict[str, str] = {}

    def __repr__(self) -> str:
        return "Admitted()"


Admit = Callable[["VonageGateway", str, float], Admitted]
"""Says whose call a stream with this ticket is. Raises ``Refused``."""


class VonageGateway:
    """The gateway codec. Nothing on this wire is numbered or dated: each binary message is the next 20 ms."""

    def __init__(self, admit: Admit) -> None:
        self.replies: list[Output] = []  # Vonage demands no answers
        self.early = 0  # audio that came before we knew what it is
        self.ignored = 0  # messages we did not know
        self._admit = admit
        self._call: Admitted | None = None
        self._over = ""  # why the call is over, once it is
        self._told = False  # … and that was said
        self._frame = -1  # bytes of 20 ms; what no message has before the stream has started and after it has stopped
        self._rest_of_frame = b""  # audio short of a frame, waiting for more
        self._requests = 0

    # --- in --------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireEvent]:
        """One message in. After the end whatever comes is ignored. Raises ``RemoteError`` or ``Refused``."""
        if binary and len(data) == self._frame:
            return (AudioHeard(data),)
        if self._over:
            return self._stop()
        if binary:
            return self._odd_audio(len(data))
        if len(data) > MAX_TEXT_BYTES:
            raise RemoteError("a message that is too long", close_code=1009)
        try:
            message = decode_inbound(data)
        except UNREADABLE as error:
            return self._not_understood(data, error)
        match message:
            case Connected():
                return self._begin(message, now)
            case Dtmf(digit=flat, dtmf=nested):
                self._in_stream()
                digit = flat if flat is not None or nested is None else nested.digit
                if digit is None:
                    raise RemoteError("missing field", where="$.digit")
                return (DigitPressed(digit.upper()),)
            case Notified(payload=payload):
                self._in_stream()
                return (MarkReached(payload.name),)
            case Cleared():
                self._in_stream()
                return ()  # it may be about an older clear: the playout needs no answer to know what it dropped
            case _:
                assert_never(message)

    def hung_up(self, reason: str) -> None:
        """A webhook said that the call is over: the next message, whatever it is, will be the last."""
        self._over = self._over or reason
        self._frame = -1

    def _begin(self, message: Connected, now: float) -> Sequence[WireEvent]:
        if self._call is not None:
            raise RemoteError("a second websocket:connected")
        audio = audio_format(message.content_type, where="$.content-type")
        call = self._admit(self, message.ticket, now)
        self._call = call
        self._frame = audio.bytes_for(FRAME_MS)
        return (
            StreamStarted(
                call_id=call.call,
                stream_id=call.call,
                hears=audio,
                speaks=audio,
                caller=call.caller,
                callee=call.callee,
                parameters=call.parameters,
            ),
        )

    def _in_stream(self) -> None:
        if self._call is None:
            raise RemoteError("a message before websocket:connected")

    def _odd_audio(self, size: int) -> Sequence[WireEvent]:
        if self._call is None:
            # Seen in the wild. What it is can't be known yet; the time limit for the start ends a stream of only this.
            self.early += 1
            return (ignored("audio before start"),)
        raise RemoteError(f"audio of {size} bytes where {FRAME_MS} ms have {self._frame}")

    def _not_understood(self, data: bytes, error: Exception) -> Sequence[WireEvent]:
        """An unknown event is normal and is counted; anything else is the peer's fault."""
        fault = peers_fault(error)
        if fault.where != "$.event":
            raise fault from None
        try:
            unknown = decode_unknown(data)
        except UNREADABLE as worse:
            raise peers_fault(worse) from None
        if unknown.event in ENDINGS and self._call is not None:
            self.hung_up("the platform ended the stream")
            return self._stop()
        self.ignored += 1
        return (ignored(unknown.event),)

    def _stop(self) -> Sequence[WireEvent]:
        if self._told:
            return ()
        self._told = True
        return (StreamStopped(self._over),)

    # --- out -------------------------------------------------------------------------------------------------------

    def send(self, command: WireCommand) -> Sequence[Output]:
        """What ``command`` is on the wire. Before the start and after the end only the socket can be closed.

        ``Transfer`` and ``SendDigits`` are empty without a private key for REST.
        """
        if isinstance(command, PlayAudio):
            if len(command.audio) == self._frame and not self._rest_of_frame:
                return (BinaryFrame(command.audio),)
            return self._frames(command.audio)
        call = self._call
        if call is None or self._over:
            return (CloseSocket(),) if isinstance(command, HangUp) else ()
        match command:
            case SendMark(name=name):
                return (TextFrame(b'{"action":"notify","payload":{"name":%b}}' % msgspec.json.encode(name)),)
            case ClearAudio():
                self._rest_of_frame = b""
                return (_CLEAR,)
            case EndUtterance():
                missing = self._frame - len(self._rest_of_frame)
                return self._frames(bytes(missing)) if self._rest_of_frame else ()  # zeros are silence
            case HangUp():
                # Vonage takes a closed socket for a failure and asks for something else to do: so it is left open.
                return self._ask(call.rest.hang_up(self._requests)) or (CloseSocket(),)
            case Transfer(target=target):
                return self._ask(call.rest.transfer(self._requests, target, caller_id=call.callee))
            case SendDigits(digits=digits):
                return self._ask(call.rest.press(self._requests, digits))
            case _:
                return ()  # nothing that this wire has words for

    def _frames(self, audio: bytes) -> Sequence[Output]:
        """Cut into frames of exactly 20 ms: Vonage stops listening at any other. What is left over waits."""
        size = self._frame
        if size < 0:
            return ()
        audio = self._rest_of_frame + audio
        whole = len(audio) - len(audio) % size
        self._rest_of_frame = audio[whole:]
        return [BinaryFrame(audio[at : at + size]) for at in range(0, whole, size)]

    def _ask(self, request: HttpCall | None) -> Sequence[Output]:
        self._requests += 1
        return (request,) if request else ()
