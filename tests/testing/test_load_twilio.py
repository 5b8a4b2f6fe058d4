"""The cheap messages say what the simulated phone's own codec says: the gateway's codec is the judge."""

import msgspec
import pytest

from trunkline.errors import RemoteError
from trunkline.testing.load_call import sound
from trunkline.testing.load_twilio import CheapPhone
from trunkline.wire._twilio_messages import OutboundMark, OutboundMedia
from trunkline.wire.events import AudioHeard, MarkReached, PlayAudio, SendMark, StreamStarted, StreamStopped
from trunkline.wire.tickets import TicketBook
from trunkline.wire.twilio import PLATFORM, TwilioSettings

DOOR = PLATFORM.door(TwilioSettings(), base_url="http://localhost", tickets=TicketBook(str), insecure=True)


def test_the_gateway_hears_every_frame_in_order_and_misses_none() -> None:
    phone, codec = CheapPhone("CA7"), DOOR.codec()
    frames = sound() * 2
    messages = [*phone.opening, *(phone.media() for _ in frames[:60]), phone.mark('t"1')]
    messages += [*(phone.media() for _ in frames[60:]), phone.stop()]
    events = [event for message in messages for event in codec.receive(message, binary=False, now=0)]
    assert isinstance(events[0], StreamStarted)
    assert events[1:61] == [AudioHeard(frame) for frame in frames[:60]]
    assert events[61] == MarkReached('t"1')
    assert events[62:-1] == [AudioHeard(frame) for frame in frames[60:]]
    assert isinstance(events[-1], StreamStopped)
    assert (codec.lost, codec.misnumbered, codec.ignored) == (0, 0, 0)


def test_the_gateways_messages_are_read() -> None:
    phone, codec = CheapPhone("CA7"), DOOR.codec()
    for message in phone.opening:
        codec.receive(message, binary=False, now=0)
    (audio,) = codec.send(PlayAudio(b"\xff" * 320))
    (mark,) = codec.send(SendMark("t1"))
    heard, marked = phone.read(audio.data), phone.read(mark.data)  # type: ignore[union-attr]
    assert isinstance(heard, OutboundMedia)
    assert heard.media.payload == b"\xff" * 320
    assert isinstance(marked, OutboundMark)
    assert marked.mark.name == "t1"


@pytest.mark.parametrize(
    "message",
    [b"", b"{", b"[]", b"\xff", b'{"event":"media"}', b'{"event":"mark","streamSid":"MZ8","mark":{"name":"t1"}}'],
)
def test_what_twilio_would_refuse_is_refused(message: bytes) -> None:
    with pytest.raises(RemoteError):
        CheapPhone("CA7").read(message)


def test_every_call_has_a_stream_of_its_own() -> None:
    starts = [msgspec.json.decode(CheapPhone(call).opening[-1]) for call in ("CA1", "CA2")]
    assert starts[0]["streamSid"] != starts[1]["streamSid"]
