"""An agent that says back what it hears: for trying a line out, and for measuring what everything else costs."""

from trunkline.ai.base import AgentModel, AgentSession, AgentSettings, CallFacts, Emit, ProviderSpec
from trunkline.ai.events import AgentCommand, ReplyAudio, ReplyInterrupted, ReplyStarted
from trunkline.audio.format import MULAW_8K, AudioFormat, Encoding


class EchoSession:
    """One reply that lasts as long as the call; when interrupted, the next one takes over."""

    __slots__ = ("_emit", "_generation", "_started")

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._generation = 1
        self._started = False

    def hear(self, audio: bytes, now: float) -> None:
        if not self._started:
            self._started = True
            self._emit(ReplyStarted(self._generation))
        self._emit(ReplyAudio(audio, self._generation))

    def tell(self, command: AgentCommand, now: float) -> None:
        if isinstance(command, ReplyInterrupted) and command.generation == self._generation:
            self._generation += 1
            self._started = False

    async def run(self) -> None: ...


class Echo:
    """The echo in one format both ways. A phone of another format is converted to it and back."""

    name = "echo"

    def __init__(self, audio: AudioFormat) -> None:
        self.hears: tuple[AudioFormat, ...] = (audio,)
        self.speaks: tuple[AudioFormat, ...] = (audio,)

    def open(self, facts: CallFacts, *, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> AgentSession:
        return EchoSession(emit)

    async def warm_up(self) -> None: ...

    async def close(self) -> None: ...


class _Provider:
    spec = ProviderSpec(
        name="echo",
        title="Echo",
        about="Says back what it hears, at the rate of `TRUNKLINE_AGENT_RATE`: a test of the line, not of a mind.",
    )

    def agent(self, settings: AgentSettings) -> AgentModel:
        rate = settings.rate
        return Echo(MULAW_8K if rate == "mulaw" else AudioFormat(Encoding.PCM16, rate))


PROVIDER = _Provider()
