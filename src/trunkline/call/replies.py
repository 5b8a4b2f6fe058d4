"""Which reply a position in the agent's audio belongs to, which words were in it, and what became of it."""

from collections import deque

import msgspec

from trunkline.audio.format import AudioFormat


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

    __slots__ = ("at_ms", "closed", "end", "full", "generation", "start", "texts")

    def __init__(self, generation: int, start: int) -> None:
        self.generation = generation
        self.start = start
        self.end: int | None = None
        self.closed = False  # its end was sent
        self.full = False  # more of it came than may wait
        self.at_ms: float | None = None  # where in the call its first byte went out
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
    """The replies that are not over yet, oldest first. Generations only grow; ``dead_up_to`` and before are over.

    Positions are bytes in ``fmt``.
    """

    __slots__ = ("_format", "_open", "closing", "dead_up_to", "newest", "sending")

    def __init__(self, fmt: AudioFormat) -> None:
        self._format = fmt
        self._open: deque[Reply] = deque()
        self.newest: Reply | None = None  # the one begun last, if it is not over
        self.sending: Reply | None = None  # the first whose end was not sent
        self.closing = 0  # those whose end is known and was not sent
        self.dead_up_to = 0

    def begin(self, generation: int, position: int) -> bool:
        """Reply ``generation`` begins at ``position``, where one never ended ends. False: it is dead already."""
        newest = self.newest
        if newest is not None and newest.generation == generation:
            return True
        if generation <= self.dead_up_to or (newest is not None and generation < newest.generation):
            return False
        if newest is not None:
            self.end(newest.generation, position)
        self.newest = Reply(generation, position)
        self._open.append(self.newest)
        if self.sending is None:
            self.sending = self.newest
        return True

    def end(self, generation: int, position: int) -> None:
        """Reply ``generation`` has no more audio after ``position``."""
        reply = next((reply for reply in reversed(self._open) if reply.generation == generation), None)
        if reply is not None and reply.end is None:
            reply.end = position
            self.closing += 1

    def close(self, reply: Reply) -> None:
        """The end of ``reply``, which was being sent, was sent."""
        reply.closed = True
        self.closing -= 1
        self._find_sending()

    def reopen(self, position: int) -> None:
        """What was sent after ``position`` was taken back, and with it the ends of replies."""
        for reply in self._open:
            if reply.closed and (reply.end or 0) > position:
                reply.closed = False
                self.closing += 1
        self._find_sending()

    def heard(self, position: int) -> list[Heard]:
        """Everything before ``position`` was heard: the replies that are over with it."""
        heard: list[Heard] = []
        while self._open and (first := self._open[0]).closed and (end := first.end or 0) <= position:
            self._over()
            heard.append(Heard(first.generation, first.text_up_to(end, end), first.at_ms))
        return heard

    def cut(self, position: int, made: int) -> list[Interruption]:
        """Nothing after ``position`` will be heard, though audio was made up to ``made``: every reply is dead."""
        self.sending = None
        self.closing = 0
        interrupted: list[Interruption] = []
        while self._open:
            reply = self._over()
            limit = made if reply.end is None else reply.end
            until = min(max(position, reply.start), limit)
            heard = until - reply.start
            text = reply.text_up_to(until, limit)
            at_ms = reply.at_ms if heard else None  # what was sent may all have been taken back
            interrupted.append(Interruption(reply.generation, self._format.ms(heard), text, at_ms))
        return interrupted

    def next_end(self) -> int | None:
        """Where the reply that is over next ends; None: its end was not sent."""
        return self._open[0].end if self._open and self._open[0].closed else None

    def make_room(self, position: int, by: int) -> None:
        """``by`` positions were put in at the end of the reply that ends at ``position``."""
        for reply in self._open:
            if reply.start >= position:
                reply.shift(by)
            elif reply.end is not None and reply.end >= position:
                reply.end += by

    def _find_sending(self) -> None:
        self.sending = next((reply for reply in self._open if not reply.closed), None)

    def _over(self) -> Reply:
        reply = self._open.popleft()
        if not self._open:
            self.newest = None
        self.dead_up_to = max(self.dead_up_to, reply.generation)
        return reply
