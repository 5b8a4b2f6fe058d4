"""Our end of a call over plain RTP: datagrams in, events out, packets on their own deadlines.

RTP has no messages of its own for the start and the end of a call: the stream starts with the first tick, and ends
when the peer's source has said goodbye (RTCP BYE), or when whoever opened the session closes it.
"""

import struct
from collections.abc import Callable, Sequence
from math import inf
from typing import Final

import msgspec

from trunkline.audio import g711
from trunkline.audio.conceal import Concealer
from trunkline.audio.format import PCM16_8K, Encoding
from trunkline.audio.jitter import Frame, Gap, JitterBuffer, Wait
from trunkline.audio.noise import ComfortNoise, noise_level
from trunkline.errors import RemoteError
from trunkline.rtp.packet import Kind, RtpPacket, kind_of
from trunkline.rtp.reception import Reception
from trunkline.rtp.reporting import Reporter
from trunkline.rtp.rtcp import Goodbye
from trunkline.rtp.sender import RtpSender
from trunkline.rtp.sequence import Standing
from trunkline.rtp.telephone_event import EventHeard, EventReceiver
from trunkline.wire._rtp_figures import Figures, Ignored, figures
from trunkline.wire._rtp_messages import CODINGS, COMFORT_NOISE, RATE, Law
from trunkline.wire._rtp_pacer import Pacer
from trunkline.wire.base import BinaryFrame, CloseSocket, Output
from trunkline.wire.events import (
    AudioHeard,
    AudioMissing,
    ClearAudio,
    DigitPressed,
    HangUp,
    PlayAudio,
    SendDigits,
    StreamStarted,
    StreamStopped,
    WireCommand,
    WireEvent,
)

TICK: Final = b""
"""What to hand to ``receive`` when ``deadline`` has come: no datagram."""
GOODBYE_GRACE_S: Final = 1.0
"""After the goodbye of the source heard another may take over: a transfer. If none does in this time, that was all."""

_header: Final = struct.Struct("!BBHII").unpack_from
_HEADER_BYTES: Final = 12
_PLAIN: Final = 0x80  # version 2, and neither padding nor extension nor CSRC

_NOTHING: Final[tuple[WireEvent, ...]] = ()


class Session(msgspec.Struct, frozen=True):
    """One call, as it was agreed upon. What should be random is drawn by whoever makes this."""

    call_id: str
    law: Law
    ptime_ms: int
    event_type: int
    ssrc: int
    sequence: int
    timestamp: int
    cname: str
    epoch: float  # Unix time when the clock of ``now`` was 0
    caller: str = ""  # private
    callee: str = ""  # private
    parameters: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Session({self.call_id!r})"


class RtpGateway:
    """The gateway codec. Its messages are datagrams, RTP and RTCP alike, and ``TICK``: hand that in at ``deadline``.

    What it gives back to be sent is told apart by ``rtp.packet.kind_of``. ``draw`` gives numbers in [0, 1): RTCP
    should not be sent in step with everybody else's.
    """

    def __init__(self, session: Session, *, now: float, draw: Callable[[], float]) -> None:
        coding = CODINGS[session.law]
        self.replies: list[Output] = []
        self.ignored = Ignored()
        self._session = session
        self._draw = draw
        self._audio = coding.audio
        self._type = coding.payload_type
        self._marked_type = coding.payload_type | 0x80
        self._decode = g711.decode_mulaw if coding.audio.encoding is Encoding.MULAW else g711.decode_alaw
        self._reception = Reception(RATE)
        self._buffer = JitterBuffer(coding.audio)
        self._concealer = Concealer(RATE)
        self._noise = ComfortNoise(seed=session.ssrc)
        self._keys = EventReceiver()
        self._sender = RtpSender(
            session.ssrc, coding.payload_type, RATE, sequence=session.sequence, timestamp=session.timestamp
        )
        self._pacer = Pacer(
            self._sender, coding.audio, ptime_ms=session.ptime_ms, event_type=session.event_type, now=now
        )
        self._reporter = Reporter(self._sender, self._reception, session.cname, now=now, random=draw())
        self._now = self._started_at = now
        self._due = -inf  # when there may be audio to give
        self._started = self._heard = self._said_goodbye = False
        self._over_at: float | None = None  # the peer said goodbye

    @property
    def deadline(self) -> float:
        """When to hand in ``TICK``. Everything that takes time looks at the clock then."""
        return self._pacer.due

    @property
    def payload_types(self) -> frozenset[int]:
        """What the peer's packets may be."""
        return frozenset((self._type, COMFORT_NOISE, self._session.event_type))

    @property
    def ssrc(self) -> int | None:
        """The source heard; it may change."""
        return self._reception.ssrc

    # --- in --------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireEvent]:
        """One datagram, or ``TICK``. Raises nothing: what is broken is dropped and counted."""
        self._now = now
        if not data:
            return self._tick(now)
        if len(data) > _HEADER_BYTES:
            flags, marker_type, sequence, timestamp, ssrc = _header(data)
            if flags == _PLAIN and (marker_type == self._type or marker_type == self._marked_type):
                # The short way of nearly every datagram: the call's codec, and nothing special about it.
                standing = self._reception.receive_header(ssrc, sequence, timestamp, self._type, now)
                if standing is not Standing.IN_ORDER:
                    if standing is Standing.JUMPED:
                        self.ignored.jumped += 1
                        return _NOTHING
                    if standing is Standing.RESTARTED:
                        self._restart()
                self._buffer.push(self._reception.extended, timestamp, now, data[_HEADER_BYTES:])
                return self._give(now)
        match kind_of(data):
            case Kind.RTP:
                return self._receive_rtp(data, now)
            case Kind.RTCP:
                self._receive_rtcp(data, now)
            case Kind.STUN:
                self.ignored.stun += 1
            case Kind.DTLS:
                self.ignored.dtls += 1
            case Kind.UNKNOWN:
                self.ignored.unknown += 1
        return _NOTHING

    def _receive_rtp(self, data: bytes, now: float) -> Sequence[WireEvent]:
        """Any other packet: keys, comfort noise, extended headers, another codec."""
        try:
            packet = RtpPacket.parse(data)
        except RemoteError:
            self.ignored.malformed += 1
            return _NOTHING
        standing = self._reception.receive_header(
            packet.ssrc, packet.sequence, packet.timestamp, packet.payload_type, now
        )
        if standing is Standing.JUMPED:
            self.ignored.jumped += 1
            return _NOTHING
        if standing is Standing.RESTARTED:
            self._restart()
        events: list[WireEvent] = []
        audio = b""
        if packet.payload_type == self._type:
            audio = packet.payload
        elif packet.payload_type == self._session.event_type:
            events += self._receive_key(packet, now)
        elif packet.payload_type == COMFORT_NOISE:
            self._noise.level_dbov = noise_level(packet.payload)
        else:
            self.ignored.other_payload_types += 1
        # Each took a number, so none of them is missing; where there is no audio, a silence follows.
        self._buffer.push(self._reception.extended, packet.timestamp, now, audio)
        if not audio and self._heard:
            events.append(AudioHeard(b""))  # somebody is there, though nothing is said
        return [*events, *self._give(now)]

    def _give(self, now: float) -> Sequence[WireEvent]:
        """The audio that is due, unless a tick is overdue: then we were held up, more packets may be waiting to be
        read, and what is missing without them is not lost."""
        return self._pop(now) if self._due <= now < self._pacer.due else _NOTHING

    def _receive_key(self, packet: RtpPacket, now: float) -> list[WireEvent]:
        try:
            heard = self._keys.receive(packet.payload, packet.timestamp, packet.ssrc, marker=packet.marker, now=now)
        except RemoteError:
            self.ignored.malformed += 1
            return []
        return _digits(heard)

    def _receive_rtcp(self, data: bytes, now: float) -> None:
        try:
            packets = self._reporter.receive(data, now, unix=self._unix(now))
        except RemoteError:
            self.ignored.malformed_rtcp += 1
            return
        for packet in packets:
            if isinstance(packet, Goodbye) and self._reception.ssrc in packet.sources:
                self._over_at = now + GOODBYE_GRACE_S

    def _restart(self) -> None:
        """Another source, or the same one anew."""
        self._buffer.reset()
        self._over_at = None

    # --- time ------------------------------------------------------------------------------------------------------

    def _tick(self, now: float) -> Sequence[WireEvent]:
        for packet in self._pacer.pop(now):
            self.replies.append(BinaryFrame(packet))
        if now >= self._reporter.get_timer():
            report = self._reporter.handle_timer(now, unix=self._unix(now), random=self._draw())
            if report is not None:
                self.replies.append(BinaryFrame(report))
        if not self._started:
            return (self._start(),)
        events = self._pop(now) if now >= self._due else _NOTHING
        if (due := self._keys.get_timer()) is not None and now >= due:
            events = [*events, *_digits(self._keys.handle_timer(now))]
        if self._over_at is not None and now >= self._over_at:
            self._over_at = None
            events = [*events, StreamStopped("hung up")]
        return events

    def _start(self) -> StreamStarted:
        session = self._session
        self._started = True
        return StreamStarted(
            call_id=session.call_id,
            stream_id=f"{session.ssrc:08x}",
            hears=PCM16_8K,  # what concealment gives
            speaks=self._audio,
            caller=session.caller,
            callee=session.callee,
            parameters=session.parameters,
        )

    def _pop(self, now: float) -> Sequence[WireEvent]:
        """The audio that is due, made up where there is none."""
        events: list[WireEvent] = []
        buffer, concealer = self._buffer, self._concealer
        while True:
            piece = buffer.pop(now)
            if type(piece) is Frame:
                events.append(AudioHeard(concealer.received(self._decode(piece.audio))))
            elif type(piece) is Gap:
                n = piece.samples
                filling = concealer.lost(n) if piece.lost else concealer.received(self._noise.next(n))
                events.append(AudioMissing(n, piece.lost, filling))
            elif type(piece) is Wait:
                self._due = -inf if piece.until is None else piece.until
                break
        if not self._heard and buffer.began_at is not None:
            # The call began with our first packet, not with theirs.
            self._heard = True
            before = round((buffer.began_at - self._started_at) * RATE)
            if before > 0:
                events.insert(0, AudioMissing(before, lost=False))
        return events

    def _unix(self, now: float) -> float:
        return self._session.epoch + now

    # --- out -------------------------------------------------------------------------------------------------------

    def send(self, command: WireCommand) -> Sequence[Output]:
        """What ``command`` is on the wire: nothing at once but the goodbye, the rest is sent when it is due."""
        match command:
            case PlayAudio(audio=audio):
                self._pacer.push(audio)
            case SendDigits(digits=digits):
                self._pacer.press(digits)
            case ClearAudio():
                self._pacer.clear()
            case HangUp():
                return (*self.goodbye(self._now), CloseSocket())
        return ()

    def goodbye(self, now: float) -> Sequence[Output]:
        """Our source's goodbye (RTCP BYE), once: for whoever closes the socket."""
        if self._said_goodbye:
            return ()
        self._said_goodbye = True
        return (BinaryFrame(self._reporter.goodbye(now, unix=self._unix(now))),)

    # --- figures ---------------------------------------------------------------------------------------------------

    def figures(self) -> Figures:
        """How the stream fares in both directions."""
        return figures(self._reception, self._buffer, self._sender, self._reporter.peer, self.ignored)


def _digits(heard: list[EventHeard]) -> list[WireEvent]:
    return [DigitPressed(event.digit) for event in heard if event.digit is not None]
