"""One reply of a Live model: its words beside its audio, from its beginning until it was heard or interrupted."""

from typing import Final

from trunkline.ai.events import HandOverWanted, HangUpWanted, TransferWanted
from trunkline.ai.timed_words import LETTERS_PER_MS, TimedWords
from trunkline.audio.format import AudioFormat

Farewell = HangUpWanted | TransferWanted | HandOverWanted

MEASURABLE_MS: Final = 800.0
"""Of speech, before it says anything about the pace."""

_ENDS: Final = frozenset(".!?…。！？।؟")
_CLOSERS: Final = "\"')]»”’"


class Pace:
    """How fast this call's voice speaks: one for all its replies. Nothing the vendor says tells which word is where."""

    __slots__ = ("_letters", "_ms")

    def __init__(self) -> None:
        self._letters = 0
        self._ms = 0.0

    @property
    def per_ms(self) -> float:
        """Letters per millisecond."""
        return self._letters / self._ms if self._ms >= MEASURABLE_MS and self._letters else LETTERS_PER_MS

    def measured(self, letters: int, ms: float) -> None:
        """So many took so long."""
        if letters:
            self._letters += letters
            self._ms += ms


class Reply:
    """It may take several turns of the vendor's: when one breaks off, another goes on under the same generation."""

    def __init__(self, generation: int, speaks: AudioFormat, leaves: Farewell | None, script: str, pace: Pace) -> None:
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
        self._pace = pace
        self._letters, self._bytes = 0, 0  # of the stretch
        self._words: TimedWords | None = None  # of the stretch that is being spoken

    def said(self, text: str) -> None:
        """More of the transcript, before its audio or after it."""
        if self._words is None and self.text and text[:1].isalnum() and not self.text[-1].isspace():
            text = f" {text}"  # it goes on with a word
        self._letters += len(text)
        self._stretch.say(text)

    def audio(self, data: bytes) -> list[str | bytes]:
        """More audio: words to announce, and audio to play, in order."""
        self.sounded = True
        self._bytes += len(data)
        self._stretch.audio(data)
        return self._told(self._stretch.take(everything=True))

    def end_stretch(self) -> list[str | bytes]:
        """All audio and all words of this stretch have come."""
        self._pace.measured(self._letters, self._format.ms(self._bytes))
        words = self._words
        self.break_off()
        return self._told(words.finish()) if words is not None else []

    def break_off(self) -> None:
        """The stretch is cut: words that had no audio yet are forgotten."""
        self._words, self._letters, self._bytes = None, 0, 0

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
            self._words = TimedWords(self._format, pace=self._pace.per_ms)
        return self._words

    def _told(self, given: list[str | bytes]) -> list[str | bytes]:
        self.text += "".join(piece for piece in given if isinstance(piece, str))
        return given
