"""Vonage's end of a call, for simulated phones: what its cloud says, and what it would not take (protocol page)."""

from collections.abc import Sequence
from typing import Any, Final, assert_never
from urllib.parse import urlencode, urlsplit

import msgspec

from trunkline.audio.format import AudioFormat
from trunkline.errors import RemoteError
from trunkline.wire._json import UNREADABLE, peers_fault
from trunkline.wire._vonage_http import JSON, read_ncco
from trunkline.wire._vonage_jwt import Token, webhook_token
from trunkline.wire._vonage_messages import FRAME_MS, Clear, Notify, content_type, decode_outbound
from trunkline.wire.base import BinaryFrame, CloseSocket, HttpCall, HttpReply, MediaAddress, Output, TextFrame
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

_KEY_MS: Final = 260  # how long a key is held down, as on the page


class VonagePhone:
    """The phone codec: one simulated call from ``caller`` to ``callee``. Without ``secret`` nothing is signed.

    ``audio`` is what it speaks; ``post`` makes its answer webhook a POST.
    """

    def __init__(
        self,
        *,
        secret: str,
        api_key: str,
        application_id: str,
        call: str,
        caller: str,
        callee: str,
        audio: AudioFormat,
        post: bool = False,
    ) -> None:
        self.replies: list[Output] = []
        self.audio = audio
        self._secret = secret
        self._api_key = api_key
        self._application_id = application_id
        self._call = call
        self._caller = caller.lstrip("+")  # Vonage writes numbers without it
        self._callee = callee.lstrip("+")
        self._post = post
        self._headers: dict[str, Any] = {}
        self._event_url = ""
        self._webhooks = 0

    # --- HTTP ------------------------------------------------------------------------------------------------------

    def dial(self, base_url: str) -> HttpCall:
        """The answer webhook, signed at the moment of sending."""
        url = f"{base_url.rstrip('/')}/hooks/vonage/answer"
        fields = {
            "to": self._callee,
            "from": self._caller,
            "conversation_uuid": f"CON-{self._call}",
            "uuid": self._call,
        }
        if self._post:
            return self._webhook(url, fields)
        purpose = "answer webhook"
        return HttpCall("GET", f"{url}?{urlencode(fields)}", purpose=purpose, dated=self._signature(b""))

    def media(self, base_url: str, reply: HttpReply | None) -> MediaAddress:
        """Where the NCCO says to connect to. ``base_url`` has no say in it: the gateway names its own address."""
        if reply is None:
            raise RemoteError("the answer webhook was not answered")
        endpoint, audio, self._event_url = read_ncco(reply)
        if audio != self.audio:  # Vonage would speak any of them; whoever speaks into this telephone can't know
            raise RemoteError(f"the NCCO asks for {audio.rate} Hz, but this telephone speaks at {self.audio.rate}")
        self._headers = endpoint.headers
        return MediaAddress(endpoint.uri, parameters={name: str(value) for name, value in endpoint.headers.items()})

    def _webhook(self, url: str, fields: dict[str, Any]) -> HttpCall:
        body = msgspec.json.encode(fields)
        purpose = f"{urlsplit(url).path.rpartition('/')[2]} webhook"
        headers = {"content-type": JSON}
        return HttpCall("POST", url, headers=headers, body=body, purpose=purpose, dated=self._signature(body))

    def _signature(self, body: bytes) -> Token | None:
        self._webhooks += 1
        if not self._secret:
            return None
        return webhook_token(
            self._secret,
            api_key=self._api_key,
            application_id=self._application_id,
            body=body,
            seed=f"{self._call} {self._webhooks}",
        )

    # --- the socket --------------------------------------------------------------------------------------------------

    def opened(self) -> Sequence[Output]:
        """``websocket:connected``, with the NCCO's headers beside its own fields."""
        own = {"event": "websocket:connected", "content-type": content_type(self.audio)}
        return (_say({**self._headers, **own}),)

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireCommand]:
        """One message from the gateway. At a wrong frame Vonage logs this text and stops listening."""
        if binary:
            if len(data) != (size := self.audio.bytes_for(FRAME_MS)):
                raise RemoteError(f"unexpected frame size {len(data)} when required {size}", close_code=1006)
            return (PlayAudio(data),)
        try:
            message = decode_outbound(data)
        except UNREADABLE as error:
            raise peers_fault(error) from None
        match message:
            case Clear():
                self.replies.append(_say({"event": "websocket:cleared"}))
                return (ClearAudio(),)
            case Notify(payload=payload):
                return (SendMark(payload.name),)
            case _:
                assert_never(message)

    def send(self, event: WireEvent) -> Sequence[Output]:
        """What ``event`` is on the wire.

        The socket is one leg of a conference, whose mixer has something to say every 20 ms: for audio that was lost
        on the caller's leg it says silence.
        """
        match event:
            case AudioHeard(audio=audio):
                return (BinaryFrame(audio),) if audio else ()
            case AudioMissing(samples=samples):
                frame = self.audio.bytes_for(FRAME_MS)
                return [BinaryFrame(bytes(frame))] * round(samples * self.audio.sample_bytes / frame)
            case DigitPressed(digit=digit):
                return (_say({"event": "websocket:dtmf", "digit": digit, "duration": _KEY_MS}),)
            case MarkReached(name=name):
                return (_say({"event": "websocket:notify", "payload": {"name": name}}),)
            case MessageIgnored(kind=kind):
                return (_say({"event": kind}),)
            case StreamStopped():
                return (*self._report_end(), CloseSocket())  # the socket is not told in words
            case StreamStarted() | StreamResumed() | CallDescribed():
                return ()  # said by opened(), or not at all
            case _:
                assert_never(event)

    def _report_end(self) -> Sequence[Output]:
        if not self._event_url:
            return ()
        fields = {
            "from": self._caller,
            "to": self._callee,
            "uuid": self._call,
            "conversation_uuid": f"CON-{self._call}",
            "status": "completed",
            "direction": "inbound",
        }
        return (self._webhook(self._event_url, fields),)


def _say(message: dict[str, Any]) -> TextFrame:
    return TextFrame(msgspec.json.encode(message))
