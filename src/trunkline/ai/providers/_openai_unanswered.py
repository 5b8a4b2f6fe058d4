"""What the caller said that no reply has been begun for.

A turn into a reply that is heard to its end was a back-channel: the call decided so, by its words. One whose words were
not known yet counts after all, if there turn out to be any.
"""


class Unanswered:
    """One call's. ``wanted``: the caller did something that is to be answered."""

    def __init__(self) -> None:
        self.wanted = False
        self.wordless: set[str] = set()
        """Turns whose final words are still to come."""
        self._doubtful: set[str] = set()

    def turn(self, item: str, *, counts: bool, words_come: bool) -> None:
        """A turn is over. ``counts``: it was not answered before."""
        self.wanted |= counts
        if words_come:
            self.wordless.add(item)

    def words(self, item: str, text: str) -> bool:
        """Its final words. True: it turns out to want an answer."""
        self.wordless.discard(item)
        if item not in self._doubtful:
            return False
        self._doubtful.discard(item)
        self.wanted |= bool(text)
        return bool(text)

    def agreed(self) -> None:
        """The agent was heard to its end all the same."""
        if self.wanted:
            self._doubtful |= self.wordless
            self.wanted = False

    def heard_again(self) -> None:
        """A new connection will hear the turns that have no words once more."""
        self.wanted = self.wanted and not self.wordless
        self.wordless.clear()
        self._doubtful.clear()
