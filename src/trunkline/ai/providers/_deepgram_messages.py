"""What is said on Deepgram's four sockets, both ways, and what its errors mean.

``/v1/listen`` is Nova, ``/v2/listen`` Flux; ``/v1/speak`` is Aura, ``/v2/speak`` Flux TTS. Control is JSON in text
messages, audio is raw in binary ones. Names and types follow the vendor's API definition; what we never read of a
message is not declared here.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from trunkline.ai import patience
from trunkline.ai.messages import Unknown as Unknown
from trunkline.ai.messages import read as read
from trunkline.ai.messages import safe
from trunkline.ai.transcript import Word
from trunkline.errors import Fault, ProviderError

NAME: Final = "deepgram"

# --- from the vendor: recognisers -------------------------------------------------------------------------------


class HeardWord(Struct, gc=False):
    """Positions in seconds of this connection's audio. Flux writes them only for some models."""

    word: str
    confidence: float = 1.0
    start: float | None = None
    end: float | None = None
    punctuated_word: str | None = None

    @property
    def text(self) -> str:
        return self.word if self.punctuated_word is None else self.punctuated_word


class Alternative(Struct):
    transcript: str
    confidence: float = 1.0
    words: list[HeardWord] = []


class Channel(Struct):
    alternatives: list[Alternative]


class Results(Struct, tag="Results"):
    channel: Channel
    start: float
    duration: float
    is_final: bool = False
    speech_final: bool = False
    from_finalize: bool = False


class UtteranceEnd(Struct, tag="UtteranceEnd"):
    last_word_end: float


class Connected(Struct, tag="Connected"):
    request_id: str = ""


class TurnInfo(Struct, tag="TurnInfo"):
    event: str  # an open set: what we don't know changes nothing
    turn_index: int
    audio_window_start: float
    audio_window_end: float
    transcript: str
    words: list[HeardWord] = []
    end_of_turn_confidence: float = 0.0
    trigger: str | None = None


# --- from the vendor: voices -------------------------------------------------------------------------------------


class Flushed(Struct, tag="Flushed"):
    """Aura: all audio of the text before the flush has come. Flux TTS: nothing yet."""


class Cleared(Struct, tag="Cleared"):
    """What comes from now on belongs to text said after ``Clear``."""


class SpeechMetadata(Struct, tag="SpeechMetadata"):
    """Flux TTS: the turn's audio has all come."""


class SpeechInterrupted(Struct, tag="SpeechInterrupted"):
    """Flux TTS: the turn is over, and no more audio of it comes."""


# --- from the vendor: anybody ------------------------------------------------------------------------------------


class Metadata(Struct, tag="Metadata"):
    request_id: str = ""


class Warned(Struct, tag="Warning"):
    code: str = ""


class Failed(Struct, tag="Error"):
    """``/v1/listen`` names a ``variant``, the others a ``code``."""

    code: str | None = None
    variant: str | None = None


NovaMessage = Results | UtteranceEnd | Metadata | Warned | Failed
FluxMessage = Connected | TurnInfo | Warned | Failed
AuraMessage = Flushed | Cleared | Metadata | Warned | Failed
FluxSpeakMessage = Connected | SpeechMetadata | SpeechInterrupted | Warned | Failed

NOVA: Final = msgspec.json.Decoder(NovaMessage)
FLUX: Final = msgspec.json.Decoder(FluxMessage)
AURA: Final = msgspec.json.Decoder(AuraMessage)
FLUX_SPEAK: Final = msgspec.json.Decoder(FluxSpeakMessage)


def words(heard: list[HeardWord]) -> tuple[Word, ...]:
    """Those that have a place, in milliseconds of this connection's audio."""
    return tuple(
        Word(word.text, 1000 * word.start, 1000 * word.end, word.confidence)
        for word in heard
        if word.start is not None and word.end is not None
    )


# --- to the vendor -----------------------------------------------------------------------------------------------

KEEP_ALIVE: Final = b'{"type":"KeepAlive"}'
FINALIZE: Final = b'{"type":"Finalize"}'
FORCE_END_TURN: Final = b'{"type":"ForceEndTurn"}'
FLUSH: Final = b'{"type":"Flush"}'
CLEAR: Final = b'{"type":"Clear"}'
INTERRUPT: Final = b'{"type":"Interrupt"}'


class Speak(Struct, tag="Speak"):
    """Text to be spoken, joined verbatim to what was sent before it."""

    text: str


class Said(Struct):
    """The body of a request to speak."""

    text: str


def encode(message: Speak | Said) -> bytes:
    """As JSON."""
    return msgspec.json.encode(message)


# --- what their errors mean --------------------------------------------------------------------------------------

_CODE: Final = re.compile(r"\b(NET|DATA|BIG|MESSAGE)-\d{4}\b")

_CODES: Final[dict[str, tuple[Fault, str]]] = {
    "NET-0001": ("transient", "heard nothing from us for ten seconds"),
    "NET-0000": ("transient", "did not answer in time"),
    "DATA-0000": ("our fault", "can't make anything of our audio or text"),
    "DATA-0002": ("our fault", "can't speak our text"),
    "MESSAGE-0000": ("our fault", "can't make anything of our message"),
    "BIG-0000": ("our fault", "was sent too much at once"),
    "SchemaError": ("our fault", "can't make anything of our message"),
    "INVALID_AUTH": ("bad key", "the key was refused"),
    "INSUFFICIENT_PERMISSIONS": ("bad key", "the key may not do this"),
    "ASR_PAYMENT_REQUIRED": ("quota", "the account has nothing left to spend"),
    "TOO_MANY_REQUESTS": ("rate limit", "too many sessions at once"),
}


class _Refusal(Struct):
    err_code: str = ""


def failed(code: str) -> ProviderError:
    """An ``Error`` message. Codes we have no word for may be a passing trouble."""
    fault, what = _CODES.get(code, ("transient", "failed"))
    return ProviderError(NAME, fault, f"{what} ({safe(code)})")


def closed(code: int, reason: str) -> ProviderError:
    """A close frame: its reason may name one of the vendor's own codes."""
    named = _CODE.search(reason)
    if named is not None and named[0] in _CODES:
        fault, what = _CODES[named[0]]
        return ProviderError(NAME, fault, f"closed the socket: {what} ({named[0]}, {code})")
    return patience.closed(NAME, code)


def refused(status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """An HTTP answer that is a refusal; ``err_code`` in its body tells more than the status does."""
    error = patience.refused(NAME, status, headers)
    try:
        code = msgspec.json.decode(body, type=_Refusal).err_code
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return error
    if code not in _CODES:
        return error
    fault, what = _CODES[code]
    return ProviderError(NAME, fault, f"{what} (HTTP {status}, {code})", retry_after_s=error.retry_after_s)
