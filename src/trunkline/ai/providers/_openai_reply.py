"""One reply of a realtime model: its words beside its audio, and what the vendor must forget of it when it is cut.

The vendor makes audio faster than it is heard, and its transcript faster still. It can't know what the caller heard,
and must be told: by item, in milliseconds of that item's audio.
"""

from typing import Final

import msgspec

from trunkline.ai.events import HandOverWanted, HangUpWanted, TransferWanted
from trunkline.audio.format import AudioFormat

Farewell = HangUpWanted | TransferWanted | HandOverWanted

PACE: Final = 0.015
"""Characters per millisecond of speech, until some was measured: English read aloud is about 15 a second."""

TAIL_MS: Final = 10
"""So much audio waits for more, so that words that come late still come before some audio of theirs."""

_MEASURABLE_MS: Final = 1000
"""Of audio, before it says anything about the pace."""


class Pace:
    """How fast this call's voice speaks: one for all its replies."""

    __slots__ = ("per_ms",)

    def __init__(self) -> None:
        self.per_ms = PACE

    def measured(self, characters: int, ms: float) -> None:
        """So many characters took so long."""
        if characters and ms >= _MEASURABLE_MS:
            self.per_ms = characters / ms


class Words:
    """Sets the words of one stretch of audio beside it. Transcripts run ahead: a word waits until the audio it is
    likely to be in. All of them come before the stretch's last audio."""

    __slots__ = ("_ms", "_pace", "_said", "_tail", "_tail_bytes", "_unit", "_waiting", "covered")

    def __init__(self, audio: AudioFormat, pace: Pace) -> None:
        self.covered = ""
        """The words whose audio has come."""
        self._unit = audio
        self._pace = pace
        self._tail_bytes = audio.bytes_for(TAIL_MS)
        self._tail = b""
        self._waiting = ""
        self._ms = 0.0  # of audio, given out or in the tail
        self._said = 0  # characters given out

    def text(self, delta: str) -> None:
        """More of the transcript."""
        self._waiting += delta

    def audio(self, piece: bytes) -> tuple[str, bytes]:
        """More audio: the words to announce, and then the audio to play. Either may be empty."""
        self._ms += self._unit.ms(len(piece))
        piece = self._tail + piece
        cut = max(0, len(piece) - self._tail_bytes)
        self._tail = piece[cut:]
        return self._due(), piece[:cut]

    def end(self) -> tuple[str, bytes]:
        """The stretch has no more audio, and no more words."""
        self._pace.measured(self._said + len(self._waiting), self._ms)
        text, tail = self._waiting, self._tail
        self._waiting, self._tail = "", b""
        self._note(text)
        return text, tail

    def break_off(self) -> tuple[str, bytes]:
        """It is cut in the middle: what there is of it. Words that had no audio yet are forgotten."""
        text, tail = self._due(), self._tail
        self._waiting, self._tail = "", b""
        return text, tail

    def _due(self) -> str:
        """The words that begin before the end of the audio so far."""
        count = int(self._ms * self._pace.per_ms) - self._said
        if count <= 0 or not self._waiting:
            return ""
        # The word that is being spoken counts as said; a break is after its space.
        space = self._waiting.find(" ", count - 1)
        cut = len(self._waiting) if space < 0 and self._waiting[-1].isspace() else space + 1
        text, self._waiting = self._waiting[:cut], self._waiting[cut:]
        self._note(text)
        return text

    def _note(self, text: str) -> None:
        self._said += len(text)
        self.covered += text


class Truncate(msgspec.Struct, frozen=True):
    """The caller heard so much of this item."""

    item: str
    content_index: int
    ms: int


class Delete(msgspec.Struct, frozen=True):
    """The caller heard nothing of this item."""

    item: str


class _Item(msgspec.Struct):
    id: str
    content_index: int = 0
    ms: float = 0.0


class Reply:
    """A reply of ours from its beginning until it was heard or interrupted. It may take several responses of the
    vendor's: when one breaks off, another goes on under the same generation."""

    __slots__ = (
        "aside", "cut_short", "done", "generation", "instructions", "items", "leaves", "past_ms", "past_text",
        "response_id", "script", "sounded", "tries", "words",
    )  # fmt: skip

    def __init__(self, generation: int, *, script: str = "", instructions: str = "", aside: bool = False) -> None:
        self.generation = generation
        self.script = script  # said word for word
        self.instructions = instructions  # beside the session's own
        self.aside = aside  # no part of the conversation
        self.response_id = ""
        self.items: list[_Item] = []  # of the present connection
        self.past_ms = 0.0  # audio from items that are void now
        self.past_text = ""  # and its words
        self.words: Words | None = None  # of the stretch that is being spoken
        self.sounded = False
        self.done = False  # no more audio comes
        self.cut_short = False  # by the caller
        self.tries = 0  # that failed
        self.leaves: Farewell | None = None  # what is to come when it was said

    @property
    def text(self) -> str:
        """All its words whose audio has come."""
        return self.past_text + (self.words.covered if self.words else "")

    @property
    def ms(self) -> float:
        """All its audio so far."""
        return self.past_ms + sum(item.ms for item in self.items)

    def begin_item(self, id: str) -> None:
        """An item of the vendor's begins."""
        if all(item.id != id for item in self.items):
            self.items.append(_Item(id))

    def received(self, id: str, content_index: int, ms: float) -> None:
        """Some more audio of an item."""
        self.begin_item(id)
        item = next(item for item in self.items if item.id == id)
        item.content_index = content_index
        item.ms += ms

    def end_words(self) -> None:
        """The stretch is over."""
        self.past_text, self.words = self.text, None

    def void(self) -> None:
        """The connection is gone, and with it the vendor's items."""
        self.end_words()
        self.past_ms = self.ms
        self.items.clear()
        self.response_id = ""

    def cut(self, heard_ms: float) -> list[Truncate | Delete]:
        """What to tell the vendor when ``heard_ms`` of all its audio were heard."""
        told: list[Truncate | Delete] = []
        left_ms = heard_ms - self.past_ms
        for item in self.items:
            if left_ms <= 0:
                told.append(Delete(item.id))
            elif left_ms < item.ms or (item is self.items[-1] and not self.done):
                # Of an item that is still being made there is more than we know of.
                told.append(Truncate(item.id, item.content_index, int(min(left_ms, item.ms))))
            left_ms -= item.ms
        return told
