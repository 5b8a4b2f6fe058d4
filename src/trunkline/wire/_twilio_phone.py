"""Twilio's end of a call, for simulated phones: what its cloud says, and what it would refuse (protocol page)."""

from collections.abc import Sequence
from typing import Final, assert_never
from urllib.parse import urlencode

import msgspec

from trunkline.audio.format import MULAW_8K
from trunkline.errors import RemoteError
from trunkline.wire._json import UNREADABLE, peers_fault
from trunkline.wire._twilio_http import read_connect_stream
from trunkline.wire._twilio_messages import OutboundClear, OutboundMark, OutboundMedia, decode_outbound
from trunkline.wire._twilio_signature import FORM, SIGNATURE, sign
from trunkline.wire.base import CloseSocket, HttpCall, HttpReply, MediaAddress, Output, TextFrame
from trunkline.wire.events import (
    AudioHeard,
    AudioMissing,
    CallDescribed,
    ClearAudio,
    DigitPressed,
    MarkReached,
    MessageIgnored,
    PlayAudio,
    SendMark,
    StreamResumed,
    StreamStarted,
    StreamStopped,
    WireCommand,
    WireEvent,
)

_FRAME_SAMPLES: Final = 160  # Twilio sends 20 ms a message
_quoted_base64: Final = msgspec.json.Encoder().encode  # of bytes
_MEDIA: Final = (
    b'{"event":"media","sequenceNumber":"%d","streamSid":"%b",'
    b'"media":{"track":"inbound","chunk":"%d","timestamp":"%d","payload":%b}}'
)


class TwilioPhone:
    """The phone codec: one simulated call from ``caller`` to ``callee``. Without ``auth_token`` nothing is signed."""

    def __init__(self, *, auth_token: str, account_sid: str, call_sid: str, caller: str, callee: str) -> None:
        self.replies: list[Output] = []  # marks are echoed by whoever knows what has been played
        self._auth_token = auth_token
        self._account_sid = account_sid
        self._call_sid = call_sid
        self._stream_sid = "MZ" + call_sid.removeprefix("CA")
        self._sid = self._stream_sid.encode()
        self._caller = caller
        self._callee = callee
        self._parameters: dict[str, str] = {}
        self._number = 0  # the last message's sequenceNumber
        self._chunk = 0  # the last audio message's
        self._samples = 0  # where the stream is in time

    # --- HTTP ------------------------------------------------------------------------------------------------------

    def dial(self, base_url: str) -> HttpCall:
        """The voice webhook, signed."""
        url = f"{base_url.rstrip('/')}/hooks/twilio/voice"
        fields = {
            "AccountSid": self._account_sid,
            "ApiVersion": "2010-04-01",
            "CallSid": self._call_sid,
            "CallStatus": "ringing",
            "Called": self._callee,
            "Caller": self._caller,
            "Direction": "inbound",
            "From": self._caller,
            "To": self._callee,
        }
        headers = {"content-type": f"{FORM}; charset=UTF-8"} | self._signed(url, fields)
        return HttpCall("POST", url, headers=headers, body=urlencode(fields).encode(), purpose="voice webhook")

    def media(self, base_url: str, reply: HttpReply | None) -> MediaAddress:
        """Where the answer says to stream to. ``base_url`` has no say in it: the gateway names its own address."""
        if reply is None:
            raise RemoteError("11200 the webhook was not answered")
        url, self._parameters = read_connect_stream(reply)
        return MediaAddress(url, headers=self._signed(url, {}), parameters=self._parameters)

    def _signed(self, url: str, fields: dict[str, str]) -> dict[str, str]:
        return {SIGNATURE: sign(self._auth_token, url, fields.items())} if self._auth_token else {}

    # --- the socket --------------------------------------------------------------------------------------------------

    def opened(self) -> Sequence[Output]:
        """``connected`` and ``start``."""
        return (
            TextFrame(b'{"event":"connected","protocol":"Call","version":"1.0.0"}'),
            self._say(
                "start",
                {
                    "accountSid": self._account_sid,
                    "streamSid": self._stream_sid,
                    "callSid": self._call_sid,
                    "tracks": ["inbound"],
                    "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": MULAW_8K.rate, "channels": 1},
                    "customParameters": self._parameters,
                },
            ),
        )

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireCommand]:
        """One message from the gateway. Twilio would log an error and go on; here it is raised, to be noticed."""
        if binary:
            raise RemoteError("31950 a binary message", close_code=1003)
        try:
            message = decode_outbound(data)
        except UNREADABLE as error:
            fault = peers_fault(error)
            raise RemoteError(f"31951 {fault.what}", where=fault.where, close_code=fault.close_code) from None
        if message.stream_sid != self._stream_sid:
            raise RemoteError("31951 a message for another stream", where="$.streamSid")
        match message:
            case OutboundMedia(media=media):
                if media.payload.startswith(b"RIFF"):
                    raise RemoteError("31924 audio with a file header", where="$.media.payload")
                return (PlayAudio(media.payload),)
            case OutboundMark(mark=mark):
                return (SendMark(mark.name),)
            case OutboundClear():
                return (ClearAudio(),)
            case _:
                assert_never(message)

    def send(self, event: WireEvent) -> Sequence[Output]:
        """What ``event`` is on the wire.

        Lost audio takes the sequence numbers its messages would have had, audio that was never sent only the time.
        """
        match event:
            case AudioHeard(audio=audio):
                if not audio:
                    return ()
                self._number += 1
                self._chunk += 1
                at_ms = self._samples * 1000 // MULAW_8K.rate
                self._samples += len(audio)
                media = _MEDIA % (self._number, self._sid, self._chunk, at_ms, _quoted_base64(audio))
                return (TextFrame(media),)
            case AudioMissing(samples=samples, lost=lost):
                if lost:
                    messages = -(-samples // _FRAME_SAMPLES)
                    self._number += messages
                    self._chunk += messages
                self._samples += samples
                return ()
            case DigitPressed(digit=digit):
                return (self._say("dtmf", {"track": "inbound_track", "digit": digit}),)
            case MarkReached(name=name):
                return (self._say("mark", {"name": name}),)
            case MessageIgnored(kind=kind):
                return (self._say(kind, {}),)
            case StreamStopped():
                stop = self._say("stop", {"accountSid": self._account_sid, "callSid": self._call_sid})
                return (stop, CloseSocket())
            case StreamStarted() | StreamResumed() | CallDescribed():
                return ()  # said by opened(), or not at all
            case _:
                assert_never(event)

    def _say(self, event: str, details: dict[str, object]) -> TextFrame:
        self._number += 1
        message = {
            "event": event,
            "sequenceNumber": str(self._number),
            "streamSid": self._stream_sid,
            event: details,
        }
        return TextFrame(msgspec.json.encode(message))
