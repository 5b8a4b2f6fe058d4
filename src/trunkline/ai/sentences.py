"""A model's text, as it streams, cut into pieces a voice can speak.

A piece is a sentence; the first one of a reply may be a clause, because the caller is waiting for it. Pieces bring
their own spaces: joined, they are the text, less what can't be spoken (mark-up, links, emoji).
"""

import re
from typing import Final

FIRST_CLAUSE_CHARS: Final = 24
"""A first clause at least this long is spoken before its sentence is complete; a shorter one would sound chopped."""

FIRST_WORDS: Final = 3
"""Of a first piece for a voice that joins pieces without a seam: with so many it has a second to say, and the rest of
the sentence is there long before."""

LONGEST_CHARS: Final = 240
"""A text that goes on for longer without a stop is cut at a space: the voice must not wait for what never comes."""

# A stop counts once a space follows it: 3.5, 10:30 and trunkline.dev go on. Closing quotes and brackets stay with it.
_SENTENCE_END: Final = re.compile(r"[.!?…]+[\"'”’)\]]*\s+|\n+")
_CLAUSE_END: Final = re.compile(r"[,;:–—]\s+")

# A dot after these is not the end of a sentence; nor is one after a single letter (J. F. Kennedy, p. m.).
_ABBREVIATIONS: Final = frozenset(
    {"mr", "mrs", "ms", "dr", "prof", "st", "jr", "vs", "e.g", "i.e", "a.m", "p.m", "approx"}
)
_LAST_WORD: Final = re.compile(r"(?:^|[\s(\"'])([\w.]+)\.\s+$")

_LINK: Final = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_URL: Final = re.compile(r"https?://\S*[^\s.,;:!?)]")
_UNSPEAKABLE: Final = re.compile(
    r"[*_`#|~^<>\\]|[\U0001F000-\U0001FAFF\u2190-\u21FF\u2600-\u27BF\u2B00-\u2BFF\uFE0F\u200D]"
)
_FEW_WORDS: Final = re.compile(rf"\s*(?:\S+\s+){{{FIRST_WORDS}}}")
_SPACES: Final = re.compile(r"\s+")


class Sentences:
    """The pieces of one reply. Push what streams in, speak what comes out, ``flush`` when the model is done.

    ``seamless``: the voice takes pieces smaller than a sentence without harm to its prosody, so that its first one may
    be a few words.
    """

    def __init__(self, *, seamless: bool = False) -> None:
        self._text = ""
        self._first = True
        self._seamless = seamless

    def push(self, delta: str) -> list[str]:
        """The pieces ``delta`` completes, often none."""
        self._text += delta
        pieces = []
        while end := self._end():
            piece, self._text = speakable(self._text[:end]), self._text[end:]
            if piece.strip():
                self._first = False
                pieces.append(piece)
        return pieces

    def flush(self) -> str:
        """What is left, complete or not; empty if there is nothing to say in it."""
        piece, self._text = speakable(self._text), ""
        return piece if piece.strip() else ""

    def _end(self) -> int:
        """Where the first piece of the text ends; 0 if it doesn't yet."""
        sentence = (stop.end() for stop in _SENTENCE_END.finditer(self._text) if not _is_abbreviation(stop))
        ends = [next(sentence, 0)]
        if self._first:
            shortest = 0 if self._seamless else FIRST_CLAUSE_CHARS
            clause = (stop.end() for stop in _CLAUSE_END.finditer(self._text) if stop.end() >= shortest)
            ends.append(next(clause, 0))
            if self._seamless and (few := _FEW_WORDS.match(self._text)):
                ends.append(few.end())
        if len(self._text) > LONGEST_CHARS:
            ends.append(self._text.rfind(" ", 0, LONGEST_CHARS) + 1 or LONGEST_CHARS)
        return min(filter(None, ends), default=0)


def speakable(text: str) -> str:
    """``text`` without what is for the eye only. Runs of white space become one space."""
    text = _URL.sub("", _LINK.sub(r"\1", text))
    return _SPACES.sub(" ", _UNSPEAKABLE.sub("", text))


def _is_abbreviation(stop: re.Match[str]) -> bool:
    word = _LAST_WORD.search(stop.string[: stop.end()])
    if word is None:
        return False
    last = word[1].lower()
    return last in _ABBREVIATIONS or (len(last.rpartition(".")[2]) == 1 and last.isalpha() and last != "i")
