"""What a platform must say about itself, and the values its codecs give back.

A platform is one file ``wire/<name>.py`` with a module-level ``PLATFORM`` that satisfies :class:`Platform`. Nothing
in it performs I/O, reads a clock or draws random numbers: time and tokens are arguments, effects are values.
"""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec

from trunkline.audio.format import MULAW_8K, AudioFormat
from trunkline.wire.events import WireCommand, WireEvent

# --- effects ---------------------------------------------------------------------------------------------------


class TextFrame(msgspec.Struct, frozen=True, gc=False):
    """Send one WebSocket text message (UTF-8)."""

    data: bytes


class BinaryFrame(msgspec.Struct, frozen=True, gc=False):
    """Send one WebSocket binary message."""

    data: bytes


class CloseSocket(msgspec.Struct, frozen=True, gc=False):
    """Close the media socket with this code (RFC 6455 §7.4)."""

    code: int = 1000
    reason: str = ""


class Dated(Protocol):
    """Headers that hold the time they are sent at, such as a signed token."""

    def headers(self, at: float) -> dict[str, str]:
        """The headers of a request that is sent ``at`` this Unix time."""
        ...


class HttpCall(msgspec.Struct, frozen=True):
    """One HTTP request for the shell to make. ``ok`` lists further status codes that mean success.

    Whoever makes it sends ``headers_at`` the moment of sending.

    ``auth`` and ``body`` may hold secrets or private data; ``repr`` shows neither.
    """

    method: str
    url: str
    headers: dict[str, str] = {}
    body: bytes = b""
    auth: tuple[str, str] | None = None  # HTTP Basic user and password
    ok: tuple[int, ...] = ()
    purpose: str = ""
    dated: Dated | None = None

    def headers_at(self, at: float) -> dict[str, str]:
        """All headers, of a request that is sent ``at`` this Unix time."""
        return self.headers if self.dated is None else {**self.headers, **self.dated.headers(at)}

    def __repr__(self) -> str:
        return f"HttpCall({self.method}, purpose={self.purpose!r})"


Output = TextFrame | BinaryFrame | CloseSocket | HttpCall


# --- HTTP as values ----------------------------------------------------------------------------------------------


class HttpRequest(msgspec.Struct, frozen=True):
    """A request as it reached us. ``url`` is the *public* URL, rebuilt from the configured public base, never from
    the Host header; ``headers`` have lower-case names; ``body`` is raw; ``at`` is the Unix time it came, for what
    strangers date by the wall's clock: 0, where nobody said, is never recent."""

    method: str
    url: str
    headers: dict[str, str] = {}
    body: bytes = b""
    at: float = 0.0


class HttpReply(msgspec.Struct, frozen=True):
    """What to answer a webhook."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain"
    headers: dict[str, str] = {}  # further ones


# --- the platform ----------------------------------------------------------------------------------------------


class WireSpec(msgspec.Struct, frozen=True):
    """What a platform is able to do. Tables in the docs are made from it, and the call decides by it."""

    name: str  # the file's name
    title: str  # as its vendor writes it
    media_path: str  # where its media socket comes in
    hooks: tuple[str, ...] = ()  # POST /hooks/<name>/<hook>; the first one announces calls
    hook_paths: dict[str, str] = {}  # of hooks that come in at a path of their own as well
    formats: tuple[AudioFormat, ...] = (MULAW_8K,)  # what its audio may be, preferred first
    marks: bool = False  # it tells when audio has been played
    clears: bool = False  # it can drop audio it has not played
    closes: bool = False  # it says that a call is over by closing its socket in good order, not in words
    digits_in: bool = False
    digits_out: bool = False
    transfers: bool = False
    transcripts: bool = False  # it wants to be told what is said, and whose turn is over
    speech: bool = False  # it wants to be told when the caller starts and stops speaking
    pauses: bool = False  # it may stop sending the caller's audio for as long as the agent speaks
    resumes: bool = False  # a call outlives its socket: the platform opens another one for it (``ResumingCodec``)
    idles: bool = False  # it may send no audio for a while: whatever message comes shows that it is there
    frame_ms: int = 20  # audio goes out in whole multiples of this
    max_frames: int = 1  # how many such frames one message may hold
    lead_ms: int = 200  # how far ahead of the playback to send
    start_after_s: float | None = None  # its stream starts by itself so long after the socket (``StartingCodec``)
    silence_timeout_s: float | None = None  # its own, in the place of ``CallSettings.silence_timeout_s``
    keep_alive_s: float | None = None  # ping its socket this often
    max_errors: int = 1  # the how-manyeth message that breaks the protocol ends the call
    settings: type[msgspec.Struct] = msgspec.Struct
    """Frozen struct of this platform's own settings. ``config`` fills it: environment ``<NAME>_<FIELD>`` in capitals,
    or table ``[<name>]`` of trunkline.toml. Fields that are secrets end in ``_token``, ``_secret`` or ``_key``."""
    also: dict[str, str] = {}  # settings that have a further name in the environment: its own comes first
    secret: str = "auth_token"  # noqa: S105 - the name of a setting
    """The setting without which its door stays closed."""
    setup: str = ""  # what to type in the vendor's console (Markdown; {base} is the public base URL)


class GatewayCodec(Protocol):
    """Our end of one media stream. One object per stream.

    After each ``receive``, send what ``replies`` holds and empty it: answers the protocol itself demands.
    """

    replies: list[Output]

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireEvent]:
        """One whole WebSocket message in, events out. Raises only ``RemoteError`` or ``Refused``."""
        ...

    def send(self, command: WireCommand) -> Sequence[Output]:
        """What this command is on the wire; empty where the platform has no such thing."""
        ...


@runtime_checkable
class RefusingCodec(GatewayCodec, Protocol):
    """A codec whose platform has words for a stream that may not be. Where it has none, its socket is just closed."""

    def refuse(self, reason: str) -> Sequence[Output]:
        """The answer to the start that was just received, in the place of ``replies``. No stream follows."""
        ...


@runtime_checkable
class ResumingCodec(GatewayCodec, Protocol):
    """A codec whose stream may go on over another socket: where ``WireSpec.resumes`` is set, all of them are."""

    def resume(self, now: float) -> None:
        """A new socket has taken the place of the lost one. What must be said on it first goes into ``replies``.

        The call accounts for the time up to ``now``; a hole that is told of later begins here.
        """
        ...


@runtime_checkable
class StartingCodec(GatewayCodec, Protocol):
    """A codec whose platform may never say that its stream starts. ``WireSpec.start_after_s`` is its patience."""

    def start(self, now: float) -> Sequence[WireEvent]:
        """Start the stream now, if it has not: ``StreamStarted``."""
        ...


class Tickets(Protocol):
    """Single-use tickets that bind a media stream to the webhook that announced it."""

    def issue(self, call_id: str, now: float) -> str:
        """A new unguessable ticket for this call."""
        ...

    def redeem(self, ticket: str, call_id: str, now: float) -> bool:
        """True once, if the ticket was issued for this very call and has not expired."""
        ...


class Door(Protocol):
    """The gateway's HTTP side of a platform: answers its webhooks, and says who may open a media socket."""

    def hook(self, name: str, request: HttpRequest, now: float) -> HttpReply:
        """Answer webhook ``name``. Raises ``Refused``."""
        ...

    def upgrade(self, request: HttpRequest, now: float) -> None:
        """Return if this upgrade request may become a media socket; raises ``Refused`` if not."""
        ...

    def codec(self) -> GatewayCodec:
        """A codec for one freshly admitted media socket."""
        ...


@runtime_checkable
class RequestDoor(Door, Protocol):
    """A door whose codecs must know the request they were let in with, since its path or query names the call."""

    def codec_for(self, request: HttpRequest) -> GatewayCodec:
        """In place of ``codec``: for the media socket that this request became."""
        ...


@runtime_checkable
class NamingDoor(Door, Protocol):
    """A door that knows from the upgrade request for which call it is: a second socket is refused before it is one."""

    def call_id(self, request: HttpRequest) -> str:
        """The id that the call's ``StreamStarted`` will have. Asked after ``upgrade``."""
        ...


def codec_for(door: Door, request: HttpRequest) -> GatewayCodec:
    """A codec for the media socket that ``request`` became. Ask ``door.upgrade`` first."""
    return door.codec_for(request) if isinstance(door, RequestDoor) else door.codec()


@runtime_checkable
class ChoosingDoor(Door, Protocol):
    """A door whose platform lets the gateway choose the audio's format."""

    def prefer(self, hears: Sequence[AudioFormat], speaks: Sequence[AudioFormat]) -> None:
        """What the agent hears and speaks, preferred first. Called once, before the first call comes."""
        ...


class MediaAddress(msgspec.Struct, frozen=True):
    """Where and how the phone's side opens the media socket."""

    url: str
    headers: dict[str, str] = {}
    parameters: dict[str, str] = {}


class PhoneCodec(Protocol):
    """The platform's end of one call, for simulated phones: what the vendor's cloud would do."""

    replies: list[Output]

    def dial(self, base_url: str) -> HttpCall | None:
        """The webhook the platform makes first; None where it opens the socket at once."""
        ...

    def media(self, base_url: str, reply: HttpReply | None) -> MediaAddress:
        """Where to open the media socket, from the webhook's answer. Raises ``Refused`` or ``RemoteError``."""
        ...

    def opened(self) -> Sequence[Output]:
        """What the platform says first on the new media socket."""
        ...

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireCommand]:
        """One message from the gateway in, commands out. Raises ``RemoteError`` for what the vendor would refuse."""
        ...

    def send(self, event: WireEvent) -> Sequence[Output]:
        """What this event is on the wire."""
        ...


@runtime_checkable
class ResumingPhone(PhoneCodec, Protocol):
    """A phone codec whose platform opens another socket when a call has lost its own."""

    def reopened(self) -> Sequence[Output]:
        """What the platform says first on the socket that replaces the lost one."""
        ...


@runtime_checkable
class TunedPhone(PhoneCodec, Protocol):
    """A phone codec that was told what to speak: ``audio``."""

    audio: AudioFormat


def phone_format(codec: PhoneCodec, spec: WireSpec) -> AudioFormat:
    """What a simulated phone speaks: what it was told to, or else what its platform prefers."""
    return codec.audio if isinstance(codec, TunedPhone) else spec.formats[0]


class Platform(Protocol):
    """What ``wire/<name>.py`` offers as ``PLATFORM``."""

    spec: WireSpec

    def door(self, settings: Any, *, base_url: str, tickets: Tickets, insecure: bool) -> Door:
        """The gateway's side. ``base_url`` is the public ``https://…`` base. Without the secrets it needs, a door
        refuses everything and says why, unless ``insecure``: then it checks nothing."""
        ...

    def phone(self, settings: Any, *, call_id: str, caller: str, callee: str) -> PhoneCodec:
        """The platform's side, for simulated phones."""
        ...


@runtime_checkable
class TunedPlatform(Platform, Protocol):
    """A platform some of whose abilities are the operator's to say."""

    def tuned(self, settings: Any) -> WireSpec:
        """``spec``, as it is with these settings."""
        ...
