"""The two codecs of a stream, one against the other, and what a platform tells of its own for the tests that each must
pass. ``<name>_calls.py`` offers it as ``GATEWAY``; its recording, ``vectors/wire/<name>.jsonl``, has it asked for."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from recorded import vectors
from trunkline.errors import Refused, RemoteError
from trunkline.wire import events
from trunkline.wire.base import BinaryFrame, GatewayCodec, Output, PhoneCodec, TextFrame
from trunkline.wire.events import DigitPressed, WireCommand, WireEvent

Message = tuple[bytes, bool]
"""What comes over a socket, and whether it is binary."""

NAMES: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DIGITS: Final = st.sampled_from("0123456789*#ABCD").map(DigitPressed)


class Gateway(msgspec.Struct, frozen=True):
    """Our end of a platform, as the tests of all of them take it."""

    fresh: Callable[[], GatewayCodec]  # nobody has spoken to it
    depths: tuple[int, ...]  # after so many recorded messages it is in another state
    private: tuple[str, ...]  # what no error may say
    counted: Mapping[str, Any]  # what it has counted when the recording is over
    before: Mapping[str, Sequence[Message]]  # what was said when a bad message comes, by the recording's word for it
    faults: tuple[type[Exception], ...] = (RemoteError, Refused)  # all that it may raise
    kind: str = "type"  # the field that tells messages apart
    speaks_first: bool = False  # it may send audio before the stream has started


def text(value: Any) -> Message:
    return json.dumps(value).encode(), False


def said(line: dict[str, Any]) -> Message:
    """A recorded message of the telephone's end."""
    return (b64decode(line["binary"]), True) if "binary" in line else text(line["message"])


def spoken(name: str) -> list[Message]:
    """All that the telephone's end says in a recording."""
    return [said(line) for line in vectors(name) if line["from"] == "phone"]


def written(outputs: Iterable[Output]) -> list[dict[str, Any]]:
    """What goes over a socket, as it stands in a recording."""
    return [
        json.loads(frame.data) if isinstance(frame, TextFrame) else {"binary": b64encode(frame.data).decode()}
        for frame in outputs
        if isinstance(frame, TextFrame | BinaryFrame)
    ]


def named(values: Iterable[WireEvent | WireCommand]) -> list[dict[str, Any]]:
    """Events or commands as they stand in a recording."""
    return [{"type": type(value).__name__, **msgspec.to_builtins(value)} for value in values]


def command(value: dict[str, Any]) -> WireCommand:
    """And back."""
    kind = getattr(events, value["type"])
    made: WireCommand = msgspec.convert({k: v for k, v in value.items() if k != "type"}, kind)
    return made


def told(name: str) -> list[tuple[WireCommand, bytes]]:
    """Each text of a recording that the gateway's end sends, and the command it is for."""
    lines = [line for line in vectors(name) if line["from"] == "gateway"]
    return [
        (command(line["command"]), text(message)[0])
        for line in lines
        for message in line["messages"]
        if "binary" not in message
    ]


def hear(gateway: GatewayCodec, outputs: Iterable[Output], now: float = 1.0) -> list[WireEvent]:
    """What the gateway makes of what the phone's end sends."""
    return [
        event
        for frame in outputs
        if isinstance(frame, TextFrame | BinaryFrame)
        for event in gateway.receive(frame.data, binary=isinstance(frame, BinaryFrame), now=now)
    ]


def obey(far: PhoneCodec, outputs: Iterable[Output], now: float = 1.0) -> list[WireCommand]:
    """What the phone's end makes of what the gateway sends."""
    return [
        command
        for frame in outputs
        if isinstance(frame, TextFrame | BinaryFrame)
        for command in far.receive(frame.data, binary=isinstance(frame, BinaryFrame), now=now)
    ]


def received(gateway: GatewayCodec, *messages: Message, now: float = 1.0) -> list[WireEvent]:
    """What the gateway makes of these."""
    return [event for data, binary in messages for event in gateway.receive(data, binary=binary, now=now)]
