"""One thread that hears all calls: turns with something new to hear wait their turn, ended ones first.

    hear() ─> pending audio of the turn ┐
    hear() ─> pending audio of the turn ┼─ one turn at a time, all it has ─> worker thread ─> words ─> told
    hear() ─> pending audio of the turn ┘

A turn waits at most once, whatever it has to hear, so that a slow machine makes passes longer, not queues: there are
never more waiting than calls.
"""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final

from trunkline import logs
from trunkline.ai.providers._moonshine_line import PIECE_BYTES, Line

PARTIAL_BYTES: Final = 2 * PIECE_BYTES
"""Of new audio, before words are tried for in the middle of a turn: 400 ms."""

MOST_BYTES: Final = 2 * 16_000 * 60
"""Of a turn that waits. Older audio is dropped, and counted: words that come so late are of no use."""

_log = logs.get(__name__)


class Turn:
    """One caller's turn. ``tell`` is given its words on the event loop, and whether they are final. Final ones are None
    where the library failed. Nothing is told after ``drop``."""

    def __init__(self, hub: "Hub", line: Line, tell: Callable[[str | None, bool], None]) -> None:
        self.hub = hub
        self.line = line
        self.tell = tell
        self.pending = bytearray()
        self.ended = False
        self.dropped = False
        self.failed = False

    def hear(self, pcm16: bytes) -> None:
        """Some more of it, PCM16 at 16 kHz."""
        self.pending += pcm16
        if (surplus := len(self.pending) - MOST_BYTES) > 0:
            del self.pending[:surplus]
            self.hub.bytes_dropped += surplus
        if len(self.pending) >= PARTIAL_BYTES and self.hub.streams:
            self.hub.ready(self)

    def end(self, pcm16: bytes) -> None:
        """And the last of it: its words are wanted now."""
        self.ended = True
        self.pending += pcm16
        self.hub.ready(self)

    def drop(self) -> None:
        """Nobody wants to know any more."""
        if not self.dropped:
            self.dropped = True
            self.hub.forget(self)


class Hub:
    """The thread and who waits for it. ``line`` makes a line in the library; ``streams``: it has words in mid-turn."""

    def __init__(self, line: Callable[[], Line], *, streams: bool) -> None:
        self.streams = streams
        self.passes = 0
        self.bytes_dropped = 0
        self._line = line
        self._ended: dict[Turn, None] = {}
        self._speaking: dict[Turn, None] = {}
        self._working: Turn | None = None
        self._closed = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="moonshine")
        self._loop = asyncio.get_running_loop()

    @property
    def waiting(self) -> int:
        """Turns that have something new to be heard."""
        return len(self._ended) + len(self._speaking)

    def open(self, tell: Callable[[str | None, bool], None]) -> Turn:
        """A turn that has begun."""
        return Turn(self, self._line(), tell)

    def close(self, after: Callable[[], None]) -> None:
        """No more words. Returns at once; ``after`` is called on the thread when its work is done."""
        self._closed = True
        self._ended.clear()
        self._speaking.clear()
        self._worker.submit(after)
        self._worker.shutdown(wait=False)

    # --- for the turns ---

    def ready(self, turn: Turn) -> None:
        """``turn`` has something new."""
        if turn.ended:
            self._speaking.pop(turn, None)
            self._ended[turn] = None
        else:
            self._speaking[turn] = None
        self._next()

    def forget(self, turn: Turn) -> None:
        """``turn`` is not wanted any more."""
        self._ended.pop(turn, None)
        self._speaking.pop(turn, None)
        if turn is not self._working and not self._closed:
            self._worker.submit(turn.line.close)

    # --- one after the other ---

    def _next(self) -> None:
        while self._working is None and not self._closed and (waiting := self._ended or self._speaking):
            turn = next(iter(waiting))
            del waiting[turn]
            if turn.failed:  # in the middle: the rest would be half of its words
                if turn.ended:
                    self._loop.call_soon(self._tell, turn, None, True)
                continue
            self._working = turn
            pcm16, last = bytes(turn.pending), turn.ended
            turn.pending.clear()
            work = self._worker.submit(turn.line.hear, pcm16, last=last)
            work.add_done_callback(partial(self._from_the_thread, turn, last))

    def _from_the_thread(self, turn: Turn, last: bool, done: "Future[str]") -> None:
        with contextlib.suppress(RuntimeError):  # the loop is no more
            self._loop.call_soon_threadsafe(self._done, turn, last, done)

    def _done(self, turn: Turn, last: bool, done: "Future[str]") -> None:
        self._working = None
        self.passes += 1
        if self._closed:
            return
        error = done.exception()
        if error is not None:
            turn.failed = True
            _log.warning("the recogniser failed", error=type(error).__name__)
        if turn.dropped or last or turn.failed:
            self._worker.submit(turn.line.close)
        if last or not turn.failed:
            self._tell(turn, None if error is not None else done.result(), last)
        self._next()

    def _tell(self, turn: Turn, words: str | None, last: bool) -> None:
        if not turn.dropped:
            turn.tell(words, last)
