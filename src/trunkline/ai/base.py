"""What an agent is to a call: a session that hears audio and emits events."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from trunkline.ai.events import AgentCommand, AgentEvent, SttEvent
from trunkline.ai.manners import Manners
from trunkline.audio.format import AudioFormat

Emit = Callable[[AgentEvent], None]
"""Hands an event to the call. Call it on the event loop's thread only; it never blocks and never raises."""


SttEmit = Callable[[SttEvent], None]
"""As ``Emit``, for a recogniser: it may also speculate about the end of a turn."""


class CallFacts(msgspec.Struct, frozen=True):
    """What an agent may know about the call it joins."""

    call_id: str
    platform: str
    caller: str = ""  # private
    callee: str = ""  # private
    parameters: dict[str, str] = {}


class AgentSession(Protocol):
    """One agent in one call. ``hear`` and ``tell`` return at once; work that takes time belongs in ``run``."""

    def hear(self, audio: bytes, now: float) -> None:
        """The caller's voice, any length, in the agreed ``hears`` format. May emit before it returns."""
        ...

    def tell(self, command: AgentCommand, now: float) -> None:
        """Something happened in the call. May emit before it returns."""
        ...

    async def run(self) -> None:
        """The session's own work until cancelled; returns at once if it has none. Failures are emitted as
        ``AgentFailed``, not raised. Cancelled when the call is over; it then frees what it holds."""
        ...


class AgentModel(Protocol):
    """What can open agent sessions: a realtime model, a cascade, an echo. One per process, shared by all calls."""

    name: str
    hears: tuple[AudioFormat, ...]
    """Formats it can hear, preferred first. A phone that speaks one of them is passed straight through."""
    speaks: tuple[AudioFormat, ...]
    """Formats it can speak, preferred first."""

    def open(self, facts: CallFacts, *, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> AgentSession:
        """A session for one call, in formats taken from ``hears`` and ``speaks``. Does no I/O: ``run`` does."""
        ...

    async def warm_up(self) -> None:
        """Load what is loaded once, before the first call. Raises ``ConfigError`` or ``MissingProgram``."""
        ...

    async def close(self) -> None:
        """Free what ``warm_up`` took. Called once, after the last session."""
        ...


# --- making agents ---------------------------------------------------------------------------------------------


class AgentSettings(msgspec.Struct, frozen=True):
    """What the application wants of its agent. A provider uses what it can and ignores the rest."""

    instructions: str = ""
    greeting: str = ""  # spoken first, word for word; empty: the provider's own
    model: str = ""  # what stands behind the slash in "openai/gpt-realtime"
    language: str = "en-us"
    voice: str = ""  # in the provider's own words; empty: its default for the language
    rate: int | Literal["mulaw"] = 24000  # Hz of PCM16 the echo works at; "mulaw": 8 kHz mu-law, nothing converted
    transfer_to: str = ""  # who a caller is sent to who asks for a person (a number or SIP URI; private)
    models: str = ""  # folder of fetched model files
    deeds: Any = None  # ``trunkline.ai.deeds.Deeds``, which are to know of every function that is called
    has_standby: bool = False  # another provider stands behind this one: it gives up sooner
    options: dict[str, str] = {}
    tools: tuple[Any, ...] = ()  # of ``trunkline.ai.tools.Tool``
    manners: Manners = Manners()
    escalation: Any = None  # a ``trunkline.ai.escalation.Escalation``
    own: Any = None  # the provider's own settings: an instance of its ``ProviderSpec.settings``


class ProviderSpec(msgspec.Struct, frozen=True):
    """What a provider says about itself, for ``docs/providers.md``, ``trunkline doctor`` and the check at the start."""

    name: str  # the file's name
    title: str  # as its vendor writes it
    settings: type[msgspec.Struct] = msgspec.Struct
    """Frozen struct of this provider's own settings, every field with a default. ``config`` fills it: environment
    ``<NAME>_<FIELD>`` in capitals, or table ``[<name>]`` of trunkline.toml. Secrets end in ``_key`` or ``_token``."""
    key: str = ""  # the setting without which it can't work ("api_key"); empty where none is needed
    key_from: str = ""  # where to get that key, for a person: a web address
    offline: str = ""  # what does the same work without a key or a network, as one would type it
    models: tuple[str, ...] = ()  # what may stand behind the slash, the default first; others are passed on as they are
    about: str = ""  # Markdown: what it does, in what formats, what is worth knowing

    @property
    def key_setting(self) -> str:
        """The name of the environment variable that holds its key; empty where it needs none."""
        return f"{self.name}_{self.key}".upper() if self.key else ""


@runtime_checkable
class AgentProvider(Protocol):
    """A ``PROVIDER`` that is a whole agent."""

    def agent(self, settings: AgentSettings) -> AgentModel:
        """Builds the agent; loads nothing yet. Raises ``ConfigError``."""
        ...


# --- the parts of a cascade ------------------------------------------------------------------------------------
#
# A cascade is Vad + Stt -> Llm -> Tts. Each part is one per process and opens a session per call, like an agent.
# Sessions speak to the cascade in AgentEvents, through ``emit``, on the event loop's thread.


class Part(Protocol):
    """What every part can do."""

    name: str

    async def warm_up(self) -> None:
        """Load what is loaded once. Raises ``ConfigError`` or ``MissingProgram``."""
        ...

    async def close(self) -> None:
        """Free what ``warm_up`` took."""
        ...


class VadSession(Protocol):
    """Listens to one call for when its caller speaks. Emits ``SpeechStarted``, ``SpeechStopped``, ``AgentFailed``."""

    def hear(self, audio: bytes, now: float) -> None:
        """The caller's voice, any length. Returns at once."""
        ...

    def close(self) -> None:
        """No more audio, and no more events."""
        ...


class Vad(Part, Protocol):
    """Tells speech from everything else."""

    hears: tuple[AudioFormat, ...]

    def open(self, *, hears: AudioFormat, emit: Emit) -> VadSession: ...


class SttSession(Protocol):
    """Turns one caller's voice into words. Emits ``CallerSaid``: partial texts, then exactly one final per turn, whose
    text is empty when there were no words. One that knows ``turns`` emits ``SpeechStarted`` and ``SpeechStopped`` too,
    and may speculate: ``CallerMayBeDone``, ``CallerWentOn``.
    """

    def hear(self, audio: bytes, now: float) -> None:
        """All of the call's audio, silence included: recognisers that judge turns need it without holes."""
        ...

    def turn_started(self, at_ms: float) -> None:
        """The cascade's Vad found speech from ``at_ms`` on. Not called on one that knows ``turns``."""
        ...

    def turn_ended(self, at_ms: float) -> None:
        """The Vad found the turn's end: give the final text now. Not called on one that knows ``turns``."""
        ...

    async def run(self) -> None:
        """The session's socket, until cancelled. Returns at once if it has none. Raises ``ProviderError`` when it has
        given up on the vendor: whoever runs it may then use another."""
        ...


class Stt(Part, Protocol):
    """A speech recogniser."""

    hears: tuple[AudioFormat, ...]
    turns: bool  # it decides itself when a turn begins and ends; no Vad is run beside it
    partials: bool  # it emits texts that are not final yet

    def open(self, facts: CallFacts, *, hears: AudioFormat, emit: SttEmit) -> SttSession: ...


class ToolCall(msgspec.Struct, frozen=True):
    """The model wants a function called. ``arguments`` is JSON text as the model wrote it (private)."""

    name: str
    arguments: str = "{}"
    id: str = ""


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """Some more of the reply's text (private), with its own spaces."""

    text: str


Role = Literal["system", "caller", "key", "voice", "agent", "tool"]
"""Who a message is from. ``key``: the caller pressed ``text`` on the keypad. ``voice``: the caller spoke, and nobody
knows the words. Model servers that know neither are told so in words, as the user's message."""


class Message(msgspec.Struct, frozen=True):
    """One line of a conversation (private). The agent's lines hold what the caller heard, not what was generated."""

    role: Role
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""


class ToolSpec(msgspec.Struct, frozen=True):
    """A function the model may call; ``parameters`` is its JSON Schema."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = {}


class Llm(Part, Protocol):
    """A language model, or what stands in for one."""

    tools: bool  # it can call functions

    def reply(self, history: Sequence[Message], tools: Sequence[ToolSpec] = ()) -> AsyncIterator[TextDelta | ToolCall]:
        """The reply to ``history``, streamed. Cancelling the task that reads it stops the model.

        Raises ``AgentError``.
        """
        ...


class TtsSession(Protocol):
    """Speaks one agent's words. For every generation it emits, in this order: the synthesis ``StageReached`` stamps;
    for each piece ``ReplyText`` and then that piece's ``ReplyAudio``; and ``ReplyEnded`` after the last of them."""

    def say(self, text: str, generation: int) -> None:
        """Speak ``text`` after whatever was said before in this generation. Pieces join verbatim: they bring their
        own spaces."""
        ...

    def finish(self, generation: int) -> None:
        """The generation has no more text."""
        ...

    def cancel(self, generation: int) -> None:
        """Stop at once. What still trickles in of it is not emitted."""
        ...

    async def run(self) -> None:
        """The session's own work, until cancelled; then nothing of it is left running. Raises ``ProviderError`` when it
        has given up on the vendor: whoever runs it may then use another."""
        ...


class Tts(Part, Protocol):
    """A voice."""

    speaks: tuple[AudioFormat, ...]
    streams_text: bool  # it takes pieces smaller than a sentence without harm to its prosody

    def open(self, facts: CallFacts, *, speaks: AudioFormat, emit: Emit) -> TtsSession: ...


@runtime_checkable
class VadProvider(Protocol):
    """A ``PROVIDER`` that tells speech from silence."""

    def vad(self, settings: AgentSettings) -> Vad: ...


@runtime_checkable
class SttProvider(Protocol):
    """A ``PROVIDER`` that recognises speech."""

    def stt(self, settings: AgentSettings) -> Stt: ...


@runtime_checkable
class LlmProvider(Protocol):
    """A ``PROVIDER`` of a language model."""

    def llm(self, settings: AgentSettings) -> Llm: ...


@runtime_checkable
class TtsProvider(Protocol):
    """A ``PROVIDER`` of a voice."""

    def tts(self, settings: AgentSettings) -> Tts: ...
