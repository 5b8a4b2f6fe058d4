"""The peer's end of a call over plain RTP, for simulated phones: it opens the session, and has an ear of its own."""

import zlib
from collections.abc import Sequence
from typing import Final

import msgspec

from trunkline.audio.format import AudioFormat
from trunkline.audio.jitter import Frame, Gap, JitterBuffer
from trunkline.errors import Refused, RemoteError
from trunkline.rtp.packet import Kind, RtpPacket, kind_of
from trunkline.rtp.reception import Reception
from trunkline.rtp.reporting import Reporter
from trunkline.rtp.rtcp import Goodbye
from trunkline.rtp.sender import RtpSender
from trunkline.rtp.sequence import Standing
from trunkline.rtp.telephone_event import EventReceiver
from trunkline.wire._json import UNREADABLE, peers_fault
from trunkline.wire._rtp_messages import CODINGS, COMFORT_NOISE, PATH, RATE, Law, SessionWanted, decode_opened
from trunkline.wire._rtp_pacer import Pacer
from trunkline.wire.base import BinaryFrame, HttpCall, HttpReply, MediaAddress, Output
from trunkline.wire.events import (
    AudioHeard,
    AudioMissing,
    DigitPressed,
    HangUp,
    PlayAudio,
    SendDigits,
    StreamStopped,
    WireCommand,
    WireEvent,
)

SCHEME: Final = "rtp"
"""Of the address that ``media`` gives: ``rtp://host:port``."""
_EVENTS: Final = 101
_SOUND_CARD_S: Final = 0.04  # audio is taken from the jitter buffer so long before it sounds
_EPOCH: Final = 1_767_225_600.0  # a simulated phone's wall clock: only differences of it are ever looked at


class RtpPhone:
    """The phone codec of one simulated call. Tell it with ``bound`` where it listens before it dials.

    ``leaves_by`` says how it hangs up: by closing the session, or as a peer that only knows RTP, by its goodbye.
    """

    def __init__(
        self,
        *,
        token: str,
        call_id: str,
        caller: str = "",
        callee: str = "",
        law: Law = "PCMU",
        symmetric: bool = False,
        ptime_ms: int = 20,
        closes_session: bool = True,
    ) -> None:
        self.replies: list[Output] = []
        self.session = SessionWanted(
            call_id,
            "127.0.0.1",
            4000,
            law,
            ptime_ms,  # type: ignore[arg-type]  # the gateway judges it
            symmetric,
            _EVENTS,
            caller,
            callee,
        )
        self._token = token
        self._closes_session = closes_session
        self._url = ""
        self._coding = CODINGS[law]
        self._reception = Reception(RATE)
        self._ear = JitterBuffer(self._coding.audio, min_ms=60, start_ms=60, max_ms=300)
        self._keys = EventReceiver()
        # Random numbers of a simulation are the same each time.
        seed = zlib.crc32(call_id.encode())
        self._sender = RtpSender(seed, self._coding.payload_type, RATE, sequence=seed >> 16, timestamp=seed ^ RATE)
        self._reporter = Reporter(self._sender, self._reception, f"{seed:08x}", now=0.0, random=seed % 97 / 97)
        self._pacer = Pacer(self._sender, self._coding.audio, ptime_ms=20, event_type=_EVENTS, now=0.0)
        self._now = 0.0
        self._sounds = self._said_goodbye = False

    # --- HTTP ------------------------------------------------------------------------------------------------------

    @property
    def audio(self) -> AudioFormat:
        """What it speaks and hears."""
        return self._coding.audio

    def bound(self, ip: str, port: int) -> None:
        """It listens there: RTP at ``port``, RTCP at the one above."""
        self.session = msgspec.structs.replace(self.session, remote_ip=ip, remote_port=port)

    def dial(self, base_url: str) -> HttpCall:
        """Open the session."""
        self._url = f"{base_url.rstrip('/')}{PATH}"
        body = msgspec.json.encode(self.session)
        return HttpCall("POST", self._url, self._headers(), body, purpose="RTP session")

    def media(self, base_url: str, reply: HttpReply | None) -> MediaAddress:
        """Where the answer says to send."""
        if reply is None:
            raise RemoteError("the session was not answered")
        if reply.status != 201:
            raise Refused(f"the session was refused with {reply.status}", status=reply.status)
        try:
            opened = decode_opened(reply.body)
        except UNREADABLE as error:
            raise peers_fault(error) from None
        host = f"[{opened.local_ip}]" if ":" in opened.local_ip else opened.local_ip
        return MediaAddress(f"{SCHEME}://{host}:{opened.local_port}")

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._token}"} if self._token else {}

    # --- from the gateway ------------------------------------------------------------------------------------------

    def opened(self) -> Sequence[Output]:
        """Nothing: the first packet says all."""
        return ()

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireCommand]:
        """One datagram. Raises ``RemoteError`` for what a peer would not take."""
        self._now = now
        match kind_of(data):
            case Kind.RTCP:
                return self._report(data, now)
            case Kind.RTP:
                commands = self._hear(RtpPacket.parse(data), now)
            case _:
                raise RemoteError("neither RTP nor RTCP")
        report = self._reporter.handle_timer(now, unix=_EPOCH + now, random=0.5)
        if report is not None:
            self.replies.append(BinaryFrame(report))
        return commands

    def _report(self, data: bytes, now: float) -> Sequence[WireCommand]:
        packets = self._reporter.receive(data, now, unix=_EPOCH + now)
        left = any(isinstance(packet, Goodbye) and self._reception.ssrc in packet.sources for packet in packets)
        return (HangUp("the gateway said goodbye"),) if left else ()

    def _hear(self, packet: RtpPacket, now: float) -> Sequence[WireCommand]:
        if packet.payload_type not in (self._coding.payload_type, COMFORT_NOISE, _EVENTS):
            raise RemoteError("a payload type that was not agreed upon", where="$.payload_type")
        match self._reception.receive(packet, now):
            case Standing.JUMPED:
                return ()
            case Standing.RESTARTED:
                self._ear.reset()
        commands: list[WireCommand] = []
        audio = packet.payload if packet.payload_type == self._coding.payload_type else b""
        if packet.payload_type == _EVENTS:
            heard = self._keys.receive(packet.payload, packet.timestamp, packet.ssrc, marker=packet.marker, now=now)
            commands += [SendDigits(event.digit) for event in heard if event.digit is not None]
        self._ear.push(self._reception.extended, packet.timestamp, now, audio)
        if not self._sounds and self._ear.began_at is not None:
            self._sounds = True
            commands.insert(0, PlayAudio(self.audio.silence(self.audio.bytes_for(1000 * _SOUND_CARD_S))))
        while True:
            match self._ear.pop(now + _SOUND_CARD_S):
                case Frame(audio):
                    commands.append(PlayAudio(audio))
                case Gap(samples):
                    commands.append(PlayAudio(self._coding.audio.silence(samples)))
                case _:
                    return commands

    # --- to the gateway --------------------------------------------------------------------------------------------

    def send(self, event: WireEvent) -> Sequence[Output]:
        """What ``event`` is on the wire. Keys take the place of the audio of the next packets."""
        match event:
            case AudioHeard(audio=audio):
                return (BinaryFrame(self._pacer.packet(audio, self._now)),) if audio else ()
            case AudioMissing(samples=samples, lost=lost):
                if lost:  # they took their number and were never seen again
                    self._pacer.packet(self._coding.audio.silence(samples), self._now)
                else:
                    self._sender.skip(samples, self._now)
                return ()
            case DigitPressed(digit=digit):
                self._pacer.press(digit)
                return ()
            case StreamStopped():
                return self._leave()
            case _:
                return ()  # RTP has no words for it

    def _leave(self) -> Sequence[Output]:
        if self._said_goodbye:
            return ()
        self._said_goodbye = True
        outputs: list[Output] = [BinaryFrame(self._reporter.goodbye(self._now, unix=_EPOCH + self._now))]
        if self._closes_session:
            url = f"{self._url}/{self.session.call_id}"
            # It may be gone already: then the gateway has hung up at the same moment.
            outputs.append(HttpCall("DELETE", url, self._headers(), ok=(404,), purpose="end of the session"))
        return outputs
