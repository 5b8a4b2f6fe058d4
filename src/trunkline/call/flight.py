"""Audio on its way to the caller: sent, and not known to be played."""

from collections import deque

from trunkline.call.placement import Placement, Sounded


class Flight:
    """Keeps what was sent until it was heard, or is taken back. Everything before position ``settled`` was played.

    Who sends appends to ``pieces`` itself, (end position, audio): a method for it would cost every frame a call.
    """

    __slots__ = ("_placement", "pieces", "settled")

    def __init__(self, placement: Placement | None = None) -> None:
        self.pieces: deque[tuple[int, bytes]] = deque()
        self.settled = 0
        self._placement = placement  # None: nobody wants to know where it sounded

    def start(self, position: int, now: float) -> None:
        """The platform's buffer was empty, and ``position`` sounds next."""
        if self._placement is not None:
            self._placement.begin_run(position, now)

    def settle(self, position: int) -> None:
        """All before ``position`` was heard: book the pieces of it that are whole."""
        while self.pieces and self.pieces[0][0] <= position:
            end, audio = self.pieces.popleft()
            self._played(audio, end)

    def take_back(self, position: int) -> list[bytes]:
        """All before ``position`` was heard, and nothing after it will be: what that is, the last piece first."""
        self.settle(position)
        unheard: list[bytes] = []
        while self.pieces:
            end, audio = self.pieces.pop()
            heard = position - (end - len(audio))
            if heard > 0:
                self._played(audio[:heard], position)
                audio = audio[heard:]
            if audio:
                unheard.append(audio)
        return unheard

    def __len__(self) -> int:
        """Bytes on their way, counted from the pieces themselves."""
        return sum(len(audio) for _, audio in self.pieces)

    @property
    def sounded(self) -> list[Sounded]:
        """What was played and where, if anybody wants to know; the owner empties it."""
        return [] if self._placement is None else self._placement.sounded

    @property
    def placed_from(self) -> int | None:
        """No sound will ever be placed before this many samples of the timeline; None: nothing is on its way."""
        if not self.pieces or self._placement is None:
            return None
        return self._placement.place(self.settled)

    def _played(self, audio: bytes, end: int) -> None:
        if self._placement is not None:
            self._placement.played(audio, end - len(audio))
        self.settled = end
