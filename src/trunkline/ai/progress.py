"""How far a voice has come in what it says, by the length of its audio and the pace it spoke before."""

from trunkline.ai.timed_words import LETTERS_PER_MS


class Progress:
    """One reply's: ``announce`` each piece of it, and then add its audio to ``piece_ms``."""

    def __init__(self) -> None:
        self.piece_ms = 0.0
        """So much audio of the latest piece came."""
        self._piece = ""
        self._letters = self._ms = 0.0  # of whole pieces

    def announce(self, text: str) -> None:
        """The voice begins with this piece."""
        if self.piece_ms:
            self._letters += len(self._piece)
            self._ms += self.piece_ms
        self._piece, self.piece_ms = text, 0.0

    @property
    def unsaid(self) -> str:
        """What is left of the latest piece, from the beginning of the word that is being spoken: in doubt a word is
        said twice rather than not at all."""
        pace = self._letters / self._ms if self._ms else LETTERS_PER_MS
        spoken = min(len(self._piece), int(self.piece_ms * pace))
        return self._piece[_word_start(self._piece, spoken) :] if spoken < len(self._piece) else ""


def _word_start(text: str, at: int) -> int:
    """The beginning of the word that letter ``at`` is in, with the space before it."""
    return max(0, text.rfind(" ", 0, at + 1))
