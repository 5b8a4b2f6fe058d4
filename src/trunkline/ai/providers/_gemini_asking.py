"""What the vendor owes an answer to: asked once, asked again where nothing comes or a new connection knows nothing of
it, and asked for the rest where it leaves off.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from structlog.typing import FilteringBoundLogger

from trunkline.ai.providers import _gemini_commands as ours
from trunkline.ai.providers import _gemini_opening as opening
from trunkline.ai.providers._gemini_account import GeminiSettings
from trunkline.ai.providers._gemini_families import Family
from trunkline.ai.providers._gemini_mouth import Mouth
from trunkline.ai.providers._gemini_reply import Reply
from trunkline.ai.providers._gemini_turns import Turns

LONGER: Final = 1.25
"""A vendor that says something else has this much more time for the first sound than one that says nothing at all."""
WORTH_ASKING_MS: Final = 600.0
"""A turn without words that was at least so long is worth an answer all the same."""
SPEAKING_S: Final = 0.7
"""Between two pieces of audio, which is made faster than it is played."""
THINKING_S: Final = 6.0
"""After anything else of an answer."""


class Link(Protocol):
    """The session, as seen from here."""

    standing: bool

    def send(self, message: ours.ClientMessage) -> None: ...


class Asking:
    """One call's. ``begun`` is called when an answer is due, ``over`` when it was given, or was given up."""

    def __init__(
        self,
        own: GeminiSettings,
        family: Family,
        link: Link,
        log: FilteringBoundLogger,
        *,
        begun: Callable[[], object],
        over: Callable[[], object],
    ) -> None:
        self.mouth: Mouth
        self.turns: Turns
        self._own = own
        self._family = family
        self._link = link
        self._log = log
        self._begun = begun
        self._over = over
        self._owed: Callable[[], None] | None = None
        self._nudged = False
        self._resumed = False  # it was asked for again, on a new connection
        self._punctuated = False  # the vendor's transcripts have marks
        self._timer: asyncio.TimerHandle | None = None

    @property
    def owed(self) -> bool:
        """An answer is due, or not all of it has come."""
        return self._owed is not None

    @property
    def due_s(self) -> float | None:
        """How long the vendor may be silent, as things stand; None: silence is fine."""
        if self.mouth.generating:
            return SPEAKING_S if self.mouth.sounds else THINKING_S
        # One that has nothing to say a second time does not owe it to its connection.
        return self._own.answer_s if self.mouth.waiting and not self._resumed else None

    # --- asking -------------------------------------------------------------------------------------------------------

    def for_turn(self, again: Callable[[], None], doubtful: bool) -> None:
        """The caller's turn is over, and the vendor knows."""
        mouth = self.mouth
        if self._own.turns == "server" and (mouth.generating or mouth.waiting or mouth.sounding):
            return  # it has begun to answer, or will if it takes for a turn what was said into its reply
        self.ask(again, doubtful=doubtful)

    def prompt(self, text: str, *, into: Reply | None = None, script: str = "") -> None:
        """Have the vendor answer a text. ``script``: with these words."""
        self._say(text)
        self.ask(partial(self.prompt, text, script=script), into=into, script=script)

    def go_on(self, reply: Reply) -> None:
        """Have the vendor go on with what it left off."""
        text = opening.SAY + reply.rest_of_script if reply.script else opening.GO_ON + reply.text.strip()
        self.prompt(text, into=reply)

    def ask(
        self, again: Callable[[], None], *, doubtful: bool = False, into: Reply | None = None, script: str = ""
    ) -> None:
        """The vendor was asked, or will be by ``again`` when there is a connection."""
        self._begun()
        self._owed, self._nudged, self._resumed = again, False, False
        if self._link.standing:
            self.mouth.ask(doubtful=doubtful, into=into, script=script)
            self._wait()

    def resume(self, broken: Reply | None) -> None:
        """A new connection: ask for what is owed. ``broken`` is a reply that broke off."""
        if broken is not None and broken.generation not in self.mouth.live:
            broken = None  # nobody wants the rest
        if broken is not None and broken.text.strip():
            self.turns.answered()
            self.go_on(broken)
            self._resumed = True
        elif self._owed is not None:
            self._owed()
            self._resumed = True
            if broken is not None:
                self.mouth.ask(into=broken)
        elif broken is not None:
            self.mouth.give_up(broken)

    # --- what comes of it ---------------------------------------------------------------------------------------------

    def comes(self) -> None:
        """The first of an answer is there."""
        self.stop()

    def settle(self) -> None:
        """It is all there; or it does not matter any more."""
        self.stop()
        self._owed = None

    def nothing(self) -> None:
        """The vendor is there, and nothing of an answer has come."""
        self.stop()
        self.turns.settle_words()
        turn = self.turns.turn
        if turn is not None and turn.doubtful:
            self._wait()  # until the call has judged it
        elif self._owed is not None and not self._nudged and self._worth_asking:
            self._nudged = True
            self._log.info("no answer came, and is asked for again")
            self._say(opening.ANSWER)
            self.mouth.ask()
            self._wait()
        else:
            self._log.warning("no answer came")
            self.mouth.interrupt()
            self.settle()
            self._over()

    def stop(self) -> None:
        """Wait no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def is_whole(self, reply: Reply) -> bool:
        """Models leave off in mid-sentence at times: then they are asked to go on, once."""
        self._punctuated = self._punctuated or reply.punctuated
        left = bool(reply.rest_of_script) if reply.script else self._punctuated and not reply.ends_well
        if not (left and reply.sounded and self._own.finish_sentences and self._link.standing):
            return True
        if reply.went_on or self.mouth.holds or self.turns.speaking:
            return True
        reply.went_on = True
        asyncio.get_running_loop().call_soon(self._mend, reply)
        return False

    # --- inside -------------------------------------------------------------------------------------------------------

    @property
    def _worth_asking(self) -> bool:
        """What was said, if that is what wants an answer, was something."""
        turn = self.turns.turn
        if turn is None or not turn.asked or turn.answered:
            return True
        return bool(turn.text) or (turn.end_ms or 0.0) - turn.begin_ms > WORTH_ASKING_MS

    def _say(self, text: str) -> None:
        self.mouth.interrupt()
        self._link.send(ours.content([ours.says(text)], answer=True))
        if self._family.kick:
            self._link.send(ours.KICK)

    def _wait(self) -> None:
        self.stop()
        self._timer = asyncio.get_running_loop().call_later(LONGER * self._own.answer_s, self.nothing)

    def _mend(self, reply: Reply) -> None:
        if self.mouth.current is reply:
            self._log.info("a reply left off in mid-sentence, and is continued")
            self.mouth.put_down()
            self.go_on(reply)
