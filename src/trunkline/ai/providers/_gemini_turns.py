"""The caller's turns in a Live call: which of them the vendor hears, and when.

Where the detector is ours, the vendor hears a turn only from when it is known to be one.

- While the agent is silent, a turn is sent as it is spoken.
- While a reply of ours sounds it is kept back: an ``activityStart`` would end the reply for the vendor, though the
  caller may only agree. When the call has found it to be an interruption, it is sent, from its beginning.
- A short one, which the call can't judge without its words, is sent when it is over, as soon as the vendor has made the
  whole of the reply that sounds; its answer is held back. Its words let the call judge. If it was an interruption, the
  answer is heard at once; if not, never.

Where the detector is the vendor's, it hears everything, and whatever it takes for speech is an interruption.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

import msgspec

from trunkline.ai.events import AgentEvent, CallerSaid, SpeechStarted, SpeechStopped
from trunkline.ai.providers import _gemini_commands as ours
from trunkline.ai.providers._gemini_hearing import Hearing
from trunkline.ai.providers._gemini_history import History
from trunkline.ai.providers._gemini_mouth import Mouth

MORE_WORDS_S: Final = 0.25
"""After some words of a turn that is being answered, for more of them."""
ANY_WORDS_S: Final = 1.0
"""The same, for the first."""
JUDGED_S: Final = 0.02
"""After the words of a doubtful turn, for the call to say that it was an interruption."""


class Turn(msgspec.Struct):
    """One turn of the caller's, in milliseconds of the call."""

    key: str
    begin_ms: float
    end_ms: float | None = None
    sent: bool = False  # the vendor hears it, or has heard it
    asked: bool = False  # and is to answer it
    doubtful: bool = False  # it may be none
    text: str = ""
    final: bool = False  # its words are known
    answered: bool = False

    @property
    def waits(self) -> bool:
        """It is over, and was kept back."""
        return self.end_ms is not None and not self.asked


class Link(Protocol):
    """The session, as the turns see it."""

    standing: bool

    def send(self, message: ours.ClientMessage) -> None: ...

    def emit(self, event: AgentEvent) -> None: ...


class Turns:
    """One call's. ``ask`` is called when the vendor is to answer: with how to ask again, and whether it is doubtful."""

    def __init__(
        self,
        hearing: Callable[[], Hearing],
        mouth: Mouth,
        history: History,
        link: Link,
        *,
        prefix_ms: float,
        server_finds_them: bool,
        ask: Callable[[Callable[[], None], bool], object],
        refused: Callable[[], object],
    ) -> None:
        self.turn: Turn | None = None
        """The one that is going on, or the latest."""
        self.speaking = False
        self._hearing = hearing
        self._mouth = mouth
        self._history = history
        self._link = link
        self._prefix_ms = prefix_ms
        self._server_finds_them = server_finds_them
        self._ask = ask
        self._refused = refused
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._early = ("", 0.0)  # words of a turn that our detector has not found yet, and when they came
        self._reopens = False  # the turn was being heard when the connection was lost

    # --- what the detector finds --------------------------------------------------------------------------------------

    def started(self, event: SpeechStarted) -> None:
        """The caller began to speak."""
        self.settle_words()
        self.speaking = True
        turn = self.turn
        if turn is not None and turn.waits and not turn.answered:
            turn.end_ms = None  # they go on
        else:
            self._count += 1
            self.turn = turn = Turn(str(self._count), max(0.0, event.at_ms - self._prefix_ms))
        self._hearing().keep(turn.begin_ms)
        self._link.emit(event)
        if self._server_finds_them:
            turn.sent = True
            text, came_at = self._early
            if text and asyncio.get_running_loop().time() - came_at < ANY_WORDS_S:
                self.words(text, finished=False)
        elif not self._mouth.sounding:
            self._open(turn)

    def stopped(self, event: SpeechStopped) -> None:
        """The caller fell silent."""
        self.speaking = False
        turn = self.turn
        if turn is not None and turn.end_ms is None:
            turn.end_ms = event.at_ms
        self._link.emit(event)
        if turn is None or turn.asked:
            return
        if self._server_finds_them:
            self._over(turn, doubtful=False)
        elif turn.sent:
            self._close(turn, doubtful=False)
        else:
            self.look()

    # --- what the call finds ------------------------------------------------------------------------------------------

    def look(self) -> None:
        """A turn that is kept back may be sent now."""
        turn = self.turn
        if turn is None or turn.sent or turn.asked or not self._link.standing or self._server_finds_them:
            return
        if self._mouth.waiting or (self._mouth.sounding and (self._mouth.generating or turn.end_ms is None)):
            return
        if self._open(turn) and turn.end_ms is not None:
            self._close(turn, doubtful=True)

    def interrupted(self) -> None:
        """It is an interruption."""
        turn = self.turn
        if turn is None or turn.answered:
            return
        if turn.doubtful:
            turn.doubtful = False
            self._mouth.release()
        elif not turn.sent and self._open(turn) and turn.end_ms is not None:
            self._close(turn, doubtful=False)

    # --- its words ----------------------------------------------------------------------------------------------------

    def words(self, text: str, *, finished: bool) -> None:
        """Some more of them."""
        turn = self.turn
        if turn is None or not turn.sent or turn.final:
            # The vendor's detector may be quicker than ours.
            self._early = (self._early[0] + text, asyncio.get_running_loop().time())
            return
        self._early = ("", 0.0)
        if text:
            turn.text += text
            self._link.emit(CallerSaid(turn.text.strip(), final=False))
        if turn.asked and finished:
            self.settle_words()
        elif turn.asked and (not self._mouth.waiting or turn.doubtful):
            self.words_due()

    def words_due(self) -> None:
        """The turn is being answered: its words must be known before long."""
        turn = self.turn
        if turn is not None and turn.asked and not turn.final:
            self._cancel()
            self._timer = asyncio.get_running_loop().call_later(
                MORE_WORDS_S if turn.text else ANY_WORDS_S, self.settle_words
            )

    def settle_words(self) -> None:
        """What there is of them is all there is."""
        self._cancel()
        turn = self.turn
        if turn is None or not turn.asked or turn.final:
            return
        turn.final, turn.text = True, turn.text.strip()
        self._history.words(turn.key, turn.text)
        self._link.emit(CallerSaid(turn.text, final=True))
        if turn.doubtful:
            self._timer = asyncio.get_running_loop().call_later(JUDGED_S, self._judge, turn)

    def _judge(self, turn: Turn) -> None:
        """The call has had its words. What it took for an interruption is not doubtful any more."""
        if not turn.doubtful or turn is not self.turn:
            return
        turn.doubtful = False
        if turn.text and not self._mouth.sounding:
            self._mouth.release()
        else:
            turn.answered = True
            self._mouth.drop()
            self._refused()

    # --- the connection -----------------------------------------------------------------------------------------------

    def break_off(self) -> None:
        """It is gone."""
        self._hearing().end()
        turn = self.turn
        self._reopens = turn is not None and turn.sent and not turn.asked
        if turn is not None and not turn.answered:
            turn.sent = False

    def resume(self) -> None:
        """Another stands. A turn that is over is asked for by whoever knows that it was not answered."""
        turn = self.turn
        if self._server_finds_them:
            self._hearing().begin(turn.begin_ms if turn and not turn.answered else self._hearing().heard_ms)
            if turn is not None:
                turn.sent = True
                turn.text = turn.text if turn.final or turn.answered else ""
        elif turn is not None and self._reopens:
            if self._open(turn) and turn.end_ms is not None:
                self._close(turn, doubtful=False)
        else:
            self.look()

    def answered(self) -> None:
        """The latest turn needs to be heard no more."""
        if self.turn is not None and self.turn.asked:
            self.turn.answered = True
            if not self.speaking:
                self._hearing().keep(None)

    def close(self) -> None:
        """The call is over."""
        self._cancel()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _open(self, turn: Turn) -> bool:
        if turn.sent or not self._link.standing:
            return False
        self._mouth.interrupt()
        turn.sent = True
        turn.text = turn.text if turn.final else ""  # it may have been heard before
        self._link.send(ours.ACTIVITY_START)
        self._hearing().begin(turn.begin_ms)
        return True

    def _close(self, turn: Turn, *, doubtful: bool) -> None:
        self._hearing().end()
        self._link.send(ours.ACTIVITY_END)
        self._over(turn, doubtful=doubtful)

    def _over(self, turn: Turn, *, doubtful: bool) -> None:
        turn.doubtful = doubtful
        if not turn.asked:
            turn.asked = True
            self._history.caller(turn.key)
        self._ask(partial(self._again, turn), doubtful)

    def _again(self, turn: Turn) -> None:
        """Nobody answered."""
        if self._server_finds_them:
            self._ask(partial(self._again, turn), turn.doubtful)
        elif self._open(turn):
            self._close(turn, doubtful=turn.doubtful)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
