"""Cartesia Ink without a sense of turns, in one call (``/stt/websocket``).

Words come as they are understood, first such as may change, then final ones, each the continuation of the last final
ones. A turn is what the cascade's own voice detector says it is: at its end the vendor is told to ``finalize``, and
acknowledges when all words of the audio before that have come.

**A connection lost** is replaced, and the new one hears again all audio since the last turn's end.
"""

from typing import Final

from structlog.typing import FilteringBoundLogger

from trunkline.ai import messages, patience
from trunkline.ai.base import SttEmit
from trunkline.ai.events import CallerSaid
from trunkline.ai.last_words import ANSWER_S, LastWords
from trunkline.ai.line import Line
from trunkline.ai.patience import Patience
from trunkline.ai.providers import _cartesia_messages as wire
from trunkline.ai.session import Address, ProviderSocket
from trunkline.audio.format import AudioFormat
from trunkline.errors import ProviderError

CHUNK_MS: Final = 40
"""Sent at a time. A turn's end sends what is left, so that this delays words that may change only."""

MARGIN_MS: Final = 1000
"""Audio kept between turns: the beginning of one that the voice detector has not noticed yet."""

LEAD_MS: Final = 1000
"""Words that came so long before a turn began are not of it: somebody in the background."""


class ManualSession:
    """The recogniser of one call."""

    def __init__(
        self, address: Address, audio: AudioFormat, emit: SttEmit, patience: Patience, log: FilteringBoundLogger
    ) -> None:
        self._address = address
        self._emit = emit
        self._log = log
        self._socket = ProviderSocket(wire.NAME, self, patience=patience, log=log)
        self._line = Line(audio, CHUNK_MS, self._socket.send_binary)
        self._last = LastWords(wire.NAME, self._give, log)
        self._finals: list[tuple[float, str]] = []  # (where in the call they came, words with their own spaces)
        self._interim = ""
        self._speaking = False
        self._waiting = False  # the turn is over, its last words are waited for
        self._finalized_ms = 0.0  # up to here they were asked for
        self._asked = 0  # answers that are due on this connection
        self._told = ""

    # --- from the cascade ---

    def hear(self, audio: bytes, now: float) -> None:
        if self._line.hear(audio) and not self._speaking and not self._waiting:
            self._line.done(self._line.heard_ms - MARGIN_MS)

    def turn_started(self, at_ms: float) -> None:
        if self._waiting:  # the last one's words were still waited for
            self._give()
        self._speaking = True
        self._finals = [(came_ms, text) for came_ms, text in self._finals if came_ms >= at_ms - LEAD_MS]
        self._told = ""
        self._tell()

    def turn_ended(self, at_ms: float) -> None:
        if not self._speaking:
            return
        self._line.flush()
        self._speaking, self._waiting = False, True
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
        self._socket.ready()  # this vendor's first message is the first words
        self._line.restart()
        if self._waiting:
            self._finalize()

    def received(self, data: bytes, binary: bool) -> None:
        match messages.read(wire.HEARD, data):
            case wire.Heard(text, is_final):
                self._last.heard()
                if is_final:
                    self._finals.append((self._line.heard_ms, text))
                    self._interim = ""
                else:
                    self._interim = text
                self._tell()
            case wire.Finalized():
                self._last.heard()
                self._asked = max(0, self._asked - 1)
                if not self._asked:
                    self._socket.expect(None)
                    if self._waiting:
                        self._give()
            case wire.Failed() as failure:
                raise wire.failed(failure)
            case messages.Unknown(kind):
                self._log.debug("provider message ignored", kind=kind)
            case wire.Closed():
                pass

    def lost(self) -> None:
        self._finals.clear()  # heard again
        self._interim = ""
        self._asked = 0

    def closed(self, code: int, reason: str) -> ProviderError:
        return patience.closed(wire.NAME, code)

    def refused(self, status: int, headers: dict[str, str], body: bytes) -> ProviderError:
        return patience.refused(wire.NAME, status, headers)

    # --- words ---

    def _tell(self) -> None:
        if self._speaking and (text := self._text().strip()) and text != self._told:
            self._told = text
            self._emit(CallerSaid(text, final=False))

    def _finalize(self) -> None:
        self._finalized_ms = self._line.heard_ms
        if self._socket.send(wire.FINALIZE):
            self._asked += 1
            self._socket.expect(ANSWER_S)

    def _give(self) -> None:
        """The turn's words, all there are."""
        text = self._text().strip() or self._told
        self._finals.clear()
        self._interim = self._told = ""
        self._waiting = False
        self._line.done(self._finalized_ms)
        self._last.stop()
        self._emit(CallerSaid(text, final=True))

    def _text(self) -> str:
        return "".join(text for _, text in self._finals) + self._interim
