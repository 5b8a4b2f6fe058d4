"""One reply of a Live model: its words beside its audio, from its beginning until it was heard or interrupted."""

from typing import Final

from trunkline.ai.events import HandOverWanted, HangUpWanted, TransferWanted
from trunkline.ai.timed_words import TimedWords
from trunkline.audio.format import AudioFormat

Farewell = HangUpWanted | TransferWanted | HandOverWanted

_ENDS: Final = frozenset(".!?…。！？।؟")
_CLOSERS: Final = "\"')]»”’"


class Reply:
    """It may take several turns of the vendor's: when one breaks off, another goes on under the same generation."""

    __slots__ = (
        "_format",
        "_words",
        "cut_short",
        "done",
        "generation",
        "leaves",
        "script",
        "sounded",
        "text",
        "went_on",
    )

    def __init__(self, generation: int, speaks: AudioFormat, leaves: Farewell | None, script: str) -> None:
        self.generation = generation
        self.script = script  # to be said word for word
        self.leaves = leaves  # what is to come when it was said
        self.text = ""
        """All its words whose audio has come."""
        self.sounded = False
        self.done = False  # no more comes
        self.cut_short = False  # by the caller
        self.went_on = False  # it was asked to go on already
        self._format = speaks
        self._words: TimedWords | None = None  # of the stretch that is being spoken

    def said(self, text: str) -> None:
        """More of the transcript, before its audio or after it."""
        if self._words is None and self.text and text[:1].isalnum() and not self.text[-1].isspace():
            text = f" {text}"  # it goes on with a word
        self._stretch.say(text)

    def audio(self, data: bytes) -> list[str | bytes]:
        """More audio: words to announce, and audio to play, in order."""
        self.sounded = True
        self._stretch.audio(data)
        return self._told(self._stretch.take(everything=True))

    def end_stretch(self) -> list[str | bytes]:
        """All audio and all words of this stretch have come."""
        words, self._words = self._words, None
        return self._told(words.finish()) if words is not None else []

    def break_off(self) -> None:
        """The stretch is cut: words that had no audio yet are forgotten."""
        self._words = None

    @property
    def rest_of_script(self) -> str:
        """What is left to be said of it: a transcript may have other marks than the script."""
        return " ".join(self.script.split()[len(self.text.split()) :])

    @property
    def ends_well(self) -> bool:
        """Its last words end a sentence."""
        said = self.text.rstrip().rstrip(_CLOSERS)
        return not said or said[-1] in _ENDS

    @property
    def punctuated(self) -> bool:
        """Its transcript has marks where sentences end."""
        return not _ENDS.isdisjoint(self.text)

    @property
    def _stretch(self) -> TimedWords:
        if self._words is None:
            self._words = TimedWords(self._format)
        return self._words

    def _told(self, given: list[str | bytes]) -> list[str | bytes]:
        self.text += "".join(piece for piece in given if isinstance(piece, str))
        return given
