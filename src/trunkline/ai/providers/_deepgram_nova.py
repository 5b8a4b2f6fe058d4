"""Deepgram Nova, a recogniser without a sense of turns, in one call (``/v1/listen``).

Results come for stretches of audio: *interim* ones, which the next replaces, then a *final* one. A turn is what the
cascade's own voice detector says it is. When it says that one is over, the words are either there already, or they are
asked for (``Finalize``); an answer to that is usual, not promised, so there is a limit to waiting for it.

With ``turns`` Nova's own endpointing ends turns instead: at ``speech_final``, or at ``UtteranceEnd`` where noise kept
endpointing from seeing the pause.

**A connection lost** is replaced, and the new one hears again all that no final words were made of. Words lie where
they lie in the call, so none is taken twice.
"""

from typing import Final

from structlog.typing import FilteringBoundLogger

from trunkline.ai.base import SttEmit
from trunkline.ai.events import CallerSaid, SpeechStarted, SpeechStopped
from trunkline.ai.last_words import ANSWER_S, LastWords
from trunkline.ai.line import Line
from trunkline.ai.patience import Patience
from trunkline.ai.providers import _deepgram_messages as wire
from trunkline.ai.session import Address, ProviderSocket
from trunkline.ai.transcript import Transcript, Word, confidence_of
from trunkline.audio.format import AudioFormat
from trunkline.errors import ProviderError

CHUNK_MS: Final = 40
"""Sent at a time. A turn's end sends what is left, so that this delays interim words only."""

KEEP_ALIVE_S: Final = 4.0
"""The vendor closes a socket on which it hears nothing for ten seconds, and asks for this every three to five."""

IN_TURN_S: Final = 2.5
"""A connection that says nothing for so long in a turn of Nova's own is dead: interim results come each second."""

LEAD_MS: Final = 500
"""Words that ended this long before the turn began are not of it: somebody in the background."""

EDGE_MS: Final = 150
"""By so much a detector may date the end of speech too early."""


class NovaSession:
    """The recogniser of one call."""

    def __init__(
        self, address: Address, audio: AudioFormat, emit: SttEmit, patience: Patience, log: FilteringBoundLogger,
        *, turns: bool,
    ) -> None:  # fmt: skip
        self.latest: Transcript | None = None
        """The vendor's latest result, with the place of its words."""
        self._address = address
        self._emit = emit
        self._log = log
        self._turns = turns
        self._socket = ProviderSocket(
            wire.NAME, self, patience=patience, log=log, heartbeat_s=KEEP_ALIVE_S, heartbeat=wire.KEEP_ALIVE
        )
        self._line = Line(audio, CHUNK_MS, self._socket.send_binary)
        self._last = LastWords(wire.NAME, self._give_up, log)
        self._finals: list[Word] = []  # of the turn, or since the last one
        self._interim: tuple[Word, ...] = ()
        self._final_ms = 0.0  # words up to here are final
        self._settled_ms = 0.0  # words up to here were given
        self._began_ms: float | None = None  # the turn that is going on
        self._ended_ms: float | None = None  # … is over, and its words are waited for
        self._found_ms = 0.0  # … which was found out here: words that begin before are of it
        self._told = ""

    # --- from the cascade ---

    def hear(self, audio: bytes, now: float) -> None:
        self._line.hear(audio)

    def turn_started(self, at_ms: float) -> None:
        if self._ended_ms is not None:  # the last one's words were still waited for
            self._give()
        self._began_ms = at_ms
        self._finals = [word for word in self._finals if word.end_ms >= at_ms - LEAD_MS]
        self._told = ""
        self._tell()

    def turn_ended(self, at_ms: float) -> None:
        if self._began_ms is None:
            return
        self._line.flush()
        self._ended_ms, self._found_ms = at_ms, self._line.heard_ms
        if self._is_covered(at_ms):
            self._give()
            return
        self._last.wait()
        self._finalize()

    async def run(self) -> None:
        try:
            await self._socket.run()
        finally:
            self._last.stop()

    # --- from the socket ---

    def address(self) -> Address:
        return self._address

    def opened(self) -> None:
        self._last.check()
        self._socket.ready()  # this vendor's first message may be the first words
        self._line.restart()
        if self._ended_ms is not None:
            self._finalize()
        elif self._turns and self._began_ms is not None:
            self._socket.expect(IN_TURN_S)

    def received(self, data: bytes, binary: bool) -> None:
        match wire.read(wire.NOVA, data):
            case wire.Results() as results:
                self._heard(results)
            case wire.UtteranceEnd(last_word_end) if self._turns:
                self._stopped(self._line.position_ms(last_word_end))
            case wire.Metadata(request_id):
                self._log.debug("provider session stands", request_id=request_id)
            case wire.Warned(code):
                self._log.warning("provider warns", code=code[:40])
            case wire.Failed(code, variant):
                raise wire.failed(code or variant or "")
            case wire.Unknown(kind):
                self._log.debug("provider message ignored", kind=kind)
            case _:
                pass

    def lost(self) -> None: ...

    def closed(self, code: int, reason: str) -> ProviderError:
        return wire.closed(code, reason)

    def refused(self, status: int, headers: dict[str, str], body: bytes) -> ProviderError:
        return wire.refused(status, headers, body)

    # --- words ---

    def _heard(self, results: wire.Results) -> None:
        self._last.heard()
        until_ms = self._line.position_ms(results.start + results.duration)
        best = results.channel.alternatives[0] if results.channel.alternatives else wire.Alternative("")
        words = tuple(self._placed(word) for word in wire.words(best.words))
        self.latest = Transcript(
            best.transcript, results.is_final, results.speech_final, best.confidence, words, until_ms
        )
        news = tuple(word for word in words if word.start_ms + word.end_ms > 2 * self._settled_ms)
        if results.is_final:
            self._finals += news
            self._interim = ()
            self._final_ms = max(self._final_ms, until_ms)
            self._line.done(until_ms)
        else:
            self._interim = news
        if self._turns and self._began_ms is None and news:
            self._began_ms = news[0].start_ms
            self._socket.expect(IN_TURN_S)
            self._emit(SpeechStarted(self._began_ms))
        self._tell()
        if self._turns and results.speech_final:
            self._stopped(until_ms)
        elif self._ended_ms is not None and (results.from_finalize or self._is_covered(self._ended_ms)):
            self._give()

    def _is_covered(self, ended_ms: float) -> bool:
        """No more words can come of a turn that ended there."""
        return self._final_ms >= ended_ms + EDGE_MS and not self._interim

    def _stopped(self, until_ms: float) -> None:
        """Nova says that its turn is over."""
        if self._began_ms is not None and self._finals:
            self._emit(SpeechStopped(self._finals[-1].end_ms))
            self._found_ms = until_ms
            self._give()

    def _tell(self) -> None:
        if self._began_ms is None or self._ended_ms is not None:
            return
        if (text := _text([*self._finals, *self._interim])) and text != self._told:
            self._told = text
            self._emit(CallerSaid(text, final=False))

    def _finalize(self) -> None:
        if self._socket.send(wire.FINALIZE):
            self._socket.expect(ANSWER_S)

    def _give_up(self) -> None:
        self._finals += self._interim
        self._give()

    def _give(self) -> None:
        """The turn's words. Those that began after its end was found are the next one's."""
        mine = [word for word in self._finals if word.start_ms < self._found_ms]
        self._finals = self._finals[len(mine) :]
        if mine:
            self._settled_ms = mine[-1].end_ms
        self._began_ms = self._ended_ms = None
        self._last.stop()
        self._socket.expect(None)
        self._emit(CallerSaid(_text(mine), final=True, confidence=confidence_of(mine)))

    def _placed(self, word: Word) -> Word:
        place = self._line.position_ms
        return Word(word.text, place(word.start_ms / 1000), place(word.end_ms / 1000), word.confidence)


def _text(words: list[Word]) -> str:
    return " ".join(word.text for word in words)
