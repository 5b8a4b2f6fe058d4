"""One call on virtual time: a made-up platform, an agent that does as it is told, and a ``Bridge`` between them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from math import inf

from platform_buffer import PlatformBuffer

from trunkline.ai.base import AgentSession, CallFacts, Emit
from trunkline.ai.events import AgentCommand, AgentEvent, ReplyAudio, ReplyEnded, ReplyStarted, ReplyText
from trunkline.audio.format import MULAW_8K, AudioFormat
from trunkline.call.bridge import Bridge
from trunkline.call.effects import CallOver, Note
from trunkline.call.session import CallSession
from trunkline.call.settings import CallSettings
from trunkline.errors import Refused, RemoteError
from trunkline.wire.base import HttpCall, Output, TextFrame, WireSpec
from trunkline.wire.events import (
    AudioHeard,
    ClearAudio,
    EndUtterance,
    MarkReached,
    PlayAudio,
    SendMark,
    StreamStarted,
    WireCommand,
    WireEvent,
)

START = 4_321.0625
FRAME = bytes(range(1, 161))  # 20 ms of the caller
VOICE = bytes(1 + i % 250 for i in range(800_000))  # the agent's, without silence
SPEC = WireSpec("small", "Small", "/media/small", marks=True, clears=True, transfers=True, max_frames=5)
STARTED = StreamStarted("call", "stream", MULAW_8K, MULAW_8K, caller="+1555", callee="+1666")

Happening = WireEvent | RemoteError | Refused


class SmallCodec:
    """Messages are numbers of happenings; what is sent is kept as it is."""

    def __init__(self) -> None:
        self.replies: list[Output] = []
        self.happenings: list[Happening] = []
        self.sent: list[WireCommand] = []
        self.on_send: Callable[[WireCommand], None] = lambda command: None

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireEvent]:
        happening = self.happenings[int(data)]
        if isinstance(happening, Exception):
            raise happening
        return (happening,)

    def send(self, command: WireCommand) -> Sequence[Output]:
        self.sent.append(command)
        self.on_send(command)
        return (TextFrame(type(command).__name__.encode()),)

    def message(self, happening: Happening) -> bytes:
        self.happenings.append(happening)
        return b"%d" % (len(self.happenings) - 1)


class SmallAgent:
    """Model and session in one. ``on_hear`` and ``on_tell`` are what a test lets it do."""

    name = "small"

    def __init__(self, audio: AudioFormat = MULAW_8K) -> None:
        self.hears: tuple[AudioFormat, ...] = (audio,)
        self.speaks: tuple[AudioFormat, ...] = (audio,)
        self.opened = 0
        self.facts: CallFacts | None = None
        self.heard = bytearray()
        self.told: list[AgentCommand] = []
        self.emit: Emit = lambda event: None
        self.on_hear: Callable[[bytes], None] = lambda audio: None
        self.on_tell: Callable[[AgentCommand], None] = lambda command: None

    def open(self, facts: CallFacts, *, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> "SmallAgent":
        self.opened += 1
        self.facts, self.emit = facts, emit
        return self

    def hear(self, audio: bytes, now: float) -> None:
        self.heard += audio
        self.on_hear(audio)

    def tell(self, command: AgentCommand, now: float) -> None:
        self.told.append(command)
        self.on_tell(command)

    async def run(self) -> None: ...

    async def warm_up(self) -> None: ...

    async def close(self) -> None: ...

    def say(self, ms: int, generation: int = 1, text: str = "one two three four", *, end: bool = True) -> None:
        """A whole reply at once."""
        self.emit(ReplyStarted(generation))
        self.emit(ReplyText(text, generation))
        self.emit(ReplyAudio(VOICE[: 8 * ms], generation))
        if end:
            self.emit(ReplyEnded(generation))


class World:
    """Everything around one ``Bridge``. ``run`` lets time pass, the caller speaking a frame every 20 ms or not."""

    def __init__(
        self,
        settings: CallSettings | None = None,
        *,
        spec: WireSpec = SPEC,
        agent: SmallAgent | None = None,
        codec: SmallCodec | None = None,
    ) -> None:
        self.now = START
        self.spec = spec
        self.codec = codec or SmallCodec()
        self.codec.on_send = self._sent
        self.agent = agent or SmallAgent()
        self.platform = PlatformBuffer(MULAW_8K)
        self.notes: list[Note] = []
        self.saved = bytearray()
        self.closed: list[tuple[int, str]] = []
        self.record: CallSession | None = None
        self.unread = 0
        self.refusal: Refused | None = None
        self.takes = False  # whether another call takes the socket
        self.handed_over: list[str] = []
        self.said = 0  # frames
        self._echoes: list[str] = []
        self._frame_at = START
        self.bridge = Bridge(
            codec=self.codec,
            spec=spec,
            model=self.agent,
            settings=settings or CallSettings(),
            link=self,
            outside=self,
            clock=lambda: self.now,
            started_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        self.call = self.bridge.call

    # --- the link and the outside ---

    def send_text(self, data: bytes) -> None: ...

    def send_binary(self, data: bytes) -> None: ...

    def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))

    def buffered(self) -> int:
        return self.unread

    def enter(self, call_id: str) -> None:
        if self.refusal is not None:
            raise self.refusal

    def hand_over(self, call_id: str) -> bool:
        self.handed_over.append(call_id)
        return self.takes

    def opened(self, session: AgentSession) -> None: ...

    def request(self, call: HttpCall) -> None: ...

    def save(self, pcm: bytes) -> None:
        self.saved += pcm

    def note(self, note: Note) -> None:
        self.notes.append(note)

    def wake(self, at: float) -> None: ...

    def over(self, effect: CallOver) -> None:
        assert self.record is None, "a call is over once"
        self.record = effect.session

    # --- what happens ---

    def _sent(self, command: WireCommand) -> None:
        if isinstance(command, PlayAudio | SendMark | ClearAudio | EndUtterance):
            self._echoes += [name for name, _ in self.platform.receive(command, self.now)]

    def happen(self, happening: Happening) -> None:
        """The platform says something."""
        self.bridge.received(self.codec.message(happening), False, self.now)
        self._echo()

    def start(self) -> None:
        self._frame_at = self.now + 0.02
        self.happen(STARTED)

    def emit(self, event: AgentEvent) -> None:
        """The agent says something by itself."""
        self.agent.emit(event)
        self._echo()

    def _echo(self) -> None:
        while self._echoes and self.spec.marks:
            self.bridge.received(self.codec.message(MarkReached(self._echoes.pop(0))), False, self.now)

    def run(self, seconds: float, *, caller: bool = True) -> None:
        end = self.now + seconds
        for _ in range(100_000):
            frame = self._frame_at if caller else inf
            due = min(max(self.now, self.bridge.wake_at), frame, end)
            for name, at in self.platform.advance(due):
                self.now = max(self.now, at)
                if self.spec.marks:
                    self.bridge.received(self.codec.message(MarkReached(name)), False, self.now)
            self.now = max(self.now, due)
            if due >= frame:
                self._frame_at += 0.02
                self.said += self.record is None
                self.happen(AudioHeard(FRAME))
            if self.bridge.wake_at <= self.now:
                self.bridge.tick(self.now)
                self._echo()
            if self.now >= end:
                self._frame_at = max(self._frame_at, end)
                return
        raise AssertionError("the call asks to be woken again and again")

    def commands(self, kind: type[WireCommand]) -> list[WireCommand]:
        return [command for command in self.codec.sent if isinstance(command, kind)]

    def noted(self, event: str) -> list[Note]:
        return [note for note in self.notes if note.event == event]
