"""Which reply a position in the agent's audio belongs to, and which words were in it."""

from collections import deque

import msgspec


class Interruption(msgspec.Struct, frozen=True):
    """A reply the caller did not hear to its end."""

    generation: int
    heard_ms: float
    heard_text: str
    at_ms: float | None  # where in the call it began to sound; None: it never did


class Heard(msgspec.Struct, frozen=True):
    """A reply the caller heard to its end."""

    generation: int
    text: str
    at_ms: float | None


class Reply:
    """One reply of the agent, as a stretch of positions. ``end`` is None while it is still being made."""

    __slots__ = ("closed", "end", "full", "generation", "sounded_at", "start", "texts")

    def __init__(self, generation: int, start: int) -> None:
        self.generation = generation
        self.start = start
        self.end: int | None = None
        self.closed = False  # its end was sent
        self.full = False  # more of it came than may wait
        self.sounded_at: int | None = None  # timeline samples at which its first byte went out
        self.texts: list[tuple[int, str]] = []  # (position at which the words begin, words)

    def text_up_to(self, position: int, limit: int) -> str:
        """The words before ``position``; a piece heard in part gives its share of words. The last piece of words
        ends at ``limit``."""
        heard: list[str] = []
        for i, (begins, text) in enumerate(self.texts):
            ends = self.texts[i + 1][0] if i + 1 < len(self.texts) else limit
            if position <= begins:
                break
            if position >= ends:
                heard.append(text)
                continue
            words = text.split()
            heard.append(" ".join(words[: int(len(words) * (position - begins) / (ends - begins))]))
        return " ".join(part.strip() for part in heard if part.strip())

    def shift(self, by: int) -> None:
        """Move by ``by`` positions, because something was put in before."""
        self.start += by
        self.end = None if self.end is None else self.end + by
        self.texts = [(position + by, text) for position, text in self.texts]


class ReplyBook:
    """The replies that are not over yet, oldest first. Generations only grow; ``dead_up_to`` and before are over."""

    __slots__ = ("dead_up_to", "newest", "open")

    def __init__(self) -> None:
        self.open: deque[Reply] = deque()
        self.newest: Reply | None = None  # the one begun last, if it is not over
        self.dead_up_to = 0

    def begin(self, generation: int, position: int) -> Reply:
        """A new reply from ``position`` on; one that was never ended ends here."""
        if self.open and self.open[-1].end is None:
            self.open[-1].end = position
        reply = Reply(generation, position)
        self.open.append(reply)
        self.newest = reply
        return reply

    def find(self, generation: int) -> Reply | None:
        """The open reply of that generation."""
        return next((reply for reply in reversed(self.open) if reply.generation == generation), None)

    def next_open(self) -> Reply | None:
        """The oldest reply whose end was not sent."""
        return next((reply for reply in self.open if not reply.closed), None)

    def over(self) -> Reply:
        """Take the oldest reply out: it was heard, or it is dead."""
        reply = self.open.popleft()
        if not self.open:
            self.newest = None
        self.dead_up_to = max(self.dead_up_to, reply.generation)
        return reply

    def make_room(self, position: int, by: int) -> None:
        """``by`` positions were put in at the end of the reply that ends at ``position``."""
        for reply in self.open:
            if reply.start >= position:
                reply.shift(by)
            elif reply.end is not None and reply.end >= position:
                reply.end += by
