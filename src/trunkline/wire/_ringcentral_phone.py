"""The far end of the webhook-and-socket contract, for simulated phones."""

from collections.abc import Sequence
from typing import Final, assert_never
from urllib.parse import urlsplit

import msgspec

from trunkline.errors import Refused, RemoteError
from trunkline.wire import events
from trunkline.wire._json import UNREADABLE, peers_fault
from trunkline.wire._ringcentral_formats import FRAME_MS, Packets
from trunkline.wire._ringcentral_messages import (
    Clear,
    Dtmf,
    HangUp,
    Mark,
    Stop,
    decode_answer,
    decode_outbound,
    encode,
)
from trunkline.wire.base import BinaryFrame, CloseSocket, HttpCall, HttpReply, MediaAddress, Output, TextFrame

JSON: Final = "application/json"


class RingCentralPhone:
    """The phone codec: one simulated call whose packets are ``packets``, as its ``start`` says.

    One that is not ``prompt`` never says ``start``; one without ``extensions`` knows none of our own messages.
    """

    def __init__(
        self,
        *,
        hook: str,
        token: str,
        call_id: str,
        caller: str,
        callee: str,
        packets: Packets = Packets(),  # noqa: B008 - frozen
        prompt: bool = True,
        extensions: bool = False,
    ) -> None:
        self.replies: list[Output] = []  # marks are sent back by whoever knows what has been played
        self.packets = packets
        self._hook = hook
        self._token = token
        self._call_id = call_id
        self._caller = caller
        self._callee = callee
        self._prompt = prompt
        self._extensions = extensions

    # --- HTTP ------------------------------------------------------------------------------------------------------

    def dial(self, base_url: str) -> HttpCall:
        """The webhook that announces the call, with the token if there is one."""
        parties = {"from": {"phoneNumber": self._caller}, "to": {"phoneNumber": self._callee}}
        body = {"event": "call.inbound", "body": {"id": self._call_id, **parties}}
        headers = {"content-type": JSON} | ({"Verification-Token": self._token} if self._token else {})
        url = base_url.rstrip("/") + self._hook
        return HttpCall("POST", url, headers=headers, body=msgspec.json.encode(body), purpose="inbound webhook")

    def media(self, base_url: str, reply: HttpReply | None) -> MediaAddress:
        """Where the answer says to connect to. ``base_url`` has no say in it: the gateway names its own address."""
        if reply is None:
            raise RemoteError("the inbound webhook was not answered")
        if reply.status != 200:
            raise Refused(f"the webhook answered {reply.status}", status=reply.status)
        try:
            answer = decode_answer(reply.body)
        except UNREADABLE as error:
            raise peers_fault(error) from None
        if answer.action != "answer":
            raise Refused("the webhook did not answer the call", status=200)
        if answer.media is None or answer.media.type != "websocket":
            raise RemoteError("the answer names no media socket", where="$.media")
        if urlsplit(answer.media.url).scheme not in ("wss", "ws"):
            raise RemoteError("the media's address is no socket's", where="$.media.url")
        Packets().changed(answer.media.format)  # is it one there is?
        return MediaAddress(answer.media.url)

    # --- the socket --------------------------------------------------------------------------------------------------

    def opened(self) -> Sequence[Output]:
        """``start``, with what the packets hold."""
        start = {"type": "start", "callId": self._call_id, "format": self.packets.said()}
        return (TextFrame(encode(start)),) if self._prompt else ()

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[events.WireCommand]:
        """One message from the gateway. Raises ``RemoteError`` for whatever the contract does not have."""
        if binary:
            return (events.PlayAudio(self._played(data)),)
        if not self._extensions:
            raise RemoteError("a message that the contract does not have")
        try:
            message = decode_outbound(data)
        except UNREADABLE as error:
            raise peers_fault(error) from None
        match message:
            case Mark(name=name):
                return (events.SendMark(name),)
            case Clear():
                return (events.ClearAudio(),)
            case HangUp(reason=reason):
                return (events.HangUp(reason),)
            case _:
                assert_never(message)

    def _played(self, packet: bytes) -> bytes:
        """The one channel we hear of it: in stereo both must be alike."""
        size = self.packets.audio.bytes_for(FRAME_MS) * self.packets.channels
        if len(packet) != size:
            raise RemoteError(f"a packet of {len(packet)} bytes, where {FRAME_MS} ms have {size}")
        if self.packets.channels == 1:
            return packet
        unit = self.packets.audio.sample_bytes
        left = b"".join(packet[at : at + unit] for at in range(0, size, 2 * unit))
        if self.packets.spread(left) != packet:
            raise RemoteError("two channels that differ")
        return left

    def send(self, event: events.WireEvent) -> Sequence[Output]:
        """What ``event`` is on the wire. Packets have no numbers, so nothing is said of one that was lost."""
        match event:
            case events.AudioHeard(audio=audio):
                return (BinaryFrame(self.packets.spread(audio)),) if audio else ()
            case events.DigitPressed(digit=digit):
                return (TextFrame(encode(Dtmf(digit))),)
            case events.MarkReached(name=name):
                return (TextFrame(encode(Mark(name))),)
            case events.MessageIgnored(kind=kind):
                return (TextFrame(msgspec.json.encode({"type": kind})),)
            case events.StreamStopped():
                return (TextFrame(encode(Stop())), CloseSocket())
            case _:
                return ()  # nothing that this wire has words for, or said by opened()
