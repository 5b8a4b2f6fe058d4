"""How a call over plain RTP is announced: the JSON of ``/api/rtp/sessions``, and what may stand in it."""

import ipaddress
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from trunkline.audio.format import ALAW_8K, MULAW_8K, AudioFormat
from trunkline.errors import RemoteError

PATH: Final = "/api/rtp/sessions"
RATE: Final = 8000
"""Hz of the media clock of every payload type here (RFC 3551 §4.5.14, RFC 3389, RFC 4733)."""
COMFORT_NOISE: Final = 13
"""The static payload type of RFC 3389."""

Law = Literal["PCMU", "PCMA"]

CallId = Annotated[str, Meta(pattern=r"^[0-9A-Za-z][0-9A-Za-z_.-]{0,63}$")]  # harmless in URLs, logs and file names
Party = Annotated[str, Meta(max_length=256)]  # a number has 16, a SIP URI with its parameters may be long
Port = Annotated[int, Meta(ge=1, le=65534)]  # the one above is RTCP's
EventType = Annotated[int, Meta(ge=96, le=127)]  # dynamic ones (RFC 3551 §3); those from 64 on may look like RTCP
_Text = Annotated[str, Meta(max_length=256)]


class Coding(msgspec.Struct, frozen=True):
    """A codec of RFC 3551, table 4: its static payload type, and what its samples are."""

    payload_type: int
    audio: AudioFormat


CODINGS: Final[dict[Law, Coding]] = {"PCMU": Coding(0, MULAW_8K), "PCMA": Coding(8, ALAW_8K)}


class SessionWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a POST: where the peer listens, and what is to be spoken there."""

    call_id: CallId
    remote_ip: _Text
    remote_port: Port
    codec: Law
    ptime: Literal[10, 20, 30, 40, 50, 60] = 20  # ms of audio in each packet of ours; the peer's may have any
    symmetric: bool = False
    event_payload_type: EventType = 101
    caller: Party = ""  # private
    callee: Party = ""  # private
    parameters: Annotated[dict[_Text, _Text], Meta(max_length=32)] = {}

    def __repr__(self) -> str:
        return f"SessionWanted({self.call_id!r})"


class SessionOpened(msgspec.Struct, frozen=True):
    """The answer: where to send, and what will come from there."""

    call_id: str
    local_ip: str
    local_port: int
    local_rtcp_port: int
    ssrc: int  # of what we send
    codec: Law
    ptime: int
    event_payload_type: int
    symmetric: bool


decode_wanted: Final = msgspec.json.Decoder(SessionWanted).decode
decode_opened: Final = msgspec.json.Decoder(SessionOpened).decode


def unicast(text: str) -> str:
    """The IP address that ``text`` is, in its usual form. Raises ``RemoteError`` for a name, which would have to be
    looked up, and for an address that is nobody's or everybody's."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise RemoteError("not an IP address", where="$.remote_ip") from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise RemoteError("an address with a scope", where="$.remote_ip")
        address = address.ipv4_mapped or address
    kinds = {
        "unspecified": address.is_unspecified,
        "multicast": address.is_multicast,
        "broadcast": address == ipaddress.IPv4Address("255.255.255.255"),
        "reserved": address.is_reserved and not address.is_loopback,  # ::1 is in a reserved block
    }
    for kind, it_is in kinds.items():
        if it_is:
            raise RemoteError(f"a {kind} address" if kind[0] != "u" else f"an {kind} address", where="$.remote_ip")
    return str(address)
