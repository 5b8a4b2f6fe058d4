"""Twilio's side of a call made cheap: every message is ready but for its number and the stream's name.

The simulated phone's codec (``wire``) builds each message anew, which is right for a phone and too dear for a thousand
of them. The messages here say the same; the tests hold them against the gateway's codec.
"""

import base64
from functools import cache
from typing import Final

import msgspec

from trunkline.errors import RemoteError
from trunkline.testing.load_call import FRAME_S, sound
from trunkline.wire._twilio_messages import OutboundClear, OutboundMark, OutboundMedia, decode_outbound
from trunkline.wire.twilio import PLATFORM, TwilioSettings

Heard = OutboundMedia | OutboundMark | OutboundClear

_FRAME_MS: Final = round(1000 * FRAME_S)
_PAYLOADS: Final = [base64.b64encode(frame) for frame in sound()]


@cache
def _media(chunk: int) -> bytes:
    """What is the same in frame number ``chunk`` (from 0) of every call. Calls last minutes: it is kept."""
    payload = _PAYLOADS[chunk % len(_PAYLOADS)]
    media = b'","media":{"track":"inbound","chunk":"%d","timestamp":"%d","payload":"%b"},"streamSid":"'
    return media % (chunk + 1, chunk * _FRAME_MS, payload)


class CheapPhone:
    """One call's messages, in the order they are to be sent."""

    __slots__ = ("_chunk", "_number", "_tail", "opening", "stream_sid")

    def __init__(self, call_id: str) -> None:
        codec = PLATFORM.phone(TwilioSettings(), call_id=call_id, caller="+15005550006", callee="+15005550001")
        self.opening: list[bytes] = [output.data for output in codec.opened()]  # type: ignore[union-attr]
        self.stream_sid: str = msgspec.json.decode(self.opening[-1])["streamSid"]
        self._tail = b'%b"}' % self.stream_sid.encode()
        self._number = 1  # of "start"; "connected" has none
        self._chunk = 0

    def media(self) -> bytes:
        """The next frame of ``sound``."""
        self._number = number = self._number + 1
        self._chunk = (chunk := self._chunk) + 1
        return b'{"event":"media","sequenceNumber":"%d%b%b' % (number, _media(chunk), self._tail)

    def frame(self, payload: bytes) -> bytes:
        """The next frame, with this ``payload`` (base64) instead."""
        self._number = number = self._number + 1
        self._chunk = (chunk := self._chunk) + 1
        media = b'"media":{"track":"inbound","chunk":"%d","timestamp":"%d","payload":"%b"},"streamSid":"'
        opening = b'{"event":"media","sequenceNumber":"%d",' % number
        return opening + media % (chunk + 1, chunk * _FRAME_MS, payload) + self._tail

    def mark(self, name: str) -> bytes:
        """That mark has been played."""
        return self._say(b'"event":"mark","mark":{"name":%b}' % msgspec.json.encode(name))

    def stop(self) -> bytes:
        """The caller hung up."""
        return self._say(b'"event":"stop","stop":{}')

    def _say(self, said: bytes) -> bytes:
        self._number += 1
        return b'{%b,"sequenceNumber":"%d","streamSid":"%b' % (said, self._number, self._tail)

    def read(self, message: bytes) -> Heard:
        """A message of the gateway's. Raises ``RemoteError`` for what Twilio would refuse."""
        try:
            heard: Heard = decode_outbound(message)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise RemoteError("not a message to Twilio") from None
        if heard.stream_sid != self.stream_sid:
            raise RemoteError("a message for another stream", where="$.streamSid")
        return heard
