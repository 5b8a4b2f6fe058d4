"""Cartesia Ink, a recogniser that knows turns, in one call (``/stt/turns/websocket``).

    turn.start ─▶ turn.update … ─▶ turn.eager_end ─▶ turn.end
                       ▲                └─▶ turn.resume ─┐
                       └─────────────────────────────────┘

A transcript is that of the whole turn so far. It is fed without holes: what the call leaves out is sent as silence, or
the end of a turn would never come.

Ink tells that a turn begins or ends, not where. So the place is that of the voice in the audio (``ai.loudness``), and
where noise hides it, the place of the news.

**A connection lost in mid-turn** is replaced, and the new one hears the turn again. If that began longer ago than the
audio that is kept, the words known at that point are put before the new ones.

Ink need not say anything while a caller pauses, so a silent connection is not known to be dead. But as the new one
hears the turn again, replacing it loses nothing. So that is done when both of them have been silent for long, and when
a voice goes on without a turn; and if the new one is as silent, it was only thoughtful, and is given twice as long from
then on.
"""

import asyncio
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from trunkline.ai import messages, patience
from trunkline.ai.base import SttEmit
from trunkline.ai.events import CallerMayBeDone, CallerSaid, CallerWentOn, SpeechStarted, SpeechStopped
from trunkline.ai.gaps import Gaps
from trunkline.ai.line import Line
from trunkline.ai.loudness import Loudness
from trunkline.ai.patience import Patience
from trunkline.ai.providers import _cartesia_messages as wire
from trunkline.ai.session import Address, ProviderSocket
from trunkline.audio.format import AudioFormat
from trunkline.errors import ProviderError

CHUNK_MS: Final = 60
"""Sent at a time; the vendor wants 100 ms or less."""

QUIET_S: Final = 1.0
"""Of silence of both in a turn, at first, after which the connection is replaced."""

LOUD_S: Final = 3.0
"""The same while the caller speaks: words are due, but nobody waits for them yet."""

PAUSE_MS: Final = 100
"""Quiet for so long, the caller may be done."""

UNNOTICED_MS: Final = 1500
"""Of a voice without a turn, at first, after which the connection is replaced."""

ONSET_MS: Final = 1000
"""A voice that has been silent for longer when a turn begins is not the one that began it."""

LONGEST_ONSET_MS: Final = 3000
"""What has been loud for longer when a turn begins is a noise."""

MARGIN_MS: Final = 1000
"""Audio kept between turns: the beginning of one that the vendor has not noticed yet."""

PATIENCE_MS: Final = 1000
"""The vendor's own time-out has so long to end a silent turn before we do. A new connection has so long to find it."""


class Turn(msgspec.Struct):
    """The turn that is going on."""

    began_ms: float
    before: str = ""  # words that the present connection does not hear
    text: str = ""  # what it makes of the rest
    told: str = ""  # the latest text emitted
    eager: bool = False  # the vendor half expects it to be over
    sure: list[tuple[float, str]] = []  # all words known at that point of the call, oldest first
    due_ms: float | None = None  # a new connection has to find it by then
    silences: int = 0  # connections replaced over it because they said nothing

    @property
    def whole(self) -> str:
        return " ".join(part for part in (self.before, self.text) if part)


class TurnsSession:
    """The recogniser of one call."""

    def __init__(
        self, address: Address, audio: AudioFormat, emit: SttEmit, patience: Patience, log: FilteringBoundLogger,
        *, end_timeout_ms: float,
    ) -> None:  # fmt: skip
        self._address = address
        self._emit = emit
        self._log = log
        self._silent_ms = end_timeout_ms + PATIENCE_MS
        self._loop = asyncio.get_running_loop()
        self._socket = ProviderSocket(wire.NAME, self, patience=patience, log=log)
        self._line = Line(audio, CHUNK_MS, self._socket.send_binary)
        self._gaps = Gaps(self._fill)
        self._loud = Loudness(audio)
        self._turn: Turn | None = None
        self._deaf = False  # to the rest of a turn that we ended, but the vendor did not
        self._ended_ms = 0.0  # the turn before
        self._again_ms = (0.0, 0.0)  # from where to where the connection heard at once what was older
        self._news_at = 0.0
        self._quiet_s = QUIET_S
        self._pausing = False  # the caller, in the middle of a turn
        self._unnoticed_ms = float(UNNOTICED_MS)
        self._blamed_ms = -1.0  # where the voice began for which the connection was replaced

    # --- from the cascade ---

    def hear(self, audio: bytes, now: float) -> None:
        self._gaps.fed(now)
        if chunk := self._line.hear(audio):
            self._loud.push(chunk)
            if self._turn is not None:
                self._watch(self._turn)
            elif self._socket.is_ready:
                self._listen_up()

    def turn_started(self, at_ms: float) -> None: ...

    def turn_ended(self, at_ms: float) -> None: ...

    async def run(self) -> None:
        with self._gaps:
            await self._socket.run()

    # --- from the socket ---

    def address(self) -> Address:
        return self._address

    def opened(self) -> None:
        self._deaf = False
        self._line.restart()
        self._again_ms = (self._line.kept_ms, self._line.heard_ms)
        if self._turn is not None:
            self._turn.due_ms = self._line.heard_ms + PATIENCE_MS

    def received(self, data: bytes, binary: bool) -> None:
        self._news_at = self._loop.time()
        match messages.read(wire.TURNS, data):
            case wire.Connected(request_id):
                self._socket.ready()
                self._log.debug("provider session stands", request_id=request_id)
                self._expect()
            case wire.Failed() as failure:
                raise wire.failed(failure)
            case messages.Unknown(kind):
                self._log.debug("provider message ignored", kind=kind)
            case wire.TurnEnd() if self._deaf:
                self._deaf = False
            case _ if self._deaf:
                pass
            case wire.TurnStart():
                self._found()
            case wire.TurnUpdate(transcript):
                self._tell(self._found(), transcript)
            case wire.TurnEagerEnd(transcript):
                turn = self._found()
                self._tell(turn, transcript)
                turn.eager = True
                self._emit(CallerMayBeDone(turn.whole))
            case wire.TurnResume() if self._turn is not None:
                self._went_on(self._turn)
            case wire.TurnEnd(transcript) if transcript or self._turn is not None:
                turn = self._found()
                turn.text = transcript
                self._end(turn)
            case _:
                pass

    def lost(self) -> None:
        turn = self._turn
        if turn is None:
            return
        if self._loop.time() - self._news_at >= self._quiet_s:
            turn.silences += 1
            if turn.silences > 1:
                self._quiet_s *= 2
        self._went_on(turn)
        kept_ms = self._line.kept_ms
        turn.before = turn.text = ""
        if turn.began_ms < kept_ms:
            turn.before = next((text for at_ms, text in reversed(turn.sure) if at_ms <= kept_ms), "")

    def closed(self, code: int, reason: str) -> ProviderError:
        return patience.closed(wire.NAME, code)

    def refused(self, status: int, headers: dict[str, str], body: bytes) -> ProviderError:
        return patience.refused(wire.NAME, status, headers)

    # --- the turn ---

    def _found(self) -> Turn:
        """The turn that the vendor speaks of."""
        if self._turn is not None:
            self._turn.due_ms = None
            return self._turn
        self._turn = Turn(max(self._onset_ms(), self._ended_ms))
        self._pausing = False
        self._line.done(self._turn.began_ms - MARGIN_MS)
        self._expect()
        self._emit(SpeechStarted(self._turn.began_ms))
        return self._turn

    def _onset_ms(self) -> float:
        """Where the turn began that the vendor has just told of."""
        heard_ms, began_ms = self._line.heard_ms, self._loud.began_ms
        since_ms, until_ms = self._again_ms
        if until_ms - since_ms > ONSET_MS and heard_ms - until_ms <= ONSET_MS:  # it may be an old one
            return self._loud.began_since(max(since_ms, self._ended_ms))
        return began_ms if self._sounds() and heard_ms - began_ms <= LONGEST_ONSET_MS else heard_ms

    def _tell(self, turn: Turn, transcript: str) -> None:
        turn.text = transcript
        if (text := turn.whole) and text != turn.told:
            turn.told = text
            turn.sure.append((self._line.heard_ms, text))
            self._emit(CallerSaid(text, final=False))

    def _went_on(self, turn: Turn) -> None:
        if turn.eager:
            turn.eager = False
            self._emit(CallerWentOn())

    def _end(self, turn: Turn) -> None:
        self._turn = None
        heard_ms = self._line.heard_ms
        self._ended_ms = min(max(self._loud.until_ms, turn.began_ms), heard_ms)
        self._line.done(heard_ms - MARGIN_MS)
        self._expect()
        self._emit(SpeechStopped(self._ended_ms))
        self._emit(CallerSaid(turn.whole, final=True))

    def _expect(self) -> None:
        in_turn_s = self._quiet_s if self._pausing else max(LOUD_S, self._quiet_s)
        self._socket.expect(None if self._turn is None else in_turn_s)

    # --- watching ---

    def _watch(self, turn: Turn) -> None:
        """What the vendor does not say of a turn in time is said for it."""
        heard_ms = self._line.heard_ms
        pausing = heard_ms - self._loud.until_ms >= PAUSE_MS
        if pausing != self._pausing and self._socket.is_ready:
            self._pausing = pausing
            self._expect()
        if turn.due_ms is not None and heard_ms >= turn.due_ms and self._socket.is_ready:
            turn.before, turn.text = turn.told, ""  # there was no more of it than that
            self._end(turn)
        elif heard_ms - max(self._loud.until_ms, turn.began_ms) >= self._silent_ms:
            self._log.warning("turn ended without its provider")
            self._deaf = True
            self._end(turn)
            self._socket.renew()

    def _listen_up(self) -> None:
        """Nobody speaks, says the vendor."""
        heard_ms, began_ms = self._line.heard_ms, self._loud.began_ms
        if not self._sounds() or began_ms < self._ended_ms:
            self._line.done(heard_ms - MARGIN_MS)
        elif heard_ms - began_ms >= self._unnoticed_ms and began_ms != self._blamed_ms:
            self._log.info("provider may be deaf: asked again")
            self._blamed_ms = began_ms
            self._unnoticed_ms *= 2
            self._socket.renew()

    def _sounds(self) -> bool:
        """A voice is there, or was just now."""
        return self._loud.until_ms > 0 and self._line.heard_ms - self._loud.until_ms <= ONSET_MS

    def _fill(self, ms: float) -> None:
        self._loud.push(self._line.flush())
        self._line.fill(ms)
