"""Our end of a media socket of the webhook-and-socket contract."""

from collections.abc import Sequence
from typing import Final, assert_never

import msgspec

from trunkline.errors import Refused, RemoteError
from trunkline.wire import events
from trunkline.wire._cadence import Cadence
from trunkline.wire._json import UNREADABLE, ignored, peers_fault
from trunkline.wire._ringcentral_formats import UNSUPPORTED, Packets
from trunkline.wire._ringcentral_messages import (
    ANNOUNCING,
    MAX_PACKET_MS,
    MAX_TEXT_BYTES,
    Clear,
    Config,
    Dtmf,
    HangUp,
    Mark,
    Ping,
    Start,
    Stop,
    decode_inbound,
    decode_unknown,
    encode,
)
from trunkline.wire.base import BinaryFrame, CloseSocket, Output, TextFrame
from trunkline.wire.events import AudioHeard, DigitPressed, MarkReached, StreamStarted, StreamStopped, WireEvent

_PONG: Final = TextFrame(b'{"type":"pong"}')


class Expected(msgspec.Struct, frozen=True):
    """What is known of a call before its socket says anything."""

    call_id: str
    caller: str = ""  # private
    callee: str = ""  # private
    session_id: str = ""
    packets: Packets = Packets()

    def __repr__(self) -> str:
        return "Expected()"


class RingCentralGateway:
    """The gateway codec for ``call``. The stream starts with ``start``, with the first packet, or when told to."""

    def __init__(self, call: Expected, *, extensions: bool = False) -> None:
        self.replies: list[Output] = []
        self.ignored = 0  # messages we did not know or had no use for
        self._call = call
        self._extensions = extensions  # the peer knows our own messages
        self._packets = call.packets
        self._started = self._stopped = False
        self._unit = self._longest = 0
        self._cadence = Cadence(call.packets.audio.rate)

    # --- in --------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireEvent]:
        """One message in. After ``stop`` whatever comes is ignored.

        Raises ``RemoteError`` for a message by which only itself is lost, and ``Refused`` for one that leaves unclear
        what the audio is.
        """
        if self._stopped:
            return ()
        if binary:
            return self._packet(data, now)
        if len(data) > MAX_TEXT_BYTES:
            raise RemoteError("a message that is too long", close_code=1009)
        try:
            message = decode_inbound(data)
        except UNREADABLE as error:
            return self._not_understood(data, error)
        match message:
            case Start(call_id=call_id):
                if call_id not in (None, self._call.call_id):
                    raise Refused("another call than the path's was started")
                self._announce(message)
                return self.start(now) or self._ignore("start")
            case Config():
                self._announce(message)
                return ()
            case Stop():
                self._stopped = True
                return (StreamStopped("the platform stopped the stream"),)
            case Ping():
                self.replies.append(_PONG)
                return self._ignore("ping")
            case Dtmf(digit=digit):
                return (*self.start(now), DigitPressed(digit.upper()))
            case Mark(name=name):
                return (MarkReached(name),) if self._started else self._ignore("mark")
            case _:
                assert_never(message)

    def start(self, now: float) -> Sequence[WireEvent]:
        """Start the stream, unless it has."""
        if self._started:
            return ()
        self._started = True
        packets, call = self._packets, self._call
        self._unit = packets.unit
        self._longest = packets.audio.bytes_for(MAX_PACKET_MS) * packets.channels
        self._cadence = Cadence(packets.audio.rate)
        return (
            StreamStarted(
                call_id=call.call_id,
                stream_id=call.session_id or call.call_id,
                hears=packets.hears,
                speaks=packets.audio,
                caller=call.caller,
                callee=call.callee,
                parameters={"session_id": call.session_id} if call.session_id else {},
            ),
        )

    def _announce(self, message: Start | Config) -> None:
        packets = self._packets.changed(message.announced)
        if self._started and packets != self._packets:
            raise Refused("another format was announced once the stream had started", close_code=UNSUPPORTED)
        self._packets = packets

    def _packet(self, packet: bytes, now: float) -> Sequence[WireEvent]:
        started = self.start(now)
        size, unit = len(packet), self._unit
        if not size:
            return (*started, *self._ignore("empty packet"))
        if size % unit:
            return self._broken(started, f"a packet of {size} bytes, where a moment of {self._packets} has {unit}")
        if size > self._longest:
            return self._broken(started, f"a packet longer than {MAX_PACKET_MS} ms of {self._packets}")
        if measured := self._cadence.push(size // unit, now):
            rate = self._packets.audio.rate
            raise RemoteError(f"audio of {measured} samples a second, where {rate} were announced", close_code=1007)
        heard = AudioHeard(self._packets.mixed(packet))
        return (*started, heard) if started else (heard,)

    def _broken(self, started: Sequence[WireEvent], what: str) -> Sequence[WireEvent]:
        if started:  # nothing may be lost of a stream's start: its first packet is not worth an error
            return (*started, *self._ignore("broken packet"))
        raise RemoteError(what, close_code=1007)

    def _not_understood(self, data: bytes, error: Exception) -> Sequence[WireEvent]:
        """An unknown type is normal and is counted; anything else is the peer's fault."""
        fault = peers_fault(error)
        try:
            kind = decode_unknown(data).type
        except UNREADABLE:
            raise fault from None
        if fault.where == "$.type":
            return self._ignore(kind)
        if kind in ANNOUNCING:
            raise Refused(str(fault), close_code=fault.close_code)
        raise fault from None

    def _ignore(self, kind: str) -> Sequence[WireEvent]:
        self.ignored += 1
        return (ignored(kind),)

    # --- out -------------------------------------------------------------------------------------------------------

    def send(self, command: events.WireCommand) -> Sequence[Output]:
        """What ``command`` is on the wire. Of control messages a peer gets only those it is known to know."""
        match command:
            case events.PlayAudio(audio=audio):
                return () if self._stopped else (BinaryFrame(self._packets.spread(audio)),)
            case events.HangUp(reason=reason):
                return (*self._say(HangUp(reason)), CloseSocket())
            case events.SendMark(name=name):
                return self._say(Mark(name))
            case events.ClearAudio():
                return self._say(Clear())
            case _:
                return ()  # nothing that this wire has words for

    def _say(self, message: Mark | Clear | HangUp) -> Sequence[Output]:
        known = self._extensions and self._started and not self._stopped
        return (TextFrame(encode(message)),) if known else ()
