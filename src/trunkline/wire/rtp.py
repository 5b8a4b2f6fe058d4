"""Plain RTP over UDP: a call is an HTTP request that says where the peer listens, and then datagrams both ways.

The JSON is in ``_rtp_messages``, our end of the stream in ``_rtp_gateway``, what we send and when in ``_rtp_pacer``,
the peer's end for simulated phones in ``_rtp_phone``. This file is the door: who may open a session. The sockets are
``server.udp``'s and the request ``server.rtp_api``'s.
"""

import hmac
from collections.abc import Callable
from typing import Final

import msgspec

from trunkline.audio.format import ALAW_8K, MULAW_8K
from trunkline.errors import ConfigError, Refused
from trunkline.wire._rtp_gateway import RtpGateway, Session
from trunkline.wire._rtp_messages import PATH, SessionWanted
from trunkline.wire._rtp_phone import RtpPhone
from trunkline.wire.base import GatewayCodec, HttpReply, HttpRequest, Tickets, WireSpec

_SCHEME: Final = "Bearer "

_SETUP: Final = """\
1. Choose a long random token (`openssl rand -hex 32`) and set it as `RTP_AUTH_TOKEN`: whoever knows it may place calls.
2. Choose the UDP ports as `RTP_PORTS` (`10000-11999` unless set; two for each call) and open them in the firewall.
   Set `RTP_HOST` to the address to listen on for media where it is not the one of `TRUNKLINE_HOST`, and `RTP_PUBLIC_IP`
   to the address peers reach it by where that is another one.
3. For each call, whoever steers it (a PBX, a media server) sends `POST {base}/api/rtp/sessions` with the header
   `Authorization: Bearer <token>` and
   `{{"call_id": "c1", "remote_ip": "192.0.2.10", "remote_port": 4000, "codec": "PCMU"}}` (or `PCMA`); further fields
   are `ptime` (10, 20 … 60 ms), `symmetric`, `event_payload_type` (101 unless given), `caller`, `callee`, `parameters`.
   The answer tells `local_ip`, `local_port`, `local_rtcp_port` and `ssrc`. It is 503 when all ports are in use.
4. Audio comes from and goes to `local_port`, reports (RTCP) to the port above or to the same, keys as telephone-events
   (RFC 4733). With `"symmetric": true` we answer to where the audio comes from, for a peer behind a NAT.
5. `GET {base}/api/rtp/sessions/c1` (with the same header) shows how the call fares, `DELETE` ends it; so does an RTCP
   BYE, from either side, and half a minute without audio.
6. To try it by hand on one machine, open a session with `"remote_ip": "127.0.0.1"` and let ffmpeg be the caller:
   `ffmpeg -re -i hello.wav -ar 8000 -ac 1 -c:a pcm_mulaw -f rtp rtp://127.0.0.1:<local_port>`. The answer goes to
   `remote_port`. Packets from any other address than `remote_ip` are dropped and counted as `strangers`.
"""


class RtpSettings(msgspec.Struct, frozen=True):
    """Without ``auth_token`` nobody is let in."""

    auth_token: str = ""  # what whoever opens sessions has to show
    host: str = ""  # address to listen on for media; empty: the one HTTP listens on
    public_ip: str = ""  # what peers are told to send to; empty: the address the way to them starts at
    ports: str = "10000-11999"  # first and last UDP port; two for each call

    def __post_init__(self) -> None:
        _ = self.port_range

    def __repr__(self) -> str:
        return f"RtpSettings(ports={self.ports!r})"

    @property
    def port_range(self) -> range:
        """The ports for RTP: the even ones whose odd neighbour, RTCP's, is in the range too (RFC 3550 §11)."""
        first, dash, last = self.ports.partition("-")
        try:
            low, high = int(first), int(last)
        except ValueError:
            dash = ""
        if not dash or not 1 <= low < high <= 65535:
            raise ConfigError("RTP_PORTS is not of the form <first>-<last>, as in 10000-11999")
        ports = range(low + low % 2, high, 2)
        if not ports:
            raise ConfigError("RTP_PORTS holds no even port with the odd one above it: a call needs both")
        return ports


class RtpDoor:
    """Who may open a session."""

    def __init__(self, settings: RtpSettings, *, insecure: bool) -> None:
        self.settings = settings
        self._insecure = insecure

    def hook(self, name: str, request: HttpRequest, now: float) -> HttpReply:
        """There are no webhooks."""
        raise Refused("there is no such webhook", status=404)

    def upgrade(self, request: HttpRequest, now: float) -> None:
        """There is no media socket to upgrade to: audio comes by UDP."""
        raise Refused("plain RTP has no WebSocket: POST the session", status=404)

    def codec(self) -> GatewayCodec:
        """Not to be had: which call a stream is for, only its session tells."""
        raise Refused("the stream's session is not known", status=404)

    def check(self, authorization: str) -> None:
        """Return if this ``Authorization`` header shows the token; raises ``Refused``."""
        if self._insecure:
            return
        token = self.settings.auth_token
        if not token:
            raise Refused("RTP_AUTH_TOKEN is not set, so nobody can show it", status=401)
        if authorization[: len(_SCHEME)].lower() != _SCHEME.lower():
            raise Refused("no bearer token", status=401)
        if not hmac.compare_digest(authorization[len(_SCHEME) :].strip().encode("utf-8", "replace"), token.encode()):
            raise Refused("the bearer token is not RTP_AUTH_TOKEN", status=401)

    def open(
        self, wanted: SessionWanted, *, now: float, epoch: float, bits: Callable[[int], int], draw: Callable[[], float]
    ) -> RtpGateway:
        """The codec of a new session. ``bits(n)`` gives n random bits, ``draw`` numbers in [0, 1)."""
        session = Session(
            call_id=wanted.call_id,
            law=wanted.codec,
            ptime_ms=wanted.ptime,
            event_type=wanted.event_payload_type,
            # "The initial value of the sequence number SHOULD be random", so should the others (RFC 3550 §5.1).
            ssrc=bits(32),
            sequence=bits(16),
            timestamp=bits(32),
            cname=f"{bits(96):024x}",  # names nobody (RFC 7022 §4.2)
            epoch=epoch,
            caller=wanted.caller,
            callee=wanted.callee,
            parameters=wanted.parameters,
        )
        return RtpGateway(session, now=now, draw=draw)


class Rtp:
    """The platform: both ends, made from settings."""

    spec: WireSpec

    def __init__(self, spec: WireSpec) -> None:
        self.spec = spec

    def door(self, settings: RtpSettings, *, base_url: str, tickets: Tickets, insecure: bool) -> RtpDoor:
        """The gateway's side."""
        return RtpDoor(settings, insecure=insecure)

    def phone(self, settings: RtpSettings, *, call_id: str, caller: str, callee: str) -> RtpPhone:
        """The peer's side: it opens the session too."""
        return RtpPhone(token=settings.auth_token, call_id=call_id, caller=caller, callee=callee)


def spec_for(wanted: SessionWanted) -> WireSpec:
    """``SPEC``, with frames as long as this session's packets."""
    ptime = wanted.ptime
    max_frames = max(1, SPEC.max_frames * SPEC.frame_ms // ptime)
    return msgspec.structs.replace(SPEC, frame_ms=ptime, max_frames=max_frames, lead_ms=max(SPEC.lead_ms, 3 * ptime))


SPEC: Final = WireSpec(
    name="rtp",
    title="Plain RTP",
    media_path=PATH,
    formats=(MULAW_8K, ALAW_8K),
    clears=True,  # what is still here: of the packets that have left, the last was heard a little more or less
    closes=True,
    digits_in=True,
    digits_out=True,
    frame_ms=20,
    max_frames=2,  # handed to the pacer at one go; each is a packet with a deadline of its own
    lead_ms=100,  # waits here, not at the peer
    settings=RtpSettings,
    setup=_SETUP,
)

PLATFORM: Final = Rtp(SPEC)
