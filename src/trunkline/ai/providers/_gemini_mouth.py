"""The agent's side of a Live session: what the vendor says, made into replies.

The vendor's messages don't say to what they belong, only their order does. After we have interrupted it, what comes is
still of the old turn until the vendor says that this one was interrupted, or is over; then its ``turnComplete`` is not
the new one's.

                  content                    generationComplete               turnComplete
    (nothing) ─────────────▶ generating ─────────────────────▶ turn is open ──────────────▶ (nothing)
                                 └── we interrupt: deaf until it says so ─────── stale ──────────▲

An answer to a turn of which nobody knows yet whether it was one is *held*: ``release`` lets it be heard, ``drop`` not.
"""

from collections.abc import Callable
from functools import partial

from trunkline.ai.base import Emit
from trunkline.ai.events import ReplyAudio, ReplyEnded, ReplyStarted, ReplyText, Stage, StageReached
from trunkline.ai.providers._gemini_history import History
from trunkline.ai.providers._gemini_reply import Farewell, Pace, Reply
from trunkline.audio.format import AudioFormat


class Mouth:
    """One call's replies. ``clock`` is the loop's. ``may_end`` is asked whether a reply that was made whole is whole;
    if not it stays, and more of it was asked for."""

    def __init__(
        self,
        speaks: AudioFormat,
        history: History,
        *,
        emit: Emit,
        clock: Callable[[], float],
        may_end: Callable[[Reply], bool],
    ) -> None:
        self.live: dict[int, Reply] = {}
        """Replies neither heard nor interrupted yet."""
        self.waiting = False
        """An answer is due, and nothing of it has come."""
        self.generating = False
        """The vendor is making something."""
        self.sounds = False
        """The last that came of it was sound."""
        self.leaves: Farewell | None = None
        """What is to come after the next reply."""
        self._format = speaks
        self._history = history
        self._emit = emit
        self._clock = clock
        self._may_end = may_end
        self._generation = 0
        self._pace = Pace()
        self._current: Reply | None = None
        self._asked_at: float | None = None
        self._script = ""
        self._first_at = 0.0  # when the first of an answer came
        self._deaf = self._dropped = self._stale = self._turn_open = False
        self._held: list[Callable[[], object]] | None = None

    @property
    def sounding(self) -> bool:
        """There is a reply the caller has heard some of, or will."""
        return any(reply.sounded for reply in self.live.values())

    @property
    def holds(self) -> bool:
        """An answer is kept back, or would be."""
        return self._held is not None

    @property
    def current(self) -> Reply | None:
        """The one that is being made."""
        return self._current

    # --- from our side ------------------------------------------------------------------------------------------------

    def ask(self, *, doubtful: bool = False, into: Reply | None = None, script: str = "") -> None:
        """The vendor is to answer, from now on. ``into``: to go on with this reply. ``script``: word for word."""
        self.waiting = True
        self._script = script
        self._asked_at = self._clock()
        self._held = [] if doubtful else None
        if into is not None and into.generation in self.live:
            self._current = into

    def interrupt(self) -> None:
        """We send what ends whatever the vendor is saying."""
        self.finish()
        self._held = None
        self.waiting = False
        self._asked_at = None
        self._deaf, self._dropped = self.generating, False
        self._stale = self._stale or self._turn_open
        self._turn_open = False

    def release(self) -> None:
        """What was held is an answer to a turn."""
        held, self._held = self._held or [], None
        for happened in held:
            happened()

    def drop(self) -> None:
        """It is not: nobody will hear of it."""
        if self._held is None:
            return
        self._held = None
        self._deaf = self._dropped = self.generating or self.waiting
        self.waiting = False
        self._asked_at = None

    # --- from the vendor ----------------------------------------------------------------------------------------------

    def thought(self) -> None:
        """It thinks."""
        self._comes(sound=False)

    def text(self, text: str) -> None:
        """Words of what it says."""
        if self._comes(sound=False):
            self._do(partial(self._say, text))

    def audio(self, data: bytes) -> None:
        """Some of its voice. Of a dead reply it goes nowhere."""
        if self._comes(sound=True):
            self._do(partial(self._voice, data, self._clock()))

    def calls(self, call: Callable[[], object]) -> bool:
        """It wants functions called, and says nothing more before it has their results, or begins anew. False: it
        was answering what was no turn, and is to be told so."""
        if self._comes(sound=False):
            self.generating = False
            self._do(self.finish)
            self._do(call)
            return True
        return not self._dropped

    def interrupted(self) -> None:
        """The vendor has left what it was saying: as we wished, or because it heard the caller."""
        expected, self._deaf = self._deaf or self._stale, False
        self.generating = False
        self._stale, self._turn_open = True, False
        if not expected:
            self._do(self.finish)

    def generation_complete(self) -> None:
        """All of it was made."""
        deaf, self._deaf = self._deaf, False
        self.generating = False
        if not deaf:
            self._do(self._whole)

    def turn_complete(self) -> bool:
        """The vendor's turn is over. True: and there was nothing in it, though an answer is due."""
        deaf, stale = self._deaf, self._stale
        self._deaf = self._stale = self._turn_open = False
        if deaf or stale:
            self.generating = False
            return False
        if self.generating:
            self.generating = False
            self._do(self._whole)
        return self.waiting

    # --- from the call ------------------------------------------------------------------------------------------------

    def heard(self, generation: int, text: str) -> Reply | None:
        """It was heard to its end."""
        reply = self.live.pop(generation, None)
        if reply is not None:
            self._history.settled(generation, text)
        return reply

    def cut(self, generation: int, text: str) -> Reply | None:
        """The caller cut it short."""
        reply = self.live.pop(generation, None)
        if reply is not None:
            reply.leaves, reply.cut_short = None, True
            self._history.settled(generation, text)
            if self._current is reply:
                self._current = None
                self._deaf = self.generating
        return reply

    def void(self) -> Reply | None:
        """The connection is gone. Gives the reply that broke off."""
        broken, self._current = self._current, None
        if broken is not None:
            broken.break_off()
        self.waiting = self.generating = self._deaf = self._stale = self._turn_open = False
        self._held = None
        return broken

    def put_down(self) -> None:
        """More of the current reply will be asked for."""
        self._current = None

    def give_up(self, reply: Reply) -> None:
        """No more of it will come."""
        self._current = reply
        self.finish()

    def finish(self) -> None:
        """The current reply has all it will have."""
        reply, self._current = self._current, None
        if reply is None or reply.done:
            return
        self._tell(reply, reply.end_stretch())
        reply.done = True
        self._emit(StageReached(Stage.MODEL_ENDED, reply.generation))
        self._emit(ReplyEnded(reply.generation))
        if not reply.sounded:  # nobody will hear it: there is nothing to wait for
            self.live.pop(reply.generation, None)
            self._history.settled(reply.generation, "")
        if reply.leaves is not None and not reply.cut_short:
            self._emit(reply.leaves)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _comes(self, *, sound: bool) -> bool:
        """Something comes of an answer. False: of one that is dead."""
        if self._deaf:
            return False
        self._stale = False
        self._turn_open = self.generating = True
        self.sounds = sound
        if self.waiting:
            self.waiting = False
            self._first_at = self._clock()
        return True

    def _do(self, what: Callable[[], object]) -> None:
        if self._held is None:
            what()
        else:
            self._held.append(what)

    def _whole(self) -> None:
        reply = self._current
        if reply is not None:
            self._tell(reply, reply.end_stretch())
            if not self._may_end(reply):
                return
        self.finish()

    def _say(self, text: str) -> None:
        self._reply().said(text)

    def _voice(self, data: bytes, came_at: float) -> None:
        reply = self._reply()
        if not reply.sounded:
            ago_ms = 1000 * (self._clock() - came_at)
            self._emit(StageReached(Stage.SYNTHESIS_FIRST_BYTE, reply.generation, ago_ms))
        self._tell(reply, reply.audio(data))

    def _reply(self) -> Reply:
        if self._current is None:
            self._generation += 1
            self._current = reply = Reply(self._generation, self._format, self.leaves, self._script, self._pace)
            self.leaves, self._script = None, ""
            self.live[reply.generation] = reply
            self._history.reply(reply.generation)
            now = self._clock()
            first_at = self._first_at if self._asked_at is not None else now
            asked_at = self._asked_at if self._asked_at is not None else now
            self._asked_at = None
            self._emit(ReplyStarted(reply.generation))
            self._emit(StageReached(Stage.MODEL_STARTED, reply.generation, 1000 * (now - asked_at)))
            self._emit(StageReached(Stage.MODEL_FIRST_TOKEN, reply.generation, 1000 * (now - first_at)))
        return self._current

    def _tell(self, reply: Reply, given: list[str | bytes]) -> None:
        for piece in given:
            if isinstance(piece, str):
                self._emit(ReplyText(piece, reply.generation))
            else:
                self._emit(ReplyAudio(piece, reply.generation))
