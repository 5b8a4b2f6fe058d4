"""What is said on Cartesia's three sockets, both ways, and what its errors mean.

``/tts/websocket`` speaks, ``/stt/turns/websocket`` hears turns, ``/stt/websocket`` hears what it is told to finish.
A voice's audio is base64 in JSON; a recogniser's is raw in binary messages. Names and types follow the vendor's API of
the version pinned here; what we never read of a message is not declared.
"""

from typing import Final, Literal

import msgspec
from msgspec import Struct

from trunkline.ai import patience
from trunkline.ai.messages import safe
from trunkline.audio.format import AudioFormat, Encoding
from trunkline.errors import ProviderError

NAME: Final = "cartesia"

VERSION: Final = "2026-08-14"
"""Of the API. The shape of a request depends on it, so it is never left to the vendor."""

ENCODINGS: Final = {Encoding.MULAW: "pcm_mulaw", Encoding.ALAW: "pcm_alaw", Encoding.PCM16: "pcm_s16le"}


class Failed(Struct, tag="error"):
    """Something failed; with ``context_id``, only that."""

    status_code: int | None = None
    error_code: str | None = None
    context_id: str | None = None


# --- from the vendor: the voice ----------------------------------------------------------------------------------


class Chunk(Struct, tag="chunk"):
    """Some audio."""

    context_id: str
    data: bytes  # base64 on the wire


class WordTimes(Struct):
    """Three lists of equal length. Seconds from the context's first audio."""

    words: list[str]
    start: list[float]
    end: list[float]

    def __post_init__(self) -> None:
        if not len(self.words) == len(self.start) == len(self.end):
            raise ValueError("words and their times differ in number")


class Timestamps(Struct, tag="timestamps"):
    context_id: str
    word_timestamps: WordTimes | None = None


class ContextDone(Struct, tag="done"):
    """No more audio comes of the context: its text was spoken, or it has waited for more for too long."""

    context_id: str


SpeakMessage = Chunk | Timestamps | ContextDone | Failed

# --- from the vendor: the recogniser that knows turns ------------------------------------------------------------


class Connected(Struct, tag="connected"):
    request_id: str = ""


class TurnStart(Struct, tag="turn.start"):
    """The caller has begun to speak."""


class TurnUpdate(Struct, tag="turn.update"):
    """All words of the turn so far."""

    transcript: str


class TurnEagerEnd(Struct, tag="turn.eager_end"):
    """The turn may be over."""

    transcript: str


class TurnResume(Struct, tag="turn.resume"):
    """It was not."""


class TurnEnd(Struct, tag="turn.end"):
    transcript: str


TurnMessage = Connected | TurnStart | TurnUpdate | TurnEagerEnd | TurnResume | TurnEnd | Failed

# --- from the vendor: the recogniser that is told when to finish -------------------------------------------------


class Heard(Struct, tag="transcript"):
    """The words since the last final ones, with their own spaces."""

    text: str
    is_final: bool


class Finalized(Struct, tag="flush_done"):
    """All words of the audio before ``finalize`` have come."""


class Closed(Struct, tag="done"):
    """``close`` is done."""


HeardMessage = Heard | Finalized | Closed | Failed

SPEAK: Final = msgspec.json.Decoder(SpeakMessage)
TURNS: Final = msgspec.json.Decoder(TurnMessage)
HEARD: Final = msgspec.json.Decoder(HeardMessage)


# --- to the vendor -----------------------------------------------------------------------------------------------

FINALIZE: Final = b"finalize"  # not JSON


class OutputFormat(Struct, frozen=True):
    encoding: str
    sample_rate: int
    container: Literal["raw"] = "raw"


class VoiceId(Struct, frozen=True):
    id: str
    mode: Literal["id"] = "id"  # wanted by older versions, and taken by this one


class Manner(Struct, frozen=True, omit_defaults=True):
    """``generation_config``."""

    speed: float = 1.0
    volume: float = 1.0
    emotion: str | None = None


class Voice(Struct, frozen=True, omit_defaults=True):
    """What must stay the same within a context."""

    model_id: str
    voice: VoiceId
    language: str
    output_format: OutputFormat
    max_buffer_delay_ms: int = -1  # never sent
    add_timestamps: bool = False
    use_normalized_timestamps: bool | None = None  # False: times are of words as we wrote them
    generation_config: Manner | None = None
    pronunciation_dict_id: str | None = None


class Say(Struct, frozen=True):
    """Text, joined verbatim to what was sent before it. Without ``more``, the context has all of it."""

    context_id: str
    transcript: str
    more: bool = msgspec.field(name="continue")


class Cancel(Struct, frozen=True):
    context_id: str
    cancel: Literal[True] = True


def say(voice: Voice, context_id: str, transcript: str, *, more: bool) -> bytes:
    """One request to speak."""
    return _joined(msgspec.json.encode(Say(context_id, transcript, more)), msgspec.json.encode(voice))


def cancel(context_id: str) -> bytes:
    """A request to stop. What is being made already is made to its end."""
    return msgspec.json.encode(Cancel(context_id))


def output_format(audio: AudioFormat) -> OutputFormat:
    """As the vendor writes it."""
    return OutputFormat(ENCODINGS[audio.encoding], audio.rate)


def _joined(one: bytes, other: bytes) -> bytes:
    """Two JSON objects as one."""
    return one[:-1] + b"," + other[1:]


# --- what their errors mean --------------------------------------------------------------------------------------


def failed(message: Failed) -> ProviderError:
    """An ``error`` message: it carries the status HTTP would have."""
    if message.status_code is None:
        return ProviderError(NAME, "transient", f"failed ({safe(message.error_code or '')})")
    return patience.refused(NAME, message.status_code)
