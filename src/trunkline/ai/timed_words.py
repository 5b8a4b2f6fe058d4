"""Which word of a voice's text sounds where: text, audio and the words' times come in any order, and go out in the one
order that a call understands: a word, and then its audio.

    "Your table is"  ── say ──▶ ┌────────────┐
    audio            ── audio ─▶│ TimedWords │── take ──▶ "Your", audio, " table", audio, " ", audio, "is", audio
    table: 210-550 ms ─ timed ─▶└────────────┘                                     a pause of its own ┘

What a caller has heard when they interrupt is then exact to the word: a word is heard when its piece was played, and
the pause after it is not part of it. ``take`` gives out whole words whose times are known. What it keeps back the owner
demands with ``everything`` when it can't wait any more; words without times are placed by the pace of speech.

A voice that breaks off is made to say the ``rest`` by another ``TimedWords``: from the first word of which the call did
not get the whole.
"""

import re
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Final

import msgspec

from trunkline.audio.format import AudioFormat

PAUSE_MS: Final = 40
"""A gap between words that is told as a piece of its own."""

LETTERS_PER_MS: Final = 0.015
"""The pace of speech as long as nothing is known of this voice: fifteen letters a second."""

_AHEAD: Final = 4
"""Words that a voice may leave out of its times in a row."""

_WORD: Final = re.compile(r"\S+")


class Word(msgspec.Struct, gc=False):
    """A word of the text, from letter ``begin`` to ``end``, whose sound ends at byte ``until``."""

    begin: int
    end: int
    until: int


class TimedWords:
    """One making of one text. The first ``told`` letters of ``text`` were told before: they are spoken, not told.
    ``pace``: letters per ms, where no times tell it."""

    def __init__(self, audio: AudioFormat, text: str = "", told: int = 0, *, pace: float = LETTERS_PER_MS) -> None:
        self.is_timed = False
        """Some times have come."""
        self._format = audio
        self._pace = pace
        self._text = text
        self._told = self._placed = told  # letters that were given out; that have their place
        self._cursor = 0  # letters whose words are timed
        self._part = ""  # of the word at the cursor, where the voice times it in parts
        self._end_ms = 0.0  # of the last word that is timed
        self._cuts: deque[tuple[int, str]] = deque()  # (byte, text that begins there)
        self._words: deque[Word] = deque()  # that have their place, and of which not all was given out
        self._spoken = 0  # letters of which all was given out
        self._audio = bytearray()  # from byte ``_given`` on
        self._given = 0

    # --- in ---

    def say(self, text: str) -> None:
        """More text."""
        self._text += text

    def audio(self, data: bytes) -> None:
        """More audio, cut anywhere."""
        self._audio += data

    def timed(self, words: Iterable[tuple[str, float, float]]) -> None:
        """More words, from where to where in milliseconds of this making's audio."""
        for text, start_ms, end_ms in words:
            start_ms = max(start_ms, self._end_ms) if self.is_timed else 0.0  # what comes before is the first one's
            end_ms = max(start_ms, end_ms)
            self.is_timed = True
            if (found := self._find(_plain(text))) is None:
                self._end_ms = end_ms
                continue
            begin, end = found
            if start_ms - self._end_ms >= PAUSE_MS:
                self._cut(self._end_ms, begin)
            self._cut(start_ms, end)
            self._end_ms = end_ms
            self._note(begin, end, self._bytes(end_ms))

    # --- out ---

    def take(self, *, everything: bool = False) -> list[str | bytes]:
        """Words and their audio, in order: the whole words there are, or ``everything`` that came."""
        have = self._given + len(self._audio)
        until = have - have % self._format.sample_bytes
        if everything:
            self._guess(until)
        else:
            until = max((word.until for word in self._words if word.until <= until), default=self._given)
        return self._give(until)

    def finish(self) -> list[str | bytes]:
        """All audio has come: whatever is left."""
        have = self._given + len(self._audio)
        left_ms = self._format.ms(have) - self._end_ms
        if not self.all_timed and left_ms > 0:
            self._guess(have, (len(self._text) - self._cursor) / left_ms)
        if self._placed < len(self._text):
            self._cut(self._end_ms, len(self._text))
        elif self.is_timed and self.all_timed and left_ms >= PAUSE_MS:
            self._cuts.append((self._bytes(self._end_ms), ""))  # the silence after the last word is not part of it
        given = self._give(have - have % self._format.sample_bytes)
        given += [text for _, text in self._cuts if text]
        self._cuts.clear()
        self._told = self._spoken = len(self._text)
        return given

    @property
    def holds(self) -> bool:
        """Some audio is kept back."""
        return bool(self._audio)

    @property
    def all_timed(self) -> bool:
        """All words of the text have their times: none is due."""
        return not any(map(str.isalnum, self._text[self._cursor :]))

    @property
    def rest(self) -> tuple[str, int]:
        """What another making has to say, and how many letters of that were told."""
        return self._text[self._spoken :], self._told - self._spoken

    # --- inside ---

    def _give(self, until: int) -> list[str | bytes]:
        given: list[str | bytes] = []
        while self._cuts and self._cuts[0][0] < until:
            at, text = self._cuts.popleft()
            self._pass(at, given)
            given.append(text)
            self._told += len(text)
        self._pass(until, given)
        while self._words and self._words[0].until <= self._given:
            self._spoken = self._words.popleft().end
        return given

    def _pass(self, until: int, given: list[str | bytes]) -> None:
        if (size := until - self._given) > 0:
            given.append(bytes(self._audio[:size]))
            del self._audio[:size]
            self._given = until

    def _cut(self, at_ms: float, end: int) -> None:
        """The text up to letter ``end`` that has no place yet begins there."""
        if end > self._placed:
            at = max(self._bytes(at_ms), self._cuts[-1][0] if self._cuts else 0)
            self._cuts.append((at, self._text[self._placed : end]))
            self._placed = end

    def _note(self, begin: int, end: int, until: int) -> None:
        known = next((word for word in self._words if word.begin == begin), None)
        if known is not None:
            known.until = until
        elif begin >= self._spoken:
            self._words.append(Word(begin, end, until))

    def _find(self, spoken: str) -> tuple[int, int] | None:
        """Where in the text the next word that sounds like ``spoken`` is. One that can't be found is the next word.
        None where there is no more, or only another part of the last one."""
        following = [word.span() for word in islice(_WORD.finditer(self._text, self._cursor), _AHEAD)]
        if not following:
            return None
        for begin, end in following:
            if _plain(self._text[begin:end]) == self._part + spoken:
                return self._found(begin, end)
        begin, end = following[0]
        whole = _plain(self._text[begin:end])
        if spoken and whole.startswith(self._part + spoken):  # times of syllables, or of "forty" "two" in "forty-two"
            first, self._part = not self._part, self._part + spoken
            return (begin, end) if first else None
        return self._found(begin, end)

    def _found(self, begin: int, end: int) -> tuple[int, int]:
        self._cursor, self._part = end, ""
        return begin, end

    def _guess(self, until: int, pace: float | None = None) -> None:
        """Places for the words without times that must begin before byte ``until``; ``pace`` in letters per ms."""
        start_ms = self._end_ms
        pace = pace or (self._cursor / start_ms if self._cursor and start_ms else self._pace)
        for word in _WORD.finditer(self._text, self._cursor):
            begin, end = word.span()
            at_ms = start_ms + (begin - self._cursor) / pace
            if self._bytes(at_ms) >= until:
                return
            if self._placed < end:
                self._cut(at_ms, end)
                self._note(begin, end, self._bytes(start_ms + (end - self._cursor) / pace))

    def _bytes(self, ms: float) -> int:
        return self._format.bytes_for(ms)


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())
