"""What a recogniser made of some audio: the words, how sure it is, and where each of them lies."""

from collections.abc import Iterable

import msgspec


class Word(msgspec.Struct, frozen=True, gc=False):
    """One word (private), from where to where in the audio handed to ``hear``."""

    text: str
    start_ms: float
    end_ms: float
    confidence: float = 1.0


class Transcript(msgspec.Struct, frozen=True):
    """One result (private). ``is_final``: these words won't change. ``speech_final``: and the speaker has paused after
    them. ``end_ms`` is how far the recogniser has heard."""

    text: str
    is_final: bool
    speech_final: bool
    confidence: float
    words: tuple[Word, ...] = ()
    end_ms: float = 0.0


def confidence_of(words: Iterable[Word]) -> float:
    """How sure a recogniser is of all these words: their mean; of no words, it is sure."""
    each = [word.confidence for word in words]
    return round(sum(each) / len(each), 4) if each else 1.0
