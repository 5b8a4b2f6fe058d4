"""Deepgram Flux, a recogniser that knows turns, in one call (``/v2/listen``).

    StartOfTurn ─▶ Update … ─▶ EagerEndOfTurn ─▶ EndOfTurn
                      ▲              └─▶ TurnResumed ─┐
                      └───────────────────────────────┘

A transcript is that of the whole turn so far. Flux judges turns by the audio it hears, so it is fed without holes: what
the call leaves out is sent as silence. It says something about each quarter of a second it has heard, which makes its
own silence a sign that the connection is dead.

**A connection lost in mid-turn** does not lose words: those the vendor was sure of are kept, the new connection hears
the rest again, and the texts are joined.
"""

from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from trunkline.ai.base import SttEmit
from trunkline.ai.events import CallerMayBeDone, CallerSaid, CallerWentOn, SpeechStarted, SpeechStopped
from trunkline.ai.gaps import Gaps
from trunkline.ai.line import Line
from trunkline.ai.patience import Patience
from trunkline.ai.providers import _deepgram_messages as wire
from trunkline.ai.session import Address, ProviderSocket
from trunkline.ai.transcript import Transcript, Word, confidence_of
from trunkline.audio.format import AudioFormat
from trunkline.audio.level import measure
from trunkline.audio.linear import LINEAR
from trunkline.errors import ProviderError

CHUNK_MS: Final = 40
"""Half of what the vendor recommends to send at a time: the end of a turn waits here for half as long, on average 20 ms
less, for a dozen more messages a second."""

IN_TURN_S: Final = 0.8
"""A connection that says nothing for so long in a turn is dead: it owes an update each quarter of a second."""

BETWEEN_TURNS_S: Final = 2.0
"""The same between turns, once it has shown that it sends updates there too: nothing is lost by waiting."""

ONSET_MS: Final = 400
"""How long before its first message a turn began, where the words have no time-stamps."""

MARGIN_MS: Final = 1000
"""Audio kept between turns: the beginning of one that the vendor has not noticed yet."""

LOUD: Final = 10 ** (-42 / 20)
"""RMS from which a chunk may be speech, of full scale: for the watchdog only."""

PATIENCE_MS: Final = 1000
"""The vendor's own time-out has so long to end a silent turn before we do; and as long again to say so."""

TRIES: Final = 3
"""Connections that may be lost over one turn; then it is not the connection."""

NO_TURN: Final = "FORCE_END_TURN_NO_ACTIVE_TURN"


class Turn(msgspec.Struct):
    """The turn that is going on."""

    before: str = ""  # words of it that a former connection was sure of
    text: str = ""  # what the present connection makes of the rest
    words: tuple[Word, ...] = ()  # … those with a place in the call
    told: str = ""  # the latest text emitted
    eager: bool = False  # the vendor half expects it to be over
    due_ms: float | None = None  # from a former connection: if the present one finds no speech until here, it is over
    forced_ms: float | None = None  # its end was demanded here
    losses: int = 0  # connections lost over it

    @property
    def whole(self) -> str:
        return " ".join(part for part in (self.before, self.text) if part)


class FluxSession:
    """The recogniser of one call."""

    def __init__(
        self, address: Address, audio: AudioFormat, emit: SttEmit, patience: Patience, log: FilteringBoundLogger,
        *, eot_timeout_ms: float,
    ) -> None:  # fmt: skip
        self.latest: Transcript | None = None
        """The vendor's latest result, with the place of its words."""
        self._address = address
        self._emit = emit
        self._log = log
        self._linear = LINEAR[audio.encoding]
        self._silent_ms = eot_timeout_ms + PATIENCE_MS
        self._socket = ProviderSocket(wire.NAME, self, patience=patience, log=log)
        self._line = Line(audio, CHUNK_MS, self._socket.send_binary)
        self._gaps = Gaps(self._line.fill)
        self._turn: Turn | None = None
        self._over = -1  # number of the connection's turn that we ended, but the vendor did not
        self._index = -1  # … and of the one it told of last
        self._loud_ms = 0.0  # where the call last was loud
        self._talkative = False

    # --- from the cascade ---

    def hear(self, audio: bytes, now: float) -> None:
        self._gaps.fed(now)
        if (chunk := self._line.hear(audio)) and self._turn is not None:
            self._watch(self._turn, chunk)

    def turn_started(self, at_ms: float) -> None: ...

    def turn_ended(self, at_ms: float) -> None: ...

    async def run(self) -> None:
        with self._gaps:
            await self._socket.run()

    # --- from the socket ---

    def address(self) -> Address:
        return self._address

    def opened(self) -> None:
        if self._turn is not None and self._turn.losses >= TRIES:
            raise ProviderError(wire.NAME, "transient", "loses each connection over the same turn")
        self._over = self._index = -1
        self._line.restart()
        if self._turn is not None:
            self._turn.due_ms = self._line.heard_ms + PATIENCE_MS

    def received(self, data: bytes, binary: bool) -> None:
        match wire.read(wire.FLUX, data):
            case wire.Connected(request_id):
                self._socket.ready()
                self._log.debug("provider session stands", request_id=request_id)
                self._expect()
            case wire.TurnInfo() as info if info.turn_index != self._over:
                self._index = info.turn_index
                self._heard(info)
            case wire.Warned(code):
                self._log.warning("provider warns", code=code[:40])
                if code == NO_TURN and self._turn is not None:
                    self._end(self._turn)
            case wire.Failed(code):
                raise wire.failed(code or "")
            case wire.Unknown(kind):
                self._log.debug("provider message ignored", kind=kind)
            case _:
                pass

    def lost(self) -> None:
        turn = self._turn
        if turn is None:
            return
        turn.losses += 1
        turn.forced_ms = None
        self._went_on(turn)
        if len(turn.words) == len(turn.text.split()):
            # The last word may have been cut short: it is heard again.
            if len(turn.words) > 1:
                self._line.done(turn.words[-2].end_ms)
            turn.before = " ".join(filter(None, (turn.before, *(word.text for word in turn.words[:-1]))))
            turn.text, turn.words = (turn.words[-1].text, ()) if turn.words else ("", ())
        elif self.latest is not None:
            self._line.done(self.latest.end_ms)
            turn.before, turn.text, turn.words = turn.whole, "", ()

    def closed(self, code: int, reason: str) -> ProviderError:
        return wire.closed(code, reason)

    def refused(self, status: int, headers: dict[str, str], body: bytes) -> ProviderError:
        return wire.refused(status, headers, body)

    # --- the turn ---

    def _heard(self, info: wire.TurnInfo) -> None:
        until_ms = self._line.position_ms(info.audio_window_end)
        words = tuple(self._placed(word) for word in wire.words(info.words))
        confidence = confidence_of(words) if words else _mean(info.words)
        final = info.event == "EndOfTurn"
        self.latest = Transcript(info.transcript, final, final, confidence, words, until_ms)
        turn = self._turn
        if turn is None:
            if info.event == "StartOfTurn" or (final and info.transcript):
                turn = self._begin(words, until_ms)
            else:
                self._quiet(info, until_ms)
                return
        elif turn.due_ms is not None and not info.transcript:
            self._missing(turn, until_ms, final=final)
            return
        turn.due_ms = None
        turn.text, turn.words = info.transcript, words
        match info.event:
            case "EndOfTurn":
                self._end(turn, confidence, until_ms)
            case "EagerEndOfTurn":
                self._tell(turn)
                turn.eager = True
                self._emit(CallerMayBeDone(turn.whole))
            case "TurnResumed":
                self._went_on(turn)
                self._tell(turn)
            case _:
                self._tell(turn)

    def _begin(self, words: tuple[Word, ...], until_ms: float) -> Turn:
        self._turn = turn = Turn()
        began_ms = words[0].start_ms if words else max(0.0, until_ms - ONSET_MS)
        self._loud_ms = until_ms
        self._expect()
        self._emit(SpeechStarted(began_ms))
        return turn

    def _quiet(self, info: wire.TurnInfo, until_ms: float) -> None:
        """Nobody speaks."""
        self._line.done(until_ms - MARGIN_MS)
        if info.event == "Update" and not self._talkative:
            self._talkative = True
            self._expect()

    def _missing(self, turn: Turn, until_ms: float, *, final: bool) -> None:
        """The present connection has not found the turn that a former one told of: perhaps there was no more of it."""
        if final or (turn.due_ms is not None and until_ms >= turn.due_ms):
            self._end(turn)

    def _went_on(self, turn: Turn) -> None:
        if turn.eager:
            turn.eager = False
            self._emit(CallerWentOn())

    def _tell(self, turn: Turn) -> None:
        if (text := turn.whole) and text != turn.told:
            turn.told = text
            self._emit(CallerSaid(text, final=False))

    def _end(self, turn: Turn, confidence: float = 1.0, until_ms: float | None = None) -> None:
        self._turn = None
        stopped_ms = turn.words[-1].end_ms if turn.words else self._loud_ms
        self._line.done(self._line.heard_ms - MARGIN_MS if until_ms is None else until_ms)
        self._expect()
        self._emit(SpeechStopped(min(stopped_ms, self._line.heard_ms)))
        self._emit(CallerSaid(turn.whole, final=True, confidence=confidence))

    def _expect(self) -> None:
        between_s = BETWEEN_TURNS_S if self._talkative else None
        self._socket.expect(between_s if self._turn is None else IN_TURN_S)

    def _placed(self, word: Word) -> Word:
        place = self._line.position_ms
        return Word(word.text, place(word.start_ms / 1000), place(word.end_ms / 1000), word.confidence)

    # --- watching ---

    def _watch(self, turn: Turn, chunk: bytes) -> None:
        """A turn whose caller has been silent for longer than the vendor's own time-out is ended by us."""
        now_ms = self._line.heard_ms
        if measure(self._linear(chunk)).rms >= LOUD:
            self._loud_ms = now_ms
        elif turn.forced_ms is not None and now_ms - turn.forced_ms >= PATIENCE_MS:
            self._log.warning("turn ended without its provider")
            self._over = self._index
            self._end(turn)
            self._socket.renew()
        elif turn.forced_ms is None and now_ms - self._loud_ms >= self._silent_ms:
            turn.forced_ms = now_ms
            self._socket.send(wire.FORCE_END_TURN)


def _mean(words: list[wire.HeardWord]) -> float:
    return round(sum(word.confidence for word in words) / len(words), 4) if words else 1.0
