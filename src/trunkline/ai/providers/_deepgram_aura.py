"""Deepgram's voices on a socket: Aura (``/v1/speak``) and Flux TTS (``/v2/speak``), one socket for a call.

A reply is spoken in *portions*: all text there is when the vendor has nothing left to do, sent with one ``Flush``. So
the first sentence is spoken at once, alone, and the next portion is what the model wrote meanwhile. Only one portion is
under way at a time, which is why every byte of audio is known to belong to it, and its words are told just before it.

Aura takes a ``Flush`` twenty times a minute. When a good part of them is used up, a reply waits until all of it is
there and is flushed once; were all used up, it would wait for the minute to pass.

**Cancelled**, the vendor is told to drop what it has. What comes until it says that it did is nobody's. The next reply
is asked for at once: on one socket, what comes after that word is its audio.
"""

import asyncio
from collections import deque
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from trunkline.ai.base import Emit
from trunkline.ai.patience import Patience
from trunkline.ai.providers import _deepgram_messages as wire
from trunkline.ai.providers._deepgram_mouth import LONGEST_CHARS, Mouth
from trunkline.ai.session import Address, ProviderSocket
from trunkline.audio.format import AudioFormat
from trunkline.errors import ProviderError

FIRST_S: Final = 1.0
"""From text to its first audio; a connection that takes longer is replaced."""

NEXT_S: Final = 0.7
"""Between two messages of a portion's audio."""

DROPPED_S: Final = 1.0
"""From ``Clear`` to the vendor's word that it did."""

TRIES: Final = 3
"""Connections that may fail over one portion; then it is not the connection."""

MINUTE_S: Final = 60.0


class Dialect(msgspec.Struct, frozen=True):
    """What differs between the two sockets."""

    drop: bytes  # stop at once
    flushes: int  # taken in a minute
    greets: bool  # the vendor says when the session stands
    ends_drop: bool  # a portion's end ends dropping it, too


AURA: Final = Dialect(wire.CLEAR, flushes=20, greets=False, ends_drop=False)
# An Interrupt that comes too early or too late for Flux TTS is ignored: the portion is then made to its end.
FLUX: Final = Dialect(wire.INTERRUPT, flushes=10_000, greets=True, ends_drop=True)


class Budget:
    """When a ``Flush`` may be sent: ``limit`` in any minute."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._eager = limit * 3 // 5  # up to here a reply may be flushed in portions
        self._spent: deque[float] = deque()

    def spend(self, now: float) -> None:
        """One was sent."""
        self._spent.append(now)

    def wait_s(self, now: float, *, whole: bool) -> float:
        """How long to wait before another. ``whole``: there is no use in waiting for more text."""
        while self._spent and now - self._spent[0] >= MINUTE_S:
            self._spent.popleft()
        allowed = self._limit if whole else self._eager
        return max(0.0, self._spent[-allowed] + MINUTE_S - now) if len(self._spent) >= allowed else 0.0


class SpeakSession:
    """The voice of one call."""

    def __init__(
        self,
        address: Address,
        dialect: Dialect,
        speaks: AudioFormat,
        emit: Emit,
        patience: Patience,
        log: FilteringBoundLogger,
    ) -> None:
        self.mouth = Mouth(speaks, emit, log)
        self._address = address
        self._dialect = dialect
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._socket = ProviderSocket(wire.NAME, self, patience=patience, log=log)
        self._jobs: deque[tuple[str | None, int]] = deque()  # text, or None at the end of a generation
        self._portion: tuple[str, int] | None = None  # under way: text, generation
        self._tries = 0  # connections that were lost over it
        self._dropping = 0  # words of the vendor due that it dropped what it had
        self._budget = Budget(dialect.flushes)
        self._timer: asyncio.TimerHandle | None = None

    # --- from the cascade ---

    def say(self, text: str, generation: int) -> None:
        self._jobs.append((text, generation))
        self._next()

    def finish(self, generation: int) -> None:
        self._jobs.append((None, generation))
        self._next()

    def cancel(self, generation: int) -> None:
        self._jobs = deque(job for job in self._jobs if job[1] != generation)
        if self._portion is not None and self._portion[1] == generation:
            self._portion = None
            if self._socket.send(self._dialect.drop):
                self._dropping += 1
                self._socket.expect(DROPPED_S)
        self._next()

    async def run(self) -> None:
        try:
            await self._socket.run()
        finally:
            self._no_timer()

    # --- from the socket ---

    def address(self) -> Address:
        return self._address

    def opened(self) -> None:
        if self._tries >= TRIES:
            raise ProviderError(wire.NAME, "transient", "takes text and does not speak")
        self._dropping = 0
        self._budget = Budget(self._dialect.flushes)
        if not self._dialect.greets:
            self._socket.ready()
            self._ask()

    def received(self, data: bytes, binary: bool) -> None:
        if binary:
            self._sound(data)
            return
        match wire.read(wire.FLUX_SPEAK if self._dialect.greets else wire.AURA, data):
            case wire.Flushed() | wire.SpeechMetadata():
                self._ended()
            case wire.Cleared() | wire.SpeechInterrupted():
                self._dropped()
            case wire.Connected(request_id):
                self._socket.ready()
                self._log.debug("provider session stands", request_id=request_id)
                self._ask()
            case wire.Metadata(request_id):
                self._log.debug("provider session stands", request_id=request_id)
            case wire.Warned(code):
                self._log.warning("provider warns", code=code[:40])
            case wire.Failed(code):
                raise wire.failed(code or "")
            case wire.Unknown(kind):
                self._log.debug("provider message ignored", kind=kind)

    def lost(self) -> None:
        if self._portion is not None:
            self._tries += 1

    def closed(self, code: int, reason: str) -> ProviderError:
        return wire.closed(code, reason)

    def refused(self, status: int, headers: dict[str, str], body: bytes) -> ProviderError:
        return wire.refused(status, headers, body)

    # --- portions ---

    def _next(self) -> None:
        """Begin what can be begun."""
        while self._portion is None and self._jobs:
            text, generation = self._jobs[0]
            if text is None:
                self._jobs.popleft()
                self.mouth.end(generation)
                continue
            count, whole = self._gather(generation)
            wait_s = self._budget.wait_s(self._loop.time(), whole=whole)
            if wait_s > 0:
                self._wake_in(wait_s)
                return
            portion = "".join(self._jobs.popleft()[0] or "" for _ in range(count))
            if portion.strip():
                self._portion = (portion, generation)
                self._tries = 0
                self.mouth.begin(portion, generation)
                self._ask()

    def _gather(self, generation: int) -> tuple[int, bool]:
        """How many pieces make the next portion, and whether there is no use in waiting for more."""
        size = count = 0
        for text, of in self._jobs:
            if text is None or of != generation or (count and size + len(text) > LONGEST_CHARS):
                return count, True
            count, size = count + 1, size + len(text)
        return count, False

    def _ask(self) -> None:
        """Send the portion under way, the first time or once more."""
        if self._portion is None or not self._socket.is_ready:
            return
        self.mouth.again()
        text = self._portion[0]
        for at in range(0, len(text), LONGEST_CHARS):
            self._socket.send(wire.encode(wire.Speak(text[at : at + LONGEST_CHARS])))
        self._socket.send(wire.FLUSH)
        self._budget.spend(self._loop.time())
        self._socket.expect(FIRST_S)

    def _sound(self, data: bytes) -> None:
        if self._portion is not None and not self._dropping:
            self._socket.expect(NEXT_S)
            self.mouth.audio(data)

    def _ended(self) -> None:
        if self._dropping:
            if self._dialect.ends_drop:
                self._dropped()
            return
        if self._portion is not None:
            self._portion = None
            self._socket.expect(None)
            self._next()

    def _dropped(self) -> None:
        self._dropping = max(0, self._dropping - 1)
        if not self._dropping:
            self._socket.expect(None if self._portion is None else FIRST_S)

    # --- time ---

    def _wake_in(self, seconds: float) -> None:
        self._no_timer()
        self._timer = self._loop.call_later(seconds, self._awake)

    def _awake(self) -> None:
        self._timer = None
        self._next()

    def _no_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
